//! Any `Serialize` to canonical bytes.

use super::special::TOKEN;
use crate::contract::msgpack::write;
use crate::contract::msgpack::{Budget, decode, deeper};
use crate::contract::value::Value;
use crate::error::{Error, Result};
use serde::ser::{self, Impossible, Serialize};
use std::ops::Range;

/// The canonical encoding of `value`.
///
/// `InvalidValue` if it cannot be represented (an integer of more than 64 bits, a map key that is no text, a
/// duplicate key), `TooLarge` over the limits of depth and count.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let mut writer = Writer::with_capacity(128);
    value.serialize(&mut writer)?;
    Ok(writer.into_bytes())
}

/// `value` as a [`Value`]; the errors of [`to_bytes`].
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
    decode(&to_bytes(value)?)
}

/// Writes canonical bytes as a value is walked through.
pub(in crate::contract) struct Writer {
    out: Vec<u8>,
    depth: usize,
    budget: Budget,
}

impl Writer {
    pub(in crate::contract) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), depth: 0, budget: Budget::default() }
    }

    pub(in crate::contract) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Opens an array or map; its head is put in front once the count is known.
    fn open(&mut self) -> Result<usize> {
        self.budget.value()?;
        self.depth = deeper(self.depth)?;
        Ok(self.out.len())
    }

    /// Moves the head, written last, in front of what was written since `start`.
    fn close(&mut self, start: usize, head: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let end = self.out.len();
        head(&mut self.out)?;
        let head_len = self.out.len() - end;
        self.out[start..].rotate_right(head_len);
        self.depth -= 1;
        Ok(())
    }

    fn open_variant(&mut self, variant: &str) -> Result<Variant> {
        let start = self.open()?;
        write::text(&mut self.out, variant)?;
        Ok(Variant { start })
    }

    fn close_variant(&mut self, variant: &Variant) -> Result<()> {
        self.close(variant.start, |out| write::map_head(out, 1))
    }
}

/// The map `{variant: content}` around an enum's content.
struct Variant {
    start: usize,
}

macro_rules! scalar {
    ($($method:ident($type:ty) => |$writer:ident, $value:ident| $write:expr;)+) => {$(
        fn $method(self, $value: $type) -> Result<()> {
            let $writer = self;
            $writer.budget.value()?;
            $write;
            Ok(())
        }
    )+};
}

impl<'a> ser::Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Sequence<'a>;
    type SerializeTuple = Sequence<'a>;
    type SerializeTupleStruct = Sequence<'a>;
    type SerializeTupleVariant = Sequence<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Entries<'a>;
    type SerializeStructVariant = Entries<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    scalar! {
        serialize_bool(bool) => |writer, value| write::bool(&mut writer.out, value);
        serialize_i8(i8) => |writer, value| write::int(&mut writer.out, value.into());
        serialize_i16(i16) => |writer, value| write::int(&mut writer.out, value.into());
        serialize_i32(i32) => |writer, value| write::int(&mut writer.out, value.into());
        serialize_i64(i64) => |writer, value| write::int(&mut writer.out, value);
        serialize_u8(u8) => |writer, value| write::uint(&mut writer.out, value.into());
        serialize_u16(u16) => |writer, value| write::uint(&mut writer.out, value.into());
        serialize_u32(u32) => |writer, value| write::uint(&mut writer.out, value.into());
        serialize_u64(u64) => |writer, value| write::uint(&mut writer.out, value);
        serialize_f32(f32) => |writer, value| write::float(&mut writer.out, value.into());
        serialize_f64(f64) => |writer, value| write::float(&mut writer.out, value);
        serialize_str(&str) => |writer, value| write::text(&mut writer.out, value)?;
        serialize_bytes(&[u8]) => |writer, value| write::bytes(&mut writer.out, value)?;
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(int), _) => self.serialize_i64(int),
            (_, Ok(int)) => self.serialize_u64(int),
            _ => Err(out_of_range()),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        self.serialize_u64(u64::try_from(value).map_err(|_| out_of_range())?)
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.budget.value()?;
        write::nil(&mut self.out);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<()> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<()> {
        if name == TOKEN {
            self.budget.value()?;
            return value.serialize(TokenWriter { out: &mut self.out });
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        let variant = self.open_variant(variant)?;
        value.serialize(&mut *self)?;
        self.close_variant(&variant)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Sequence<'a>> {
        Sequence::open(self)
    }

    fn serialize_tuple(self, len: usize) -> Result<Sequence<'a>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Sequence<'a>> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Sequence<'a>> {
        let variant = self.open_variant(variant)?;
        let start = self.open()?;
        Ok(Sequence { writer: self, start, len: 0, variant: Some(variant) })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Entries<'a>> {
        Entries::open(self, len.unwrap_or(0))
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Entries<'a>> {
        self.serialize_map(Some(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Entries<'a>> {
        let variant = self.open_variant(variant)?;
        let start = self.open()?;
        Ok(Entries { writer: self, start, ranges: Vec::with_capacity(len), variant: Some(variant) })
    }
}

fn out_of_range() -> Error {
    Error::invalid_value("an integer is outside -2^63 ... 2^64-1")
}

/// An array being written.
pub(in crate::contract) struct Sequence<'a> {
    writer: &'a mut Writer,
    start: usize,
    len: usize,
    variant: Option<Variant>,
}

