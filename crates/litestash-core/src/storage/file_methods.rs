//! How this copy of SQLite writes and syncs the files of a shard: the same bytes and the same promises in fewer and
//! cheaper calls (`docs/adr/0024-cheaper-calls.md`).
//!
//! SQLite writes each frame of the log in two calls, 24 bytes and a page, of which the first is followed by the
//! second at once; here they become one. And it syncs with `fsync`, since not every system's `fdatasync` can be
//! trusted. Linux's can: it leaves out only what a database does not need, the time of the last change, and with
//! it mostly a commit of the file system's own journal.
//!
//! SQLite's file objects get tables of methods of their own, made of those that they had. Nothing here can panic or
//! allocate once they are in place.

#![expect(unsafe_code, reason = "C functions that SQLite calls, and SQLite's C interface")]

use super::armour::{self, Opened};
use crate::contract::schema::PAGE_BYTES;
use rusqlite::{Connection, ffi};
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;

/// A log begins with so many bytes, and has frames behind (<https://www.sqlite.org/walformat.html>, 4.1).
const LOG_HEADER_BYTES: i64 = 32;
const HEADER_BYTES: usize = 24;
const PAGE: usize = PAGE_BYTES as usize;
const FRAME_BYTES: usize = HEADER_BYTES + PAGE;

/// What belongs to one file object of SQLite's.
#[repr(C)]
struct File {
    /// First, since this is what the file object points to.
    methods: ffi::sqlite3_io_methods,
    original: *const ffi::sqlite3_io_methods,
    /// The descriptor of the file object.
    descriptor: Option<RawFd>,
    /// Whether SQLite has synced the file by itself, which may include its directory.
    was_synced: bool,
    /// Of a log that this connection writes.
    frames: Option<Frames>,
}

/// A frame that is being written.
struct Frames {
    /// Whether the last call read a whole frame: then SQLite is about to mend that frame's header alone.
    has_read_frame: bool,
    /// Where `header` belongs, which was not written yet.
    header_at: Option<i64>,
    header: [u8; HEADER_BYTES],
}

/// Gives the files of a connection in WAL mode methods of ours. `opened` are their descriptors, where they are
/// known.
///
/// A file that SQLite does not have stays as it is.
pub(super) fn install(connection: &Connection, opened: Opened, writes: bool) {
    replace(connection, ffi::SQLITE_FCNTL_FILE_POINTER, opened.database, false);
    replace(connection, ffi::SQLITE_FCNTL_JOURNAL_POINTER, opened.log, writes);
}

fn replace(connection: &Connection, which: c_int, descriptor: Option<RawFd>, writes_frames: bool) {
    let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
    // SAFETY: the handle is that of an open connection, and the operation stores a pointer to a file object of it,
    // which lives until its `xClose` is called
    // (<https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html>). Its methods are a table that its VFS
    // keeps for ever. The connection is used by nobody else meanwhile.
    unsafe {
        let (handle, main) = (connection.handle(), c"main".as_ptr());
        let answer = ffi::sqlite3_file_control(handle, main, which, (&raw mut file).cast());
        if answer != ffi::SQLITE_OK || file.is_null() || (*file).pMethods.is_null() {
            return;
        }
        let original = (*file).pMethods;
        let mut methods = ffi::sqlite3_io_methods { xClose: Some(close), xSync: Some(sync), ..*original };
        let vectored = writes_frames && descriptor.is_some() && armour::writes_plainly();
        let frames = vectored.then(|| {
            methods.xRead = Some(read);
            methods.xWrite = Some(write);
            methods.xTruncate = Some(truncate);
            methods.xFileSize = Some(file_size);
            Frames { has_read_frame: false, header_at: None, header: [0; HEADER_BYTES] }
        });
        let ours = File { methods, original, descriptor, was_synced: false, frames };
        // Given back by `close`.
        (*file).pMethods = Box::into_raw(Box::new(ours)).cast();
    }
}

/// # Safety
///
/// `file` is one that has methods of ours, and nobody else uses it meanwhile: SQLite calls the methods of a
/// connection's file by the thread that uses the connection.
unsafe fn file_of<'f>(file: *mut ffi::sqlite3_file) -> &'f mut File {
    // SAFETY: the pointer is that of the box of `replace`, which lives until `close`.
    unsafe { &mut *(*file).pMethods.cast_mut().cast::<File>() }
}

