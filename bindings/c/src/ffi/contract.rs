//! JSON, and the facts of the data contract that do not need a stash.

use super::build::JSON_BYTES_MAX;
use super::entry;
use super::pointer::{Out, array, required, text};
use super::types::{litestash_buffer, litestash_key, litestash_key_content, litestash_status};
use litestash_core::contract::format::Format;
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::interchange::{key_from_json, key_to_json, value_from_json, value_to_json};
use litestash_core::contract::msgpack;
use litestash_core::contract::record::Record;
use litestash_core::contract::route::{Place, Route};
use litestash_core::limits::VALUE_BYTES_MAX;
use litestash_core::{Error, ErrorKind, KeyRef, Result, Version};
use std::borrow::Cow;
use std::ffi::c_char;

/// The encoding of the value that a JSON text stands for: an ordinary one, or with tags for what JSON has not, such
/// as {"$bytes": "AAEC"} (docs/INTERCHANGE.md). Integers and floats are told apart: 1 and 1.0. Give it back with
/// litestash_buffer_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_value_from_json(
    json: *const c_char,
    length: usize,
    value: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let json = text(json, length, JSON_BYTES_MAX, ErrorKind::InvalidValue)?;
        let out = Out::new(value)?;
        let mut encoded = Vec::new();
        msgpack::encode(&value_from_json(json)?, &mut encoded)?;
        out.set(litestash_buffer::copy(Some(&encoded))?)
    })
}

/// An encoded value as JSON text on one line, which reads back to the same value. Give it back with
/// litestash_buffer_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_value_to_json(
    value: *const u8,
    length: usize,
    json: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let value = array(value, length, VALUE_BYTES_MAX)?;
        let out = Out::new(json)?;
        let mut json = String::new();
        value_to_json(&msgpack::decode(value)?, &mut json);
        out.set(litestash_buffer::copy(Some(json.as_bytes()))?)
    })
}

/// LITESTASH_OK if the bytes are the canonical encoding of a value, else what is wrong with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_value_check(value: *const u8, length: usize) -> litestash_status {
    entry!(msgpack::validate(array(value, length, VALUE_BYTES_MAX)?))
}

/// The key that a JSON text stands for. What it points at is in `memory`: give that back with litestash_buffer_free
/// when the key is not needed any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_key_from_json(
    json: *const c_char,
    length: usize,
    key: *mut litestash_key,
    memory: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let json = text(json, length, JSON_BYTES_MAX, ErrorKind::InvalidKey)?;
        let (out, memory) = (Out::new(key)?, Out::new(memory)?);
        let (key, kept) = kept(key_from_json(json)?.as_ref())?;
        memory.set(kept)?;
        out.set(key)
    })
}

/// A key with the memory that it points at.
pub(super) fn kept(key: KeyRef<'_>) -> Result<(litestash_key, litestash_buffer)> {
    let mut given = litestash_key::of(key);
    let bytes = match key {
        KeyRef::Text(text) => Some(text.as_bytes()),
        KeyRef::Bytes(bytes) => Some(bytes),
        _ => None,
    };
    let memory = litestash_buffer::copy(bytes)?;
    if bytes.is_some() {
        given.content = litestash_key_content { data: memory.data.cast_const().cast() };
    }
    Ok((given, memory))
}

/// A key in its normal form as JSON text. Give it back with litestash_buffer_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_key_to_json(
    key: litestash_key,
    json: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let key = key.view()?.check()?;
        let out = Out::new(json)?;
        let mut json = String::new();
        key_to_json(key, &mut json);
        out.set(litestash_buffer::copy(Some(json.as_bytes()))?)
    })
}

