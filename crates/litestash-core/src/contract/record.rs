//! The record in the `value` column: flags, CRC-32, optional fields, body (`docs/CONTRACT.md` 7).

use super::hash::KeyHash;
use super::version::Version;
use crate::error::{Error, ErrorKind, Result};
use std::borrow::Cow;

/// Flag bits of a record's first byte.
pub mod flags {
    /// The record has an absolute deadline.
    pub const EXPIRES: u8 = 0x01;
    /// The record has a sliding window; only with [`EXPIRES`].
    pub const SLIDING: u8 = 0x02;
    /// The body is compressed.
    pub const CODEC: u8 = 0x04;
    /// The body is encrypted.
    pub const ENCRYPTED: u8 = 0x08;
    /// All bits that version 1 defines.
    pub const KNOWN: u8 = EXPIRES | SLIDING | CODEC | ENCRYPTED;
}

/// Bytes before the optional fields: flags and CRC.
pub const HEADER_BYTES: usize = 5;

/// When a row ends. The default is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expiry {
    /// Absolute deadline, Unix time in microseconds. The row is expired from this moment on.
    pub expires_at: Option<i64>,
    /// Sliding window in microseconds, at least 1; only together with a deadline.
    pub idle_us: Option<u64>,
}

impl Expiry {
    /// Never.
    pub const NEVER: Self = Self { expires_at: None, idle_us: None };

    /// At that Unix time in microseconds.
    pub const fn at(expires_at: i64) -> Self {
        Self { expires_at: Some(expires_at), idle_us: None }
    }

    /// That long behind `now_us`, and again behind each use of the row. `None` if that leaves the calendar.
    pub fn sliding(now_us: i64, idle_us: u64) -> Option<Self> {
        Some(Self { expires_at: Some(now_us.checked_add_unsigned(idle_us)?), idle_us: Some(idle_us) })
    }

    /// The same with its window begun anew at `now_us`; without a window, the same.
    #[must_use]
    pub fn renewed(self, now_us: i64) -> Self {
        match self.idle_us {
            Some(idle) => Self { expires_at: Some(now_us.saturating_add_unsigned(idle)), ..self },
            None => self,
        }
    }

    /// What a use at `now_us` makes of it, if that is to be written: once an eighth of the window has passed
    /// since the deadline was last set.
    pub fn prolonged(self, now_us: i64) -> Option<Self> {
        let (deadline, idle) = (self.expires_at?, self.idle_us?);
        let left = i128::from(deadline) - i128::from(now_us);
        let renewed = self.renewed(now_us);
        (left <= i128::from(idle - idle.div_ceil(8)) && renewed != self).then_some(renewed)
    }

    /// The flags that say which of the fields a record has.
    pub const fn flags(self) -> u8 {
        match (self.expires_at, self.idle_us) {
            (None, _) => 0,
            (Some(_), None) => flags::EXPIRES,
            (Some(_), Some(_)) => flags::EXPIRES | flags::SLIDING,
        }
    }

    /// Whether it has passed. The clock is read only if there is a deadline.
    pub fn has_passed(self, now_us: impl FnOnce() -> i64) -> bool {
        self.expires_at.is_some_and(|deadline| now_us() >= deadline)
    }
}

/// A record as a reader gets it: decrypted and decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The flags.
    pub flags: u8,
    /// The deadline and window.
    pub expiry: Expiry,
    /// The body: canonical MessagePack.
    pub body: Cow<'a, [u8]>,
    /// Whether somebody has made sure that the body is canonical.
    pub is_canonical: bool,
}

/// How a body is compressed: the field of [`flags::CODEC`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codec {
    /// The codec's id.
    pub id: u8,
    /// Bytes of the body before compression.
    pub bytes: u32,
}

/// How a body is encrypted: the field of [`flags::ENCRYPTED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The number of the key.
    pub epoch: u32,
    /// The nonce.
    pub nonce: [u8; NONCE_BYTES],
}

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;

/// A stored record that passed its CRC, taken apart; its body as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// The flags.
    pub flags: u8,
    /// The deadline and window.
    pub expiry: Expiry,
    /// All optional fields as they are stored.
    pub fields: &'a [u8],
    /// The body as it is stored, not empty.
    pub body: &'a [u8],
}

