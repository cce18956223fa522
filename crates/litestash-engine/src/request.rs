//! A request: `[id, operation, argument …]` (`docs/ENGINE.md` 2).

use crate::loose;
use litestash_core::contract::msgpack::read::{Reader, Token};
use litestash_core::{Error, ErrorKind, Key, KeyRef, Map, Result, Value};
use rmp::Marker;
use std::borrow::Cow;

/// The number by which a client knows its request again. Its answer carries it.
pub type Id = u64;

/// A frame taken apart as far as it is the same for all operations.
#[derive(Debug)]
pub struct Request<'a> {
    /// The client's number.
    pub id: Id,
    /// The bucket that it is about, if it is not the stash itself.
    pub bucket: Option<Bucket<'a>>,
    /// The operation's name.
    pub operation: &'a str,
    /// The arguments.
    pub arguments: Arguments<'a>,
}

/// Which bucket a request is about, as the client wrote it: a name, or `[name, {options}]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket<'a>(pub &'a [u8]);

impl<'a> Bucket<'a> {
    /// The name, and the options that the bucket is opened with.
    pub fn parse(self) -> Result<(&'a str, Members)> {
        let Some((count, rest)) = array(self.0) else { return Ok((text(self.0)?, Members::default())) };
        let mut parts = Arguments { rest, left: count };
        let name = text(parts.required("the bucket's name")?)?;
        Ok((name, parts.options()?))
    }
}

/// What is wrong with a request, and its number as far as it could be read.
#[derive(Debug)]
pub struct Refused {
    /// The number, if the frame had one.
    pub id: Option<Id>,
    /// Why.
    pub error: Error,
}

impl<'a> Request<'a> {
    /// Takes a frame's payload apart.
    pub fn parse(payload: &'a [u8]) -> std::result::Result<Self, Refused> {
        let nameless = |error| Refused { id: None, error };
        let (value, rest) = loose::split(payload).map_err(nameless)?;
        if !rest.is_empty() {
            return Err(nameless(malformed("bytes after the request")));
        }
        let (count, mut rest) = array(value).ok_or_else(|| nameless(malformed(SHAPE)))?;
        if count < 2 {
            return Err(nameless(malformed(SHAPE)));
        }
        let mut take = || {
            let (value, after) = loose::split(rest)?;
            rest = after;
            Ok::<_, Error>(value)
        };
        let id = take().and_then(|value| match scalar(value)? {
            Scalar::Int(id) => Id::try_from(id).map_err(|_| malformed(SHAPE)),
            _ => Err(malformed(SHAPE)),
        });
        let id = id.map_err(nameless)?;
        let (bucket, operation) =
            take().and_then(operation).map_err(|error| Refused { id: Some(id), error })?;
        Ok(Self { id, bucket, operation, arguments: Arguments { rest, left: count - 2 } })
    }
}

/// A name, or a bucket and a name.
fn operation(value: &[u8]) -> Result<(Option<Bucket<'_>>, &str)> {
    match array(value) {
        None => Ok((None, text(value)?)),
        Some((2, pair)) => {
            let (name, operation) = loose::split(pair)?;
            let bucket = Bucket(name);
            // What it says of options is read when the bucket is opened.
            if array(name).is_none() {
                bucket.parse()?;
            }
            Ok((Some(bucket), text(operation)?))
        }
        Some(_) => Err(malformed(SHAPE)),
    }
}

fn text(value: &[u8]) -> Result<&str> {
    match scalar(value)? {
        Scalar::Text(text) => Ok(text),
        _ => Err(malformed(SHAPE)),
    }
}

const SHAPE: &str = "a request is an array: a number from 0 on, the name of an operation or [bucket, name], its \
     arguments; a bucket is a name or [name, options]";

