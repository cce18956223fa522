//! A strict reader of single tokens: it refuses every form but the canonical one, and never allocates.

use super::{EXT_TIMESTAMP, EXT_VECTOR};
use crate::contract::value::Timestamp;
use crate::error::{Error, Result};
use rmp::Marker;

/// One token. Arrays and maps are their heads; what they hold follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'a> {
    /// nil
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer in the i64 range.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A float.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// The head of an array with that many elements.
    Array(usize),
    /// The head of a map with that many entries.
    Map(usize),
    /// A timestamp.
    Timestamp(Timestamp),
    /// The payload of a vector: 4 bytes each, little-endian.
    Vector(&'a [u8]),
}

/// Reads tokens off the front of a byte string.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next token; `InvalidValue` if it is cut short, illegal or not in its one form.
    #[inline]
    pub fn token(&mut self) -> Result<Token<'a>> {
        let marker = Marker::from_u8(self.byte()?);
        Ok(match marker {
            Marker::Null => Token::Nil,
            Marker::False => Token::Bool(false),
            Marker::True => Token::Bool(true),
            Marker::FixPos(int) => Token::Int(int.into()),
            Marker::FixNeg(int) => Token::Int(int.into()),
            Marker::U8 => Token::Int(self.unsigned::<1>(0x80)? as i64),
            Marker::U16 => Token::Int(self.unsigned::<2>(0x100)? as i64),
            Marker::U32 => Token::Int(self.unsigned::<4>(0x1_0000)? as i64),
            Marker::U64 => {
                let int = self.unsigned::<8>(0x1_0000_0000)?;
                i64::try_from(int).map_or(Token::Uint(int), Token::Int)
            }
            Marker::I8 => signed(i8::from_be_bytes(self.array()?).into(), -32)?,
            Marker::I16 => signed(i16::from_be_bytes(self.array()?).into(), i8::MIN.into())?,
            Marker::I32 => signed(i32::from_be_bytes(self.array()?).into(), i16::MIN.into())?,
            Marker::I64 => signed(i64::from_be_bytes(self.array()?), i32::MIN.into())?,
            Marker::F64 => self.float()?,
            Marker::FixStr(len) => self.text(len.into())?,
            Marker::Str8 => self.sized::<1>(32).and_then(|len| self.text(len))?,
            Marker::Str16 => self.sized::<2>(0x100).and_then(|len| self.text(len))?,
            Marker::Str32 => self.sized::<4>(0x1_0000).and_then(|len| self.text(len))?,
            Marker::Bin8 => self.sized::<1>(0).and_then(|len| self.take(len)).map(Token::Bytes)?,
            Marker::Bin16 => self.sized::<2>(0x100).and_then(|len| self.take(len)).map(Token::Bytes)?,
            Marker::Bin32 => self.sized::<4>(0x1_0000).and_then(|len| self.take(len)).map(Token::Bytes)?,
            Marker::FixArray(len) => self.count(len.into(), 1).map(Token::Array)?,
            Marker::Array16 => {
                let len = self.sized::<2>(16)?;
                Token::Array(self.count(len, 1)?)
            }
            Marker::Array32 => {
                let len = self.sized::<4>(0x1_0000)?;
                Token::Array(self.count(len, 1)?)
            }
            Marker::FixMap(len) => self.count(len.into(), 2).map(Token::Map)?,
            Marker::Map16 => {
                let len = self.sized::<2>(16)?;
                Token::Map(self.count(len, 2)?)
            }
            Marker::Map32 => {
                let len = self.sized::<4>(0x1_0000)?;
                Token::Map(self.count(len, 2)?)
            }
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => {
                let len = self.sized::<1>(0)?;
                if matches!(len, 1 | 2 | 4 | 8 | 16) {
                    return Err(not_shortest());
                }
                self.extension(len)?
            }
            Marker::Ext16 => self.sized::<2>(0x100).and_then(|len| self.extension(len))?,
            Marker::Ext32 => self.sized::<4>(0x1_0000).and_then(|len| self.extension(len))?,
            Marker::F32 => return Err(Error::invalid_value("a float must be stored as binary64")),
            Marker::Reserved => return Err(Error::invalid_value("0xc1 is not a value")),
        })
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.rest.split_first().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// An unsigned number of `N` bytes that must be at least `min`, or a shorter form would do.
    #[inline]
    fn unsigned<const N: usize>(&mut self, min: u64) -> Result<u64> {
        let mut wide = [0; 8];
        wide[8 - N..].copy_from_slice(&self.array::<N>()?);
        let value = u64::from_be_bytes(wide);
        if value < min { Err(not_shortest()) } else { Ok(value) }
    }

    fn sized<const N: usize>(&mut self, min: u64) -> Result<usize> {
        self.unsigned::<N>(min).and_then(|len| usize::try_from(len).map_err(|_| cut_short()))
    }

    /// A count is refused before anything is made for it if the rest cannot hold that many items.
    #[inline]
    fn count(&self, items: usize, bytes_each: usize) -> Result<usize> {
        if items > self.rest.len() / bytes_each { Err(cut_short()) } else { Ok(items) }
    }

    fn float(&mut self) -> Result<Token<'a>> {
        let bits = u64::from_be_bytes(self.array()?);
        let float = f64::from_bits(bits);
        if float.is_nan() && bits != 0x7ff8_0000_0000_0000 {
            return Err(Error::invalid_value("NaN has one legal form"));
        }
        Ok(Token::Float(float))
    }

    #[inline]
    fn text(&mut self, len: usize) -> Result<Token<'a>> {
        match std::str::from_utf8(self.take(len)?) {
            Ok(text) => Ok(Token::Text(text)),
            Err(_) => Err(Error::invalid_value("text is not valid UTF-8")),
        }
    }

    fn extension(&mut self, len: usize) -> Result<Token<'a>> {
        let kind = i8::from_be_bytes(self.array()?);
        let payload = self.take(len)?;
        match kind {
            EXT_TIMESTAMP => timestamp(payload).map(Token::Timestamp),
            EXT_VECTOR => vector(payload).map(Token::Vector),
            _ => Err(Error::invalid_value("an extension type that the contract does not know")),
        }
    }
}