impl Stored<'_> {
    /// How the body is compressed, if it is.
    pub fn codec(&self) -> Option<Codec> {
        let rest = match self.flags & flags::ENCRYPTED {
            0 => self.fields,
            _ => self.fields.get(..self.fields.len().checked_sub(SEAL_BYTES)?)?,
        };
        let &[id, a, b, c, d] = rest.last_chunk::<CODEC_BYTES>()?;
        (self.flags & flags::CODEC != 0).then_some(Codec { id, bytes: u32::from_be_bytes([a, b, c, d]) })
    }

    /// How the body is encrypted, if it is.
    pub fn seal(&self) -> Option<Seal> {
        let field = self.fields.last_chunk::<SEAL_BYTES>().filter(|_| self.flags & flags::ENCRYPTED != 0)?;
        let (epoch, nonce) = field.split_first_chunk::<4>()?;
        Some(Seal { epoch: u32::from_be_bytes(*epoch), nonce: nonce.try_into().ok()? })
    }
}

/// Bytes of the field of [`flags::CODEC`].
const CODEC_BYTES: usize = 1 + 4;

/// Bytes of the field of [`flags::ENCRYPTED`].
const SEAL_BYTES: usize = 4 + NONCE_BYTES;

/// CRC-32/ISO-HDLC over the row's place and time, the flags, and all that stands behind the CRC.
fn checksum(hash: &KeyHash, version: Version, flags: u8, rest: &[u8]) -> u32 {
    let mut head = [0; KeyHash::LEN + 8 + 4 + 1];
    head[..64].copy_from_slice(&hash.0);
    head[64..72].copy_from_slice(&version.timestamp().to_be_bytes());
    head[72..76].copy_from_slice(&version.microsecond().to_be_bytes());
    head[76] = flags;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head);
    crc.update(rest);
    crc.finalize()
}

/// Writes the record of that row into `out`, which is cleared first: neither compressed nor encrypted.
#[inline]
pub fn encode(hash: &KeyHash, version: Version, expiry: Expiry, body: &[u8], out: &mut Vec<u8>) {
    begin(expiry, body.len(), out);
    out.extend_from_slice(body);
    finish(hash, version, expiry.flags(), out);
}

/// Writes room for flags and CRC, and the deadline, into `out`, which is cleared first.
#[inline]
pub(super) fn begin(expiry: Expiry, more: usize, out: &mut Vec<u8>) {
    out.clear();
    out.reserve(HEADER_BYTES + 16 + more);
    out.extend_from_slice(&[0; HEADER_BYTES]);
    if let Some(deadline) = expiry.expires_at {
        out.extend_from_slice(&deadline.to_be_bytes());
        if let Some(idle) = expiry.idle_us {
            out.extend_from_slice(&idle.to_be_bytes());
        }
    }
}

/// Writes flags and CRC of a record that is otherwise complete.
#[inline]
pub(super) fn finish(hash: &KeyHash, version: Version, flags: u8, out: &mut [u8]) {
    let Some((head, rest)) = out.split_first_chunk_mut::<HEADER_BYTES>() else { return };
    head[0] = flags;
    head[1..].copy_from_slice(&checksum(hash, version, flags, rest).to_be_bytes());
}

/// Checks the CRC of a stored record and takes it apart. The body may be compressed and encrypted; its
/// canonical form is for whoever decodes it.
///
/// `Corrupt` if the bytes are damaged; `UnsupportedFormat` if they are sound but of a newer format.
pub fn decode<'a>(hash: &KeyHash, version: Version, stored: &'a [u8]) -> Result<Stored<'a>> {
    let Some((head, rest)) = stored.split_at_checked(HEADER_BYTES) else {
        return Err(Error::corrupt("the record is shorter than its header"));
    };
    let flags = head[0];
    if checksum(hash, version, flags, rest).to_be_bytes() != head[1..] {
        return Err(Error::corrupt("the record's checksum does not match"));
    }
    if flags & !flags::KNOWN != 0 {
        return Err(Error::new(
            ErrorKind::UnsupportedFormat,
            format!("the record has flags {flags:#04x}; this version knows {:#04x}", flags::KNOWN),
        ));
    }
    let mut body = rest;
    let mut expiry = Expiry::NEVER;
    if flags & flags::EXPIRES != 0 {
        expiry.expires_at = Some(i64::from_be_bytes(take(&mut body)?));
    }
    if flags & flags::SLIDING != 0 {
        let idle = u64::from_be_bytes(take(&mut body)?);
        if idle == 0 || expiry.expires_at.is_none() {
            return Err(Error::corrupt("the record has a sliding window that is zero or without a deadline"));
        }
        expiry.idle_us = Some(idle);
    }
    if flags & (flags::CODEC | flags::ENCRYPTED) != 0 {
        body = behind_rare_fields(flags, body)?;
    }
    if body.is_empty() {
        return Err(Error::corrupt("the record has no body"));
    }
    let fields = &rest[..rest.len() - body.len()];
    Ok(Stored { flags, expiry, fields, body })
}

