//! Canonical bytes to any `Deserialize`.

use crate::contract::msgpack::read::{Reader, Token};
use crate::contract::msgpack::validate;
use crate::error::{Error, Result};
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

/// The value that canonical `bytes` hold, as a `T`, which may borrow text and bytes from them.
///
/// `InvalidValue` if the bytes are not canonical, `TypeMismatch` if they hold something else than a `T`.
pub fn from_bytes<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T> {
    validate(bytes)?;
    from_valid_bytes(bytes)
}

/// [`from_bytes`] for bytes that are already known to be canonical: their form is checked token
/// by token, not as a whole.
pub fn from_valid_bytes<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T> {
    T::deserialize(&mut Decoder { reader: Reader::new(bytes) })
}

struct Decoder<'de> {
    reader: Reader<'de>,
}

impl<'de> Decoder<'de> {
    fn peek(&self) -> Result<Token<'de>> {
        self.reader.clone().token()
    }

    fn skip(&mut self) -> Result<()> {
        let mut left = 1usize;
        while left > 0 {
            left -= 1;
            match self.reader.token()? {
                Token::Array(len) => left += len,
                Token::Map(len) => left += 2 * len,
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs `visit` over the `len` items of an array or map and insists that it took all of them.
    fn items<R>(&mut self, len: usize, visit: impl FnOnce(&mut Items<'_, 'de>) -> Result<R>) -> Result<R> {
        let mut items = Items { decoder: self, left: len };
        let result = visit(&mut items)?;
        if items.left > 0 {
            return Err(de::Error::custom(format!(
                "the stored value has {} items more than expected",
                items.left
            )));
        }
        Ok(result)
    }
}

impl<'de> de::Deserializer<'de> for &mut Decoder<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let before = self.reader.rest();
        match self.reader.token()? {
            Token::Nil => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Int(int) => visitor.visit_i64(int),
            Token::Uint(int) => visitor.visit_u64(int),
            Token::Float(float) => visitor.visit_f64(float),
            Token::Text(text) => visitor.visit_borrowed_str(text),
            Token::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::Timestamp(_) | Token::Vector(_) => {
                let token = &before[..before.len() - self.reader.rest().len()];
                visitor.visit_newtype_struct(de::value::BorrowedBytesDeserializer::new(token))
            }
            Token::Array(len) => self.items(len, |items| visitor.visit_seq(items)),
            Token::Map(len) => self.items(len, |items| visitor.visit_map(items)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek()? == Token::Nil {
            self.reader.token()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.reader.token()? {
            Token::Text(variant) => visitor.visit_enum(variant.into_deserializer()),
            Token::Map(1) => visitor.visit_enum(Enum { decoder: self }),
            Token::Map(_) => Err(de::Error::invalid_type(Unexpected::Map, &"a map with the variant's name")),
            _ => Err(de::Error::custom("the stored value is no enum: neither text nor a map of one entry")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier
    }
}

/// The items of an array, or the entries of a map.
struct Items<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        match self.decoder.reader.token()? {
            Token::Text(text) => seed.deserialize(MapKey { text }).map(Some),
            _ => Err(Error::invalid_value("a map key is not text")),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// An enum written as `{variant: content}`.
struct Enum<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
}

impl<'de> de::EnumAccess<'de> for Enum<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        match self.decoder.reader.token()? {
            Token::Text(text) => Ok((seed.deserialize(BorrowedStrDeserializer::<Error>::new(text))?, self)),
            _ => Err(Error::invalid_value("a map key is not text")),
        }
    }
}

impl<'de> de::VariantAccess<'de> for Enum<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        <()>::deserialize(self.decoder)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.decoder)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.decoder, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.decoder, visitor)
    }
}

/// A map key, which is text; numbers and booleans are read from it where the caller's type asks for them.
struct MapKey<'de> {
    text: &'de str,
}

macro_rules! parse {
    ($($method:ident => $visit:ident;)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.text.parse() {
                Ok(parsed) => visitor.$visit(parsed),
                Err(_) => Err(de::Error::invalid_type(Unexpected::Str(self.text), &visitor)),
            }
        }
    )+};
}

impl<'de> de::Deserializer<'de> for MapKey<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(self.text)
    }

    parse! {
        deserialize_bool => visit_bool;
        deserialize_i8 => visit_i8;
        deserialize_i16 => visit_i16;
        deserialize_i32 => visit_i32;
        deserialize_i64 => visit_i64;
        deserialize_i128 => visit_i128;
        deserialize_u8 => visit_u8;
        deserialize_u16 => visit_u16;
        deserialize_u32 => visit_u32;
        deserialize_u64 => visit_u64;
        deserialize_u128 => visit_u128;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        BorrowedStrDeserializer::<Error>::new(self.text).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
