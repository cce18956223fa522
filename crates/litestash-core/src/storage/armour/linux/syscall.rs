//! The system calls of this copy of SQLite, six of them replaced (`xSetSystemCall`,
//! <https://www.sqlite.org/c3ref/vfs.html>).
//!
//! - `open` marks the `-shm` of a shard, `close` takes the mark off. A file that was opened before is not
//!   marked and keeps its POSIX locks to the end, and so do the files of other databases of a program that
//!   shares this copy with us: one descriptor never has locks of both kinds. Descriptors of the other files of a
//!   shard are noted ([`noting_opened`]).
//! - `fcntl` turns locks on a marked file into locks of the open file description. SQLite takes all its locks
//!   on a `-shm` through one descriptor and counts its connections itself, so nothing else changes for it.
//!   Some of them are kept for a while ([`lease`]).
//! - `mmap` keeps mappings of a marked file from forked children, where they would keep its locks alive.
//! - `stat` and `fstat` give files another device number in a forked child. SQLite keeps a table of the files
//!   it has open, by device and inode; a child inherits it with counts of locks that are the parent's, and
//!   opening the stash anew would trust them: no lock of the child's own, and its log deleted under it.
//!
//! Each calls what was in its place before. Nothing here can panic or allocate, or waits for more than a few
//! instructions of another thread.

#![expect(unsafe_code, reason = "C functions that SQLite calls, and SQLite's C interface")]

use super::lease::{self, Kind};
use super::marks::INDEXES;
use super::ofd;
use crate::storage::fork;
use libc::{c_char, c_int, c_void, off_t, size_t};
use rusqlite::ffi;
use std::cell::Cell;
use std::ffi::CStr;
use std::sync::OnceLock;

type Open = unsafe extern "C" fn(*const c_char, c_int, c_int) -> c_int;
type Close = unsafe extern "C" fn(c_int) -> c_int;
pub(super) type Fcntl = unsafe extern "C" fn(c_int, c_int, ...) -> c_int;
type Mmap = unsafe extern "C" fn(*mut c_void, size_t, c_int, c_int, c_int, off_t) -> *mut c_void;
type Stat = unsafe extern "C" fn(*const c_char, *mut libc::stat) -> c_int;
type Fstat = unsafe extern "C" fn(c_int, *mut libc::stat) -> c_int;

/// What was in place before. Set before the replacement is.
static OPEN: OnceLock<Open> = OnceLock::new();
static CLOSE: OnceLock<Close> = OnceLock::new();
static FCNTL: OnceLock<Fcntl> = OnceLock::new();
static MMAP: OnceLock<Mmap> = OnceLock::new();
static STAT: OnceLock<Stat> = OnceLock::new();
static FSTAT: OnceLock<Fstat> = OnceLock::new();

/// Whether a path is that of the `-shm` of a shard or of the journal.
fn is_index(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    name.starts_with(b"shard-") && name.ends_with(b".db-shm") || name == b"journal.db-shm"
}

/// Descriptors of a shard's files, or of the journal's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Opened {
    pub(crate) database: Option<c_int>,
    pub(crate) log: Option<c_int>,
}

thread_local! {
    /// What this thread's SQLite opened last, since somebody wanted to know.
    static OPENED: Cell<Opened> = const { Cell::new(Opened { database: None, log: None }) };
}

/// Calls `f` and answers besides which descriptors of a shard's files this thread's SQLite opened meanwhile, and
/// has not closed.
pub(crate) fn noting_opened<T>(f: impl FnOnce() -> T) -> (T, Opened) {
    OPENED.set(Opened::default());
    let answer = f();
    (answer, OPENED.take())
}

impl Opened {
    fn note(path: &[u8], fd: c_int) {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        if !name.starts_with(b"shard-") && !name.starts_with(b"journal.") {
            return;
        }
        let _ = OPENED.try_with(|opened| {
            opened.set(match opened.get() {
                before if name.ends_with(b".db") => Self { database: Some(fd), ..before },
                before if name.ends_with(b".db-wal") => Self { log: Some(fd), ..before },
                before => before,
            });
        });
    }

    fn forget(fd: c_int) {
        let _ = OPENED.try_with(|opened| {
            let Self { database, log } = opened.get();
            let other = |noted: &c_int| *noted != fd;
            opened.set(Self { database: database.filter(other), log: log.filter(other) });
        });
    }
}

/// SQLite's prototype, which is not variadic.
unsafe extern "C" fn plain_open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { libc::open(path, flags, mode) }
}

unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    let previous = OPEN.get().copied().unwrap_or(plain_open);
    // SAFETY: the caller's arguments, as the caller gave them; a path that was opened is a C string.
    unsafe {
        let fd = previous(path, flags, mode);
        if fd >= 0 {
            let path = CStr::from_ptr(path).to_bytes();
            if is_index(path) {
                // One beyond what the set holds stays with POSIX locks.
                lease::forget(fd);
                INDEXES.add(fd);
            } else {
                Opened::note(path, fd);
            }
        }
        fd
    }
}