impl<'a> Sequence<'a> {
    pub(in crate::contract) fn open(writer: &'a mut Writer) -> Result<Self> {
        let start = writer.open()?;
        Ok(Self { writer, start, len: 0, variant: None })
    }

    /// Where the next element is to be written, if there is one.
    pub(in crate::contract) fn next_element(&mut self) -> &mut Writer {
        self.len += 1;
        self.writer
    }

    /// [`Sequence::finish`] after [`Sequence::next_element`] was asked once more than there were elements.
    pub(in crate::contract) fn finish_counting(mut self) -> Result<()> {
        self.len -= 1;
        self.finish()
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.len += 1;
        value.serialize(&mut *self.writer)
    }

    fn finish(self) -> Result<()> {
        self.writer.close(self.start, |out| write::array_head(out, self.len))?;
        self.variant.map_or(Ok(()), |variant| self.writer.close_variant(&variant))
    }
}

/// A map being written: entries in the order given, put in order at the end.
pub(in crate::contract) struct Entries<'a> {
    writer: &'a mut Writer,
    start: usize,
    /// Per entry: where its key's text stands, and where its value ends.
    ranges: Vec<(Range<usize>, usize)>,
    variant: Option<Variant>,
}

impl<'a> Entries<'a> {
    pub(in crate::contract) fn open(writer: &'a mut Writer, len: usize) -> Result<Self> {
        let start = writer.open()?;
        Ok(Self { writer, start, ranges: Vec::with_capacity(len.min(1024)), variant: None })
    }

    /// Where the value of the last key is to be written.
    pub(in crate::contract) fn writer(&mut self) -> &mut Writer {
        self.writer
    }

    /// Ends the value of the last key.
    pub(in crate::contract) fn end_value(&mut self) {
        if let Some((_, end)) = self.ranges.last_mut() {
            *end = self.writer.out.len();
        }
    }

    /// Whether the interchange form would read this map as a tag.
    pub(in crate::contract) fn is_tag(&self) -> bool {
        matches!(&self.ranges[..], [(key, _)] if self.writer.out.get(key.start) == Some(&b'$') && !key.is_empty())
    }

    pub(in crate::contract) fn key(&mut self, key: &str) -> Result<()> {
        write::text(&mut self.writer.out, key)?;
        let end = self.writer.out.len();
        self.ranges.push((end - key.len()..end, end));
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.writer)?;
        self.end_value();
        Ok(())
    }

    pub(in crate::contract) fn finish(mut self) -> Result<()> {
        let out = &self.writer.out;
        let key = |entry: &(Range<usize>, usize)| &out[entry.0.clone()];
        if !self.ranges.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) {
            let mut begin = self.start;
            let mut entries: Vec<_> = self
                .ranges
                .iter()
                .map(|entry| {
                    let whole = begin..entry.1;
                    begin = entry.1;
                    (key(entry), whole)
                })
                .collect();
            entries.sort_unstable_by_key(|entry| entry.0);
            if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(Error::invalid_value("a map has the same key twice"));
            }
            let mut sorted = Vec::with_capacity(out.len() - self.start);
            for (_, whole) in entries {
                sorted.extend_from_slice(&out[whole]);
            }
            self.writer.out.truncate(self.start);
            self.writer.out.extend_from_slice(&sorted);
        }
        self.writer.close(self.start, |out| write::map_head(out, self.ranges.len()))?;
        self.variant.take().map_or(Ok(()), |variant| self.writer.close_variant(&variant))
    }
}