/// The arguments that were not taken yet.
#[derive(Debug)]
pub struct Arguments<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Arguments<'a> {
    /// The next one as it stands, or `None` behind the last.
    pub fn raw(&mut self) -> Result<Option<&'a [u8]>> {
        if self.left == 0 {
            return Ok(None);
        }
        let (value, rest) = loose::split(self.rest)?;
        self.rest = rest;
        self.left -= 1;
        Ok(Some(value))
    }

    fn required(&mut self, what: &'static str) -> Result<&'a [u8]> {
        self.raw()?.ok_or_else(|| malformed(format!("{what} is missing")))
    }

    /// A number from 0 on.
    pub fn index(&mut self, what: &'static str) -> Result<u64> {
        match scalar(self.required(what)?)? {
            Scalar::Int(int) => u64::try_from(int).map_err(|_| malformed(format!("{what} is negative"))),
            _ => Err(malformed(format!("{what} is no integer"))),
        }
    }

    /// An integer.
    pub fn int(&mut self, what: &'static str) -> Result<i64> {
        match scalar(self.required(what)?)? {
            Scalar::Int(int) => Ok(int),
            _ => Err(malformed(format!("{what} is no integer"))),
        }
    }

    /// A number.
    pub fn float(&mut self, what: &'static str) -> Result<f64> {
        match scalar(self.required(what)?)? {
            Scalar::Float(float) => Ok(float),
            Scalar::Int(int) => Ok(int as f64),
            _ => Err(malformed(format!("{what} is no number"))),
        }
    }

    /// Text.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str> {
        match scalar(self.required(what)?)? {
            Scalar::Text(text) => Ok(text),
            _ => Err(malformed(format!("{what} is no text"))),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, what: &'static str) -> Result<&'a [u8]> {
        match scalar(self.required(what)?)? {
            Scalar::Bytes(bytes) => Ok(bytes),
            _ => Err(malformed(format!("{what} is no byte string"))),
        }
    }

    /// A key.
    pub fn key(&mut self) -> Result<Key> {
        key(self.required("the key")?)
    }

    /// A value's canonical encoding.
    pub fn value(&mut self) -> Result<Cow<'a, [u8]>> {
        loose::canonical(self.required("the value")?)
    }

    /// The elements of an array.
    pub fn array(&mut self, what: &'static str) -> Result<Arguments<'a>> {
        let value = self.required(what)?;
        let (left, rest) = array(value).ok_or_else(|| malformed(format!("{what} is no array")))?;
        Ok(Arguments { rest, left })
    }

    /// The elements of the next argument, if there is one and it is an array; else it is left.
    pub fn optional_array(&mut self) -> Result<Option<Arguments<'a>>> {
        if self.left == 0 {
            return Ok(None);
        }
        let (value, rest) = loose::split(self.rest)?;
        let Some((left, elements)) = array(value) else { return Ok(None) };
        self.rest = rest;
        self.left -= 1;
        Ok(Some(Arguments { rest: elements, left }))
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// A last argument that may be left out or nil: a map of options.
    pub fn options(&mut self) -> Result<Members> {
        let members = match self.raw()? {
            None => Map::new(),
            Some(value) => match loose::decode(value)? {
                Value::Nil => Map::new(),
                Value::Map(members) => members,
                _ => return Err(malformed("the options are no map")),
            },
        };
        self.end()?;
        Ok(Members(members))
    }

    /// Refuses more arguments.
    pub fn end(&self) -> Result<()> {
        if self.left == 0 {
            Ok(())
        } else {
            Err(malformed("there are more arguments than the operation has"))
        }
    }
}

/// A map of options. What is not taken out of it is unknown.
#[derive(Debug, Default)]
pub struct Members(Map);

impl Members {
    /// The members of an encoded map, or none for nil.
    pub fn parse(encoded: &[u8]) -> Result<Self> {
        Arguments { rest: encoded, left: 1 }.options()
    }

    /// Takes a member out; nil counts as left out.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !matches!(value, Value::Nil))
    }

    /// A boolean.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        self.typed(name, "a boolean", |value| match value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        })
    }

    /// An integer.
    pub fn int(&mut self, name: &'static str) -> Result<Option<i64>> {
        self.typed(name, "an integer", |value| match value {
            Value::Int(int) => Some(int),
            _ => None,
        })
    }

    /// A number from 0 on.
    pub fn size(&mut self, name: &'static str) -> Result<Option<u64>> {
        self.typed(name, "an integer from 0 on", |value| match value {
            Value::Int(int) => u64::try_from(int).ok(),
            _ => None,
        })
    }

    /// Text.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        self.typed(name, "text", |value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        })
    }

    /// Bytes.
    pub fn bytes(&mut self, name: &'static str) -> Result<Option<Vec<u8>>> {
        self.typed(name, "bytes", |value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// A map of options; true stands for an empty one, false for none.
    pub fn choice(&mut self, name: &'static str) -> Result<Option<Self>> {
        let chosen = self.typed(name, "a boolean or a map", |value| match value {
            Value::Bool(chosen) => Some(chosen.then(Self::default)),
            Value::Map(members) => Some(Some(Self(members))),
            _ => None,
        })?;
        Ok(chosen.flatten())
    }

    fn typed<T>(
        &mut self,
        name: &'static str,
        what: &str,
        convert: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match convert(value) {
                Some(converted) => Ok(Some(converted)),
                None => Err(malformed(format!("{name} is not {what}"))),
            },
        }
    }

    /// Refuses members that nobody took.
    pub fn end(self) -> Result<()> {
        match self.0.into_iter().find(|(_, value)| !matches!(value, Value::Nil)) {
            None => Ok(()),
            Some(_) => Err(malformed("there is an option that the operation does not have")),
        }
    }
}

