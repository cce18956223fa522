//! Keys: what is allowed, and the one normal form (`docs/CONTRACT.md` 3).

use super::limits::KEY_BYTES_MAX;
use crate::error::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A float that is a key of its own: not NaN, and not an integer in the i64 range.
#[derive(Clone, Copy)]
pub struct KeyFloat(f64);

impl KeyFloat {
    /// One of them.
    pub(super) const HALF: Self = Self(0.5);

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl PartialEq for KeyFloat {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for KeyFloat {}

impl Hash for KeyFloat {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl PartialOrd for KeyFloat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyFloat {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Debug for KeyFloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key in normal form.
///
/// Made from Rust's own types with `From` and `TryFrom`, or by [`Key::float`]. A float with an integral value
/// in the i64 range is the integer key, so `1` and `1.0` are one key.
///
/// The length is checked when the key is used: at most [`KEY_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// Text, any valid Unicode.
    Text(String),
    /// An integer.
    Int(i64),
    /// A float that is no integer.
    Float(KeyFloat),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What a `key` column holds, in SQLite's storage classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StoredKey<'a> {
    /// TEXT, not yet known to be UTF-8.
    Text(&'a [u8]),
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// BLOB.
    Blob(&'a [u8]),
}

/// A borrowed [`Key`]: what the engine's inner functions take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyRef<'a> {
    /// Text, any valid Unicode.
    Text(&'a str),
    /// An integer.
    Int(i64),
    /// A float that is no integer.
    Float(KeyFloat),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl Key {
    /// The key of a float: an integer key if the value is integral and fits i64, `InvalidKey` for NaN.
    pub fn float(float: f64) -> Result<Self> {
        KeyRef::float(float).map(|key| key.to_owned())
    }

    /// The key that a `key` column holds; `Corrupt` if it is none in normal form.
    pub fn from_stored(stored: StoredKey<'_>) -> Result<Self> {
        let key = match stored {
            StoredKey::Text(text) => {
                let text = std::str::from_utf8(text)
                    .map_err(|_| Error::corrupt("the key column is not valid UTF-8"))?;
                KeyRef::Text(text)
            }
            StoredKey::Integer(int) => KeyRef::Int(int),
            StoredKey::Real(float) => match KeyRef::float(float) {
                Ok(key @ KeyRef::Float(_)) => key,
                _ => return Err(Error::corrupt("the key column holds a float that is no key of its own")),
            },
            StoredKey::Blob(bytes) => KeyRef::Bytes(bytes),
        };
        key.check().map_err(|_| Error::corrupt("the key column is longer than a key can be"))?;
        Ok(key.to_owned())
    }

    /// The key as a borrowed one.
    pub fn as_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Text(text) => KeyRef::Text(text),
            Self::Int(int) => KeyRef::Int(*int),
            Self::Float(float) => KeyRef::Float(*float),
            Self::Bytes(bytes) => KeyRef::Bytes(bytes),
        }
    }

    /// The text of a text key.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> KeyRef<'a> {
    /// The key of a float; see [`Key::float`].
    pub fn float(float: f64) -> Result<Self> {
        // 2^63 is exact in binary64; the cast below is exact for integral values in this range.
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        if float.is_nan() {
            Err(Error::new(ErrorKind::InvalidKey, "NaN is not a key"))
        } else if float.trunc() == float && (-LIMIT..LIMIT).contains(&float) {
            Ok(Self::Int(float as i64))
        } else {
            Ok(Self::Float(KeyFloat(float)))
        }
    }

    /// An owned copy.
    pub fn to_owned(self) -> Key {
        match self {
            Self::Text(text) => Key::Text(text.to_owned()),
            Self::Int(int) => Key::Int(int),
            Self::Float(float) => Key::Float(float),
            Self::Bytes(bytes) => Key::Bytes(bytes.to_owned()),
        }
    }

    /// Bytes the key counts as: its own length, or 8 for a number.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Int(_) | Self::Float(_) => 8,
        }
    }

    /// `TooLarge` over [`KEY_BYTES_MAX`].
    pub fn check(self) -> Result<Self> {
        if self.size_bytes() > KEY_BYTES_MAX {
            return Err(Error::too_large(format!(
                "the key has {} bytes; the limit is {KEY_BYTES_MAX}",
                self.size_bytes()
            )));
        }
        Ok(self)
    }
}

/// What can be used as a key. Text, integers, floats and bytes, owned or borrowed, and [`Key`] itself.
pub trait ToKey {
    /// The key in normal form, with its length checked.
    fn to_key(&self) -> Result<Cow<'_, Key>>;

    /// Calls `f` with the borrowed key; the way without an allocation.
    fn with_key<R>(&self, f: impl FnOnce(KeyRef<'_>) -> Result<R>) -> Result<R> {
        f(self.to_key()?.as_ref().as_ref())
    }
}

macro_rules! to_key {
    ($($type:ty => |$self:ident| $key:expr;)+) => {$(
        impl ToKey for $type {
            fn to_key(&self) -> Result<Cow<'_, Key>> {
                let $self = self;
                Ok(Cow::Owned($key?.check()?.to_owned()))
            }
            fn with_key<R>(&self, f: impl FnOnce(KeyRef<'_>) -> Result<R>) -> Result<R> {
                let $self = self;
                f($key?.check()?)
            }
        }
    )+};
}

fn wide(int: impl TryInto<i64>) -> Result<KeyRef<'static>> {
    let int = int
        .try_into()
        .map_err(|_| Error::new(ErrorKind::InvalidKey, "an integer key must fit 64 signed bits"))?;
    Ok(KeyRef::Int(int))
}

to_key! {
    str => |key| Ok::<_, Error>(KeyRef::Text(key));
    String => |key| Ok::<_, Error>(KeyRef::Text(key));
    [u8] => |key| Ok::<_, Error>(KeyRef::Bytes(key));
    Vec<u8> => |key| Ok::<_, Error>(KeyRef::Bytes(key));
    i8 => |key| wide(*key);
    i16 => |key| wide(*key);
    i32 => |key| wide(*key);
    i64 => |key| wide(*key);
    i128 => |key| wide(*key);
    isize => |key| wide(*key);
    u8 => |key| wide(*key);
    u16 => |key| wide(*key);
    u32 => |key| wide(*key);
    u64 => |key| wide(*key);
    u128 => |key| wide(*key);
    usize => |key| wide(*key);
    f32 => |key| KeyRef::float(f64::from(*key));
    f64 => |key| KeyRef::float(*key);
    Key => |key| Ok::<_, Error>(key.as_ref());
    KeyRef<'_> => |key| Ok::<_, Error>(*key);
}

impl<const N: usize> ToKey for [u8; N] {
    fn to_key(&self) -> Result<Cow<'_, Key>> {
        Ok(Cow::Owned(KeyRef::Bytes(self).check()?.to_owned()))
    }
    fn with_key<R>(&self, f: impl FnOnce(KeyRef<'_>) -> Result<R>) -> Result<R> {
        f(KeyRef::Bytes(self).check()?)
    }
}

impl<T: ToKey + ?Sized> ToKey for &T {
    fn to_key(&self) -> Result<Cow<'_, Key>> {
        (**self).to_key()
    }
    fn with_key<R>(&self, f: impl FnOnce(KeyRef<'_>) -> Result<R>) -> Result<R> {
        (**self).with_key(f)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Key {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_owned())
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl TryFrom<f64> for Key {
    type Error = Error;
    fn try_from(float: f64) -> Result<Self> {
        Self::float(float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integral_float_is_the_integer_key() {
        for (float, expected) in [
            (1.0, Key::Int(1)),
            (-0.0, Key::Int(0)),
            (-9_223_372_036_854_775_808.0, Key::Int(i64::MIN)),
            (9_223_372_036_854_774_784.0, Key::Int(9_223_372_036_854_774_784)),
        ] {
            assert_eq!(Key::float(float).unwrap(), expected);
        }
        for float in [1.5, 9_223_372_036_854_775_808.0, 1e300, f64::INFINITY, f64::NEG_INFINITY, 5e-324] {
            assert!(matches!(Key::float(float).unwrap(), Key::Float(same) if same.get() == float));
        }
        assert_eq!(Key::float(f64::NAN).unwrap_err().kind(), ErrorKind::InvalidKey);
    }

    #[test]
    fn length_and_range_are_checked() {
        let longest = "x".repeat(KEY_BYTES_MAX);
        assert!(longest.to_key().is_ok());
        assert_eq!((longest + "x").to_key().unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(u64::MAX.to_key().unwrap_err().kind(), ErrorKind::InvalidKey);
        assert!("".to_key().is_ok() && [0u8; 0].to_key().is_ok());
    }
}