macro_rules! sequence {
    ($($trait:ident::$method:ident;)+) => {$(
        impl ser::$trait for Sequence<'_> {
            type Ok = ();
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.element(value)
            }
            fn end(self) -> Result<()> {
                self.finish()
            }
        }
    )+};
}

sequence! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        let text = key.serialize(MapKey)?;
        self.key(&text)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.value(value)
    }
    fn end(self) -> Result<()> {
        self.finish()
    }
}

macro_rules! fields {
    ($($trait:ident;)+) => {$(
        impl ser::$trait for Entries<'_> {
            type Ok = ();
            type Error = Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
                self.key(key)?;
                self.value(value)
            }
            fn end(self) -> Result<()> {
                self.finish()
            }
        }
    )+};
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

macro_rules! refuse {
    ($error:expr; $($method:ident($($type:ty),*) -> $ok:ty;)+) => {$(
        fn $method(self $(, _: $type)*) -> Result<$ok> {
            Err($error)
        }
    )+};
}

/// The methods that neither a map key nor an encoded token can be.
macro_rules! refuse_compound {
    ($error:expr, $ok:ty) => {
        type SerializeSeq = Impossible<$ok, Error>;
        type SerializeTuple = Impossible<$ok, Error>;
        type SerializeTupleStruct = Impossible<$ok, Error>;
        type SerializeTupleVariant = Impossible<$ok, Error>;
        type SerializeMap = Impossible<$ok, Error>;
        type SerializeStruct = Impossible<$ok, Error>;
        type SerializeStructVariant = Impossible<$ok, Error>;

        refuse! { $error;
            serialize_f32(f32) -> $ok;
            serialize_f64(f64) -> $ok;
            serialize_unit() -> $ok;
            serialize_none() -> $ok;
            serialize_unit_struct(&'static str) -> $ok;
            serialize_seq(Option<usize>) -> Self::SerializeSeq;
            serialize_tuple(usize) -> Self::SerializeTuple;
            serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
            serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
            serialize_map(Option<usize>) -> Self::SerializeMap;
            serialize_struct(&'static str, usize) -> Self::SerializeStruct;
            serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
        }

        fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<$ok> {
            value.serialize(self)
        }

        fn serialize_newtype_struct<T: Serialize + ?Sized>(
            self,
            _name: &'static str,
            value: &T,
        ) -> Result<$ok> {
            value.serialize(self)
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _name: &'static str,
            _index: u32,
            _variant: &'static str,
            _value: &T,
        ) -> Result<$ok> {
            Err($error)
        }
    };
}

/// Turns a map key into its text.
struct MapKey;

macro_rules! key_text {
    ($($method:ident($type:ty);)+) => {$(
        fn $method(self, key: $type) -> Result<String> {
            Ok(key.to_string())
        }
    )+};
}

impl ser::Serializer for MapKey {
    type Ok = String;
    type Error = Error;

    refuse_compound!(Error::invalid_value("a map key must be text"), String);
    refuse! { Error::invalid_value("a map key must be text"); serialize_bytes(&[u8]) -> String; }

    key_text! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<String> {
        Ok(variant.to_owned())
    }
}

/// Takes the bytes of an encoded token as they are.
struct TokenWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl ser::Serializer for TokenWriter<'_> {
    type Ok = ();
    type Error = Error;

    refuse_compound!(Error::invalid_value("a reserved type name was used"), ());
    refuse! { Error::invalid_value("a reserved type name was used");
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
    }

    fn serialize_bytes(self, token: &[u8]) -> Result<()> {
        self.out.extend_from_slice(token);
        Ok(())
    }
}
