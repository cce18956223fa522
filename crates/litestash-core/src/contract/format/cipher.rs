//! Encryption of records and keys (`docs/CONTRACT.md` 15).

use super::keyring::{Keyring, Secret, StashId, derive};
use crate::contract::hash::{KeyHash, Preimage};
use crate::contract::key::{Key, KeyFloat, KeyRef, StoredKey};
use crate::contract::record::{HEADER_BYTES, NONCE_BYTES, Stored};
use crate::contract::route::Place;
use crate::contract::schema::FORMAT;
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::{Mutex, MutexGuard};
use blake2::Blake2bMac512;
use blake2::digest::{FixedOutput, Update};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use std::sync::Arc;

const TAG_BYTES: usize = 16;
const EPOCH_BYTES: usize = 4;

/// Bytes that encryption adds to a record: epoch, nonce and tag.
pub(super) const OVERHEAD_BYTES: usize = EPOCH_BYTES + NONCE_BYTES + TAG_BYTES;

/// Bytes that encryption adds to a key: epoch, type and tag.
pub(super) const KEY_OVERHEAD_BYTES: usize = EPOCH_BYTES + 1 + TAG_BYTES;

/// The first byte of a key before it is encrypted.
mod tag {
    pub(super) const TEXT: u8 = 1;
    pub(super) const INT: u8 = 2;
    pub(super) const FLOAT: u8 = 3;
    pub(super) const BYTES: u8 = 4;
}

/// Who keeps the keyring, and has random bytes.
pub trait Keeper: Send + Sync {
    /// Fills `bytes` with random bytes.
    fn random(&self, bytes: &mut [u8]) -> Result<()>;

    /// The keyring and its number, if that is not `seen`. Whoever has asked for none yet has seen 0.
    fn changed(&self, seen: u64) -> Result<Option<(u64, Keyring)>>;
}

/// The keys of a stash or bucket, ready for use.
pub struct Cipher {
    keeper: Arc<dyn Keeper>,
    stash: StashId,
    /// Empty for the stash itself.
    bucket: String,
    hashes: Hashes,
    held: Mutex<Held>,
}

/// What the keyring held when it was looked at last.
struct Held {
    /// As the keeper numbers it.
    seen: u64,
    epochs: Epochs,
}

/// In ascending order; the last one is for what is written.
type Epochs = Vec<(u32, Arc<EpochKeys>)>;

struct EpochKeys {
    record: XChaCha20Poly1305,
    column: XChaCha20Poly1305,
}

/// The keyed hash of each type of key, before its bytes.
struct Hashes {
    text: Blake2bMac512,
    int: Blake2bMac512,
    float: Blake2bMac512,
    bytes: Blake2bMac512,
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cipher").finish_non_exhaustive()
    }
}

impl Cipher {
    /// The cipher of a stash, or if `bucket` is not empty of the bucket of that name.
    pub fn new(keyring: &Keyring, bucket: &str, keeper: Arc<dyn Keeper>) -> Self {
        Self {
            keeper,
            stash: *keyring.stash(),
            bucket: bucket.to_owned(),
            hashes: Hashes::new(&keyring.hash_key(bucket)),
            held: Mutex::new(Held { seen: 0, epochs: epochs(keyring, bucket) }),
        }
    }

    pub(super) fn stash(&self) -> &StashId {
        &self.stash
    }

    pub(super) fn hash(&self, key: KeyRef<'_>) -> KeyHash {
        let Preimage { bytes, .. } = Preimage::of(&key);
        let mut mac = match key {
            KeyRef::Text(_) => self.hashes.text.clone(),
            KeyRef::Int(_) => self.hashes.int.clone(),
            KeyRef::Float(_) => self.hashes.float.clone(),
            KeyRef::Bytes(_) => self.hashes.bytes.clone(),
        };
        mac.update(&bytes);
        KeyHash(mac.finalize_fixed().into())
    }

    /// Takes in the keyring if it changed.
    pub(super) fn refresh(&self) -> Result<()> {
        self.refreshed().map(drop)
    }

