//! How a stash's keys and records are stored: what turns a key into its hash and its column, and a body into a
//! record and back (`docs/CONTRACT.md` 4, 7 and 15).
//!
//! Every handle has one [`Format`]. The plain one does what the contract says of a stash without compression
//! and encryption, at no extra cost.

mod cipher;
mod codec;
mod envelope;
mod keyring;
mod sealed;

pub use cipher::{Cipher, Keeper};
pub use codec::Compression;
pub use envelope::{Envelope, Kdf, Unlock};
pub use keyring::{Keyring, STASH_ID_BYTES, Secret, StashId};
pub use sealed::SealedRow;

use super::hash::KeyHash;
use super::key::{Key, KeyRef, StoredKey};
use super::limits::VALUE_BYTES_DEFAULT;
use super::record::{self, Expiry, Record, Stored, flags};
use super::route::Place;
use super::version::Version;
use crate::error::{Error, Result};
use codec::Compressor;
use std::borrow::Cow;

/// How the keys and records of one stash, or of one bucket of it, are stored.
#[derive(Debug)]
pub struct Format {
    cipher: Option<Box<Cipher>>,
    compressor: Option<Box<Compressor>>,
    body_bytes_max: usize,
}

/// What the `key` column of a row gets.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyColumn<'a> {
    /// The key itself.
    Plain(KeyRef<'a>),
    /// The key, encrypted.
    Sealed(Vec<u8>),
}

impl Format {
    /// Without compression and encryption.
    pub const fn plain() -> Self {
        Self { cipher: None, compressor: None, body_bytes_max: VALUE_BYTES_DEFAULT }
    }

    /// `body_bytes_max` bounds what a compressed body may become when it is read; `compression` is for what is
    /// written: reading needs none.
    pub fn new(body_bytes_max: usize, compression: Option<Compression>, cipher: Option<Cipher>) -> Self {
        Self {
            cipher: cipher.map(Box::new),
            compressor: compression.map(Compressor::new).map(Box::new),
            body_bytes_max,
        }
    }

    /// Whether keys and records are encrypted.
    #[inline]
    pub fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// How bodies are compressed, if they are.
    pub fn compression(&self) -> Option<Compression> {
        self.compressor.as_deref().map(Compressor::options)
    }

    /// What identifies the stash; only an encrypted one has it.
    pub fn stash_id(&self) -> Option<&StashId> {
        self.cipher.as_deref().map(Cipher::stash)
    }

    /// The hash of a key, which is where its row stands.
    #[inline]
    pub fn place(&self, key: KeyRef<'_>) -> Place {
        Place::of(match &self.cipher {
            None => KeyHash::of(key),
            Some(cipher) => cipher.hash(key),
        })
    }

    /// Looks whether another process changed the keyring, so that what is written next has the right key.
    /// To be called under the shard's write lock.
    #[inline]
    pub fn refresh(&self) -> Result<()> {
        self.cipher.as_ref().map_or(Ok(()), |cipher| cipher.refresh())
    }

    /// Writes the record of the row at that place into `out`, which is cleared first.
    #[inline]
    pub fn encode(
        &self,
        place: &Place,
        version: Version,
        expiry: Expiry,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if self.cipher.is_none() && self.compressor.is_none() {
            record::encode(&place.hash, version, expiry, body, out);
            return Ok(());
        }
        self.encode_changed(place, version, expiry, body, out)
    }

    #[cold]
    fn encode_changed(
        &self,
        place: &Place,
        version: Version,
        expiry: Expiry,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let compressed = self.compressor.as_ref().and_then(|compressor| compressor.compress(body));
        let mut all = expiry.flags();
        record::begin(expiry, body.len() + cipher::OVERHEAD_BYTES, out);
        if compressed.is_some() {
            all |= flags::CODEC;
            out.push(codec::ZSTD);
            out.extend_from_slice(&codec::stated(body)?.to_be_bytes());
        }
        let body = compressed.as_deref().unwrap_or(body);
        match &self.cipher {
            Some(cipher) => {
                all |= flags::ENCRYPTED;
                cipher.seal(place, version, all, body, out)?;
            }
            None => out.extend_from_slice(body),
        }
        record::finish(&place.hash, version, all, out);
        Ok(())
    }

