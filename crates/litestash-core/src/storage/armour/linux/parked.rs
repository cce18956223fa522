//! Closing a guard's descriptors only when that drops nobody's lock.
//!
//! Closing any descriptor of a file drops every POSIX lock that this process has on it: those of a connection
//! that was not closed first, of a program's own connection through the same copy of SQLite, of a second copy.
//! So a descriptor is closed only while nobody else has a lock on its file; else it is parked, for the next
//! guard of the same file, or until the file is free.

use super::marks::{GUARDS, INDEXES};
use super::ofd::{self, Range};
use crate::storage::fork;
use crate::sync::{Mutex, MutexGuard};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// How long to wait for the list; only a fork in a moment when it was in use makes it wait at all.
const WAIT: Duration = Duration::from_millis(100);

/// A file, whatever its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    #[cfg(test)]
    pub(super) fn new(device: u64, inode: u64) -> Self {
        Self { device, inode }
    }

    fn of(stat: &rustix::fs::Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }

    /// The file that a descriptor refers to.
    pub(super) fn of_descriptor(fd: impl AsFd) -> Option<Self> {
        rustix::fs::fstat(fd).ok().map(|stat| Self::of(&stat))
    }

    /// The file that has that name. Symbolic links are not followed.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        rustix::fs::lstat(path).ok().map(|stat| Self::of(&stat))
    }
}

/// A descriptor that waits for its file to be free of locks.
struct Parked {
    file: FileId,
    fd: OwnedFd,
    range: Range,
    generation: u64,
}

static PARKED: Mutex<Vec<Parked>> = Mutex::new(Vec::new());

/// The list, without what came through a fork: those numbers are no longer ours.
fn list() -> Option<MutexGuard<'static, Vec<Parked>>> {
    let mut list = PARKED.try_lock_for(WAIT)?;
    let generation = fork::generation();
    if list.iter().any(|parked| parked.generation != generation) {
        let (inherited, own) = list.drain(..).partition(|parked| parked.generation != generation);
        *list = own;
        let inherited: Vec<Parked> = inherited;
        inherited.into_iter().for_each(std::mem::forget);
    }
    Some(list)
}

/// Closes a descriptor that carries no lock of its own any more, now or when it hurts nobody. `range` is where
/// SQLite has its locks on such a file.
pub(super) fn close(fd: OwnedFd, range: Range) {
    let Some(mut list) = list() else {
        // In doubt a lost descriptor is better than a lost lock.
        std::mem::forget(fd);
        return;
    };
    match FileId::of_descriptor(&fd) {
        Some(file) => list.push(Parked { file, fd, range, generation: fork::generation() }),
        None => std::mem::forget(fd),
    }
    for parked in list.extract_if(.., |parked| !is_in_use(&parked.fd, parked.range)) {
        GUARDS.remove(parked.fd.as_raw_fd());
    }
}

/// A parked descriptor of that file.
pub(super) fn take(file: FileId) -> Option<OwnedFd> {
    let mut list = list()?;
    let at = list.iter().position(|parked| parked.file == file)?;
    Some(list.swap_remove(at).fd)
}

fn is_in_use(fd: &OwnedFd, range: Range) -> bool {
    ofd::is_locked_elsewhere(fd.as_fd(), range).unwrap_or(true)
}

/// The `-shm` files that this process had open when the armour was put on. Their descriptors, of this copy of
/// SQLite or of another, stay with POSIX locks.
static EARLIER: OnceLock<Vec<FileId>> = OnceLock::new();

/// Notes which `-shm` files are open. Called once, before the first file is opened with the armour.
pub(super) fn note_earlier() {
    EARLIER.get_or_init(|| {
        let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
        let names = descriptors.flatten().filter_map(|entry| {
            let target = std::fs::read_link(entry.path()).ok()?;
            target.as_os_str().as_encoded_bytes().ends_with(b"-shm").then_some(target)
        });
        names.filter_map(|name| FileId::of_path(&name)).collect()
    });
}

/// Whether this copy of SQLite has that `-shm` open: it opened it since the armour is on, or may have before.
pub(super) fn is_open_index(file: FileId) -> bool {
    let marked = INDEXES.iter().any(|fd| {
        // SAFETY: the number may be closed or another file's by now. Then it is not that of the file asked
        // about, which its owner keeps open while it asks; nothing is done with it but this question.
        #[expect(unsafe_code, reason = "SQLite owns the descriptor")]
        let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
        FileId::of_descriptor(fd) == Some(file)
    });
    marked || super::is_left_out("locks") || EARLIER.get().is_some_and(|earlier| earlier.contains(&file))
}
