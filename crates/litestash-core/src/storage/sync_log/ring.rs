//! The file of a sync log as a ring: where the next records go, and which are still needed.

use super::record::ALIGNED_BYTES;
use super::{FILES_MAX, is_named, path, sync_log_of};
use crate::contract::limits::SHARDS;
use crate::contract::route::ShardId;
use crate::error::{Error, Result};
use crate::storage::directory::Directory;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind as Io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of the file at most.
const BYTES_MAX: u64 = 16 << 20;

/// Zeros that go ahead of the records: a sync of a file that grows costs twice as much.
const ROOM_BYTES: u64 = 256 << 10;

/// Written at a time (`docs/adr/0024-cheaper-calls.md`).
static ZEROS: [u8; 32 << 10] = [0; 32 << 10];

/// Where the oldest record of a shard is whose commit may not be durable in the shard's own log.
#[derive(Debug, Clone, Copy, Default)]
struct Oldest {
    /// Of those that nobody is looking after.
    left: Option<u64>,
    /// Of those whose log is being synced.
    settling: Option<u64>,
}

/// An open file, which nobody else writes.
pub(super) struct Ring {
    file: Arc<File>,
    path: PathBuf,
    /// Where the next group goes, counted on from round to round.
    at: u64,
    /// Bytes of the file.
    size: u64,
    oldest: [Oldest; SHARDS],
}

impl Ring {
    /// Makes a file under a name that none has, and makes it durable. It is locked, which tells others that it needs
    /// no looking after.
    pub(super) fn create(directory: &Directory) -> Result<Self> {
        for number in 0..FILES_MAX {
            let path = path(directory.path(), number);
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(0o600);
            let file = match options.open(&path) {
                Err(error) if error.kind() == Io::AlreadyExists => continue,
                opened => opened?,
            };
            // Who looks for leftovers may have found it in this moment, and removes it.
            if file.try_lock().is_err() || !is_named(&file, &path)? {
                continue;
            }
            let mut ring = Self { file: Arc::new(file), path, at: 0, size: 0, oldest: Default::default() };
            let made = ring.make(directory);
            if made.is_err() {
                ring.remove();
            }
            return made.map(|()| ring);
        }
        Err(Error::from(std::io::Error::from(Io::AlreadyExists)))
    }

    fn make(&mut self, directory: &Directory) -> Result<()> {
        if !self.make_room(1) {
            return Err(std::io::Error::from(Io::StorageFull).into());
        }
        self.file.sync_all()?;
        directory.sync()
    }

    /// Writes records of those shards. They are durable once the file was synced. `None` if they could not be written;
    /// something else can be tried then.
    pub(super) fn write(
        &mut self,
        directory: &Directory,
        records: &[u8],
        shards: impl Iterator<Item = ShardId>,
    ) -> Option<Arc<File>> {
        let length = (records.len() as u64).next_multiple_of(ALIGNED_BYTES as u64);
        if length > BYTES_MAX {
            return None;
        }
        let mut at = self.at;
        if self.tail().is_none() || at % BYTES_MAX + length > BYTES_MAX {
            // From the beginning: when nothing is needed any more, so that the file stays short, or at its end.
            at = at.next_multiple_of(BYTES_MAX);
        }
        if self.tail().is_some_and(|tail| at + length - tail > BYTES_MAX) {
            // The background does not keep up.
            self.settle_all(directory).ok()?;
        }
        let offset = at % BYTES_MAX;
        if !self.make_room(offset + length) || self.file.write_all_at(records, offset).is_err() {
            return None;
        }
        self.at = at + length;
        for shard in shards {
            self.oldest[shard.index()].left.get_or_insert(at);
        }
        Some(Arc::clone(&self.file))
    }

    /// Where what is still needed begins.
    fn tail(&self) -> Option<u64> {
        self.oldest.iter().flat_map(|oldest| [oldest.left, oldest.settling]).flatten().min()
    }