    /// Checks a stored record, decrypts and decompresses it. The body's canonical form is for whoever decodes
    /// it.
    ///
    /// `Corrupt` if the record is damaged, was moved to another place or time, or is encrypted where the stash
    /// is not or the other way round; `UnsupportedFormat` if it is sound but of a newer format; `TooLarge` if
    /// the body would be over the limit.
    #[inline]
    pub fn decode<'a>(&self, place: &Place, version: Version, stored: &'a [u8]) -> Result<Record<'a>> {
        let stored = record::decode(&place.hash, version, stored)?;
        if self.cipher.is_none() && stored.flags & (flags::CODEC | flags::ENCRYPTED) == 0 {
            let Stored { flags, expiry, body, .. } = stored;
            return Ok(Record { flags, expiry, body: Cow::Borrowed(body), is_canonical: false });
        }
        self.decode_changed(place, version, &stored)
    }

    #[cold]
    fn decode_changed<'a>(&self, place: &Place, version: Version, stored: &Stored<'a>) -> Result<Record<'a>> {
        if let Some(codec) = stored.codec() {
            codec::check(codec, self.body_bytes_max)?;
        }
        let mut body = match self.cipher_of(stored)? {
            Some(cipher) => Cow::Owned(cipher.open(place, version, stored)?),
            None => Cow::Borrowed(stored.body),
        };
        if let Some(codec) = stored.codec() {
            body = Cow::Owned(codec::decompress(codec, &body)?);
        }
        Ok(Record { flags: stored.flags, expiry: stored.expiry, body, is_canonical: false })
    }

    /// The cipher that a record needs, if the stash and the record agree on that.
    fn cipher_of(&self, stored: &Stored<'_>) -> Result<Option<&Cipher>> {
        match (self.cipher.as_deref(), stored.seal()) {
            (cipher @ Some(_), Some(_)) => Ok(cipher),
            (None, None) => Ok(None),
            (Some(_), None) => Err(Error::corrupt("the record is not encrypted, and the stash is")),
            (None, Some(_)) => Err(Error::corrupt("the record is encrypted, and the stash is not")),
        }
    }

    /// What the `key` column of a new row gets.
    #[inline]
    pub fn encode_key<'k>(&self, place: &Place, key: KeyRef<'k>) -> Result<KeyColumn<'k>> {
        match &self.cipher {
            None => Ok(KeyColumn::Plain(key)),
            Some(cipher) => cipher.seal_key(place, key).map(KeyColumn::Sealed),
        }
    }

    /// Bytes that the `key` column of a key has; 8 for a number that is stored as one.
    #[inline]
    pub fn key_bytes(&self, key: KeyRef<'_>) -> usize {
        key.size_bytes() + self.cipher.as_ref().map_or(0, |_| cipher::KEY_OVERHEAD_BYTES)
    }

    /// Bytes that a record can have beside the body as it was given.
    #[inline]
    pub fn record_overhead_bytes(&self) -> usize {
        // More than header and optional fields without encryption.
        const PLAIN: usize = 64;
        PLAIN + self.cipher.as_ref().map_or(0, |_| cipher::OVERHEAD_BYTES)
    }

    /// The key that the `key` column holds of a row found at that place; `Corrupt` if it is none, or not the
    /// key of that hash.
    pub fn decode_key(&self, place: &Place, stored: StoredKey<'_>) -> Result<Key> {
        let (key, hash) = match &self.cipher {
            None => {
                let key = Key::from_stored(stored)?;
                let hash = KeyHash::from(&key);
                (key, hash)
            }
            Some(cipher) => {
                let key = cipher.open_key(place, stored)?;
                let hash = cipher.hash(key.as_ref());
                (key, hash)
            }
        };
        if hash != place.hash {
            return Err(Error::corrupt("the key column does not match the row's hash"));
        }
        Ok(key)
    }

    /// Whether row and key have the key that new rows get. Of a stash that is not encrypted, always.
    pub fn is_current(
        &self,
        place: &Place,
        version: Version,
        key: StoredKey<'_>,
        stored: &[u8],
    ) -> Result<bool> {
        let Some(cipher) = &self.cipher else { return Ok(true) };
        let stored = record::decode(&place.hash, version, stored)?;
        let current = cipher.current();
        Ok(stored.seal().is_some_and(|seal| seal.epoch == current) && cipher::key_epoch(key)? == current)
    }

    /// A `key` column encrypted with the key that new rows get, unless it is already.
    pub fn reseal_key(&self, place: &Place, key: StoredKey<'_>) -> Result<Option<Vec<u8>>> {
        let Some(cipher) = &self.cipher else { return Ok(None) };
        if cipher::key_epoch(key)? == cipher.current() {
            return Ok(None);
        }
        let key = self.decode_key(place, key)?;
        cipher.seal_key(place, key.as_ref()).map(Some)
    }

    /// The same row encrypted with the key that new rows get: its `key` column, and its record in `out`, which
    /// is cleared first.
    pub fn reseal(
        &self,
        place: &Place,
        version: Version,
        key: StoredKey<'_>,
        stored: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Vec<u8>> {
        let stored = record::decode(&place.hash, version, stored)?;
        let Some(cipher) = &self.cipher else {
            return Err(Error::invalid_argument("the stash is not encrypted"));
        };
        let key = self.decode_key(place, key)?;
        self.restore(place, version, stored.expiry, &stored, out)?;
        cipher.seal_key(place, key.as_ref())
    }

    /// The same record with another deadline and window, in `out`, which is cleared first. The body stays as it is
    /// stored, but is encrypted anew.
    pub fn redate(
        &self,
        place: &Place,
        version: Version,
        expiry: Expiry,
        stored: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let stored = record::decode(&place.hash, version, stored)?;
        self.restore(place, version, expiry, &stored, out)
    }

    fn restore(
        &self,
        place: &Place,
        version: Version,
        expiry: Expiry,
        stored: &Stored<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let all = expiry.flags() | stored.flags & (flags::CODEC | flags::ENCRYPTED);
        record::begin(expiry, stored.body.len() + cipher::OVERHEAD_BYTES, out);
        if let Some(codec) = stored.codec() {
            out.push(codec.id);
            out.extend_from_slice(&codec.bytes.to_be_bytes());
        }
        match self.cipher_of(stored)? {
            Some(cipher) => {
                let body = cipher.open(place, version, stored)?;
                cipher.seal(place, version, all, &body, out)?;
            }
            None => out.extend_from_slice(stored.body),
        }
        record::finish(&place.hash, version, all, out);
        Ok(())
    }
}

impl<'a> KeyColumn<'a> {
    /// In SQLite's storage classes.
    #[inline]
    pub fn as_stored(&self) -> StoredKey<'_> {
        match self {
            Self::Plain(KeyRef::Text(text)) => StoredKey::Text(text.as_bytes()),
            Self::Plain(KeyRef::Int(int)) => StoredKey::Integer(*int),
            Self::Plain(KeyRef::Float(float)) => StoredKey::Real(float.get()),
            Self::Plain(KeyRef::Bytes(bytes)) => StoredKey::Blob(bytes),
            Self::Sealed(bytes) => StoredKey::Blob(bytes),
        }
    }
}

#[cfg(test)]
mod tests;
