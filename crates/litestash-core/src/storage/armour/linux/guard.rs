//! The locks that keep a shard's log and index in place while this process uses the shard.

use super::index_page::IndexPage;
use super::marks::GUARDS;
use super::ofd::{self, DATABASE_SHARED, INDEX_IN_USE, INDEX_LOCKS, Range};
use super::parked::{self, FileId};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::fork;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Read locks, of open file descriptions of their own, on the bytes that say "this database is in use".
///
/// While they are held nobody – no process, and no copy of SQLite in this one – can take the database file
/// exclusively, so nobody deletes the log or the index, and nobody takes the index for an orphan and empties
/// it. They are read locks and keep nobody from reading or writing.
///
/// The order of closing: [`Guard::release`], then the connections, then drop. Between the first two the
/// process is as exposed as without a guard, so everything should be in the database file by then: writers
/// stopped, the log checkpointed and emptied, all connections but the last closed. If somebody deletes or
/// replaces the files in that moment, the connection that closes has nothing to add to them. Dropping a guard
/// whose connections are still open is safe, but its descriptors stay open until they are closed.
pub(crate) struct Guard {
    /// `None` only while it is dropped.
    files: Option<Files>,
    path: PathBuf,
    log: FileId,
    released: AtomicBool,
    generation: u64,
}

impl Guard {
    /// Begins to guard the shard whose database file has that path, before this handle's first connection to it is
    /// opened: from then on nobody deletes its log or its index. `None` where there is no armour, and where the file is
    /// not in WAL mode yet: getting there takes the lock on it that nobody gets beside this one.
    ///
    /// `Busy` says that somebody was deleting the log; it must be tried again.
    ///
    /// The file is opened by hand, which is otherwise forbidden in `storage`. It is safe here because opening drops no
    /// lock, and this descriptor is closed only when nobody has a lock on its file. The same holds for the index.
    pub(crate) fn begin(database_path: &Path) -> Result<Option<Begun>> {
        if are_off() {
            return Ok(None);
        }
        match Begun::new(database_path) {
            Ok(begun) => Ok(Some(begun).filter(Begun::is_in_wal_mode)),
            Err(error) if error.kind() == ErrorKind::Busy => Err(error),
            // SQLite says better why a file cannot be opened.
            Err(_) => Ok(None),
        }
    }

    /// Guards the shard right after this handle's first connection to it has read in WAL mode: then its log and index
    /// exist. `None` where there is no armour.
    ///
    /// `Busy` says that another copy of SQLite in this process was deleting the log; the connection must be
    /// dropped, not used, and both tried again.
    pub(crate) fn take(database_path: &Path, begun: Option<Begun>) -> Result<Option<Self>> {
        if let Some(begun) = begun {
            return begun.complete().map(Some);
        }
        if are_off() {
            return Ok(None);
        }
        Begun::new(database_path)?.complete().map(Some)
    }

    /// Gives up the locks, so that the last connection can clean up after itself. Right before the last
    /// connection of this handle is closed; a second call does nothing.
    pub(crate) fn release(&self) {
        if self.is_inherited() || self.released.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(files) = &self.files {
            files.index.unlock();
            files.database.unlock();
        }
    }

    /// Whether the database file, its index and its log still have their names. They do as long as everybody
    /// keeps to SQLite's rules; if not, somebody deleted or replaced them, and what is written from now on
    /// would be lost. Three system calls, about three microseconds: for each checkpoint, not for each write.
    pub(crate) fn still_named(&self) -> bool {
        let named = |path: &Path, file: FileId| FileId::of_path(path) == Some(file);
        self.files.as_ref().is_some_and(|files| {
            named(&self.path, files.database.file)
                && named(&beside(&self.path, "-shm"), files.index.file)
                && named(&beside(&self.path, "-wal"), self.log)
        })
    }

    /// The first page of the WAL index, in a mapping of its own. It must not be read after
    /// [`Guard::release`]: from then on the file can be cut short.
    pub(crate) fn index_page(&self) -> Option<IndexPage> {
        debug_assert!(!self.released.load(Ordering::Acquire), "the index is not held in place any more");
        if self.is_inherited() || self.released.load(Ordering::Acquire) {
            return None;
        }
        IndexPage::map(self.files.as_ref()?.index.fd.as_ref()?.as_fd())
    }

