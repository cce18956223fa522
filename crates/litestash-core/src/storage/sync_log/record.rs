//! What a sync log has of a commit (`docs/CONTRACT.md` 16).

use crate::contract::route::ShardId;
use crate::storage::wal_index::LogState;

/// What a record begins with.
const MAGIC: [u8; 4] = *b"LSSL";

/// Bytes before the changes: the above, the shard, the length, the number, the salts, and twice frames and checksum.
const HEADER_BYTES: usize = 4 + 1 + 4 + 8 + 8 + 2 * (4 + 8);

/// Bytes of changes that a record has at most. To write more of them costs as much as the sync that is spared.
pub(crate) const BYTES_MAX: usize = 32 << 10;

/// What is synced together begins at a multiple of this, so that no sector is written again that has something
/// durable.
pub(super) const ALIGNED_BYTES: usize = 4096;

/// A commit to a shard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) shard: ShardId,
    /// Grows with each record, of all files, since the system was started.
    pub(crate) number: u64,
    /// The shard's log before the commit.
    pub(crate) before: LogState,
    /// And with it. The salts are the same.
    pub(crate) after: LogState,
    /// What it changed: an intent as the journal has it.
    pub(crate) changes: Vec<u8>,
}

impl Record {
    /// Adds the record of a commit to others.
    pub(super) fn push(
        records: &mut Vec<u8>,
        shard: ShardId,
        number: u64,
        [before, after]: [&LogState; 2],
        changes: &[u8],
    ) {
        let begin = records.len();
        records.extend_from_slice(&MAGIC);
        records.push(shard.number());
        records.extend_from_slice(&(changes.len() as u32).to_be_bytes());
        records.extend_from_slice(&number.to_be_bytes());
        records.extend_from_slice(&before.salts);
        for state in [before, after] {
            for part in [state.frames, state.checksum[0], state.checksum[1]] {
                records.extend_from_slice(&part.to_be_bytes());
            }
        }
        records.extend_from_slice(changes);
        let crc = crc32fast::hash(&records[begin..]);
        records.extend_from_slice(&crc.to_be_bytes());
    }

    /// Takes the record that the bytes begin with off them.
    fn take(rest: &mut &[u8]) -> Option<Self> {
        let whole = *rest;
        let mut bytes = whole;
        if bytes.split_off(..MAGIC.len())? != MAGIC {
            return None;
        }
        let shard = ShardId::new(*bytes.split_off_first()?)?;
        let length = usize::try_from(take_u32(&mut bytes)?).ok()?;
        let number = u64::from_be_bytes(take(&mut bytes)?);
        let salts = take(&mut bytes)?;
        let mut state = || {
            Some(LogState {
                frames: take_u32(&mut bytes)?,
                checksum: [take_u32(&mut bytes)?, take_u32(&mut bytes)?],
                salts,
            })
        };
        let (before, after) = (state()?, state()?);
        let changes = bytes.split_off(..length)?.to_vec();
        let crc = crc32fast::hash(&whole[..HEADER_BYTES + length]);
        if take_u32(&mut bytes)? != crc {
            return None;
        }
        *rest = bytes;
        Some(Self { shard, number, before, after, changes })
    }

    /// All whole records of a file. What it has from earlier rounds is among them, and harms nobody.
    pub(super) fn all(file: &[u8]) -> Vec<Self> {
        let mut records = Vec::new();
        let mut at = 0;
        while at < file.len() {
            let mut rest = &file[at..];
            while let Some(record) = Self::take(&mut rest) {
                records.push(record);
            }
            // A group ends before the next multiple, and one that is torn may end anywhere.
            let end = file.len() - rest.len();
            at = end.max(at + 1).next_multiple_of(ALIGNED_BYTES);
        }
        records
    }
}

fn take<const BYTES: usize>(rest: &mut &[u8]) -> Option<[u8; BYTES]> {
    rest.split_off(..BYTES)?.try_into().ok()
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_be_bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Of a record with so many bytes of changes.
    const fn bytes(changes: usize) -> usize {
        HEADER_BYTES + changes + 4
    }

    fn state(frames: u32) -> LogState {
        LogState { frames, checksum: [frames * 7, frames * 11], salts: [3; 8] }
    }

    fn record(number: u32, changes: usize) -> Record {
        Record {
            shard: ShardId::new((number % 16) as u8).unwrap(),
            number: u64::from(number),
            before: state(number),
            after: state(number + 2),
            changes: vec![number as u8; changes],
        }
    }

    fn file(groups: &[Vec<Record>]) -> Vec<u8> {
        let mut file = Vec::new();
        for group in groups {
            for Record { shard, number, before, after, changes } in group {
                Record::push(&mut file, *shard, *number, [before, after], changes);
            }
            file.resize(file.len().next_multiple_of(ALIGNED_BYTES), 0);
        }
        file
    }

    #[test]
    fn records_come_back_from_all_groups() {
        let groups = [
            vec![record(1, 0), record(2, 300)],
            vec![record(3, 5000)],
            vec![record(4, ALIGNED_BYTES - bytes(0))],
            vec![record(5, 1)],
        ];
        let file = file(&groups);
        assert_eq!(Record::all(&file), groups.concat());
        assert!(Record::all(&[]).is_empty() && Record::all(&[0; 10_000]).is_empty());
    }

    /// A torn group loses what was torn and what follows in it, not the next one.
    #[test]
    fn damage_costs_one_record_or_the_rest_of_its_group() {
        let groups = [vec![record(1, 100), record(2, 100)], vec![record(3, 100)]];
        let whole = file(&groups);
        for at in 0..bytes(100) * 2 {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            let found: Vec<_> = Record::all(&damaged).iter().map(|record| record.number).collect();
            assert_eq!(found, if at < bytes(100) { vec![3] } else { vec![1, 3] }, "byte {at}");
        }
        for length in 0..bytes(100) {
            assert!(Record::all(&whole[..length]).is_empty());
        }
    }
}
