//! Reading encoded values, token by token, where they lie.

use super::pointer::{Out, array, required, text};
use super::types::litestash_status;
use super::{entry, invalid};
use litestash_core::contract::msgpack::read::{Reader, Token};
use litestash_core::limits::VALUE_BYTES_MAX;
use litestash_core::{Error, ErrorKind, Result};
use std::ffi::c_char;

/// Nothing is left to read.
pub const LITESTASH_TYPE_END: u32 = 0;
/// Nil.
pub const LITESTASH_TYPE_NIL: u32 = 1;
/// A boolean.
pub const LITESTASH_TYPE_BOOL: u32 = 2;
/// An integer from INT64_MIN to UINT64_MAX.
pub const LITESTASH_TYPE_INTEGER: u32 = 3;
/// A binary64 number.
pub const LITESTASH_TYPE_FLOAT: u32 = 4;
/// Text.
pub const LITESTASH_TYPE_TEXT: u32 = 5;
/// Bytes.
pub const LITESTASH_TYPE_BYTES: u32 = 6;
/// An array.
pub const LITESTASH_TYPE_ARRAY: u32 = 7;
/// A map with text keys.
pub const LITESTASH_TYPE_MAP: u32 = 8;
/// A moment.
pub const LITESTASH_TYPE_TIMESTAMP: u32 = 9;
/// A vector of binary32 numbers.
pub const LITESTASH_TYPE_VECTOR: u32 = 10;

/// A place in an encoded value: what has not been read. litestash_reader_of makes one; it owns nothing, may be copied
/// to come back to a place, and is good as long as the bytes are. Nothing is ever read behind them.
///
/// A litestash_read function that is not LITESTASH_OK leaves it where it is: LITESTASH_TYPE_MISMATCH if something else
/// comes next, LITESTASH_INVALID_VALUE if the bytes are no canonical encoding.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_reader {
    /// The next byte.
    pub data: *const u8,
    /// How many there are.
    pub length: usize,
}

impl litestash_reader {
    /// The bytes that have not been read.
    ///
    /// # Safety
    ///
    /// As every exported function, for the reader and for what it leads to.
    unsafe fn rest<'a>(reader: *const Self) -> Result<&'a [u8]> {
        // SAFETY: the caller promises it.
        unsafe {
            let reader = required(reader)?;
            array(reader.data, reader.length, VALUE_BYTES_MAX)
        }
    }

    fn at(rest: &[u8]) -> Self {
        Self { data: rest.as_ptr(), length: rest.len() }
    }
}

fn mismatch(expected: &'static str) -> Error {
    Error::new(ErrorKind::TypeMismatch, expected)
}

/// Reads a token and gives what `take` makes of it; only then the reader moves on.
///
/// # Safety
///
/// As every exported function.
unsafe fn token<'a, T>(
    reader: *mut litestash_reader,
    take: impl FnOnce(Token<'a>) -> Result<T>,
    give: impl FnOnce(T) -> Result<()>,
) -> Result<()> {
    // SAFETY: the caller promises it.
    let rest = unsafe { litestash_reader::rest(reader) }?;
    // SAFETY: as above.
    let place = unsafe { Out::new(reader) }?;
    let mut tokens = Reader::new(rest);
    give(take(tokens.token()?)?)?;
    place.set(litestash_reader::at(tokens.rest()))
}

/// What comes next; the reader stays where it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_type(
    reader: *const litestash_reader,
    kind: *mut u32,
) -> litestash_status {
    entry!({
        let rest = litestash_reader::rest(reader)?;
        let out = Out::new(kind)?;
        if rest.is_empty() {
            return out.set(LITESTASH_TYPE_END);
        }
        out.set(match Reader::new(rest).token()? {
            Token::Nil => LITESTASH_TYPE_NIL,
            Token::Bool(_) => LITESTASH_TYPE_BOOL,
            Token::Int(_) | Token::Uint(_) => LITESTASH_TYPE_INTEGER,
            Token::Float(_) => LITESTASH_TYPE_FLOAT,
            Token::Text(_) => LITESTASH_TYPE_TEXT,
            Token::Bytes(_) => LITESTASH_TYPE_BYTES,
            Token::Array(_) => LITESTASH_TYPE_ARRAY,
            Token::Map(_) => LITESTASH_TYPE_MAP,
            Token::Timestamp(_) => LITESTASH_TYPE_TIMESTAMP,
            Token::Vector(_) => LITESTASH_TYPE_VECTOR,
        })
    })
}

/// Reads nil.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_nil(reader: *mut litestash_reader) -> litestash_status {
    let take = |token| match token {
        Token::Nil => Ok(()),
        _ => Err(mismatch("the value is not nil")),
    };
    entry!(token(reader, take, Ok))
}