unsafe extern "C" fn close(fd: c_int) -> c_int {
    // Before the number can be another file's.
    if INDEXES.has(fd) {
        INDEXES.remove(fd);
        lease::forget(fd);
    }
    Opened::forget(fd);
    let previous = CLOSE.get().copied().unwrap_or(libc::close);
    // SAFETY: the caller's argument, as the caller gave it.
    unsafe { previous(fd) }
}

/// The command that does the same for the open file description.
const fn of_description(command: c_int) -> Option<c_int> {
    match command {
        libc::F_SETLK => Some(libc::F_OFD_SETLK),
        libc::F_SETLKW => Some(libc::F_OFD_SETLKW),
        libc::F_GETLK => Some(libc::F_OFD_GETLK),
        _ => None,
    }
}

/// The bytes of a lock request from the first of those that may be held, if that is all it is about.
fn held_range(asked: &libc::flock) -> Option<(usize, usize, Kind)> {
    let first = usize::try_from(asked.l_start - lease::FIRST_BYTE).ok()?;
    let length = usize::try_from(asked.l_len).ok().filter(|length| *length > 0)?;
    let kind = match c_int::from(asked.l_type) {
        libc::F_UNLCK => Kind::None,
        libc::F_RDLCK => Kind::Shared,
        libc::F_WRLCK => Kind::Exclusive,
        _ => return None,
    };
    (first + length <= lease::BYTES && c_int::from(asked.l_whence) == libc::SEEK_SET)
        .then_some((first, length, kind))
}

/// Takes the third argument as a pointer, as all variadic calls on Linux pass it, in the register where a
/// number would be too.
unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: *mut libc::flock) -> c_int {
    let previous = FCNTL.get().copied().unwrap_or(libc::fcntl);
    if let Some(command) = of_description(command)
        && INDEXES.has(fd)
    {
        // SAFETY: with these commands the argument points to a lock, which the caller does not use meanwhile.
        if let Some(asked) = unsafe { argument.as_mut() }
            && ofd::INDEX_LOCKS.contains(asked.l_start)
        {
            if command == libc::F_OFD_SETLK
                && let Some((first, length, kind)) = held_range(asked)
            {
                return lease::set(fd, first, length, kind, |first, length, kind| {
                    ofd::set_with(previous, fd, first, length, kind)
                });
            }
            // A copy: SQLite leaves `l_pid` unset, which must be zero.
            let mut lock = *asked;
            lock.l_pid = 0;
            // SAFETY: as above, with a structure that outlives the call.
            let answer = unsafe { previous(fd, command, &raw mut lock) };
            if answer == 0 && command == libc::F_OFD_GETLK {
                *asked = lock;
            }
            return answer;
        }
    }
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { previous(fd, command, argument) }
}

unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    let previous = MMAP.get().copied().unwrap_or(libc::mmap);
    // SAFETY: the caller's arguments, as the caller gave them; then a hint about the mapping just made.
    unsafe {
        let mapping = previous(address, length, protection, flags, fd, offset);
        if mapping != libc::MAP_FAILED && INDEXES.has(fd) {
            libc::madvise(mapping, length, libc::MADV_DONTFORK);
        }
        mapping
    }
}

/// The device number by which SQLite knows a file in this process: the real one, until the first fork. The
/// upper half is zero in real numbers, so that no two devices become one.
fn known_as(device: libc::dev_t) -> libc::dev_t {
    device.wrapping_add(fork::generation() << 32)
}

unsafe extern "C" fn stat(path: *const c_char, found: *mut libc::stat) -> c_int {
    let previous = STAT.get().copied().unwrap_or(libc::stat);
    // SAFETY: the caller's arguments, as the caller gave them; the structure is filled after a success.
    unsafe {
        let answer = previous(path, found);
        if answer == 0 {
            (*found).st_dev = known_as((*found).st_dev);
        }
        answer
    }
}

unsafe extern "C" fn fstat(fd: c_int, found: *mut libc::stat) -> c_int {
    let previous = FSTAT.get().copied().unwrap_or(libc::fstat);
    // SAFETY: as in `stat`.
    unsafe {
        let answer = previous(fd, found);
        if answer == 0 {
            (*found).st_dev = known_as((*found).st_dev);
        }
        answer
    }
}

/// SQLite's table of system calls, which all its VFSes for Unix share.
struct Table {
    vfs: *mut ffi::sqlite3_vfs,
    get: unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *const c_char) -> ffi::sqlite3_syscall_ptr,
    set: unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *const c_char, ffi::sqlite3_syscall_ptr) -> c_int,
}

