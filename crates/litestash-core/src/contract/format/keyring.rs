//! The keys of an encrypted stash, and what is derived from them (`docs/CONTRACT.md` 15).

use crate::error::{Error, Result};
use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, Update};
use zeroize::{Zeroize, Zeroizing};

/// A secret of 32 bytes, overwritten when it is dropped.
pub type Secret = Zeroizing<[u8; SECRET_BYTES]>;

pub(super) const SECRET_BYTES: usize = 32;

/// Bytes of a [`StashId`].
pub const STASH_ID_BYTES: usize = 16;

/// What identifies an encrypted stash; random.
pub type StashId = [u8; STASH_ID_BYTES];

/// Most epochs of a keyring: a rotation adds one and drops the others.
const EPOCHS_MAX: usize = 64;

/// Bytes of an epoch's number.
const NUMBER_BYTES: usize = 4;

/// The keys of a stash. Nothing of it is ever shown.
#[derive(Clone)]
pub struct Keyring {
    stash: StashId,
    hash: Secret,
    /// In ascending order, at least one.
    epochs: Vec<(u32, Secret)>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("current", &self.current()).finish_non_exhaustive()
    }
}

impl Keyring {
    /// The keyring of a new stash, from a source of random bytes: stash id, hash key, first data key.
    pub fn generate(mut random: impl FnMut(&mut [u8]) -> Result<()>) -> Result<Self> {
        let mut stash = StashId::default();
        random(&mut stash)?;
        let mut hash = Secret::default();
        random(&mut *hash)?;
        let mut first = Secret::default();
        random(&mut *first)?;
        Ok(Self { stash, hash, epochs: vec![(1, first)] })
    }

    /// What identifies the stash.
    pub fn stash(&self) -> &StashId {
        &self.stash
    }

    /// The epoch whose key is used for what is written: the last one.
    pub fn current(&self) -> u32 {
        self.epochs.last().map_or(0, |(number, _)| *number)
    }

    /// How many epochs there are; more than one while a rotation is under way.
    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// Begins a new epoch.
    pub fn add_epoch(&mut self, mut random: impl FnMut(&mut [u8]) -> Result<()>) -> Result<()> {
        let number = self.current().checked_add(1).filter(|_| self.epochs.len() < EPOCHS_MAX);
        let number = number.ok_or_else(|| Error::invalid_argument("the keyring takes no more epochs"))?;
        let mut key = Secret::default();
        random(&mut *key)?;
        self.epochs.push((number, key));
        Ok(())
    }

    /// Drops every epoch but the current one.
    pub fn drop_old_epochs(&mut self) {
        let last = self.epochs.len().saturating_sub(1);
        self.epochs.drain(..last);
    }

    /// The key that hashes keys: of the stash itself if `bucket` is empty, else of that bucket.
    pub(super) fn hash_key(&self, bucket: &str) -> Secret {
        derive(&self.hash, b"litestash:hash", bucket.as_bytes())
    }

    /// Every epoch's number with its key.
    pub(super) fn data_keys(&self) -> impl Iterator<Item = (u32, &Secret)> {
        self.epochs.iter().map(|(number, key)| (*number, key))
    }

    /// What the envelope wraps.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let each = NUMBER_BYTES + SECRET_BYTES;
        // As long as it gets, so that no copy stays behind when it grows.
        let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES + self.epochs.len() * each + 16));
        bytes.extend_from_slice(&*self.hash);
        for (number, key) in &self.epochs {
            bytes.extend_from_slice(&number.to_be_bytes());
            bytes.extend_from_slice(&**key);
        }
        bytes
    }

    /// Reads what the envelope wraps.
    pub(super) fn from_bytes(stash: StashId, bytes: &[u8]) -> Option<Self> {
        let (hash, mut rest) = bytes.split_first_chunk::<SECRET_BYTES>()?;
        let mut epochs: Vec<(u32, Secret)> = Vec::new();
        while !rest.is_empty() {
            let (number, after) = rest.split_first_chunk::<NUMBER_BYTES>()?;
            let (key, after) = after.split_first_chunk::<SECRET_BYTES>()?;
            let number = u32::from_be_bytes(*number);
            if number == 0 || epochs.len() >= EPOCHS_MAX || epochs.last().is_some_and(|last| last.0 >= number)
            {
                return None;
            }
            epochs.push((number, Secret::new(*key)));
            rest = after;
        }
        (!epochs.is_empty()).then(|| Self { stash, hash: Secret::new(*hash), epochs })
    }
}

/// Keyed BLAKE2b with a digest of 32 bytes, a personalisation and data.
pub(super) fn derive(key: &Secret, label: &[u8], data: &[u8]) -> Secret {
    let mut mac = Blake2bMac::<U32>::new_with_salt_and_personal(Some(&**key), &[], label)
        .expect("a key of 32 bytes and a label of at most 16 are allowed");
    mac.update(data);
    let mut digest = mac.finalize_fixed();
    let secret = Secret::new(digest.into());
    digest.as_mut_slice().zeroize();
    secret
}
