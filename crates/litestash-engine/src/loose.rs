//! MessagePack as clients write it: any legal form is taken and brought to the canonical one
//! (`docs/ENGINE.md` 2).

use litestash_core::contract::msgpack;
use litestash_core::limits::{DEPTH_MAX, VALUES_MAX};
use litestash_core::{Error, ErrorKind, Map, Result, Timestamp, Value, Vector};
use rmp::Marker;
use rmpv::ValueRef;
use std::borrow::Cow;

/// A reader's limit, which counts a container twice; what is a little too deep is told by the encoder.
const READER_DEPTH: usize = 2 * (DEPTH_MAX + 2);

/// Splits one value off the front: its bytes, and what follows. Looks at heads only; allocates nothing.
pub fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut rest = bytes;
    let mut expected: u64 = 1;
    while expected > 0 {
        // Every value takes a byte at least, so a claim beyond what is there is refused at once.
        if expected > rest.len() as u64 {
            return Err(cut_short());
        }
        expected -= 1;
        let (marker, after) = rest.split_first().ok_or_else(cut_short)?;
        rest = after;
        let (payload, values) = match Marker::from_u8(*marker) {
            Marker::Null | Marker::True | Marker::False | Marker::FixPos(_) | Marker::FixNeg(_) => (0, 0),
            Marker::U8 | Marker::I8 => (1, 0),
            Marker::U16 | Marker::I16 => (2, 0),
            Marker::U32 | Marker::I32 | Marker::F32 => (4, 0),
            Marker::U64 | Marker::I64 | Marker::F64 => (8, 0),
            Marker::FixStr(len) => (u64::from(len), 0),
            Marker::Str8 | Marker::Bin8 => (length(&mut rest, 1)?, 0),
            Marker::Str16 | Marker::Bin16 => (length(&mut rest, 2)?, 0),
            Marker::Str32 | Marker::Bin32 => (length(&mut rest, 4)?, 0),
            Marker::FixArray(len) => (0, u64::from(len)),
            Marker::Array16 => (0, length(&mut rest, 2)?),
            Marker::Array32 => (0, length(&mut rest, 4)?),
            Marker::FixMap(len) => (0, 2 * u64::from(len)),
            Marker::Map16 => (0, 2 * length(&mut rest, 2)?),
            Marker::Map32 => (0, 2 * length(&mut rest, 4)?),
            Marker::FixExt1 => (2, 0),
            Marker::FixExt2 => (3, 0),
            Marker::FixExt4 => (5, 0),
            Marker::FixExt8 => (9, 0),
            Marker::FixExt16 => (17, 0),
            Marker::Ext8 => (1 + length(&mut rest, 1)?, 0),
            Marker::Ext16 => (1 + length(&mut rest, 2)?, 0),
            Marker::Ext32 => (1 + length(&mut rest, 4)?, 0),
            Marker::Reserved => return Err(invalid("0xc1 is not MessagePack")),
        };
        let payload = usize::try_from(payload).map_err(|_| cut_short())?;
        rest = rest.get(payload..).ok_or_else(cut_short)?;
        expected += values;
    }
    Ok((&bytes[..bytes.len() - rest.len()], rest))
}

fn length(rest: &mut &[u8], bytes: usize) -> Result<u64> {
    let (head, after) = rest.split_at_checked(bytes).ok_or_else(cut_short)?;
    *rest = after;
    Ok(head.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)))
}

/// The canonical encoding of one whole value: the same bytes if they are canonical already.
///
/// `InvalidValue` for what is no value of the contract (map keys that are no text or come twice, text that is
/// not UTF-8, unknown extension types), `TooLarge` over the contract's limits.
pub fn canonical(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    match msgpack::validate(bytes) {
        Ok(()) => return Ok(Cow::Borrowed(bytes)),
        // No other form of it is smaller.
        Err(error) if error.kind() == ErrorKind::TooLarge => return Err(error),
        Err(_) => {}
    }
    let mut canonical = Vec::with_capacity(bytes.len());
    msgpack::encode(&decode(bytes)?, &mut canonical)?;
    Ok(Cow::Owned(canonical))
}

