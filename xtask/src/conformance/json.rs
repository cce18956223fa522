//! JSON as the suite compares it: an integer is never a float, and floats are equal if their bits are.

use anyhow::{Context, Result};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// A JSON text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// The digits, whatever their number.
    Int(String),
    /// The bits of the binary64.
    Float(u64),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let raw: &RawValue = serde_json::from_str(text).context("no JSON text")?;
        Self::from_raw(raw)
    }

    pub(super) fn from_raw(raw: &RawValue) -> Result<Self> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let members = members.into_iter().map(|(name, raw)| Ok((name, Self::from_raw(raw)?)));
                Self::Object(members.collect::<Result<_>>()?)
            }
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::Array(elements.into_iter().map(Self::from_raw).collect::<Result<_>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b'-' | b'0'..=b'9') if text.contains(['.', 'e', 'E']) => {
                Self::Float(text.parse::<f64>()?.to_bits())
            }
            Some(b'-' | b'0'..=b'9') => Self::Int(if text == "-0" { "0" } else { text }.to_owned()),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            _ => Self::Null,
        })
    }

    /// The member of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(name),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| serde_json::Value::from(text);
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(digits) => f.write_str(digits),
            Self::Float(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
            Self::Text(content) => text(content).fmt(f),
            Self::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if index == 0 { "[" } else { "," })?;
                }
                f.write_str(if elements.is_empty() { "[]" } else { "]" })
            }
            Self::Object(members) => {
                for (index, (name, content)) in members.iter().enumerate() {
                    write!(f, "{}{}:{content}", if index == 0 { "{" } else { "," }, text(name))?;
                }
                f.write_str(if members.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

/// A text for people: long ones are cut, with their length.
pub(super) fn brief(text: &str) -> String {
    const CHARACTERS_MAX: usize = 300;
    let length = text.chars().count();
    if length <= CHARACTERS_MAX {
        return text.to_owned();
    }
    let head: String = text.chars().take(CHARACTERS_MAX).collect();
    format!("{head}… ({length} characters)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        Json::parse(a).unwrap() == Json::parse(b).unwrap()
    }

    #[test]
    fn numbers_keep_their_kind() {
        assert!(same("1.0", "1e0") && same("-0", "0") && same("[1, 2]", "[1,2]"));
        assert!(!same("1", "1.0") && !same("0.0", "-0.0"));
        assert!(!same("18446744073709551616", "1.8446744073709552e19"));
        assert!(!same("18446744073709551616", "18446744073709551617"));
    }

    #[test]
    fn order_of_members_does_not_count() {
        assert!(same(r#"{"a":1,"b":[null,true,"é"]}"#, "{\"b\":[null,true,\"\\u00e9\"],\"a\":1}"));
        assert!(!same("{}", "[]") && !same("null", "false"));
        assert!(Json::parse("{\"a\":}").is_err() && Json::parse("1 2").is_err() && Json::parse("").is_err());
    }

    #[test]
    fn deep_texts_are_read_and_written() {
        let deep = format!("{}{{}}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(Json::parse(&deep).unwrap().to_string(), deep);
        assert_eq!(Json::parse(r#"{"a" : [ 1.5 ,"x\n" ]}"#).unwrap().to_string(), r#"{"a":[1.5,"x\n"]}"#);
        assert!(brief(&"x".repeat(301)).ends_with("(301 characters)"));
    }
}
