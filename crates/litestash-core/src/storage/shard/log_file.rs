//! Room in the write-ahead log's file, made before synced commits need it.
//!
//! Syncing a file that has grown costs about twice a sync of one that was only written over, because its size
//! and blocks have to be written as well. SQLite appends commit by commit; so where each commit is synced,
//! the file is given many frames' room at a time. What follows the last valid frame means nothing
//! (<https://www.sqlite.org/walformat.html>, 4.4): SQLite itself leaves old frames there.

use std::fs::File;
use std::path::Path;

/// Bytes of the log's header, and of a frame with its header.
const HEADER_BYTES: u64 = 32;
const FRAME_BYTES: u64 = 24 + 4096;

/// Room that there should be for a commit.
const ROOM_FRAMES: u64 = 16;

/// Bytes by which the file is made longer.
const STEP_BYTES: u64 = 1 << 20;

/// The file of a shard's log.
pub(super) struct LogFile {
    file: File,
    /// The size it had at least, when last looked at.
    bytes: u64,
}

impl LogFile {
    /// The log beside that shard file, which a connection has open. `None` if it cannot be opened: then there
    /// is no room made.
    ///
    /// There are no POSIX locks on a `-wal`, so it may be opened and closed by hand.
    pub(super) fn open(database: &Path) -> Option<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let mut options = File::options();
        options.read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
        Some(Self { file: options.open(path).ok()?, bytes: 0 })
    }

    /// Makes room behind a log of that many frames. Only for the holder of SQLite's write lock: nobody else
    /// writes the file then.
    pub(super) fn make_room(&mut self, frames: u32) {
        let needed = HEADER_BYTES + (u64::from(frames) + ROOM_FRAMES) * FRAME_BYTES;
        if self.bytes >= needed {
            return;
        }
        let Ok(metadata) = self.file.metadata() else { return };
        self.bytes = metadata.len();
        // Not at the start of a log: it may stay short.
        if frames == 0 || self.bytes >= needed {
            return;
        }
        let end = (needed + STEP_BYTES).next_multiple_of(4096);
        let zeros = vec![0; usize::try_from(end - self.bytes).unwrap_or(0)];
        #[cfg(unix)]
        let written = std::os::unix::fs::FileExt::write_all_at(&self.file, &zeros, self.bytes);
        #[cfg(not(unix))]
        let written: std::io::Result<()> = Ok(drop(zeros));
        // Without room, on a full disk say, the commit itself finds out.
        if written.is_ok() {
            self.bytes = end;
        }
    }
}