    /// Whether the file is that long now, and all of it was written.
    fn make_room(&mut self, end: u64) -> bool {
        while self.size < end {
            let size = self.size.max((end + ROOM_BYTES).min(BYTES_MAX).next_multiple_of(ZEROS.len() as u64));
            while self.size < size {
                if self.file.write_all_at(&ZEROS, self.size).is_err() {
                    // On a full disk. If it stays longer than it was that does no harm.
                    let _ = self.file.set_len(self.size);
                    return false;
                }
                self.size += ZEROS.len() as u64;
            }
        }
        true
    }

    /// Whether there is something whose shard's log has to be synced.
    pub(super) fn has(&self, shard: ShardId) -> bool {
        let oldest = self.oldest[shard.index()];
        oldest.left.or(oldest.settling).is_some()
    }

    /// Somebody is about to sync that shard's log. False if there is no need to.
    pub(super) fn begin_settling(&mut self, shard: ShardId) -> bool {
        let oldest = &mut self.oldest[shard.index()];
        let Some(left) = oldest.left.take() else { return false };
        oldest.settling = Some(oldest.settling.map_or(left, |settling| settling.min(left)));
        true
    }

    /// It was synced, or could not be.
    pub(super) fn end_settling(&mut self, shard: ShardId, synced: bool) {
        let oldest = &mut self.oldest[shard.index()];
        let settled = oldest.settling.take();
        if !synced {
            oldest.left = settled.or(oldest.left);
        }
    }

    /// Syncs the logs of all shards that have something here.
    pub(super) fn settle_all(&mut self, directory: &Directory) -> Result<()> {
        for shard in ShardId::all() {
            if !self.has(shard) {
                continue;
            }
            sync_log_of(&directory.shard_path(shard))?;
            self.oldest[shard.index()] = Oldest::default();
        }
        Ok(())
    }

    /// Removes the file, of which nobody needs anything.
    pub(super) fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "a sync log could not be removed");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn shard(number: u8) -> ShardId {
        ShardId::new(number).unwrap()
    }

    #[test]
    fn what_is_needed_is_not_written_over() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = Directory::open(scratch.path(), true, false).unwrap();
        let mut ring = Ring::create(&directory).unwrap();
        let records = vec![7; 100_000];
        let length = 102_400;
        let write = |ring: &mut Ring, of: u8| {
            ring.write(&directory, &records, std::iter::once(shard(of))).unwrap();
            ring.at - length
        };
        // While nothing is needed the beginning is used again.
        for _ in 0..10 {
            assert_eq!(write(&mut ring, 1) % BYTES_MAX, 0);
            assert!(ring.begin_settling(shard(1)) && ring.has(shard(1)));
            ring.end_settling(shard(1), true);
            assert!(!ring.has(shard(1)) && !ring.begin_settling(shard(1)));
        }
        assert!(ring.size < 2 * ROOM_BYTES);
        // What could not be synced stays needed, from where it was.
        let first = write(&mut ring, 1);
        assert!(ring.begin_settling(shard(1)));
        let second = write(&mut ring, 2);
        assert_eq!((ring.tail(), second), (Some(first), first + length));
        ring.end_settling(shard(1), false);
        assert_eq!(ring.tail(), Some(first));
        assert!(ring.begin_settling(shard(1)));
        ring.end_settling(shard(1), true);
        assert_eq!(ring.tail(), Some(second));
        // Three rounds: it never holds more than it can, and a group is never in two parts.
        for _ in 0..3 * BYTES_MAX / length {
            let at = write(&mut ring, 3);
            let tail = ring.tail().unwrap();
            assert!(tail <= at && at + length - tail <= BYTES_MAX);
            assert!(at % BYTES_MAX + length <= BYTES_MAX && ring.size <= BYTES_MAX);
        }
        assert!(ring.write(&directory, &vec![0; BYTES_MAX as usize + 1], std::iter::empty()).is_none());
        ring.remove();
        assert_eq!(scratch.path().read_dir().unwrap().count(), 0);
    }
}
