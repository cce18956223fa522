//! What a transaction is going to do in one shard, as the journal keeps it (`docs/CONTRACT.md` 14).

use super::hash::KeyHash;
use super::key::StoredKey;
use super::route::{ShardId, Slot};
use super::version::Version;
use crate::error::{Error, Result};

const REMOVED: u8 = 0;
const STORED: u8 = 1;

const TEXT: u8 = 1;
const INTEGER: u8 = 2;
const FLOAT: u8 = 3;
const BYTES: u8 = 4;

/// What became of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Change<'a> {
    /// The row's table.
    pub slot: Slot,
    /// The hash of its key.
    pub hash: KeyHash,
    /// What its `key` column has, unchecked.
    pub key: StoredKey<'a>,
    /// Its version and record, or `None` if it was removed.
    pub after: Option<(Version, &'a [u8])>,
}

/// Adds a change to those of its shard. They are done in the order in which they are added.
pub fn push(
    changes: &mut Vec<u8>,
    slot: Slot,
    hash: &KeyHash,
    key: StoredKey<'_>,
    after: Option<(Version, &[u8])>,
) {
    changes.push(slot.number());
    changes.push(if after.is_some() { STORED } else { REMOVED });
    changes.extend_from_slice(hash.as_bytes());
    match key {
        StoredKey::Text(text) => push_key(changes, TEXT, text),
        StoredKey::Integer(int) => push_key(changes, INTEGER, &int.to_be_bytes()),
        StoredKey::Real(float) => push_key(changes, FLOAT, &float.to_be_bytes()),
        StoredKey::Blob(bytes) => push_key(changes, BYTES, bytes),
    }
    if let Some((version, record)) = after {
        changes.extend_from_slice(&version.micros().to_be_bytes());
        push_bytes(changes, record);
    }
}

fn push_key(changes: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    changes.push(kind);
    push_bytes(changes, bytes);
}

fn push_bytes(changes: &mut Vec<u8>, bytes: &[u8]) {
    // SQLite allows less than 2³² bytes in a row, so a greater length is refused when it is stored.
    changes.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    changes.extend_from_slice(bytes);
}

/// CRC-32/ISO-HDLC over the number, the shard and the changes.
fn checksum(id: i64, shard: ShardId, changes: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id.to_be_bytes());
    crc.update(&[shard.number()]);
    crc.update(changes);
    crc.finalize().to_be_bytes()
}

/// Ends the changes of a shard with their checksum.
pub fn seal(id: i64, shard: ShardId, changes: &mut Vec<u8>) {
    let crc = checksum(id, shard, changes);
    changes.extend_from_slice(&crc);
}

/// The changes of a shard, in order. `Corrupt` if they are damaged.
pub fn decode(id: i64, shard: ShardId, sealed: &[u8]) -> Result<Vec<Change<'_>>> {
    let Some((changes, crc)) = sealed.split_last_chunk::<4>() else { return Err(damaged()) };
    if checksum(id, shard, changes) != *crc {
        return Err(Error::corrupt("the checksum of an intent does not match"));
    }
    parse(changes)
}

/// Changes that were not sealed, in order.
pub(crate) fn parse(mut rest: &[u8]) -> Result<Vec<Change<'_>>> {
    let mut changes = Vec::new();
    while !rest.is_empty() {
        changes.push(take(&mut rest).ok_or_else(damaged)?);
    }
    Ok(changes)
}

