//! Single tokens, each in its one legal form. Everything the engine encodes goes through here.

use super::{EXT_TIMESTAMP, EXT_VECTOR};
use crate::contract::value::{Timestamp, canonical_f32, canonical_f64};
use crate::error::{Error, Result};
use rmp::encode as rmp;

/// Writing to a `Vec` cannot fail; rmp's signature says it could.
macro_rules! infallible {
    ($call:expr) => {
        if $call.is_err() {
            unreachable!("writing to memory does not fail");
        }
    };
}

/// A count or length as MessagePack's 32 bits; `TooLarge` beyond.
fn len32(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::too_large("a length over 32 bits cannot be stored"))
}

/// nil
pub fn nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// A boolean.
pub fn bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// A signed integer.
pub fn int(out: &mut Vec<u8>, value: i64) {
    infallible!(rmp::write_sint(out, value));
}

/// An unsigned integer.
pub fn uint(out: &mut Vec<u8>, value: u64) {
    infallible!(rmp::write_uint(out, value));
}

/// A float; any NaN becomes the one NaN.
pub fn float(out: &mut Vec<u8>, value: f64) {
    infallible!(rmp::write_f64(out, canonical_f64(value)));
}

/// Text.
pub fn text(out: &mut Vec<u8>, value: &str) -> Result<()> {
    infallible!(rmp::write_str_len(out, len32(value.len())?));
    out.extend_from_slice(value.as_bytes());
    Ok(())
}

/// Bytes.
pub fn bytes(out: &mut Vec<u8>, value: &[u8]) -> Result<()> {
    infallible!(rmp::write_bin_len(out, len32(value.len())?));
    out.extend_from_slice(value);
    Ok(())
}

/// The head of an array of `len` elements.
pub fn array_head(out: &mut Vec<u8>, len: usize) -> Result<()> {
    infallible!(rmp::write_array_len(out, len32(len)?));
    Ok(())
}

/// The head of a map of `len` entries.
pub fn map_head(out: &mut Vec<u8>, len: usize) -> Result<()> {
    infallible!(rmp::write_map_len(out, len32(len)?));
    Ok(())
}

/// A timestamp in its shortest form.
pub fn timestamp(out: &mut Vec<u8>, value: Timestamp) {
    let (seconds, nanoseconds) = (value.seconds(), value.nanoseconds());
    match u64::try_from(seconds) {
        Ok(seconds) if seconds >> 34 == 0 => {
            let packed = u64::from(nanoseconds) << 34 | seconds;
            match u32::try_from(packed) {
                Ok(short) => {
                    infallible!(rmp::write_ext_meta(out, 4, EXT_TIMESTAMP));
                    out.extend_from_slice(&short.to_be_bytes());
                }
                Err(_) => {
                    infallible!(rmp::write_ext_meta(out, 8, EXT_TIMESTAMP));
                    out.extend_from_slice(&packed.to_be_bytes());
                }
            }
        }
        _ => {
            infallible!(rmp::write_ext_meta(out, 12, EXT_TIMESTAMP));
            out.extend_from_slice(&nanoseconds.to_be_bytes());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }
}

/// A vector; any NaN becomes the one NaN.
pub fn vector(out: &mut Vec<u8>, value: &[f32]) -> Result<()> {
    let payload = value.len().checked_mul(4).ok_or_else(|| Error::too_large("the vector is too long"))?;
    infallible!(rmp::write_ext_meta(out, len32(payload)?, EXT_VECTOR));
    out.reserve(payload);
    for float in value {
        out.extend_from_slice(&canonical_f32(*float).to_le_bytes());
    }
    Ok(())
}
