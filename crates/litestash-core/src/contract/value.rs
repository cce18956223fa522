//! The values a stash can hold.

use std::collections::BTreeMap;

/// A map: text keys in the order of their UTF-8 bytes, which is `String`'s own order.
pub type Map = BTreeMap<String, Value>;

/// A moment with nanoseconds, as MessagePack's timestamp extension: seconds since 1970-01-01T00:00:00Z, and
/// nanoseconds after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

impl Timestamp {
    /// That moment; `None` if `nanoseconds` is over 999 999 999.
    pub const fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
        if nanoseconds < 1_000_000_000 { Some(Self { seconds, nanoseconds }) } else { None }
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`Timestamp::seconds`], 0 to 999 999 999.
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }
}

/// A vector of binary32 numbers, such as an embedding. In the file: 4 bytes each, little-endian.
#[derive(Debug, Clone, Default)]
pub struct Vector(pub Vec<f32>);

impl PartialEq for Vector {
    fn eq(&self, other: &Self) -> bool {
        let bits = |vector: &Self| vector.0.iter().map(|f| canonical_f32(*f).to_bits()).collect::<Vec<_>>();
        self.0.len() == other.0.len() && bits(self) == bits(other)
    }
}

impl Eq for Vector {}

/// Any value of the contract.
///
/// Two values are equal if their canonical encodings are: `1` and `1.0` differ, `0.0` and
/// `-0.0` differ, NaN equals NaN.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Nothing, as a stored value. Not the same as a miss.
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer in the i64 range.
    Int(i64),
    /// An integer; only needed above `i64::MAX`. Smaller ones are the same value as [`Value::Int`].
    Uint(u64),
    /// A binary64 number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An array.
    Array(Vec<Value>),
    /// A map with text keys.
    Map(Map),
    /// A moment.
    Timestamp(Timestamp),
    /// A vector of binary32 numbers.
    Vector(Vector),
}

impl Value {
    /// The type's name, for messages: `nil`, `bool`, `integer`, `float`, `text`, `bytes`, `array`, `map`,
    /// `timestamp` or `vector`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Uint(_) => "integer",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Timestamp(_) => "timestamp",
            Self::Vector(_) => "vector",
        }
    }

    /// The member of a map, or `None` if this is no map or has no such key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The text of a text value.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer of an integer value, if it fits i64.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Uint(int) => i64::try_from(*int).ok(),
            _ => None,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Uint(a), Self::Uint(b)) => a == b,
            (Self::Int(int), Self::Uint(uint)) | (Self::Uint(uint), Self::Int(int)) => {
                u64::try_from(*int) == Ok(*uint)
            }
            (Self::Float(a), Self::Float(b)) => canonical_f64(*a).to_bits() == canonical_f64(*b).to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Vector(a), Self::Vector(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// The same number, with every NaN as the contract's one NaN.
pub fn canonical_f64(float: f64) -> f64 {
    if float.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { float }
}

/// The same number, with every NaN as the contract's one NaN.
pub fn canonical_f32(float: f32) -> f32 {
    if float.is_nan() { f32::from_bits(0x7fc0_0000) } else { float }
}

macro_rules! value_from {
    ($($type:ty => |$from:ident| $value:expr;)+) => {$(
        impl From<$type> for Value {
            fn from($from: $type) -> Self { $value }
        }
    )+};
}

value_from! {
    bool => |b| Self::Bool(b);
    i8 => |int| Self::Int(int.into());
    i16 => |int| Self::Int(int.into());
    i32 => |int| Self::Int(int.into());
    i64 => |int| Self::Int(int);
    u8 => |int| Self::Int(int.into());
    u16 => |int| Self::Int(int.into());
    u32 => |int| Self::Int(int.into());
    u64 => |int| i64::try_from(int).map_or(Self::Uint(int), Self::Int);
    f32 => |float| Self::Float(float.into());
    f64 => |float| Self::Float(float);
    &str => |text| Self::Text(text.to_owned());
    String => |text| Self::Text(text);
    Vec<u8> => |bytes| Self::Bytes(bytes);
    &[u8] => |bytes| Self::Bytes(bytes.to_owned());
    Vec<Value> => |array| Self::Array(array);
    Map => |map| Self::Map(map);
    Timestamp => |timestamp| Self::Timestamp(timestamp);
    Vector => |vector| Self::Vector(vector);
    () => |_nothing| Self::Nil;
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(option: Option<T>) -> Self {
        option.map_or(Self::Nil, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_that_of_the_encoding() {
        assert_eq!(Value::Int(5), Value::Uint(5));
        assert_ne!(Value::Int(-1), Value::Uint(u64::MAX));
        assert_ne!(Value::Int(1), Value::Float(1.0));
        assert_ne!(Value::Float(0.0), Value::Float(-0.0));
        assert_eq!(Value::Float(f64::NAN), Value::Float(-f64::NAN));
        assert_eq!(Value::from(u64::MAX), Value::Uint(u64::MAX));
    }
}