fn damaged() -> Error {
    Error::corrupt("an intent is malformed")
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Change<'a>> {
    let slot = Slot::new(*rest.split_off_first()?)?;
    let kind = *rest.split_off_first()?;
    let hash = KeyHash::from_slice(rest.split_off(..KeyHash::LEN)?)?;
    let key_kind = *rest.split_off_first()?;
    let bytes = take_bytes(rest)?;
    let eight = || <[u8; 8]>::try_from(bytes).ok();
    let key = match key_kind {
        TEXT => StoredKey::Text(bytes),
        INTEGER => StoredKey::Integer(i64::from_be_bytes(eight()?)),
        FLOAT => StoredKey::Real(f64::from_be_bytes(eight()?)),
        BYTES => StoredKey::Blob(bytes),
        _ => return None,
    };
    let after = match kind {
        REMOVED => None,
        STORED => {
            let version = rest.split_off(..8)?.try_into().ok().map(i64::from_be_bytes)?;
            Some((Version::from_micros(version), take_bytes(rest)?))
        }
        _ => return None,
    };
    Some(Change { slot, hash, key, after })
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = rest.split_off(..4)?.try_into().ok().map(u32::from_be_bytes)?;
    rest.split_off(..usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::format::KeyColumn;
    use crate::contract::key::Key;

    fn shard(number: u8) -> ShardId {
        ShardId::new(number).unwrap()
    }

    fn some() -> (Vec<u8>, Vec<Key>) {
        let keys = vec![
            Key::Text("user:1001".into()),
            Key::Text(String::new()),
            Key::Int(-7),
            Key::float(0.5).unwrap(),
            Key::Bytes(vec![0, 255]),
        ];
        let mut changes = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let slot = Slot::new(number as u8 % 4).unwrap();
            let record = vec![7; number];
            let after = (number != 1).then_some((Version::from_micros(-5), record.as_slice()));
            let column = KeyColumn::Plain(key.as_ref());
            push(&mut changes, slot, &KeyHash::from(key), column.as_stored(), after);
        }
        (changes, keys)
    }

    #[test]
    fn what_was_sealed_comes_back_in_order() {
        let (mut changes, keys) = some();
        seal(9, shard(3), &mut changes);
        let read = decode(9, shard(3), &changes).unwrap();
        assert_eq!(read.len(), keys.len());
        for (number, (change, key)) in read.iter().zip(&keys).enumerate() {
            assert_eq!(Key::from_stored(change.key).unwrap(), *key);
            assert_eq!(change.hash, KeyHash::from(key));
            assert_eq!(usize::from(change.slot.number()), number % 4);
            let record = vec![7; number];
            let after = (number != 1).then_some((Version::from_micros(-5), record.as_slice()));
            assert_eq!(change.after, after);
        }
        assert_eq!(decode(9, shard(3), &[0; 4]).map_err(|error| error.kind()), {
            Err(crate::ErrorKind::Corrupt)
        });
        let mut empty = Vec::new();
        seal(1, shard(0), &mut empty);
        assert!(decode(1, shard(0), &empty).unwrap().is_empty());
    }

    #[test]
    fn another_number_another_shard_and_every_damaged_byte_are_refused() {
        let (mut changes, _) = some();
        seal(9, shard(3), &mut changes);
        assert!(decode(8, shard(3), &changes).is_err() && decode(9, shard(4), &changes).is_err());
        for at in 0..changes.len() {
            let mut damaged = changes.clone();
            damaged[at] ^= 0x10;
            assert!(decode(9, shard(3), &damaged).is_err(), "byte {at}");
            assert!(decode(9, shard(3), &changes[..at]).is_err(), "cut at {at}");
        }
    }

    /// What a checksum cannot tell: somebody wrote nonsense.
    #[test]
    fn malformed_changes_are_refused() {
        let (changes, _) = some();
        for (at, byte) in [(0, 4), (1, 2), (66, 0), (66, 5), (67, 255)] {
            let mut wrong = changes.clone();
            wrong[at] = byte;
            seal(1, shard(1), &mut wrong);
            assert!(decode(1, shard(1), &wrong).is_err(), "byte {at}");
        }
        for cut in [1, 60, 70, 80] {
            let mut wrong = changes[..cut].to_vec();
            seal(1, shard(1), &mut wrong);
            assert!(decode(1, shard(1), &wrong).is_err(), "cut at {cut}");
        }
    }
}
