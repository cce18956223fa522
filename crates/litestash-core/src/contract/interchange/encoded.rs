//! A line straight to canonical bytes, without a tree of values in between.
//!
//! Almost every line can be written out as it is parsed. Whatever cannot (a tag, a number the parser may have
//! got wrong, anything illegal) is read again by [`Line`], which has all the rules and all the messages.

use super::line::Line;
use super::read::is_doubtful;
use crate::contract::key::Key;
use crate::contract::msgpack;
use crate::contract::record::Expiry;
use crate::contract::typed::{Entries, Sequence, Writer};
use crate::contract::version::Version;
use crate::error::{Error, Result};
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use std::fmt;

/// A row as it stands in a JSON Lines file, its value encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedLine {
    /// The key.
    pub key: Key,
    /// The value's canonical encoding.
    pub body: Vec<u8>,
    /// The deadline and window.
    pub expiry: Expiry,
    /// The row's version, if the line has it.
    pub version: Option<Version>,
}

impl EncodedLine {
    /// Reads a line; the errors of [`Line::from_json`], and `TooLarge` over the limits of depth and count.
    pub fn from_json(json: &str) -> Result<Self> {
        match plain_line(json) {
            Ok(line) => Ok(line),
            Err(_) => Line::from_json(json)?.try_into(),
        }
    }
}

impl TryFrom<Line> for EncodedLine {
    type Error = Error;

    fn try_from(line: Line) -> Result<Self> {
        let mut body = Vec::with_capacity(256);
        msgpack::encode(&line.value, &mut body)?;
        Ok(Self { key: line.key, body, expiry: line.expiry, version: line.version })
    }
}

type Unusual = serde_json::Error;

fn unusual<E: serde::de::Error>() -> E {
    E::custom("for the slow path")
}

fn plain_line(json: &str) -> Result<EncodedLine, Unusual> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let line = deserializer.deserialize_map(PlainLine { bytes: json.len() })?;
    deserializer.end()?;
    Ok(line)
}

struct PlainLine {
    /// Length of the line, which the encoded value rarely exceeds.
    bytes: usize,
}

impl<'de> Visitor<'de> for PlainLine {
    type Value = EncodedLine;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<EncodedLine, A::Error> {
        let (mut key, mut body, mut version) = (None, None, None);
        while let Some(name) = members.next_key::<&str>()? {
            match name {
                "key" if key.is_none() => key = Some(Key::Text(members.next_value()?)),
                "value" if body.is_none() => {
                    let mut writer = Writer::with_capacity(self.bytes);
                    members.next_value_seed(Transcode(&mut writer))?;
                    body = Some(writer.into_bytes());
                }
                "version" if version.is_none() => version = Some(Version::from_micros(members.next_value()?)),
                _ => return Err(unusual()),
            }
        }
        match (key, body) {
            (Some(key), Some(body)) if key.as_ref().check().is_ok() => {
                Ok(EncodedLine { key, body, expiry: Expiry::NEVER, version })
            }
            _ => Err(unusual()),
        }
    }
}

/// Writes what is parsed; an error stands for anything that is not plain.
struct Transcode<'a>(&'a mut Writer);

impl<'de> DeserializeSeed<'de> for Transcode<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! write_scalar {
    ($($visit:ident($type:ty) => $serialize:ident;)+) => {$(
        fn $visit<E: serde::de::Error>(self, value: $type) -> Result<(), E> {
            self.0.$serialize(value).map_err(E::custom)
        }
    )+};
}

impl<'de> Visitor<'de> for Transcode<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    write_scalar! {
        visit_bool(bool) => serialize_bool;
        visit_i64(i64) => serialize_i64;
        visit_u64(u64) => serialize_u64;
        visit_str(&str) => serialize_str;
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.serialize_unit().map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, float: f64) -> Result<(), E> {
        if is_doubtful(float) {
            return Err(unusual());
        }
        self.0.serialize_f64(float).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut sequence = Sequence::open(self.0).map_err(serde::de::Error::custom)?;
        while elements.next_element_seed(Transcode(sequence.next_element()))?.is_some() {}
        sequence.finish_counting().map_err(serde::de::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut entries = Entries::open(self.0, 0).map_err(serde::de::Error::custom)?;
        while members.next_key_seed(Name(&mut entries))?.is_some() {
            members.next_value_seed(Transcode(entries.writer()))?;
            entries.end_value();
        }
        if entries.is_tag() {
            return Err(unusual());
        }
        entries.finish().map_err(serde::de::Error::custom)
    }
}

/// Writes a member's name.
struct Name<'a, 'w>(&'a mut Entries<'w>);

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<(), E> {
        self.0.key(name).map_err(E::custom)
    }
}