impl Table {
    fn find() -> Option<Self> {
        // SAFETY: initialising is safe at any time and more than once. A VFS, once found, stays registered as
        // long as nobody unregisters SQLite's own.
        unsafe {
            if ffi::sqlite3_initialize() != ffi::SQLITE_OK {
                return None;
            }
            let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
            let methods = vfs.as_ref().filter(|methods| methods.iVersion >= 3)?;
            Some(Self { vfs, get: methods.xGetSystemCall?, set: methods.xSetSystemCall? })
        }
    }

    /// What is in place, as a function of its type.
    ///
    /// # Safety
    ///
    /// `F` is the type of that system call's function.
    unsafe fn previous<F: Copy>(&self, name: &CStr) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<unsafe extern "C" fn()>()) };
        // SAFETY: the table and the name are valid; the caller answers for the type.
        unsafe {
            let found = (self.get)(self.vfs, name.as_ptr())?;
            Some(std::mem::transmute_copy::<unsafe extern "C" fn(), F>(&found))
        }
    }

    /// Puts a function in its place.
    ///
    /// # Safety
    ///
    /// `F` is the type of that system call's function.
    unsafe fn set<F: Copy>(&self, name: &CStr, function: F) -> Option<()> {
        const { assert!(size_of::<F>() == size_of::<unsafe extern "C" fn()>()) };
        // SAFETY: the table and the name are valid; SQLite keeps a pointer to any function as one of this type
        // and calls it by the right one.
        unsafe {
            let function = std::mem::transmute_copy::<F, unsafe extern "C" fn()>(&function);
            ((self.set)(self.vfs, name.as_ptr(), Some(function)) == ffi::SQLITE_OK).then_some(())
        }
    }
}

/// Whether SQLite writes by the system's `pwrite` and nobody has put something else in its place.
static PLAIN_WRITES: OnceLock<bool> = OnceLock::new();

/// Whether SQLite's writes may be done by other calls of the system that do the same.
pub(crate) fn writes_plainly() -> bool {
    PLAIN_WRITES.get().copied().unwrap_or(false)
}

type Pwrite = unsafe extern "C" fn(c_int, *const c_void, size_t, off_t) -> libc::ssize_t;

/// Puts the replacements in place. Called once.
pub(super) fn install() -> Result<(), &'static str> {
    let table = Table::find().ok_or("SQLite's system calls cannot be replaced")?;
    // SAFETY: the type is that by which `os_unix.c` calls this entry.
    let writes = unsafe { table.previous::<Pwrite>(c"pwrite") };
    // Headers may give it either name. Both are one function, but for who replaces them.
    let system = [libc::pwrite as *const () as usize, libc::pwrite64 as *const () as usize];
    let _ = PLAIN_WRITES.set(writes.is_some_and(|writes| system.contains(&(writes as usize))));
    replace_all(&table).ok_or("SQLite lacks a system call that was to be replaced")
}

fn replace_all(table: &Table) -> Option<()> {
    // SAFETY: the types are those by which SQLite's `os_unix.c` calls these entries; `fcntl` is defined with a
    // pointer where it is called with `...`, see there.
    unsafe {
        // All are looked up before any is replaced, so that it is all or nothing.
        let _ = OPEN.set(table.previous(c"open")?);
        let _ = CLOSE.set(table.previous(c"close")?);
        let _ = FCNTL.set(table.previous(c"fcntl")?);
        let _ = MMAP.set(table.previous(c"mmap")?);
        let _ = STAT.set(table.previous(c"stat")?);
        let _ = FSTAT.set(table.previous(c"fstat")?);
        table.set::<Stat>(c"stat", stat)?;
        table.set::<Fstat>(c"fstat", fstat)?;
        table.set::<Close>(c"close", close)?;
        table.set::<Mmap>(c"mmap", mmap)?;
        table.set::<unsafe extern "C" fn(c_int, c_int, *mut libc::flock) -> c_int>(c"fcntl", fcntl)?;
        // Last: the others do nothing before something is marked.
        table.set::<Open>(c"open", open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::route::ShardId;
    use crate::contract::schema::JOURNAL_FILE;

    #[test]
    fn the_index_of_every_shard_is_known_by_its_name() {
        for shard in ShardId::all() {
            let file = shard.file_name();
            assert!(is_index(format!("/a/{file}-shm").as_bytes()), "{file}");
            assert!(is_index(format!("{file}-shm").as_bytes()), "{file}");
            assert!(!is_index(file.as_bytes()) && !is_index(format!("/a/{file}-wal").as_bytes()), "{file}");
        }
        assert!(is_index(format!("/a/{JOURNAL_FILE}-shm").as_bytes()));
        assert!(
            !is_index(b"/shard-1.db-shm/other.db-shm")
                && !is_index(b"")
                && !is_index(b"/a/my-journal.db-shm")
        );
    }
}