    /// Whether this is a forked child, in which the descriptors were taken away.
    fn is_inherited(&self) -> bool {
        fork::generation() != self.generation
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.is_inherited() {
            // The numbers are not ours any more.
            std::mem::forget(self.files.take());
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("released", &self.released).finish_non_exhaustive()
    }
}

/// Whether there are no guards.
fn are_off() -> bool {
    !super::available() || super::is_left_out("guards")
}

/// A guard of the database file alone.
pub(crate) struct Begun {
    database: Held,
    path: PathBuf,
}

impl Begun {
    fn new(path: &Path) -> Result<Self> {
        let database = Held::open(path, DATABASE_SHARED, DATABASE_SHARED)?;
        Ok(Self { database, path: path.to_owned() })
    }

    /// Whether the database file says so (<https://www.sqlite.org/fileformat2.html>, 1.3).
    fn is_in_wal_mode(&self) -> bool {
        let mut versions = [0; 2];
        let read = self.database.fd.as_ref().map(|fd| rustix::io::pread(fd, &mut versions, 18));
        matches!(read, Some(Ok(2))) && versions == [2, 2]
    }

    fn complete(self) -> Result<Guard> {
        let Self { database, path } = self;
        let index = Held::open(&beside(&path, "-shm"), INDEX_IN_USE, INDEX_LOCKS)?;
        // The connection may have opened a file that was deleted before the lock was held.
        if !parked::is_open_index(index.file) {
            return Err(in_flux());
        }
        let log = FileId::of_path(&beside(&path, "-wal")).ok_or_else(in_flux)?;
        Ok(Guard {
            files: Some(Files { database, index }),
            path,
            log,
            released: AtomicBool::new(false),
            generation: fork::generation(),
        })
    }
}

/// Dropped in this order: the index first, as SQLite closes it.
struct Files {
    index: Held,
    database: Held,
}

/// An open file with a read lock.
struct Held {
    /// `None` only while it is dropped.
    fd: Option<OwnedFd>,
    file: FileId,
    /// The bytes that are locked.
    locked: Range,
    /// The bytes on which anybody may have locks.
    all: Range,
}

impl Held {
    fn open(path: &Path, locked: Range, all: Range) -> Result<Self> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::WouldBlock => in_flux(),
            _ => Error::from(error).context("guarding a shard's files"),
        };
        let parked = FileId::of_path(path).and_then(parked::take);
        let fd = parked.map_or_else(|| open_high(path), Ok).map_err(failed)?;
        // Before the lock, so that a fork in between finds it.
        if !GUARDS.add(fd.as_raw_fd()) {
            parked::close(fd, all);
            return Err(Error::new(ErrorKind::Io, "guarding a shard's files: too many open files"));
        }
        let Some(file) = FileId::of_descriptor(&fd) else {
            parked::close(fd, all);
            return Err(in_flux());
        };
        let lock = ofd::lock_shared(fd.as_fd(), locked);
        // From here on dropping closes it in the right way.
        let held = Self { fd: Some(fd), file, locked, all };
        lock.map_err(failed)?;
        if FileId::of_path(path) == Some(file) { Ok(held) } else { Err(in_flux()) }
    }

    fn unlock(&self) {
        if let Some(fd) = &self.fd
            && let Err(error) = ofd::unlock(fd.as_fd(), self.locked)
        {
            tracing::warn!(%error, "a guard could not be released");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.unlock();
        if let Some(fd) = self.fd.take() {
            parked::close(fd, self.all);
        }
    }
}

/// Opens a file for reading, with a number above those of standard input, output and error: a program that
/// closed those may print into whatever has their number (<https://www.sqlite.org/howtocorrupt.html>, 1.1).
fn open_high(path: &Path) -> io::Result<OwnedFd> {
    loop {
        let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?;
        if fd.as_raw_fd() > libc::STDERR_FILENO {
            return Ok(fd);
        }
        // Not closed, which would drop locks; at most three of them, and they cannot be written.
        std::mem::forget(fd);
    }
}

/// The path of a file whose name is the database file's with a suffix.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn in_flux() -> Error {
    Error::new(
        ErrorKind::Busy,
        "the shard's log or index was being deleted by another copy of SQLite in this process",
    )
}
