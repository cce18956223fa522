//! How this copy of SQLite writes and syncs the files of a shard: the same bytes and the same promises in fewer and
//! cheaper calls (`docs/adr/0024-cheaper-calls.md`).
//!
//! SQLite writes each frame of the log in two calls, 24 bytes and a page, of which the first is followed by the
//! second at once; here they become one. And it syncs with `fsync`, since not every system's `fdatasync` can be
//! trusted. Linux's can: it leaves out only what a database does not need, the time of the last change, and with
//! it mostly a commit of the file system's own journal.
//!
//! SQLite makes the log longer frame by frame; here zeros go ahead of it. To write over what is there costs half as
//! much as to append, and a sync of a file that has kept its size and blocks half of one that has not. What follows
//! the last valid frame means nothing (<https://www.sqlite.org/walformat.html>, 4.4): SQLite itself leaves old frames
//! there.
//!
//! SQLite's file objects get tables of methods of their own, made of those that they had. Nothing here can panic or
//! allocate once they are in place.

#![expect(unsafe_code, reason = "C functions that SQLite calls, and SQLite's C interface")]

use super::armour::{self, Opened};
use super::sync_log;
use super::wal_index::LogState;
use crate::contract::schema::PAGE_BYTES;
use rusqlite::{Connection, ffi};
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;

/// A log begins with so many bytes, and has frames behind (<https://www.sqlite.org/walformat.html>, 4.1).
const LOG_HEADER_BYTES: i64 = 32;
const HEADER_BYTES: usize = 24;
const PAGE: usize = PAGE_BYTES as usize;
const FRAME_BYTES: usize = HEADER_BYTES + PAGE;

/// Zeros that are written at a time. The page cache may keep what is written together in one piece, and looks
/// through the whole piece whenever a part of it is written: pieces of 1 MiB made a frame twice as dear.
const ZEROS_BYTES: i64 = 32 << 10;
static ZEROS: [u8; ZEROS_BYTES as usize] = [0; ZEROS_BYTES as usize];

/// Bytes that are made ready at a time, at most.
const ROOM_BYTES_MAX: i64 = 256 << 10;

type Close = unsafe extern "C" fn(*mut ffi::sqlite3_file) -> c_int;

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
    /// The size that the file had when it was last looked at, or more if somebody has cut it since.
    bytes: i64,
    /// The size beyond which no room is made.
    bytes_max: i64,
    /// The last frame that was written since the last sync. Its header is `header`.
    last: Last,
}

/// Where a last frame is.
#[derive(Clone, Copy)]
enum Last {
    /// There is none.
    None,
    At(i64),
    /// Something else was written, such as a header that is mended.
    Unknown,
}

impl Frames {
    /// How the log is with the commit that was written since the last sync.
    fn commit(&self) -> Option<LogState> {
        let Last::At(at) = self.last else { return None };
        let frames = (at - LOG_HEADER_BYTES) / FRAME_BYTES as i64 + 1;
        let (words, _) = self.header.as_chunks::<4>();
        let &[_page, pages, salt_1, salt_2, checksum_1, checksum_2] = words else { return None };
        // The last frame of a commit says how large the database is, others do not.
        (pages != [0; 4]).then_some(LogState {
            frames: u32::try_from(frames).ok()?,
            checksum: [checksum_1, checksum_2].map(u32::from_be_bytes),
            salts: [salt_1, salt_2].concat().try_into().ok()?,
        })
    }

    /// Makes sure that a frame is written over zeros or old frames, where that can be had. Only for the holder of
    /// SQLite's write lock, as who writes a frame is: nobody else writes the file then or cuts it.
    fn make_room(&mut self, descriptor: RawFd, frame_at: i64) {
        let frame_end = frame_at + FRAME_BYTES as i64;
        // A log of one frame stays short.
        if frame_end <= self.bytes || frame_end > self.bytes_max || frame_at == LOG_HEADER_BYTES {
            return;
        }
        let Some(size) = size_of(descriptor) else { return };
        self.bytes = size;
        if frame_end <= size {
            return;
        }
        let ahead = (frame_end / 2).clamp(ZEROS_BYTES, ROOM_BYTES_MAX);
        let end = ((frame_end + ahead) / ZEROS_BYTES * ZEROS_BYTES).min(self.bytes_max);
        let mut written = size;
        while written < end {
            let piece_end = ((written / ZEROS_BYTES + 1) * ZEROS_BYTES).min(end);
            if !write_zeros(descriptor, written, piece_end) {
                // On a full disk, say. It may have room for the frame still; SQLite's calls find out.
                cut(descriptor, size);
                return;
            }
            written = piece_end;
        }
        self.bytes = end;
    }
}

fn size_of(descriptor: RawFd) -> Option<i64> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the file object's descriptor, and a buffer that the call fills if it succeeds.
    unsafe { (libc::fstat(descriptor, stat.as_mut_ptr()) == 0).then(|| stat.assume_init().st_size) }
}

/// Whether all of them were written.
fn write_zeros(descriptor: RawFd, from: i64, to: i64) -> bool {
    let length = (to - from).clamp(0, ZEROS_BYTES) as usize;
    // SAFETY: the file object's descriptor, and as many zeros as there are.
    let written = unsafe { libc::pwrite(descriptor, ZEROS.as_ptr().cast(), length, from) };
    written == length as isize
}

/// If it fails the file stays longer than it has to be.
fn cut(descriptor: RawFd, bytes: i64) {
    // SAFETY: the file object's descriptor.
    let _ = unsafe { libc::ftruncate(descriptor, bytes) };
}

