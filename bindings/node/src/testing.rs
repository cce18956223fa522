//! For tests, the conformance runner and measurements. Never in a package.

use crate::error::{Result, thrown};
use crate::stash::Handle;
use litestash_core::contract::format::{Cipher, Envelope, Format, Keeper, Keyring, Unlock};
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::interchange::{key_from_json, key_to_json, value_from_json, value_to_json};
use litestash_core::contract::key::{Key, KeyRef, StoredKey};
use litestash_core::contract::limits;
use litestash_core::contract::msgpack;
use litestash_core::contract::record::Record;
use litestash_core::contract::route::{Place, Route, ShardId, Slot};
use litestash_core::{CountingRandom, Error, ErrorKind, FixedClock, Value, Version};
use napi::bindgen_prelude::{BigInt, Buffer, External};
use std::sync::{Arc, LazyLock};

/// Random bytes that are counted, over all stashes of the process.
pub(crate) fn random() -> CountingRandom {
    static RANDOM: LazyLock<CountingRandom> = LazyLock::new(CountingRandom::default);
    RANDOM.clone()
}

/// The clock that stands at that many microseconds.
pub(crate) fn clock(now_us: Option<&str>) -> litestash_core::Result<Option<FixedClock>> {
    now_us.map(|text| text.parse().map(FixedClock::new).map_err(|_| not_a_number())).transpose()
}

fn not_a_number() -> Error {
    Error::new(ErrorKind::InvalidArgument, "a time is decimal microseconds")
}

/// Moves the clock of a stash that was opened with a fixed one.
#[napi_derive::napi(catch_unwind)]
pub fn advance_clock(handle: &External<Handle>, us: String) -> Result<()> {
    let us = us.parse().map_err(|_| thrown(not_a_number()))?;
    handle.clock.iter().for_each(|clock| clock.advance(us));
    Ok(())
}

/// The canonical encoding of the value that a JSON text stands for.
#[napi_derive::napi(catch_unwind)]
pub fn value_from_interchange(json: String) -> Result<Buffer> {
    let mut encoded = Vec::new();
    value_from_json(&json).and_then(|value| msgpack::encode(&value, &mut encoded)).map_err(thrown)?;
    Ok(Buffer::from(encoded))
}

/// The JSON text of an encoded value.
#[napi_derive::napi(catch_unwind)]
pub fn value_to_interchange(encoded: Buffer) -> Result<String> {
    let mut json = String::new();
    value_to_json(&msgpack::decode(&encoded).map_err(thrown)?, &mut json);
    Ok(json)
}

/// The key that a JSON text stands for, as an encoded value.
#[napi_derive::napi(catch_unwind)]
pub fn key_from_interchange(json: String) -> Result<Buffer> {
    let value = match key_from_json(&json).map_err(thrown)? {
        Key::Text(text) => Value::Text(text),
        Key::Int(int) => Value::Int(int),
        Key::Float(float) => Value::Float(float.get()),
        Key::Bytes(bytes) => Value::Bytes(bytes),
    };
    let mut encoded = Vec::new();
    msgpack::encode(&value, &mut encoded).map_err(thrown)?;
    Ok(Buffer::from(encoded))
}

/// What becomes of a key that stands, as in a request, in `key`.
#[napi_derive::napi(object)]
pub struct KeyFacts {
    /// As JSON.
    pub key: String,
    /// SQLite's storage class.
    pub storage: String,
    /// Hexadecimal.
    pub hash: String,
    /// 0 to 15.
    pub shard: u32,
    /// 0 to 3.
    pub slot: u32,
}

/// What becomes of a key that stands, as in a request, in `key`.
#[napi_derive::napi(catch_unwind)]
pub fn key_facts(key: Buffer) -> Result<KeyFacts> {
    let key = crate::frame::Reader(&key).key().map_err(thrown)?;
    let storage = match key {
        KeyRef::Text(_) => "text",
        KeyRef::Int(_) => "integer",
        KeyRef::Float(_) => "real",
        KeyRef::Bytes(_) => "blob",
    };
    let hash = KeyHash::of(key);
    let Route { shard, slot } = Route::of(&hash);
    let mut json = String::new();
    key_to_json(key, &mut json);
    Ok(KeyFacts {
        key: json,
        storage: storage.to_owned(),
        hash: hash.to_string(),
        shard: shard.number().into(),
        slot: slot.number().into(),
    })
}