/// Where a key's row is: in table slot_`slot` of the file shard-`shard`.db (one hexadecimal digit), under the key_hash
/// `hash`. For programs that look into a closed stash with a SQLite of their own.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_place {
    /// The column key_hash: BLAKE2b-512 of the key.
    pub hash: [u8; 64],
    /// The kind of the key's normal form, which is also that of the column key: LITESTASH_KEY_TEXT and so on.
    pub kind: u32,
    /// 0 to 15.
    pub shard: u8,
    /// 0 to 3.
    pub slot: u8,
}

/// Where a key's row is, or would be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_key_place(
    key: litestash_key,
    place: *mut litestash_place,
) -> litestash_status {
    entry!({
        let key = key.view()?.check()?;
        let out = Out::new(place)?;
        let hash = KeyHash::of(key);
        let Route { shard, slot } = Route::of(&hash);
        out.set(litestash_place {
            hash: *hash.as_bytes(),
            kind: litestash_key::of(key).kind,
            shard: shard.number(),
            slot: slot.number(),
        })
    })
}

/// A record taken apart. `body` leads into the record that was given, or into `memory`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_record {
    /// The value's encoding.
    pub body: *const u8,
    /// Its length.
    pub body_length: usize,
    /// The deadline, Unix time in microseconds, if there is one.
    pub expires_at: i64,
    /// The sliding window in microseconds, if there is one; else 0.
    pub idle_us: u64,
    /// The flags, as stored.
    pub flags: u32,
    /// Whether there is a deadline.
    pub has_deadline: bool,
    /// What a compressed or encrypted body became; give it back with litestash_buffer_free. NULL of any other record.
    pub memory: litestash_buffer,
}

impl litestash_record {
    pub(super) fn of(record: &Record<'_>) -> Result<Self> {
        // A body that the codec refuses was not written by any engine: the row is damaged.
        let damaged =
            |error: Error| Error::new(ErrorKind::Corrupt, "the body is not canonical").with_source(error);
        msgpack::validate(&record.body).map_err(damaged)?;
        let (body, memory) = match &record.body {
            Cow::Borrowed(body) => (body.as_ptr(), litestash_buffer::NONE),
            Cow::Owned(body) => {
                let copy = litestash_buffer::copy(Some(body))?;
                (copy.data.cast_const(), copy)
            }
        };
        Ok(Self {
            body,
            body_length: record.body.len(),
            expires_at: record.expiry.expires_at.unwrap_or(0),
            idle_us: record.expiry.idle_us.unwrap_or(0),
            flags: record.flags.into(),
            has_deadline: record.expiry.expires_at.is_some(),
            memory,
        })
    }
}

/// Bytes of a record before its body, at most: checksum, flags, deadline, window, codec, and what encryption adds.
pub(super) const RECORD_HEAD_MAX: usize = 128;

/// Takes the column `value` of a row apart after checking it against the row's other columns: key_hash (64 bytes),
/// timestamp and microsecond. LITESTASH_CORRUPT if it is damaged, or encrypted (litestash_sealed_read takes those
/// apart), LITESTASH_UNSUPPORTED_FORMAT if it needs what this version lacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_record_read(
    key_hash: *const u8,
    timestamp: i64,
    microsecond: i64,
    record: *const u8,
    record_length: usize,
    parts: *mut litestash_record,
) -> litestash_status {
    entry!({
        let hash = KeyHash(required(key_hash.cast::<[u8; KeyHash::LEN]>())?);
        let stored = array(record, record_length, VALUE_BYTES_MAX + RECORD_HEAD_MAX)?;
        let out = Out::new(parts)?;
        let version = Version::from_columns(timestamp, microsecond)?;
        let record = Format::plain().decode(&Place::of(hash), version, stored)?;
        out.set(litestash_record::of(&record)?)
    })
}

/// The checksum of records: CRC-32/ISO-HDLC, that of zlib.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_crc32(data: *const u8, length: usize, crc: *mut u32) -> litestash_status {
    entry!({
        let data = array(data, length, isize::MAX as usize)?;
        Out::new(crc)?.set(crc32fast::hash(data))
    })
}