/// Makes no room in the log beyond that size of its file.
pub(super) fn limit_room(connection: &Connection, bytes_max: i64) {
    if let Some(file) = file_object(connection, ffi::SQLITE_FCNTL_JOURNAL_POINTER) {
        // SAFETY: the file object of an open connection that nobody uses meanwhile; its methods are a table of
        // ours if they close it by ours.
        unsafe {
            let is_ours = |its: Close| std::ptr::fn_addr_eq(its, close as Close);
            if (*(*file).pMethods).xClose.is_some_and(is_ours)
                && let Some(frames) = &mut file_of(file).frames
            {
                frames.bytes_max = bytes_max;
            }
        }
    }
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
    let Some(file) = file_object(connection, which) else { return };
    // SAFETY: the file object of an open connection that nobody uses meanwhile. Its methods are a table that its VFS
    // keeps for ever.
    unsafe {
        let original = (*file).pMethods;
        let mut methods = ffi::sqlite3_io_methods { xClose: Some(close), xSync: Some(sync), ..*original };
        let vectored = writes_frames && descriptor.is_some() && armour::writes_plainly();
        let frames = vectored.then(|| {
            methods.xRead = Some(read);
            methods.xWrite = Some(write);
            methods.xTruncate = Some(truncate);
            methods.xFileSize = Some(file_size);
            Frames {
                has_read_frame: false,
                header_at: None,
                header: [0; HEADER_BYTES],
                bytes: 0,
                bytes_max: i64::MAX,
                last: Last::None,
            }
        });
        let ours = File { methods, original, descriptor, was_synced: false, frames };
        // Given back by `close`.
        (*file).pMethods = Box::into_raw(Box::new(ours)).cast();
    }
}

/// A file object of a connection, if it is there and open. It lives until its `xClose` is called.
fn file_object(connection: &Connection, which: c_int) -> Option<*mut ffi::sqlite3_file> {
    let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
    // SAFETY: the handle is that of an open connection, and the operation stores a pointer to a file object of it
    // (<https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html>).
    unsafe {
        let (handle, main) = (connection.handle(), c"main".as_ptr());
        let answer = ffi::sqlite3_file_control(handle, main, which, (&raw mut file).cast());
        (answer == ffi::SQLITE_OK && !file.is_null() && !(*file).pMethods.is_null()).then_some(file)
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
                frames.make_room(descriptor, at);
                let part =
                    |data: *const c_void, length| libc::iovec { iov_base: data.cast_mut(), iov_len: length };
                let parts = [part(frames.header.as_ptr().cast(), HEADER_BYTES), part(data, PAGE)];
                if libc::pwritev(descriptor, parts.as_ptr(), 2, at) == FRAME_BYTES as isize {
                    frames.header_at = None;
                    if !matches!(frames.last, Last::Unknown) {
                        frames.last = Last::At(at);
                    }
                    return ffi::SQLITE_OK;
                }
                // What hinders it is for SQLite's own calls to meet.
            }
            frames.last = Last::Unknown;
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
            ffi::SQLITE_OK => {
                if let Some(frames) = &mut ours.frames {
                    frames.bytes = 0;
                }
                original!(ours, xTruncate, file, size)
            }
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
            if let Some(frames) = &mut ours.frames {
                frames.last = Last::None;
            }
            return synced;
        };
        let commit = ours.frames.as_mut().and_then(|frames| {
            let commit = frames.commit();
            frames.last = Last::None;
            commit
        });
        // An error is told once only, so there is no second try.
        if sync_log::make_durable(descriptor, commit.as_ref()) {
            ffi::SQLITE_OK
        } else {
            ffi::SQLITE_IOERR_FSYNC
        }
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
        let file = file_object(connection, ffi::SQLITE_FCNTL_JOURNAL_POINTER).unwrap();
        // SAFETY: a connection that `install` was called for and that is not used meanwhile.
        unsafe { file_of(file) }
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

    /// Room is made ahead of the frames, no further than it may be, and again after the file was cut.
    #[test]
    fn zeros_go_ahead_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shard-0.db");
        armour::install();
        let (connection, opened) = armour::noting_opened(|| {
            let connection = Connection::open(&path).unwrap();
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
            connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB)").unwrap();
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            connection
        });
        install(&connection, opened, true);
        let frame_bytes = FRAME_BYTES as i64;
        let used_bytes = |frames: i64| LOG_HEADER_BYTES + frames * frame_bytes;
        let log_bytes =
            || i64::try_from(dir.path().join("shard-0.db-wal").metadata().unwrap().len()).unwrap();
        let put = |n: i64| connection.execute("INSERT INTO t VALUES (?1, randomblob(10))", [n]).unwrap();
        for round in 0..2 {
            let ns = round * 100..;
            for (n, frames) in ns.zip(1..20) {
                put(n);
                let ahead = log_bytes() - used_bytes(frames);
                // A log of one frame stays short.
                assert_eq!(ahead > 0, frames > 1, "{frames} frames");
                assert!(ahead < ROOM_BYTES_MAX && (ahead == 0 || log_bytes() % ZEROS_BYTES == 0));
            }
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
        limit_room(&connection, used_bytes(5));
        for (n, frames) in (1000..).zip(1..8) {
            put(n);
            assert_eq!(log_bytes(), used_bytes(if frames == 1 { 1 } else { frames.max(5) }));
        }
        assert_eq!(rows(&connection).len(), 2 * 19 + 7);
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