/// Calls a method that the file object had; without it, SQLite would not have called ours.
macro_rules! original {
    ($ours:expr, $method:ident, $($argument:expr),*) => {
        match (*$ours.original).$method {
            Some(method) => method($($argument),*),
            None => ffi::SQLITE_IOERR,
        }
    };
}

impl File {
    /// Writes a header that nothing followed.
    ///
    /// # Safety
    ///
    /// As [`file_of`].
    unsafe fn write_header(&mut self, file: *mut ffi::sqlite3_file) -> c_int {
        let Some(frames) = &mut self.frames else { return ffi::SQLITE_OK };
        frames.has_read_frame = false;
        match frames.header_at.take() {
            None => ffi::SQLITE_OK,
            // SAFETY: the caller's file, and bytes that outlive the call.
            Some(at) => unsafe {
                original!(self, xWrite, file, frames.header.as_ptr().cast(), HEADER_BYTES as c_int, at)
            },
        }
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite's own call, with as many bytes as it says.
    unsafe {
        let ours = file_of(file);
        if let Some(frames) = &mut ours.frames {
            let begins_frame = amount == HEADER_BYTES as c_int
                && (offset - LOG_HEADER_BYTES) % FRAME_BYTES as i64 == 0
                && !frames.has_read_frame
                && frames.header_at.is_none();
            if begins_frame {
                std::ptr::copy_nonoverlapping(data.cast(), frames.header.as_mut_ptr(), HEADER_BYTES);
                frames.header_at = Some(offset);
                return ffi::SQLITE_OK;
            }
            if let (Some(at), Some(descriptor)) = (frames.header_at, ours.descriptor)
                && amount == PAGE_BYTES as c_int
                && offset == at + HEADER_BYTES as i64
            {
                let part =
                    |data: *const c_void, length| libc::iovec { iov_base: data.cast_mut(), iov_len: length };
                let parts = [part(frames.header.as_ptr().cast(), HEADER_BYTES), part(data, PAGE)];
                if libc::pwritev(descriptor, parts.as_ptr(), 2, at) == FRAME_BYTES as isize {
                    frames.header_at = None;
                    return ffi::SQLITE_OK;
                }
                // What hinders it is for SQLite's own calls to meet.
            }
        }
        match ours.write_header(file) {
            ffi::SQLITE_OK => original!(ours, xWrite, file, data, amount, offset),
            failed => failed,
        }
    }
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    data: *mut c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite's own call.
    unsafe {
        let ours = file_of(file);
        let written = ours.write_header(file);
        if written != ffi::SQLITE_OK {
            return written;
        }
        if let Some(frames) = &mut ours.frames {
            frames.has_read_frame = amount == FRAME_BYTES as c_int;
        }
        original!(ours, xRead, file, data, amount, offset)
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite's own call.
    unsafe {
        let ours = file_of(file);
        match ours.write_header(file) {
            ffi::SQLITE_OK => original!(ours, xTruncate, file, size),
            failed => failed,
        }
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite's own call.
    unsafe {
        let ours = file_of(file);
        match ours.write_header(file) {
            ffi::SQLITE_OK => original!(ours, xFileSize, file, size),
            failed => failed,
        }
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite's own call; the descriptor is the file object's, which is open.
    unsafe {
        let ours = file_of(file);
        let written = ours.write_header(file);
        if written != ffi::SQLITE_OK {
            return written;
        }
        let Some(descriptor) = ours.descriptor.filter(|_| ours.was_synced) else {
            let synced = original!(ours, xSync, file, flags);
            ours.was_synced |= synced == ffi::SQLITE_OK;
            return synced;
        };
        // An error is told once only, so there is no second try.
        if libc::fdatasync(descriptor) == 0 { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_FSYNC }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite's own call, the last one for this file. The box is that of `replace`; the file object has its
    // own methods again before it ends.
    unsafe {
        // A header that no page followed belongs to no commit.
        let ours = Box::from_raw((*file).pMethods.cast_mut().cast::<File>());
        (*file).pMethods = ours.original;
        original!(ours, xClose, file)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::contract::route::ShardId;
    use crate::storage::connection::{self, Access};
    use std::path::Path;

    type Rows = Vec<(i64, Vec<u8>)>;

    fn log(connection: &Connection) -> &File {
        let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
        // SAFETY: as in `replace`, for a connection that it was called for and that is not used meanwhile.
        unsafe {
            let operation = ffi::SQLITE_FCNTL_JOURNAL_POINTER;
            let (handle, main) = (connection.handle(), c"main".as_ptr());
            assert_eq!(ffi::sqlite3_file_control(handle, main, operation, (&raw mut file).cast()), 0);
            file_of(file)
        }
    }

    fn rows(connection: &Connection) -> Rows {
        let mut select = connection.prepare("SELECT n, x FROM t ORDER BY n").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    /// What a process finds that opens the files as they are, without the WAL index.
    fn after_a_crash(path: &Path, copy: &Path) -> Rows {
        for end in ["", "-wal"] {
            let [from, to] = [path, copy].map(|path| format!("{}{end}", path.display()));
            std::fs::copy(from, to).unwrap();
        }
        let connection = Connection::open(copy).unwrap();
        let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        rows(&connection)
    }

    /// Commits of one frame and of many, transactions larger than the page cache, of which SQLite writes pages
    /// into the log twice and then mends the headers of all frames behind, rollbacks, and logs begun anew.
    ///
    /// Also a guard for new versions of SQLite.
    #[test]
    fn every_commit_is_whole_in_the_files() {
        for synchronous in ["NORMAL", "FULL"] {
            let dir = tempfile::tempdir().unwrap();
            let (path, copy) = (dir.path().join("shard-0.db"), dir.path().join("copy.db"));
            armour::install();
            let (connection, opened) = armour::noting_opened(|| {
                let connection = Connection::open(&path).unwrap();
                connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
                connection.pragma_update(None, "synchronous", synchronous).unwrap();
                connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB)").unwrap();
                connection
            });
            install(&connection, opened, true);
            let put = |n: i64| {
                connection.execute("INSERT OR REPLACE INTO t VALUES (?1, randomblob(700))", [n]).unwrap();
            };
            for round in 0..12 {
                connection.pragma_update(None, "cache_size", if round % 2 == 0 { 10 } else { 1000 }).unwrap();
                connection.execute_batch("BEGIN").unwrap();
                (0..2).for_each(|_| (0..150).for_each(put));
                connection.execute_batch(if round % 3 == 2 { "ROLLBACK" } else { "COMMIT" }).unwrap();
                assert_eq!(log(&connection).frames.as_ref().unwrap().header_at, None);
                assert_eq!(after_a_crash(&path, &copy), rows(&connection), "{synchronous}, round {round}");
                (0..5).for_each(|n| put(1000 + n));
                assert_eq!(log(&connection).frames.as_ref().unwrap().header_at, None);
                assert_eq!(after_a_crash(&path, &copy), rows(&connection), "{synchronous}, round {round}");
                if round % 4 == 3 {
                    let how = if round % 8 == 3 { "PASSIVE" } else { "TRUNCATE" };
                    let checkpoint = format!("PRAGMA wal_checkpoint({how})");
                    connection.query_row(&checkpoint, [], |_| Ok(())).unwrap();
                }
            }
            connection.close().unwrap();
            assert!(!dir.path().join("shard-0.db-wal").exists());
        }
    }

    #[test]
    fn the_files_of_a_shard_are_synced_by_their_own_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        let shard = ShardId::all().next().unwrap();
        let path = dir.path().join(shard.file_name());
        std::fs::File::create(&path).unwrap();
        armour::install();
        let database = connection::open(&path, shard, None, Access::Write).unwrap().unwrap();
        let descriptor = log(database.connection()).descriptor.unwrap();
        let name = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).unwrap();
        assert_eq!(name, dir.path().join(format!("{}-wal", shard.file_name())));
        database.connection().pragma_update(None, "synchronous", "FULL").unwrap();
        for n in 0..3 {
            let mark = (format!("mark {n}"), n);
            database.connection().execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", mark).unwrap();
            assert!(log(database.connection()).was_synced);
        }
        let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
        database.connection().query_row(checkpoint, [], |_| Ok(())).unwrap();
        database.close().unwrap();
    }
}