/// Reads a boolean.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_bool(
    reader: *mut litestash_reader,
    value: *mut bool,
) -> litestash_status {
    let take = |token| match token {
        Token::Bool(value) => Ok(value),
        _ => Err(mismatch("the value is no boolean")),
    };
    entry!({
        let out = Out::new(value)?;
        token(reader, take, |value| out.set(value))
    })
}

/// Reads an integer. LITESTASH_OVERFLOW if it is over INT64_MAX: litestash_read_unsigned reads it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_integer(
    reader: *mut litestash_reader,
    value: *mut i64,
) -> litestash_status {
    let take = |token| match token {
        Token::Int(value) => Ok(value),
        Token::Uint(_) => Err(Error::new(ErrorKind::Overflow, "the integer is over 2^63 - 1")),
        _ => Err(mismatch("the value is no integer")),
    };
    entry!({
        let out = Out::new(value)?;
        token(reader, take, |value| out.set(value))
    })
}

/// Reads an integer that is not negative; LITESTASH_OVERFLOW if it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_unsigned(
    reader: *mut litestash_reader,
    value: *mut u64,
) -> litestash_status {
    let take = |token| match token {
        Token::Uint(value) => Ok(value),
        Token::Int(value) => {
            u64::try_from(value).map_err(|_| Error::new(ErrorKind::Overflow, "the integer is negative"))
        }
        _ => Err(mismatch("the value is no integer")),
    };
    entry!({
        let out = Out::new(value)?;
        token(reader, take, |value| out.set(value))
    })
}

/// Reads a float. An integer is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_float(
    reader: *mut litestash_reader,
    value: *mut f64,
) -> litestash_status {
    let take = |token| match token {
        Token::Float(value) => Ok(value),
        _ => Err(mismatch("the value is no float")),
    };
    entry!({
        let out = Out::new(value)?;
        token(reader, take, |value| out.set(value))
    })
}

/// Reads text: where it lies in the encoding, without a zero byte behind it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_text(
    reader: *mut litestash_reader,
    data: *mut *const c_char,
    length: *mut usize,
) -> litestash_status {
    let take = |token| match token {
        Token::Text(text) => Ok(text.as_bytes()),
        _ => Err(mismatch("the value is no text")),
    };
    entry!({
        let (data, length) = (Out::new(data)?, Out::new(length)?);
        token(reader, take, |text| data.set(text.as_ptr().cast()).and_then(|()| length.set(text.len())))
    })
}

/// Reads bytes: where they lie in the encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_bytes(
    reader: *mut litestash_reader,
    data: *mut *const u8,
    length: *mut usize,
) -> litestash_status {
    let take = |token| match token {
        Token::Bytes(bytes) => Ok(bytes),
        _ => Err(mismatch("the value is no bytes")),
    };
    entry!({
        let (data, length) = (Out::new(data)?, Out::new(length)?);
        token(reader, take, |bytes: &[u8]| data.set(bytes.as_ptr()).and_then(|()| length.set(bytes.len())))
    })
}

/// Reads the head of an array: `count` elements follow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_array(
    reader: *mut litestash_reader,
    count: *mut usize,
) -> litestash_status {
    let take = |token| match token {
        Token::Array(count) => Ok(count),
        _ => Err(mismatch("the value is no array")),
    };
    entry!({
        let out = Out::new(count)?;
        token(reader, take, |count| out.set(count))
    })
}

/// Reads the head of a map: `count` times a key, which is text, and a value follow, in the order of the keys' bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_map(
    reader: *mut litestash_reader,
    count: *mut usize,
) -> litestash_status {
    entry!({
        let out = Out::new(count)?;
        token(reader, map_head, |count| out.set(count))
    })
}

fn map_head(token: Token<'_>) -> Result<usize> {
    match token {
        Token::Map(count) => Ok(count),
        _ => Err(mismatch("the value is no map")),
    }
}

/// Reads a moment: seconds since 1970-01-01T00:00:00Z, rounded down, and nanoseconds after them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_timestamp(
    reader: *mut litestash_reader,
    seconds: *mut i64,
    nanoseconds: *mut u32,
) -> litestash_status {
    let take = |token| match token {
        Token::Timestamp(timestamp) => Ok(timestamp),
        _ => Err(mismatch("the value is no timestamp")),
    };
    entry!({
        let (seconds, nanoseconds) = (Out::new(seconds)?, Out::new(nanoseconds)?);
        token(reader, take, |timestamp| {
            seconds.set(timestamp.seconds())?;
            nanoseconds.set(timestamp.nanoseconds())
        })
    })
}