#[cold]
fn behind_rare_fields(flags: u8, mut body: &[u8]) -> Result<&[u8]> {
    if flags & flags::CODEC != 0 {
        take::<CODEC_BYTES>(&mut body)?;
    }
    if flags & flags::ENCRYPTED != 0 {
        take::<SEAL_BYTES>(&mut body)?;
    }
    Ok(body)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (field, after) =
        rest.split_first_chunk().ok_or_else(|| Error::corrupt("the record ends within an optional field"))?;
    *rest = after;
    Ok(*field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::key::Key;

    fn worked_example() -> (KeyHash, Version, Vec<u8>) {
        let mut body = vec![0x82, 0xa3];
        body.extend_from_slice(b"age\x24\xa4name\xa3Ada");
        (KeyHash::from(&Key::from("user:1001")), Version::from_micros(1_767_323_045_678_901), body)
    }

    #[test]
    fn the_worked_example_of_the_contract() {
        let (hash, version, body) = worked_example();
        let mut record = Vec::new();
        encode(&hash, version, Expiry::NEVER, &body, &mut record);
        assert_eq!(record[..5], [0x00, 0xed, 0xa2, 0xff, 0x46]);
        encode(&hash, version, Expiry::at(1_767_326_645_678_901), &body, &mut record);
        assert_eq!(record[..13], [1, 0x23, 0x3f, 0x8d, 0x1b, 0, 0x06, 0x47, 0x5f, 0xcc, 0xea, 0xf3, 0x35]);
        let read = decode(&hash, version, &record).unwrap();
        assert_eq!((read.expiry, read.body), (Expiry::at(1_767_326_645_678_901), body.as_slice()));
        assert_eq!((read.fields.len(), read.codec(), read.seal()), (8, None, None));
    }

    #[test]
    fn a_window_begins_anew_with_a_use_after_an_eighth_of_it() {
        let sliding = Expiry::sliding(1_000, 800).unwrap();
        assert_eq!(sliding, Expiry { expires_at: Some(1_800), idle_us: Some(800) });
        for now_us in [900, 1_000, 1_099] {
            assert_eq!(sliding.prolonged(now_us), None, "{now_us}");
        }
        assert_eq!(sliding.prolonged(1_100), Expiry::sliding(1_100, 800));
        assert_eq!(sliding.renewed(900), Expiry::sliding(900, 800).unwrap());
        // The shortest window, and the longest.
        assert_eq!(Expiry::sliding(5, 1).unwrap().prolonged(5), None);
        assert_eq!(Expiry::sliding(i64::MAX - 1, 2), None);
        let endless = Expiry { expires_at: Some(i64::MAX), idle_us: Some(u64::MAX) };
        assert_eq!((endless.renewed(0), endless.prolonged(i64::MAX - 1)), (endless, None));
        for fixed in [Expiry::NEVER, Expiry::at(7)] {
            assert_eq!((fixed.prolonged(6), fixed.renewed(6)), (None, fixed));
        }
    }

    #[test]
    fn every_flipped_bit_is_reported() {
        let (hash, version, body) = worked_example();
        for expiry in [Expiry::NEVER, Expiry { expires_at: Some(9), idle_us: Some(7) }] {
            let mut record = Vec::new();
            encode(&hash, version, expiry, &body, &mut record);
            for bit in 0..record.len() * 8 {
                record[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    decode(&hash, version, &record).unwrap_err().kind(),
                    ErrorKind::Corrupt,
                    "bit {bit}"
                );
                record[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn a_record_moved_to_another_row_or_time_is_corrupt() {
        let (hash, version, body) = worked_example();
        let mut record = Vec::new();
        encode(&hash, version, Expiry::NEVER, &body, &mut record);
        let other = KeyHash::from(&Key::from("user:1002"));
        assert!(decode(&other, version, &record).is_err());
        assert!(decode(&hash, Version::from_micros(version.micros() + 1), &record).is_err());
    }

    #[test]
    fn sound_records_of_a_newer_format_are_told_from_damage() {
        let (hash, version, body) = worked_example();
        for flag in [0x10, 0x20, 0x80] {
            let mut record = vec![flag];
            record.extend_from_slice(&checksum(&hash, version, flag, &body).to_be_bytes());
            record.extend_from_slice(&body);
            assert_eq!(decode(&hash, version, &record).unwrap_err().kind(), ErrorKind::UnsupportedFormat);
        }
    }
}