/// The value that any legal form encodes.
pub fn decode(bytes: &[u8]) -> Result<Value> {
    // Refuses also what the reader below would take for something else.
    if !split(bytes)?.1.is_empty() {
        return Err(invalid("bytes after the value"));
    }
    check_counts(bytes)?;
    let mut rest = bytes;
    let value = rmpv::decode::read_value_ref_with_max_depth(&mut rest, READER_DEPTH).map_err(|error| {
        let depth = matches!(error, rmpv::decode::Error::DepthLimitExceeded);
        if depth { too_deep() } else { invalid("the value is not legal MessagePack") }
    })?;
    value_of(value)
}

/// Refuses what would take far more memory than its bytes before anything is built of it.
fn check_counts(bytes: &[u8]) -> Result<()> {
    // A value takes a byte at least; only containers make small ones, and those are counted by their heads.
    if bytes.len() <= VALUES_MAX {
        return Ok(());
    }
    let (mut rest, mut values, mut open) = (bytes, 0_usize, 1_u64);
    while open > 0 {
        open -= 1;
        values += 1;
        if values > 2 * VALUES_MAX {
            return Err(Error::new(ErrorKind::TooLarge, "the value holds too many values"));
        }
        let (marker, _) = rest.split_first().ok_or_else(cut_short)?;
        let head = |bytes| length(&mut rest.get(1..).unwrap_or_default(), bytes);
        let (inner, head_bytes) = match Marker::from_u8(*marker) {
            Marker::FixArray(len) => (u64::from(len), 1),
            Marker::Array16 => (head(2)?, 3),
            Marker::Array32 => (head(4)?, 5),
            Marker::FixMap(len) => (2 * u64::from(len), 1),
            Marker::Map16 => (2 * head(2)?, 3),
            Marker::Map32 => (2 * head(4)?, 5),
            _ => {
                rest = split(rest)?.1;
                continue;
            }
        };
        open += inner;
        rest = rest.get(head_bytes..).ok_or_else(cut_short)?;
    }
    Ok(())
}

fn value_of(value: ValueRef<'_>) -> Result<Value> {
    Ok(match value {
        ValueRef::Nil => Value::Nil,
        ValueRef::Boolean(value) => Value::Bool(value),
        ValueRef::Integer(int) => match (int.as_i64(), int.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(int)) => Value::Uint(int),
            (None, None) => return Err(invalid("an integer is out of range")),
        },
        ValueRef::F32(float) => Value::Float(float.into()),
        ValueRef::F64(float) => Value::Float(float),
        ValueRef::String(text) => Value::Text(text_of(&text)?.to_owned()),
        ValueRef::Binary(bytes) => Value::Bytes(bytes.to_owned()),
        ValueRef::Array(array) => Value::Array(array.into_iter().map(value_of).collect::<Result<_>>()?),
        ValueRef::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let ValueRef::String(key) = key else { return Err(invalid("a map key is not text")) };
                if map.insert(text_of(&key)?.to_owned(), value_of(value)?).is_some() {
                    return Err(invalid("a map key comes twice"));
                }
            }
            Value::Map(map)
        }
        ValueRef::Ext(-1, payload) => Value::Timestamp(timestamp(payload)?),
        ValueRef::Ext(1, payload) => {
            let (chunks, rest) = payload.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(invalid("a vector's payload is a multiple of 4 bytes"));
            }
            Value::Vector(Vector(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()))
        }
        ValueRef::Ext(..) => return Err(invalid("an extension type that the contract does not know")),
    })
}

fn text_of<'a>(text: &rmpv::Utf8StringRef<'a>) -> Result<&'a str> {
    text.into_str().ok_or_else(|| invalid("text is not valid UTF-8"))
}