/// Reads a vector into memory of the caller's, which has room for `capacity` numbers. `count` is how many there are;
/// if that is over `capacity`, nothing was copied and the reader stays where it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_vector(
    reader: *mut litestash_reader,
    data: *mut f32,
    capacity: usize,
    count: *mut usize,
) -> litestash_status {
    entry!({
        let rest = litestash_reader::rest(reader)?;
        let (place, out) = (Out::new(reader)?, Out::new(count)?);
        if capacity > 0 && (data.is_null() || !data.is_aligned()) {
            return Err(invalid("the place for the numbers is null or not aligned"));
        }
        let mut tokens = Reader::new(rest);
        let Token::Vector(payload) = tokens.token()? else {
            return Err(mismatch("the value is no vector"));
        };
        let floats = payload.as_chunks::<4>().0;
        if floats.len() <= capacity {
            for (index, bytes) in floats.iter().enumerate() {
                data.add(index).write(f32::from_le_bytes(*bytes));
            }
            place.set(litestash_reader::at(tokens.rest()))?;
        }
        out.set(floats.len())
    })
}

/// Reads a value with all that is in it. `value`, which may be NULL, is a reader of just its encoding: to be read,
/// stored or built into another one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_value(
    reader: *mut litestash_reader,
    value: *mut litestash_reader,
) -> litestash_status {
    entry!({
        let rest = litestash_reader::rest(reader)?;
        let (place, out) = (Out::new(reader)?, Out::optional(value)?);
        let (value, rest) = split(rest)?;
        place.set(litestash_reader::at(rest))?;
        out.set(litestash_reader::at(value))
    })
}

/// The first value of `bytes`, and what is behind it. No recursion: any nesting costs no more than its bytes.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut tokens = Reader::new(bytes);
    let mut values: usize = 1;
    while values > 0 {
        // A count is no greater than the bytes that are left, so the sums stay far from the end of the type.
        values = values - 1
            + match tokens.token()? {
                Token::Array(count) => count,
                Token::Map(count) => 2 * count,
                _ => 0,
            };
    }
    Ok(bytes.split_at(bytes.len() - tokens.rest().len()))
}

/// The member of the map that comes next: `value` is a reader of just its encoding, all zero if there is no such key.
/// The reader stays where it is. LITESTASH_TYPE_MISMATCH if no map comes next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_read_member(
    reader: *const litestash_reader,
    key: *const c_char,
    key_length: usize,
    value: *mut litestash_reader,
) -> litestash_status {
    entry!({
        let rest = litestash_reader::rest(reader)?;
        let key = text(key, key_length, VALUE_BYTES_MAX, ErrorKind::InvalidValue)?;
        let out = Out::new(value)?;
        let found = member(rest, key)?.map(litestash_reader::at);
        out.set(found.unwrap_or(litestash_reader { data: std::ptr::null(), length: 0 }))
    })
}

fn member<'a>(map: &'a [u8], key: &str) -> Result<Option<&'a [u8]>> {
    let mut tokens = Reader::new(map);
    let count = map_head(tokens.token()?)?;
    let mut rest = tokens.rest();
    for _ in 0..count {
        let mut tokens = Reader::new(rest);
        let Token::Text(name) = tokens.token()? else {
            return Err(Error::new(ErrorKind::InvalidValue, "a map key is not text"));
        };
        let (value, behind) = split(tokens.rest())?;
        if name == key {
            return Ok(Some(value));
        }
        if name > key {
            return Ok(None);
        }
        rest = behind;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use litestash_core::contract::interchange::value_from_json;
    use litestash_core::contract::msgpack;

    fn encoded(json: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        msgpack::encode(&value_from_json(json).unwrap(), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn members_are_found_by_name() {
        let map = encoded(r#"{"a":[1,{"b":2}],"c":{"$bytes":"AAEC"},"e":null}"#);
        assert_eq!(member(&map, "a").unwrap().unwrap(), encoded(r#"[1,{"b":2}]"#));
        assert_eq!(member(&map, "e").unwrap().unwrap(), encoded("null"));
        for missing in ["", "b", "d", "f"] {
            assert_eq!(member(&map, missing).unwrap(), None);
        }
        assert_eq!(member(&encoded("[]"), "a").unwrap_err().kind(), ErrorKind::TypeMismatch);
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let whole = encoded(r#"{"a":[1,{"b":"long enough to have a length"}],"c":[1.5,2]}"#);
        assert_eq!(split(&whole).unwrap(), (whole.as_slice(), [].as_slice()));
        for end in 0..whole.len() {
            assert_eq!(split(&whole[..end]).unwrap_err().kind(), ErrorKind::InvalidValue);
        }
    }
}
