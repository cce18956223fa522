//! What the contract makes of keys, values and records, for tools that read shard files and for the suite's
//! vectors.

use crate::error::{Result, StashError};
use crate::value::Key;
use litestash_core as core;
use litestash_core::contract::format::Format;
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::route::{Place, Route};
use litestash_core::contract::{interchange, msgpack};

/// The version of the SQLite inside.
#[uniffi::export]
pub fn sqlite_version() -> String {
    core::sqlite_version().to_owned()
}

/// The bounds of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct ContractLimits {
    /// Bytes of the longest key.
    pub key_bytes_max: u64,
    /// Bytes of the longest encoded value, unless the options say otherwise.
    pub value_bytes_default: u64,
    /// The greatest bound of values that the options can set.
    pub value_bytes_max: u64,
    /// Deepest nesting of arrays and maps.
    pub depth_max: u64,
    /// Most values in one: itself, elements, members.
    pub values_max: u64,
    /// Most operations in a batch.
    pub batch_operations_max: u64,
    /// Most bytes of keys and values in a batch.
    pub batch_bytes_max: u64,
}

/// The bounds of the contract.
#[uniffi::export]
pub fn limits() -> ContractLimits {
    use core::limits::{
        BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, DEPTH_MAX, KEY_BYTES_MAX, VALUE_BYTES_DEFAULT,
        VALUE_BYTES_MAX, VALUES_MAX,
    };
    ContractLimits {
        key_bytes_max: KEY_BYTES_MAX as u64,
        value_bytes_default: VALUE_BYTES_DEFAULT as u64,
        value_bytes_max: VALUE_BYTES_MAX as u64,
        depth_max: DEPTH_MAX as u64,
        values_max: VALUES_MAX as u64,
        batch_operations_max: BATCH_OPERATIONS_MAX as u64,
        batch_bytes_max: BATCH_BYTES_MAX as u64,
    }
}

/// Where a key's row is, or would be.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct KeyPlace {
    /// The key in normal form.
    pub key: Key,
    /// The storage class of the column `key`: `text`, `integer`, `real` or `blob`.
    pub storage: String,
    /// The column `key_hash` in hexadecimal.
    pub hash: String,
    /// 0 to 15.
    pub shard: u8,
    /// 0 to 3.
    pub slot: u8,
}

/// Where a key's row is, or would be. `InvalidKey`, `TooLarge`.
#[uniffi::export]
pub fn key_place(key: Key) -> Result<KeyPlace> {
    let key = key.into_core()?;
    let view = key.as_ref().check()?;
    let storage = match view {
        core::KeyRef::Text(_) => "text",
        core::KeyRef::Int(_) => "integer",
        core::KeyRef::Float(_) => "real",
        core::KeyRef::Bytes(_) => "blob",
    };
    let hash = KeyHash::of(view);
    let Route { shard, slot } = Route::of(&hash);
    Ok(KeyPlace {
        storage: storage.to_owned(),
        hash: hash.to_string(),
        shard: shard.number(),
        slot: slot.number(),
        key: key.into(),
    })
}

/// The key that JSON in the form of `docs/INTERCHANGE.md` stands for.
#[uniffi::export]
pub fn key_from_json(json: String) -> Result<Key> {
    Ok(interchange::key_from_json(&json)?.into())
}

/// A key as JSON.
#[uniffi::export]
pub fn key_to_json(key: Key) -> Result<String> {
    let mut json = String::new();
    interchange::key_to_json(key.into_core()?.as_ref(), &mut json);
    Ok(json)
}

/// The canonical encoding of the value that JSON in the form of `docs/INTERCHANGE.md` stands for.
#[uniffi::export]
pub fn value_from_json(json: String) -> Result<Vec<u8>> {
    let mut encoded = Vec::new();
    msgpack::encode(&interchange::value_from_json(&json)?, &mut encoded)?;
    Ok(encoded)
}

/// An encoded value as JSON. `InvalidValue` if it is not canonical.
#[uniffi::export]
pub fn value_to_json(value: Vec<u8>) -> Result<String> {
    let mut json = String::new();
    interchange::value_to_json(&msgpack::decode(&value)?, &mut json);
    Ok(json)
}

/// The column `value` of a row, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RecordParts {
    /// The flags, as stored.
    pub flags: u8,
    /// The deadline in Unix microseconds.
    pub expires_at_us: Option<i64>,
    /// The sliding window in microseconds.
    pub idle_us: Option<u64>,
    /// The value as canonical MessagePack.
    pub body: Vec<u8>,
}

/// Takes the column `value` of a row apart after checking it against the row's other columns. `Corrupt` if it
/// is damaged or encrypted,
/// `UnsupportedFormat` if it needs what this build lacks.
#[uniffi::export]
pub fn record_parts(
    key_hash: Vec<u8>,
    timestamp: i64,
    microsecond: i64,
    record: Vec<u8>,
) -> Result<RecordParts> {
    let corrupt = |detail: &str| StashError::Corrupt { detail: detail.to_owned() };
    let hash = KeyHash::from_slice(&key_hash).ok_or_else(|| corrupt("a key_hash has 64 bytes"))?;
    let version = core::Version::from_columns(timestamp, microsecond)?;
    let parts = Format::plain().decode(&Place::of(hash), version, &record)?;
    msgpack::validate(&parts.body).map_err(|_| corrupt("the body is not canonical"))?;
    Ok(RecordParts {
        flags: parts.flags,
        expires_at_us: parts.expiry.expires_at,
        idle_us: parts.expiry.idle_us,
        body: parts.body.into_owned(),
    })
}

/// The checksum of records: CRC-32/ISO-HDLC, that of zlib.
#[uniffi::export]
pub fn checksum(data: Vec<u8>) -> u32 {
    crc32fast::hash(&data)
}
