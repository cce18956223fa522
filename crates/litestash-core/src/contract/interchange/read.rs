//! JSON to keys and values.

use super::numbers::settle_integers;
use super::tag::untag;
use crate::contract::key::{Key, ToKey};
use crate::contract::limits::DEPTH_MAX;
use crate::contract::value::{Map, Value};
use crate::error::{Error, ErrorKind, Result};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Deepest JSON that can still be a value: each map may be wrapped in a tag, around it the line's own object.
const JSON_DEPTH_MAX: usize = 2 * DEPTH_MAX + 2;

/// The value of a JSON text. `InvalidValue` names what is wrong; limits are checked when
/// the value is encoded.
pub fn value_from_json(json: &str) -> Result<Value> {
    untag(plain_from_json(json)?)
}

/// The key of a JSON text.
pub fn key_from_json(json: &str) -> Result<Key> {
    value_from_json(json).map_err(as_key_error).and_then(key_from_value)
}

/// What is no value where a key is expected is no key.
pub(super) fn as_key_error(error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidValue => {
            Error::new(ErrorKind::InvalidKey, error.message().to_owned()).with_source(error)
        }
        _ => error,
    }
}

/// A value that stands where a key is expected.
pub(super) fn key_from_value(value: Value) -> Result<Key> {
    let key = match value {
        Value::Text(text) => Key::Text(text),
        Value::Int(int) => Key::Int(int),
        Value::Float(float) => Key::float(float)?,
        Value::Bytes(bytes) => Key::Bytes(bytes),
        other => {
            return Err(Error::new(ErrorKind::InvalidKey, format!("{} cannot be a key", other.type_name())));
        }
    };
    key.to_key()?;
    Ok(key)
}

/// JSON as it stands, tags not yet read.
pub(super) fn plain_from_json(json: &str) -> Result<Value> {
    let mut doubtful = false;
    let value = parse(json, &mut doubtful)?;
    if !doubtful {
        return Ok(value);
    }
    parse(&settle_integers(json)?, &mut doubtful)
}

fn parse(json: &str, doubtful: &mut bool) -> Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.disable_recursion_limit();
    let not_json = |error: serde_json::Error| {
        Error::invalid_value(format!("not valid JSON at column {}: {}", error.column(), category(&error)))
    };
    let value = Plain { depth: 0, doubtful }.deserialize(&mut deserializer).map_err(not_json)?;
    deserializer.end().map_err(not_json)?;
    Ok(value)
}

/// The parser's message without the position, which the caller has. It names no content of strings.
fn category(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Whether the parser may have made this float out of an integer: -0 or one beyond 64 bits.
pub(super) fn is_doubtful(float: f64) -> bool {
    float == 0.0 || float.abs() >= i64::MAX as f64
}

/// Reads JSON as it stands into a [`Value`]; a name given twice is an error.
struct Plain<'a> {
    depth: usize,
    /// Set where the parser may have turned an integer into a float.
    doubtful: &'a mut bool,
}

impl Plain<'_> {
    fn inner<E: de::Error>(&mut self) -> Result<Plain<'_>, E> {
        if self.depth >= JSON_DEPTH_MAX {
            return Err(E::custom("nested too deep"));
        }
        Ok(Plain { depth: self.depth + 1, doubtful: self.doubtful })
    }
}

impl<'de> DeserializeSeed<'de> for Plain<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, int: i64) -> Result<Value, E> {
        Ok(Value::Int(int))
    }

    fn visit_u64<E>(self, int: u64) -> Result<Value, E> {
        Ok(Value::from(int))
    }

    fn visit_f64<E>(self, float: f64) -> Result<Value, E> {
        *self.doubtful |= is_doubtful(float);
        Ok(Value::Float(float))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = seq.next_element_seed(self.inner()?)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.inner()?)?;
            if map.insert(key, value).is_some() {
                return Err(de::Error::custom("an object has the same name twice"));
            }
        }
        Ok(Value::Map(map))
    }
}
