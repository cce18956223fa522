//! Record locks of an open file description: `F_OFD_SETLK` of Linux 3.15 and later (`man 2 fcntl_locking`).

use super::lease::Kind;
use super::syscall::Fcntl;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Bytes of a file that are locked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    start: i64,
    length: i64,
}

/// The bytes of the database file that every connection holds with a read lock; who has a write lock on all
/// of them is alone (`SHARED_FIRST` and `SHARED_SIZE` in SQLite's `os.h`).
pub(super) const DATABASE_SHARED: Range = Range { start: 0x4000_0002, length: 510 };

/// The byte of the `-shm` that every connection holds with a read lock; who finds it free empties the file
/// (`UNIX_SHM_DMS` in SQLite's `os_unix.c`).
pub(super) const INDEX_IN_USE: Range = Range { start: 128, length: 1 };

/// All bytes of the `-shm` on which there are locks, from `UNIX_SHM_BASE`.
pub(super) const INDEX_LOCKS: Range = Range { start: 120, length: 9 };

impl Range {
    pub(super) const fn contains(self, start: i64) -> bool {
        self.start <= start && start < self.start + self.length
    }

    fn flock(self, kind: libc::c_int) -> libc::flock {
        // SAFETY: a plain structure of integers, for which zeros are a value. Zeros also where a platform
        // has more fields than are set below; `l_pid` must be zero for these commands.
        #[expect(unsafe_code, reason = "the structure has padding on some platforms")]
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = kind as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        lock.l_start = self.start;
        lock.l_len = self.length;
        lock
    }
}

fn fcntl(fd: BorrowedFd<'_>, command: libc::c_int, lock: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the descriptor is open while it is borrowed, and the structure outlives the call.
    #[expect(unsafe_code, reason = "no library has these commands")]
    let answer = unsafe { libc::fcntl(fd.as_raw_fd(), command, std::ptr::from_mut(lock)) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets locks of SQLite's on `length` bytes, of which `first` is counted from [`INDEX_LOCKS`]'s first, by that
/// function. Returns what it returns.
pub(super) fn set_with(function: Fcntl, fd: RawFd, first: usize, length: usize, kind: Kind) -> libc::c_int {
    let range = Range { start: INDEX_LOCKS.start + first as i64, length: length as i64 };
    let mut lock = range.flock(match kind {
        Kind::None => libc::F_UNLCK,
        Kind::Shared => libc::F_RDLCK,
        Kind::Exclusive => libc::F_WRLCK,
    });
    // SAFETY: the structure outlives the call. A descriptor that is closed meanwhile is an error.
    #[expect(unsafe_code, reason = "no library has these commands")]
    unsafe {
        function(fd, libc::F_OFD_SETLK, std::ptr::from_mut(&mut lock))
    }
}

/// [`set_with`] the system's function.
pub(super) fn set(fd: RawFd, first: usize, length: usize, kind: Kind) -> libc::c_int {
    set_with(libc::fcntl, fd, first, length, kind)
}

/// Takes a read lock, without waiting: `WouldBlock` if somebody has a write lock.
pub(super) fn lock_shared(fd: BorrowedFd<'_>, range: Range) -> io::Result<()> {
    fcntl(fd, libc::F_OFD_SETLK, &mut range.flock(libc::F_RDLCK))
}

pub(super) fn unlock(fd: BorrowedFd<'_>, range: Range) -> io::Result<()> {
    fcntl(fd, libc::F_OFD_SETLK, &mut range.flock(libc::F_UNLCK))
}

/// Whether anybody else, in this process or another, has a lock there.
pub(super) fn is_locked_elsewhere(fd: BorrowedFd<'_>, range: Range) -> io::Result<bool> {
    let mut lock = range.flock(libc::F_WRLCK);
    fcntl(fd, libc::F_OFD_GETLK, &mut lock)?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

/// Whether the kernel has these locks.
pub(super) fn supported() -> bool {
    // Any file will do, and the root directory is one that nobody has locks on.
    let Ok(root) = std::fs::File::open("/") else { return false };
    is_locked_elsewhere(std::os::fd::AsFd::as_fd(&root), INDEX_LOCKS).is_ok()
}