/// CRC-32 as records have it.
#[napi_derive::napi(catch_unwind)]
pub fn crc(data: Buffer) -> u32 {
    crc32fast::hash(&data)
}

/// The parts of a stored record.
#[napi_derive::napi(object)]
pub struct RecordFacts {
    /// Its flags.
    pub flags: u32,
    /// Microseconds.
    pub expires_at: Option<BigInt>,
    /// Microseconds.
    pub idle_us: Option<BigInt>,
    /// The body.
    pub body: Buffer,
}

impl RecordFacts {
    fn of(record: &Record<'_>) -> litestash_core::Result<Self> {
        msgpack::validate(&record.body).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "the body is not canonical").with_source(error)
        })?;
        Ok(Self {
            flags: record.flags.into(),
            expires_at: record.expiry.expires_at.map(BigInt::from),
            idle_us: record.expiry.idle_us.map(BigInt::from),
            body: Buffer::from(record.body.to_vec()),
        })
    }
}

fn version(timestamp: &str, microsecond: &str) -> litestash_core::Result<Version> {
    let number = |text: &str| text.parse().map_err(|_| not_a_number());
    Version::from_columns(number(timestamp)?, number(microsecond)?)
}

/// The parts of a stored record.
#[napi_derive::napi(catch_unwind)]
pub fn record_facts(
    key_hash: Buffer,
    timestamp: String,
    microsecond: String,
    stored: Buffer,
) -> Result<RecordFacts> {
    let read = || {
        let hash = KeyHash::from_slice(&key_hash).ok_or_else(crate::error::malformed)?;
        let version = version(&timestamp, &microsecond)?;
        RecordFacts::of(&Format::plain().decode(&Place::of(hash), version, &stored)?)
    };
    read().map_err(thrown)
}

/// A row of an encrypted stash.
#[napi_derive::napi(object)]
pub struct SealedRow {
    /// The keyring's file.
    pub keyring: Buffer,
    /// 32 bytes.
    pub encryption_key: Buffer,
    /// The name of the bucket, empty for the stash itself.
    pub bucket: String,
    /// 0 to 15.
    pub shard: u8,
    /// 0 to 3.
    pub slot: u8,
    /// 64 bytes.
    pub key_hash: Buffer,
    /// What the column `key` holds.
    pub key_column: Buffer,
    /// Seconds.
    pub timestamp: String,
    /// And microseconds.
    pub microsecond: String,
    /// The record.
    pub record: Buffer,
}

/// What is in a row of an encrypted stash.
#[napi_derive::napi(object)]
pub struct OpenedRow {
    /// The key as JSON.
    pub key: String,
    /// The record.
    pub facts: RecordFacts,
}

/// A keyring that nobody changes, and no random bytes: nothing is written.
struct Still;

impl Keeper for Still {
    fn random(&self, _: &mut [u8]) -> litestash_core::Result<()> {
        Err(Error::new(ErrorKind::Internal, "nothing is written"))
    }

    fn changed(&self, _seen: u64) -> litestash_core::Result<Option<(u64, Keyring)>> {
        Ok(None)
    }
}

/// Opens a row of an encrypted stash.
#[napi_derive::napi(catch_unwind)]
pub fn open_sealed(row: SealedRow) -> Result<OpenedRow> {
    let open = || {
        let malformed = crate::error::malformed;
        let envelope = Envelope::from_bytes(&row.keyring)?;
        let secret = Unlock::key(&row.encryption_key)?.secret(envelope.kdf())?;
        let cipher = Cipher::new(&envelope.open(&secret)?, &row.bucket, Arc::new(Still));
        let format = Format::new(limits::VALUE_BYTES_DEFAULT, None, Some(cipher));
        let hash = KeyHash::from_slice(&row.key_hash).ok_or_else(malformed)?;
        let shard = ShardId::new(row.shard).ok_or_else(malformed)?;
        let slot = Slot::new(row.slot).ok_or_else(malformed)?;
        let place = Place { hash, route: Route { shard, slot } };
        let record = format.decode(&place, version(&row.timestamp, &row.microsecond)?, &row.record)?;
        let key = format.decode_key(&place, StoredKey::Blob(&row.key_column))?;
        let mut json = String::new();
        key_to_json(key.as_ref(), &mut json);
        Ok(OpenedRow { key: json, facts: RecordFacts::of(&record)? })
    };
    open().map_err(thrown)
}