    /// The keyring is read under the lock, so that an older one never replaces a newer one.
    fn refreshed(&self) -> Result<MutexGuard<'_, Held>> {
        let mut held = self.held.lock();
        if let Some((number, keyring)) = self.keeper.changed(held.seen)? {
            if *keyring.stash() != self.stash {
                return Err(Error::new(ErrorKind::NotAStash, "the keyring is that of another stash"));
            }
            *held = Held { seen: number, epochs: epochs(&keyring, &self.bucket) };
        }
        Ok(held)
    }

    /// The epoch for what is written.
    pub(super) fn current(&self) -> u32 {
        self.held.lock().epochs.last().map_or(0, |(number, _)| *number)
    }

    fn writing(&self) -> Result<(u32, Arc<EpochKeys>)> {
        let held = self.held.lock();
        let (number, keys) = held.epochs.last().ok_or_else(|| Error::corrupt("the keyring is empty"))?;
        Ok((*number, Arc::clone(keys)))
    }

    /// The keys of an epoch, of which another process may have told the keyring.
    fn reading(&self, number: u32) -> Result<Arc<EpochKeys>> {
        let find = |epochs: &Epochs| {
            epochs.iter().find(|(epoch, _)| *epoch == number).map(|(_, keys)| Arc::clone(keys))
        };
        if let Some(keys) = find(&self.held.lock().epochs) {
            return Ok(keys);
        }
        find(&self.refreshed()?.epochs)
            .ok_or_else(|| Error::corrupt("the row is encrypted with a key that the keyring does not have"))
    }

    /// Adds epoch, nonce and the encrypted body to a record that ends with its other optional fields.
    pub(super) fn seal(
        &self,
        place: &Place,
        version: Version,
        flags: u8,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let (epoch, keys) = self.writing()?;
        let mut nonce = [0; NONCE_BYTES];
        self.keeper.random(&mut nonce)?;
        out.extend_from_slice(&epoch.to_be_bytes());
        out.extend_from_slice(&nonce);
        let data = self.record_data(place, version, flags, &out[HEADER_BYTES..]);
        let start = out.len();
        out.extend_from_slice(body);
        let tag = keys
            .record
            .encrypt_inout_detached(&nonce.into(), &data, (&mut out[start..]).into())
            .map_err(|_| not_sealed())?;
        out.extend_from_slice(tag.as_slice());
        Ok(())
    }

    /// The body of a record that says it is encrypted.
    pub(super) fn open(&self, place: &Place, version: Version, stored: &Stored<'_>) -> Result<Vec<u8>> {
        let Some(seal) = stored.seal() else { return Err(Error::corrupt("the record is not encrypted")) };
        let (body, tag) = split_tag(stored.body)?;
        if body.is_empty() {
            return Err(Error::corrupt("the record has no body"));
        }
        let keys = self.reading(seal.epoch)?;
        let data = self.record_data(place, version, stored.flags, stored.fields);
        let mut body = body.to_vec();
        keys.record
            .decrypt_inout_detached(&seal.nonce.into(), &data, body.as_mut_slice().into(), &tag.into())
            .map_err(|_| Error::corrupt("the record does not belong where it is, or was changed"))?;
        Ok(body)
    }

    /// What binds a record to its place, its time and its fields.
    fn record_data(&self, place: &Place, version: Version, flags: u8, fields: &[u8]) -> Vec<u8> {
        let mut data = self.place_data(b"litestash:record", place);
        data.extend_from_slice(&version.timestamp().to_be_bytes());
        data.extend_from_slice(&version.microsecond().to_be_bytes());
        data.push(flags);
        data.extend_from_slice(fields);
        data.extend_from_slice(self.bucket.as_bytes());
        data
    }

    /// The column of a key. One key has one column in each epoch: its nonce is the beginning of its hash, so
    /// that no nonce meets two keys, and nothing is told that the hash does not tell.
    pub(super) fn seal_key(&self, place: &Place, key: KeyRef<'_>) -> Result<Vec<u8>> {
        let (epoch, keys) = self.writing()?;
        let Preimage { bytes, .. } = Preimage::of(&key);
        let mut column = Vec::with_capacity(bytes.len() + KEY_OVERHEAD_BYTES);
        column.extend_from_slice(&epoch.to_be_bytes());
        column.push(match key {
            KeyRef::Text(_) => tag::TEXT,
            KeyRef::Int(_) => tag::INT,
            KeyRef::Float(_) => tag::FLOAT,
            KeyRef::Bytes(_) => tag::BYTES,
        });
        column.extend_from_slice(&bytes);
        let data = self.key_data(place, epoch);
        let tag = keys
            .column
            .encrypt_inout_detached(&key_nonce(place).into(), &data, (&mut column[EPOCH_BYTES..]).into())
            .map_err(|_| not_sealed())?;
        column.extend_from_slice(tag.as_slice());
        Ok(column)
    }

    /// The key of a column. That its hash is the row's is for the caller.
    pub(super) fn open_key(&self, place: &Place, stored: StoredKey<'_>) -> Result<Key> {
        let epoch = key_epoch(stored)?;
        let StoredKey::Blob(column) = stored else { return Err(not_a_key()) };
        let (sealed, tag) = split_tag(&column[EPOCH_BYTES..])?;
        let keys = self.reading(epoch)?;
        let mut plain = sealed.to_vec();
        keys.column
            .decrypt_inout_detached(
                &key_nonce(place).into(),
                &self.key_data(place, epoch),
                plain.as_mut_slice().into(),
                &tag.into(),
            )
            .map_err(|_| Error::corrupt("the key does not belong where it is, or was changed"))?;
        let (kind, bytes) = plain.split_first().ok_or_else(not_a_key)?;
        let number = || <[u8; 8]>::try_from(bytes).map_err(|_| not_a_key());
        Key::from_stored(match *kind {
            tag::TEXT => StoredKey::Text(bytes),
            tag::INT => StoredKey::Integer(i64::from_be_bytes(number()?)),
            tag::FLOAT => StoredKey::Real(f64::from_be_bytes(number()?)),
            tag::BYTES => StoredKey::Blob(bytes),
            _ => return Err(not_a_key()),
        })
    }

    fn key_data(&self, place: &Place, epoch: u32) -> Vec<u8> {
        let mut data = self.place_data(b"litestash:key\0\0\0", place);
        data.extend_from_slice(&epoch.to_be_bytes());
        data.extend_from_slice(self.bucket.as_bytes());
        data
    }

    fn place_data(&self, label: &[u8; 16], place: &Place) -> Vec<u8> {
        let mut data = Vec::with_capacity(256);
        data.extend_from_slice(label);
        data.push(FORMAT as u8);
        data.extend_from_slice(&self.stash);
        data.push(place.route.shard.number());
        data.push(place.route.slot.number());
        data.extend_from_slice(&place.hash.0);
        data
    }
}