/// Any of the three forms (<https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type>).
fn timestamp(payload: &[u8]) -> Result<Timestamp> {
    let (seconds, nanoseconds) = match payload.len() {
        4 => (number(payload) as i64, 0),
        8 => ((number(payload) & ((1 << 34) - 1)) as i64, (number(payload) >> 34) as u32),
        12 => (number(&payload[4..]) as i64, number(&payload[..4]) as u32),
        _ => return Err(invalid("a timestamp has 4, 8 or 12 bytes")),
    };
    Timestamp::new(seconds, nanoseconds)
        .ok_or_else(|| invalid("a timestamp has at most 999 999 999 nanoseconds"))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

fn too_deep() -> Error {
    Error::new(ErrorKind::TooLarge, "the value is nested too deeply")
}

fn cut_short() -> Error {
    invalid("the value runs past its end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_of(bytes: &[u8]) -> Result<Vec<u8>> {
        canonical(bytes).map(Cow::into_owned)
    }

    #[test]
    fn forms_that_are_not_the_shortest_become_so() {
        for (loose, strict) in [
            (&b"\xcd\x00\x05"[..], &b"\x05"[..]),
            (b"\xd3\xff\xff\xff\xff\xff\xff\xff\xff", b"\xff"),
            (b"\xca\x3f\xc0\x00\x00", b"\xcb\x3f\xf8\0\0\0\0\0\0"),
            (b"\xda\x00\x01a", b"\xa1a"),
            (b"\xdc\x00\x02\x01\x02", b"\x92\x01\x02"),
            (b"\x82\xa1b\x01\xa1a\x02", b"\x82\xa1a\x02\xa1b\x01"),
            (b"\xc7\x0c\xff\0\0\0\0\0\0\0\0\0\0\0\x07", b"\xd6\xff\0\0\0\x07"),
            (b"\xc7\x04\x01\0\0\x80\x3f", b"\xd6\x01\0\0\x80\x3f"),
        ] {
            assert_eq!(canonical_of(loose).ok().as_deref(), Some(strict), "{loose:02x?}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused_by_kind() {
        let kind = |bytes: &[u8]| canonical_of(bytes).err().map(|error| error.kind());
        let invalid = Some(ErrorKind::InvalidValue);
        assert_eq!(kind(b"\x82\xa1a\x01\xa1a\x02"), invalid);
        assert_eq!(kind(b"\x81\x01\x01"), invalid);
        assert_eq!(kind(b"\xa1\xff"), invalid);
        assert_eq!(kind(b"\xc1"), invalid);
        assert_eq!(kind(b"\xd4\x05\x00"), invalid);
        assert_eq!(kind(b"\x05\x05"), invalid);
        assert_eq!(kind(b"\xdd\xff\xff\xff\xff\x01"), invalid);
        let deepest = [vec![0x91; 64], vec![0xcd, 0, 1]].concat();
        assert_eq!(canonical_of(&deepest).ok(), Some([vec![0x91; 64], vec![1]].concat()));
        assert_eq!(kind(&[vec![0x91; 65], vec![0xcd, 0, 1]].concat()), Some(ErrorKind::TooLarge));
        let deep = [vec![0x91; 70], vec![0xcd, 0, 1]].concat();
        assert_eq!(kind(&deep), Some(ErrorKind::TooLarge));
        let mut many = vec![0xdd, 0, 0x50, 0, 0];
        many.resize(5 + 0x50_0000, 0xc0);
        many[5] = 0xa0;
        assert_eq!(kind(&many), Some(ErrorKind::TooLarge));
    }

    #[test]
    fn a_value_is_split_off_whatever_its_form() {
        let (value, rest) = split(b"\xdf\0\0\0\x01\xa1k\x92\x01\xc4\x02xyREST").unwrap_or_default();
        assert_eq!((value.len(), rest), (13, &b"REST"[..]));
        for bomb in
            [&b"\xdd\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff\x01\x02", b"\xc6\xff\xff\xff\xff", b""]
        {
            assert!(split(bomb).is_err());
        }
    }
}
