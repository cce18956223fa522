//! Rows of encrypted stashes, read without a stash.

use super::{Cipher, Envelope, Format, Keeper, Keyring, Unlock};
use crate::contract::hash::KeyHash;
use crate::contract::key::{Key, StoredKey};
use crate::contract::record::Record;
use crate::contract::route::{Place, Route, ShardId, Slot};
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;

/// A row of an encrypted stash as it lies in its file.
#[derive(Debug, Clone, Copy)]
pub struct SealedRow<'a> {
    /// The bucket's name; empty for the stash itself.
    pub bucket: &'a str,
    /// The number of the shard that it was found in.
    pub shard: u8,
    /// The number of the table that it was found in.
    pub slot: u8,
    /// The column `key_hash`.
    pub key_hash: &'a [u8],
    /// The column `key`.
    pub key: &'a [u8],
    /// The column `timestamp`.
    pub timestamp: i64,
    /// The column `microsecond`.
    pub microsecond: i64,
    /// The column `value`.
    pub record: &'a [u8],
}

impl<'a> SealedRow<'a> {
    /// The key and the record, after a check that the row is whole, at its place and of its time. `keyring` is what the
    /// file of that name holds; a body may have `body_bytes_max` bytes.
    ///
    /// `WrongKey` if the keyring is another key's, `Corrupt` if the row is damaged or not encrypted,
    /// `InvalidArgument` if there is no such place or the hash has not 64 bytes.
    pub fn open(&self, keyring: &[u8], unlock: &Unlock, body_bytes_max: usize) -> Result<(Key, Record<'a>)> {
        let invalid = Error::invalid_argument;
        let hash = KeyHash::from_slice(self.key_hash).ok_or_else(|| invalid("a hash has 64 bytes"))?;
        let shard = ShardId::new(self.shard).ok_or_else(|| invalid("a shard is 0 to 15"))?;
        let slot = Slot::new(self.slot).ok_or_else(|| invalid("a slot is 0 to 3"))?;
        let place = Place { hash, route: Route { shard, slot } };
        let envelope = Envelope::from_bytes(keyring)?;
        let secret = unlock.secret(envelope.kdf())?;
        let cipher = Cipher::new(&envelope.open(&secret)?, self.bucket, Arc::new(Still));
        let format = Format::new(body_bytes_max, None, Some(cipher));
        let version = Version::from_columns(self.timestamp, self.microsecond)?;
        let record = format.decode(&place, version, self.record)?;
        Ok((format.decode_key(&place, StoredKey::Blob(self.key))?, record))
    }
}

/// A keyring that nobody changes, and no random bytes: nothing is written.
struct Still;

impl Keeper for Still {
    fn random(&self, _: &mut [u8]) -> Result<()> {
        Err(Error::new(ErrorKind::Internal, "nothing is written"))
    }

    fn changed(&self, _seen: u64) -> Result<Option<(u64, Keyring)>> {
        Ok(None)
    }
}