impl Hashes {
    fn new(key: &Secret) -> Self {
        let keyed = |of: KeyRef<'_>| {
            Blake2bMac512::new_with_salt_and_personal(Some(&**key), &[], Preimage::of(&of).personalisation)
                .expect("a key of 32 bytes and a label of at most 16 are allowed")
        };
        Self {
            text: keyed(KeyRef::Text("")),
            int: keyed(KeyRef::Int(0)),
            float: keyed(KeyRef::Float(KeyFloat::HALF)),
            bytes: keyed(KeyRef::Bytes(&[])),
        }
    }
}

fn epochs(keyring: &Keyring, bucket: &str) -> Epochs {
    let cipher =
        |key: &Secret, label: &[u8]| XChaCha20Poly1305::new((&*derive(key, label, bucket.as_bytes())).into());
    let keys = |key: &Secret| EpochKeys {
        record: cipher(key, b"litestash:record"),
        column: cipher(key, b"litestash:key"),
    };
    keyring.data_keys().map(|(number, key)| (number, Arc::new(keys(key)))).collect()
}

fn key_nonce(place: &Place) -> [u8; NONCE_BYTES] {
    std::array::from_fn(|index| place.hash.0[index])
}

/// The epoch that a column names.
pub(super) fn key_epoch(stored: StoredKey<'_>) -> Result<u32> {
    match stored {
        StoredKey::Blob(column) => match column.split_first_chunk::<EPOCH_BYTES>() {
            Some((epoch, _)) => Ok(u32::from_be_bytes(*epoch)),
            None => Err(not_a_key()),
        },
        _ => Err(not_a_key()),
    }
}

fn split_tag(sealed: &[u8]) -> Result<(&[u8], [u8; TAG_BYTES])> {
    let (body, tag) = sealed
        .split_last_chunk::<TAG_BYTES>()
        .ok_or_else(|| Error::corrupt("an encrypted field is shorter than its tag"))?;
    Ok((body, *tag))
}

fn not_a_key() -> Error {
    Error::corrupt("the key column holds no encrypted key")
}

fn not_sealed() -> Error {
    Error::too_large("the value is longer than can be encrypted")
}
