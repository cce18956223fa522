//! One line of an export: a row as a JSON object.

use super::read::{as_key_error, key_from_value, plain_from_json};
use super::tag::untag;
use super::write::{key_to_json, value_to_json};
use crate::contract::key::Key;
use crate::contract::record::Expiry;
use crate::contract::value::Value;
use crate::contract::version::Version;
use crate::error::{Error, Result};
use std::fmt::Write;

/// A row as it stands in a JSON Lines file.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Value,
    /// The deadline and window.
    pub expiry: Expiry,
    /// The row's version, if the line has it.
    pub version: Option<Version>,
}

impl Line {
    /// Reads a line. `InvalidKey`, `InvalidValue` or `TooLarge` says what is wrong with it.
    pub fn from_json(json: &str) -> Result<Self> {
        let Value::Map(mut members) = plain_from_json(json)? else {
            return Err(Error::invalid_value("the line is no object"));
        };
        let mut required = |name: &str| {
            members.remove(name).ok_or_else(|| Error::invalid_value(format!("the line has no `{name}`")))
        };
        let key = untag(required("key")?).map_err(as_key_error).and_then(key_from_value)?;
        let value = untag(required("value")?)?;
        let mut int = |name: &str| {
            let member = members.remove(name);
            member
                .map(|value| {
                    value
                        .as_int()
                        .ok_or_else(|| Error::invalid_value(format!("`{name}` is no integer in range")))
                })
                .transpose()
        };
        let expires_at = int("expires_at")?;
        let idle_us = int("idle_us")?
            .map(|idle| match u64::try_from(idle) {
                Ok(idle) if idle > 0 && expires_at.is_some() => Ok(idle),
                _ => Err(Error::invalid_value("`idle_us` is at least 1 and needs `expires_at`")),
            })
            .transpose()?;
        let version = int("version")?.map(Version::from_micros);
        if !members.is_empty() {
            return Err(Error::invalid_value(
                "the line has a member other than key, value, expires_at, idle_us, version",
            ));
        }
        Ok(Self { key, value, expiry: Expiry { expires_at, idle_us }, version })
    }

    /// Appends the line, with `\n`.
    pub fn to_json(&self, out: &mut String) {
        out.push_str("{\"key\":");
        key_to_json(self.key.as_ref(), out);
        out.push_str(",\"value\":");
        value_to_json(&self.value, out);
        // Writing to a String does not fail.
        if let Some(deadline) = self.expiry.expires_at {
            let _ = write!(out, ",\"expires_at\":{deadline}");
        }
        if let Some(idle) = self.expiry.idle_us {
            let _ = write!(out, ",\"idle_us\":{idle}");
        }
        if let Some(version) = self.version {
            let _ = write!(out, ",\"version\":{version}");
        }
        out.push_str("}\n");
    }
}
