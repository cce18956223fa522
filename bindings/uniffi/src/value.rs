//! Keys and rows. Values stay bytes.

use crate::error::Result;
use litestash_core as core;

/// A key, at most 2048 bytes. A float with an integral value in the range of 64 bits is that integer.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum Key {
    /// Text, any valid Unicode.
    Text(String),
    /// An integer.
    Int(i64),
    /// A float; not NaN.
    Float(f64),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Key {
    pub(crate) fn to_core(&self) -> Result<core::Key> {
        Ok(match self {
            Self::Text(text) => core::Key::Text(text.clone()),
            Self::Int(int) => core::Key::Int(*int),
            Self::Float(float) => core::Key::float(*float)?,
            Self::Bytes(bytes) => core::Key::Bytes(bytes.clone()),
        })
    }

    pub(crate) fn into_core(self) -> Result<core::Key> {
        Ok(match self {
            Self::Text(text) => core::Key::Text(text),
            Self::Int(int) => core::Key::Int(int),
            Self::Float(float) => core::Key::float(float)?,
            Self::Bytes(bytes) => core::Key::Bytes(bytes),
        })
    }
}

impl From<core::Key> for Key {
    fn from(key: core::Key) -> Self {
        match key {
            core::Key::Text(text) => Self::Text(text),
            core::Key::Int(int) => Self::Int(int),
            core::Key::Float(float) => Self::Float(float.get()),
            core::Key::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Item {
    /// The key.
    pub key: Key,
    /// The value as canonical MessagePack.
    pub value: Vec<u8>,
}

/// What is stored under a key, with what belongs to it.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Entry {
    /// The value as canonical MessagePack.
    pub value: Vec<u8>,
    /// The row's version: the time of its last write in Unix microseconds.
    pub version: i64,
    /// When it ends, in Unix microseconds.
    pub expires_at_us: Option<i64>,
    /// Microseconds after its last use that it ends, if its deadline slides.
    pub idle_us: Option<u64>,
    /// Bytes of the encoded value.
    pub size_bytes: u64,
}

impl From<core::Entry> for Entry {
    fn from(entry: core::Entry) -> Self {
        Self {
            size_bytes: entry.size_bytes() as u64,
            value: entry.encoded,
            version: entry.version.micros(),
            expires_at_us: entry.expires_at,
            idle_us: entry.idle_us,
        }
    }
}

/// How long a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum TimeToLive {
    /// It has no deadline.
    Forever,
    /// So long.
    Remaining {
        /// Microseconds.
        us: u64,
    },
}

/// What is known of a key without reading a file.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Peek {
    /// It is there, with this value as canonical MessagePack.
    Found(Vec<u8>),
    /// It is not there.
    Missing,
    /// Only a read can tell.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_in_normal_form() {
        for (given, normal) in [
            (Key::Float(1.0), Key::Int(1)),
            (Key::Float(0.5), Key::Float(0.5)),
            (Key::Text("a".into()), Key::Text("a".into())),
            (Key::Bytes(vec![1]), Key::Bytes(vec![1])),
        ] {
            assert_eq!(given.to_core().map(Key::from), Ok(normal.clone()));
            assert_eq!(given.into_core().map(Key::from), Ok(normal));
        }
        assert!(Key::Float(f64::NAN).to_core().is_err());
    }
}