/// The head of an array: how many elements, and the bytes of them.
fn array(value: &[u8]) -> Option<(usize, &[u8])> {
    let (marker, rest) = value.split_first()?;
    let (count, head) = match Marker::from_u8(*marker) {
        Marker::FixArray(len) => (usize::from(len), 0),
        Marker::Array16 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
        Marker::Array32 => (usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?, 4),
        _ => return None,
    };
    Some((count, &rest[head..]))
}

enum Scalar<'a> {
    Int(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Other,
}

/// One value that is no container, of whatever form.
fn scalar(value: &[u8]) -> Result<Scalar<'_>> {
    if let Ok(token) = Reader::new(value).token() {
        return Ok(match token {
            Token::Int(int) => Scalar::Int(int),
            Token::Float(float) => Scalar::Float(float),
            Token::Text(text) => Scalar::Text(text),
            Token::Bytes(bytes) => Scalar::Bytes(bytes),
            _ => Scalar::Other,
        });
    }
    let mut rest = value;
    let loose = rmpv::decode::read_value_ref_with_max_depth(&mut rest, 4);
    let loose = loose.map_err(|_| malformed("an argument is not legal MessagePack"))?;
    Ok(match loose {
        rmpv::ValueRef::Integer(int) => int.as_i64().map_or(Scalar::Other, Scalar::Int),
        rmpv::ValueRef::F32(float) => Scalar::Float(float.into()),
        rmpv::ValueRef::F64(float) => Scalar::Float(float),
        rmpv::ValueRef::Binary(bytes) => Scalar::Bytes(bytes),
        rmpv::ValueRef::String(text) => text.into_str().map_or(Scalar::Other, Scalar::Text),
        _ => Scalar::Other,
    })
}

/// The key that a value stands for.
pub fn key(value: &[u8]) -> Result<Key> {
    Ok(match scalar(value)? {
        Scalar::Text(text) => KeyRef::Text(text).to_owned(),
        Scalar::Int(int) => Key::Int(int),
        Scalar::Float(float) => Key::float(float)?,
        Scalar::Bytes(bytes) => KeyRef::Bytes(bytes).to_owned(),
        Scalar::Other => {
            return Err(Error::new(ErrorKind::InvalidKey, "a key is text, an integer, a float or bytes"));
        }
    })
}

/// A request that is not of the form that its operation has.
pub fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_apart_in_any_form() {
        let mut request = Request::parse(b"\xdc\x00\x04\xcd\x00\x07\xa3set\xa1k\x92\x01\xc0").unwrap();
        assert_eq!((request.id, request.operation), (7, "set"));
        assert_eq!(request.arguments.key().unwrap(), Key::from("k"));
        assert_eq!(request.arguments.value().unwrap(), &b"\x92\x01\xc0"[..]);
        assert!(request.arguments.end().is_ok());
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_number_if_it_has_one() {
        let id = |payload: &[u8]| Request::parse(payload).err().map(|refused| refused.id);
        assert_eq!(id(b""), Some(None));
        assert_eq!(id(b"\x90"), Some(None));
        assert_eq!(id(b"\x92\xff\xa1a"), Some(None));
        assert_eq!(id(b"\x92\x05\x05"), Some(Some(5)));
        assert_eq!(id(b"\x92\x05\xa1a\x00"), Some(None));
        assert_eq!(id(b"\x92\x05\xa1a"), None);
    }

    #[test]
    fn unknown_and_mistyped_options_are_refused() {
        let options = |payload: &'static [u8]| {
            let mut request = Request::parse(payload).unwrap();
            request.arguments.options()
        };
        let mut members = options(b"\x93\x01\xa1a\x82\xa1x\x05\xa1y\xc0").unwrap();
        assert_eq!(members.int("x").unwrap(), Some(5));
        assert!(members.end().is_ok());
        assert!(options(b"\x93\x01\xa1a\x81\xa1x\x05").unwrap().end().is_err());
        assert!(options(b"\x93\x01\xa1a\x81\xa1x\xc3").unwrap().int("x").is_err());
        assert!(options(b"\x93\x01\xa1a\x05").is_err());
    }
}
