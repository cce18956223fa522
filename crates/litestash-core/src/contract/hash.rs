//! The hash of a key (`docs/CONTRACT.md` 4).

use super::key::{Key, KeyRef};
use blake2::digest::CustomizedInit;
use blake2::{Blake2b512, Digest};
use std::borrow::Cow;
use std::fmt;

/// A key's hash: BLAKE2b-512, 64 raw bytes. It is the primary key of a row and decides its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; Self::LEN]);

/// What is hashed of a key: its bytes, and the personalisation of its type.
pub(super) struct Preimage<'a> {
    pub(super) personalisation: &'static [u8],
    pub(super) bytes: Cow<'a, [u8]>,
}

impl<'a> Preimage<'a> {
    pub(super) fn of(key: &KeyRef<'a>) -> Self {
        let number = |bytes: [u8; 8]| Cow::Owned(bytes.to_vec());
        let (personalisation, bytes): (&'static [u8], _) = match key {
            KeyRef::Text(text) => (b"", Cow::Borrowed(text.as_bytes())),
            KeyRef::Bytes(bytes) => (BYTES, Cow::Borrowed(*bytes)),
            KeyRef::Int(int) => (INT, number(int.to_be_bytes())),
            KeyRef::Float(float) => (FLOAT, number(float.get().to_be_bytes())),
        };
        Self { personalisation, bytes }
    }
}

const BYTES: &[u8] = b"litestash:bytes";
const INT: &[u8] = b"litestash:int";
const FLOAT: &[u8] = b"litestash:float";

impl KeyHash {
    /// Bytes of a hash.
    pub const LEN: usize = 64;

    /// The hash of that key.
    pub fn of(key: KeyRef<'_>) -> Self {
        match key {
            KeyRef::Text(text) => Self(Blake2b512::digest(text.as_bytes()).into()),
            KeyRef::Bytes(bytes) => personalised(BYTES, bytes),
            KeyRef::Int(int) => personalised(INT, &int.to_be_bytes()),
            KeyRef::Float(float) => personalised(FLOAT, &float.get().to_be_bytes()),
        }
    }

    /// The hash that a `key_hash` column holds, if it has the right length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

fn personalised(personalisation: &[u8], bytes: &[u8]) -> KeyHash {
    let mut state = Blake2b512::new_customized(personalisation);
    Digest::update(&mut state, bytes);
    KeyHash(state.finalize().into())
}

impl From<&Key> for KeyHash {
    fn from(key: &Key) -> Self {
        Self::of(key.as_ref())
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: impl Into<Key>, expected: &str) {
        assert!(KeyHash::from(&key.into()).to_string().starts_with(expected));
    }

    #[test]
    fn each_type_has_its_own_personalisation() {
        check(
            "user:1001",
            "24c580f64b17c1ce5eafab1d00856428981edb4da5fb998253f60ca19a22d8876732849c3dd5137d",
        );
        check(b"user:1001".as_slice(), "ad1370dc865b28e2f8c3388cfb7558ce");
        check(1001, "56d05d6ac9665f9f73d01667fdf5b61f");
        assert!(
            KeyHash::from(&Key::float(1.5).unwrap())
                .to_string()
                .starts_with("187be0454eae2446d6284fd7423f011a")
        );
    }
}
