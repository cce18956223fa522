//! How the contract's own types ([`Value`], [`Timestamp`], [`Vector`]) pass through serde.
//!
//! Formats made for people get a readable form. The engine's own serializer gets a newtype of a private name
//! around the encoded token, which it writes as it is; its deserializer hands the same token back.

use crate::contract::msgpack::{self, write};
use crate::contract::value::{Map, Timestamp, Value, Vector};
use crate::error::Result;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{self, Serialize, SerializeMap, Serializer};
use std::fmt;

/// The name of the newtype around an encoded token.
pub(super) const TOKEN: &str = "\u{0}litestash::token";

struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return (self.seconds(), self.nanoseconds()).serialize(serializer);
        }
        let mut token = Vec::new();
        write::timestamp(&mut token, *self);
        serializer.serialize_newtype_struct(TOKEN, &Raw(&token))
    }
}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let mut token = Vec::new();
        write::vector(&mut token, &self.0).map_err(ser::Error::custom)?;
        serializer.serialize_newtype_struct(TOKEN, &Raw(&token))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(int) => serializer.serialize_i64(*int),
            Self::Uint(int) => serializer.serialize_u64(*int),
            Self::Float(float) => serializer.serialize_f64(*float),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Array(array) => array.serialize(serializer),
            Self::Map(map) => {
                let mut state = serializer.serialize_map(Some(map.len()))?;
                for (key, value) in map {
                    state.serialize_entry(key, value)?;
                }
                state.end()
            }
            Self::Timestamp(timestamp) => timestamp.serialize(serializer),
            Self::Vector(vector) => vector.serialize(serializer),
        }
    }
}

struct ValueVisitor;

/// Builds the visitor methods that take one scalar.
macro_rules! visit {
    ($($method:ident($type:ty);)+) => {$(
        fn $method<E: de::Error>(self, value: $type) -> Result<Value, E> {
            Ok(value.into())
        }
    )+};
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    visit! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_f64(f64);
        visit_str(&str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let token = <&[u8]>::deserialize(deserializer)?;
        msgpack::decode(token).map_err(de::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut array = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
        while let Some(element) = seq.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = if deserializer.is_human_readable() {
            let (seconds, nanoseconds) = <(i64, u32)>::deserialize(deserializer)?;
            Self::new(seconds, nanoseconds).map(Value::Timestamp)
        } else {
            Some(Value::deserialize(deserializer)?)
        };
        match value {
            Some(Value::Timestamp(timestamp)) => Ok(timestamp),
            _ => Err(de::Error::custom("the stored value is no timestamp")),
        }
    }
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Vec::deserialize(deserializer).map(Self);
        }
        match Value::deserialize(deserializer)? {
            Value::Vector(vector) => Ok(vector),
            _ => Err(de::Error::custom("the stored value is no vector")),
        }
    }
}
