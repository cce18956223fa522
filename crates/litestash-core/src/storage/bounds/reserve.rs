//! A file that holds nothing but its place on the disk. On a full disk not even deleting works, because it goes
//! through a log; then this place is given up, rows are evicted, and it is taken again.

use crate::sync::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind as Io};
use std::path::{Path, PathBuf};

/// Names that end so hold no data (`docs/CONTRACT.md` 1).
const NAME: &str = "reserve.lock";

/// The reserve of a stash.
pub(super) struct Reserve {
    directory: PathBuf,
    bytes: u64,
    /// Whether it is known to be there.
    is_there: Mutex<bool>,
}

impl Reserve {
    pub(super) fn new(directory: &Path, bytes: u64) -> Self {
        Self { directory: directory.to_owned(), bytes, is_there: Mutex::new(false) }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    /// Bytes it takes now.
    pub(super) fn bytes(&self) -> u64 {
        self.path().metadata().map_or(0, |metadata| metadata.len())
    }

    /// Takes the place on the disk, if it is not taken. Without success on a full disk, which is no error.
    pub(super) fn take(&self) {
        let mut is_there = self.is_there.lock();
        if *is_there {
            return;
        }
        *is_there = self.bytes() == self.bytes || make(&self.path(), self.bytes).is_ok();
        if !*is_there {
            let _ = std::fs::remove_file(self.path());
        }
    }

    /// Gives the place up. Returns whether there was one.
    pub(super) fn give_up(&self) -> bool {
        let mut is_there = self.is_there.lock();
        *is_there = false;
        match std::fs::remove_file(self.path()) {
            Ok(()) => true,
            Err(error) => {
                if error.kind() != Io::NotFound {
                    tracing::warn!(%error, "the reserve for a full disk could not be given up");
                }
                false
            }
        }
    }

    /// Bytes that the file system has left, if it tells.
    pub(super) fn available(&self) -> Option<u64> {
        #[cfg(unix)]
        {
            let fs = rustix::fs::statvfs(&self.directory).ok()?;
            Some(fs.f_bavail.saturating_mul(fs.f_frsize))
        }
        #[cfg(not(unix))]
        None
    }

    /// Whether there is room for the reserve and some more.
    pub(super) fn has_room(&self) -> bool {
        self.available().is_none_or(|available| available > 2 * self.bytes)
    }

    /// Whether the file system has next to nothing left.
    pub(super) fn disk_is_full(&self) -> bool {
        self.available().is_some_and(|available| available < 64 << 10)
    }
}

/// Makes a file of that size whose blocks are taken.
fn make(path: &Path, bytes: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    allocate(&file, bytes)
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(file, bytes),
        other => Ok(other?),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    write_zeros(file, bytes)
}

fn write_zeros(mut file: &File, bytes: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut file).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_takes_its_place_once_and_gives_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(dir.path(), 100_000);
        assert!(!reserve.give_up());
        reserve.take();
        reserve.take();
        assert_eq!(reserve.bytes(), 100_000);
        #[cfg(unix)]
        {
            let blocks = std::os::unix::fs::MetadataExt::blocks(&reserve.path().metadata().unwrap());
            assert!(blocks * 512 >= 100_000, "its blocks are not taken");
        }
        assert!(reserve.give_up());
        assert_eq!(reserve.bytes(), 0);
        write_zeros(&File::create(reserve.path()).unwrap(), 5000).unwrap();
        assert_eq!(reserve.bytes(), 5000);
    }
}
