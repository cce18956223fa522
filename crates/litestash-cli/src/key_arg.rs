//! Keys: from arguments and cells, and to the terminal.

use clap::{Args, ValueEnum};
use litestash_core::contract::interchange::{key_from_json, key_to_json};
use litestash_core::{Error, ErrorKind, Key, Result};

/// The type that a key's text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum KeyType {
    #[default]
    Text,
    Int,
    Float,
    Bytes,
}

impl KeyType {
    /// The key that `text` stands for.
    pub(crate) fn key(self, text: &str) -> Result<Key> {
        let refused = |message| Err(Error::new(ErrorKind::InvalidKey, message));
        match self {
            Self::Text => Ok(Key::from(text)),
            Self::Int => match text.parse() {
                Ok(int) => Ok(Key::Int(int)),
                Err(_) => refused("an integer key is a whole number from -2^63 to 2^63-1"),
            },
            Self::Float => match text.parse::<f64>() {
                // Too great a number would read as infinite; infinity itself is spelled out.
                Ok(float) if float.is_finite() || !text.contains(|c: char| c.is_ascii_digit()) => {
                    Key::float(float)
                }
                _ => refused("a float key is a number, or inf or -inf"),
            },
            Self::Bytes => match from_hex(text) {
                Some(bytes) => Ok(Key::Bytes(bytes)),
                None => refused("a bytes key is hexadecimal, two digits for each byte"),
            },
        }
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// How the KEY arguments are read.
#[derive(Debug, Args)]
pub(crate) struct KeyForm {
    /// What KEY stands for; bytes are hexadecimal, such as 00ff
    #[arg(long, value_enum, value_name = "TYPE", default_value_t, help_heading = "Keys")]
    key_type: KeyType,
    /// KEY is JSON, of any type: "text", 42, 1.5, {"$bytes": "AP8="}
    #[arg(long, conflicts_with = "key_type", help_heading = "Keys")]
    json_key: bool,
}

impl KeyForm {
    pub(crate) fn key(&self, text: &str) -> Result<Key> {
        if self.json_key {
            return key_from_json(text);
        }
        self.key_type.key(text)
    }

    pub(crate) fn keys(&self, texts: &[String]) -> Result<Vec<Key>> {
        texts.iter().map(|text| self.key(text)).collect()
    }
}

/// A key as JSON.
pub(crate) fn to_json(key: &Key) -> String {
    let mut json = String::new();
    key_to_json(key.as_ref(), &mut json);
    json
}

/// A key for people: text as it is, unless it is empty or would disturb the terminal;
/// everything else as JSON.
pub(crate) fn for_people(key: &Key) -> String {
    match key {
        Key::Text(text) if !text.is_empty() && !text.contains(char::is_control) => text.clone(),
        other => to_json(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_reads_its_own_form() {
        assert_eq!(KeyType::Text.key("-1").unwrap(), Key::from("-1"));
        assert_eq!(KeyType::Int.key("-1").unwrap(), Key::Int(-1));
        assert_eq!(KeyType::Float.key("1.0").unwrap(), Key::Int(1));
        assert_eq!(KeyType::Float.key("-inf").unwrap(), Key::float(f64::NEG_INFINITY).unwrap());
        assert_eq!(KeyType::Bytes.key("00fF").unwrap(), Key::Bytes(vec![0, 255]));
        assert_eq!(KeyType::Bytes.key("").unwrap(), Key::Bytes(Vec::new()));
        for (kind, text) in [
            (KeyType::Int, "1.0"),
            (KeyType::Int, "9223372036854775808"),
            (KeyType::Float, "1e999"),
            (KeyType::Float, "nan"),
            (KeyType::Float, "one"),
            (KeyType::Bytes, "0"),
            (KeyType::Bytes, "0g"),
            (KeyType::Bytes, "é"),
        ] {
            assert_eq!(kind.key(text).unwrap_err().kind(), ErrorKind::InvalidKey, "{text}");
        }
    }

    #[test]
    fn keys_for_people_are_plain_where_that_is_safe() {
        assert_eq!(for_people(&Key::from("user:1")), "user:1");
        assert_eq!(for_people(&Key::from("a\nb")), r#""a\nb""#);
        assert_eq!(for_people(&Key::from("")), r#""""#);
        assert_eq!(for_people(&Key::Int(7)), "7");
        assert_eq!(for_people(&Key::Bytes(vec![0])), r#"{"$bytes":"AA=="}"#);
    }
}
