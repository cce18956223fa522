//! Sync logs of processes that ended without closing them.

use super::record::Record;
use super::{FILES_MAX, is_named, path, sync_log_of};
use crate::contract::route::ShardId;
use crate::error::{Error, Result};
use crate::storage::directory::{Directory, exists};
use crate::storage::wal_index::LogState;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind as Io, Read};
use std::path::PathBuf;
use std::time::Duration;

/// Held by who does what leftovers say.
const LOCK_NAME: &str = "sync.lock";

/// Those of a directory. While this is there nobody else does what they say.
pub(crate) struct Leftovers {
    files: Vec<(File, PathBuf)>,
    /// Newest first.
    records: Vec<Record>,
    _lock: Option<File>,
}

impl Leftovers {
    /// Finds them. `None` if there are none; those of living processes do not count. `Busy` if somebody else
    /// looks after them for longer than `timeout`. Who only reads (not `writes`) locks nothing, and finds those
    /// of the living too.
    pub(crate) fn find(directory: &Directory, timeout: Duration, writes: bool) -> Result<Option<Self>> {
        let named = || -> Result<Vec<PathBuf>> {
            let paths = (0..FILES_MAX).map(|number| path(directory.path(), number));
            paths.filter_map(|path| exists(&path).map(|found| found.then_some(path)).transpose()).collect()
        };
        if named()?.is_empty() {
            return Ok(None);
        }
        let held = "another process or thread restores what a power cut took";
        let lock = if writes { Some(directory.lock(LOCK_NAME, timeout, held)?) } else { None };
        let mut found = Self { files: Vec::new(), records: Vec::new(), _lock: lock };
        for path in named()? {
            let mut file = match OpenOptions::new().read(true).write(writes).open(&path) {
                Err(error) if error.kind() == Io::NotFound => continue,
                opened => opened.map_err(|error| Error::from(error).context("a sync log"))?,
            };
            match if writes { file.try_lock() } else { Ok(()) } {
                Ok(()) => {}
                // Its process lives.
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(Error::from(error).context("a sync log")),
            }
            // It may have been removed, and another made, since it was opened.
            if !is_named(&file, &path)? {
                continue;
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|error| Error::from(error).context("a sync log"))?;
            found.records.extend(Record::all(&bytes));
            found.files.push((file, path));
        }
        found.sort();
        Ok(if found.files.is_empty() { None } else { Some(found) })
    }

    fn sort(&mut self) {
        self.records.sort_by_key(|record| std::cmp::Reverse(record.number));
    }

    /// The shards of which they have something.
    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> {
        ShardId::all().filter(|shard| self.records.iter().any(|record| record.shard == *shard))
    }

    /// What they change in a shard, in order, whatever it has of that.
    pub(crate) fn changes(&self, shard: ShardId) -> impl Iterator<Item = &[u8]> {
        let of = self.records.iter().rev().filter(move |record| record.shard == shard);
        of.map(|record| record.changes.as_slice())
    }

    /// What a shard lacks whose log is in that state, in order.
    ///
    /// Only what was committed upon that very state is: the checksum of a log depends on all that is in it. Of several
    /// the newest counts, for the others were never acknowledged: their processes died before others could see them.
    pub(crate) fn lacking(&self, shard: ShardId, mut state: LogState) -> Vec<&Record> {
        let mut lacking: Vec<&Record> = Vec::new();
        loop {
            let next = self.records.iter().find(|record| record.shard == shard && record.before == state);
            match next {
                Some(next) if lacking.len() < self.records.len() => {
                    state = next.after;
                    lacking.push(next);
                }
                _ => return lacking,
            }
        }
    }

    /// Removes them, after the shards' own logs were synced: those of a process that was killed may not be durable.
    pub(crate) fn remove(self, directory: &Directory) -> Result<()> {
        for shard in self.shards() {
            sync_log_of(&directory.shard_path(shard))
                .map_err(|error| error.context(format_args!("syncing shard {shard}")))?;
        }
        for (_file, path) in &self.files {
            std::fs::remove_file(path).map_err(|error| Error::from(error).context("a sync log"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn state(checksum: u32) -> LogState {
        LogState { frames: 1, checksum: [checksum, 0], salts: [0; 8] }
    }

    fn record(shard: u8, number: u64, before: u32, after: u32) -> Record {
        let shard = ShardId::new(shard).unwrap();
        Record { shard, number, before: state(before), after: state(after), changes: Vec::new() }
    }

    fn numbers(records: Vec<Record>, from: u32) -> Vec<u64> {
        let mut leftovers = Leftovers { files: Vec::new(), records, _lock: None };
        leftovers.sort();
        let lacking = leftovers.lacking(ShardId::new(1).unwrap(), state(from));
        lacking.iter().map(|record| record.number).collect()
    }

    #[test]
    fn a_shard_lacks_what_was_committed_upon_its_state() {
        let records = || vec![record(1, 3, 30, 40), record(1, 2, 20, 30), record(2, 9, 20, 99)];
        assert_eq!(numbers(records(), 20), [2, 3]);
        assert_eq!(numbers(records(), 30), [3]);
        assert_eq!(numbers(records(), 40), [] as [u64; 0]);
        assert_eq!(numbers(records(), 10), [] as [u64; 0]);
    }

    /// The older was recorded by a process that died before anybody could see the commit.
    #[test]
    fn of_two_upon_one_state_the_newer_counts() {
        let records =
            vec![record(1, 2, 20, 31), record(1, 5, 20, 30), record(1, 6, 30, 40), record(1, 3, 31, 41)];
        assert_eq!(numbers(records, 20), [5, 6]);
    }

    #[test]
    fn a_circle_of_states_ends() {
        assert_eq!(numbers(vec![record(1, 1, 20, 30), record(1, 2, 30, 20)], 20), [1, 2]);
    }
}
