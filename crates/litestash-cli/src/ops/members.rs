//! The members of an operation's object, each taken out once.

use super::invalid;
use litestash_core::contract::interchange::{key_from_json, value_from_json};
use litestash_core::{Error, Key, Result, Value};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// An object whose members are still JSON text, so that the core's own reader judges keys and values.
pub(super) struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Members<'de>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, content)) = entries.next_entry::<String, &RawValue>()? {
                    if members.insert(name, content).is_some() {
                        return Err(A::Error::custom("a member stands there twice"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'a> Members<'a> {
    pub(super) fn parse(json: &'a str) -> Result<Self> {
        serde_json::from_str(json)
            .map_err(|error| invalid(format!("an operation is a JSON object: {error}")).with_source(error))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<&'a str> {
        self.0.remove(name).map(RawValue::get)
    }

    pub(super) fn required(&mut self, name: &str) -> Result<&'a str> {
        self.take(name).ok_or_else(|| invalid(format!("the operation has no `{name}`")))
    }

    /// The member `key`.
    pub(super) fn key(&mut self) -> Result<Key> {
        key(self.required("key")?)
    }

    pub(super) fn value(&mut self, name: &str) -> Result<Value> {
        value_from_json(self.required(name)?)
    }

    pub(super) fn optional_value(&mut self, name: &str) -> Result<Option<Value>> {
        self.take(name).map(value_from_json).transpose()
    }

    pub(super) fn int(&mut self, name: &str) -> Result<Option<i64>> {
        self.typed(name, "an integer of 64 signed bits", |value| value.as_int())
    }

    /// An integer, or null, which is `Some(None)`.
    pub(super) fn int_or_null(&mut self, name: &str) -> Result<Option<Option<i64>>> {
        let int = |value| match value {
            Value::Nil => Some(None),
            other => other.as_int().map(Some),
        };
        self.typed(name, "an integer of 64 signed bits, or null", int)
    }

    pub(super) fn required_int(&mut self, name: &str) -> Result<i64> {
        self.int(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn float(&mut self, name: &str) -> Result<f64> {
        let float = |value| match value {
            Value::Float(float) => Some(float),
            _ => None,
        };
        self.typed(name, "a float", float)?.ok_or_else(|| missing(name))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool> {
        let flag = |value| match value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        };
        Ok(self.typed(name, "true or false", flag)?.unwrap_or(false))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        let text = |value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        };
        self.typed(name, "a text", text)
    }

    pub(super) fn required_text(&mut self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// The elements of a list.
    pub(super) fn list<T: Deserialize<'a>>(&mut self, name: &str) -> Result<Vec<T>> {
        serde_json::from_str(self.required(name)?)
            .map_err(|error| invalid(format!("`{name}` is no such list: {error}")).with_source(error))
    }

    /// Refuses members that nobody asked for.
    pub(super) fn finish(self) -> Result<()> {
        match self.0.first_key_value() {
            None => Ok(()),
            Some((name, _)) => Err(invalid(format!("the operation does not know the member `{name}`"))),
        }
    }

    fn typed<T>(
        &mut self,
        name: &str,
        expected: &str,
        convert: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(json) = self.take(name) else { return Ok(None) };
        let value = value_from_json(json).ok().and_then(convert);
        value.map(Some).ok_or_else(|| invalid(format!("`{name}` is {expected}")))
    }
}

fn missing(name: &str) -> Error {
    invalid(format!("the operation has no `{name}`"))
}

/// A key from its JSON text.
pub(super) fn key(json: &str) -> Result<Key> {
    key_from_json(json)
}