/// A signed form is legal only below `bound`.
fn signed<'a>(value: i64, bound: i64) -> Result<Token<'a>> {
    if value < bound { Ok(Token::Int(value)) } else { Err(not_shortest()) }
}

fn timestamp(payload: &[u8]) -> Result<Timestamp> {
    let (seconds, nanoseconds, shortest) = if let Ok(short) = payload.try_into() {
        (u32::from_be_bytes(short).into(), 0, true)
    } else if let Ok(middle) = payload.try_into() {
        let packed = u64::from_be_bytes(middle);
        ((packed & ((1 << 34) - 1)) as i64, (packed >> 34) as u32, u32::try_from(packed).is_err())
    } else if let Some((nanoseconds, seconds)) =
        payload.split_first_chunk().and_then(|(ns, s)| Some((u32::from_be_bytes(*ns), s.try_into().ok()?)))
    {
        let seconds = i64::from_be_bytes(seconds);
        (seconds, nanoseconds, !(0..1 << 34).contains(&seconds))
    } else {
        return Err(Error::invalid_value("a timestamp has 4, 8 or 12 bytes"));
    };
    if !shortest {
        return Err(not_shortest());
    }
    Timestamp::new(seconds, nanoseconds)
        .ok_or_else(|| Error::invalid_value("a timestamp has at most 999 999 999 nanoseconds"))
}

fn vector(payload: &[u8]) -> Result<&[u8]> {
    let (chunks, rest) = payload.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Error::invalid_value("a vector's payload is a multiple of 4 bytes"));
    }
    let foreign_nan = |chunk: &[u8; 4]| {
        let bits = u32::from_le_bytes(*chunk);
        f32::from_bits(bits).is_nan() && bits != 0x7fc0_0000
    };
    if chunks.iter().any(foreign_nan) {
        return Err(Error::invalid_value("NaN has one legal form"));
    }
    Ok(payload)
}

#[cold]
fn cut_short() -> Error {
    Error::invalid_value("the value runs past its end")
}

#[cold]
fn not_shortest() -> Error {
    Error::invalid_value("a number or length is not in its shortest form")
}
