//! For tests and the conformance runner. Never in a package.

use crate::atoms;
use crate::decode::binary;
use crate::handle::failure;
use crate::key::with_key;
use litestash_core::contract::format::{Format, SealedRow, Unlock};
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::interchange::{key_from_json, key_to_json, value_from_json, value_to_json};
use litestash_core::contract::limits::VALUE_BYTES_DEFAULT;
use litestash_core::contract::msgpack;
use litestash_core::contract::record::Record;
use litestash_core::contract::route::{Place, Route};
use litestash_core::{Error, ErrorKind, Key, KeyRef, Result, Value, Version};
use rustler::{Binary, Encoder, Env, Term};

fn told<'a>(env: Env<'a>, result: Result<impl Encoder>) -> Term<'a> {
    match result {
        Ok(result) => (atoms::ok(), result).encode(env),
        Err(error) => failure(env, &error),
    }
}

/// The canonical encoding of the value that a JSON text stands for.
#[rustler::nif(schedule = "DirtyCpu")]
fn value_from_interchange<'a>(env: Env<'a>, json: String) -> Term<'a> {
    let mut encoded = Vec::new();
    let done = value_from_json(&json).and_then(|value| msgpack::encode(&value, &mut encoded));
    told(env, done.map(|()| binary(env, &encoded)))
}

/// The JSON text of an encoded value.
#[rustler::nif(schedule = "DirtyCpu")]
fn value_to_interchange<'a>(env: Env<'a>, encoded: Binary<'a>) -> Term<'a> {
    let mut json = String::new();
    told(env, msgpack::decode(&encoded).map(|value| value_to_json(&value, &mut json)).map(|()| json))
}

/// The key that a JSON text stands for, encoded like a value.
#[rustler::nif]
fn key_from_interchange<'a>(env: Env<'a>, json: String) -> Term<'a> {
    let encoded = key_from_json(&json).and_then(|key| {
        let value = match key {
            Key::Text(text) => Value::Text(text),
            Key::Int(int) => Value::Int(int),
            Key::Float(float) => Value::Float(float.get()),
            Key::Bytes(bytes) => Value::Bytes(bytes),
        };
        let mut encoded = Vec::new();
        msgpack::encode(&value, &mut encoded)?;
        Ok(binary(env, &encoded))
    });
    told(env, encoded)
}

/// What becomes of a key: its JSON text, SQLite's storage class, the hash, the shard and the slot.
#[rustler::nif]
fn key_facts<'a>(env: Env<'a>, key: Term<'a>) -> Term<'a> {
    let facts = with_key(key, |key| {
        let storage = match key.check()? {
            KeyRef::Text(_) => "text",
            KeyRef::Int(_) => "integer",
            KeyRef::Float(_) => "real",
            KeyRef::Bytes(_) => "blob",
        };
        let hash = KeyHash::of(key);
        let Route { shard, slot } = Route::of(&hash);
        let mut json = String::new();
        key_to_json(key, &mut json);
        Ok((json, storage, hash.to_string(), u32::from(shard.number()), u32::from(slot.number())))
    });
    told(env, facts)
}

/// CRC-32 as records have it.
#[rustler::nif]
fn crc(data: Binary<'_>) -> u32 {
    crc32fast::hash(&data)
}

/// Flags, deadline, window and body of a stored record.
#[rustler::nif]
fn record_facts<'a>(
    env: Env<'a>,
    key_hash: Binary<'a>,
    timestamp: i64,
    microsecond: i64,
    stored: Binary<'a>,
) -> Term<'a> {
    let read = || {
        let hash = KeyHash::from_slice(&key_hash)
            .ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "a hash has 64 bytes"))?;
        let version = Version::from_columns(timestamp, microsecond)?;
        facts(env, &Format::plain().decode(&Place::of(hash), version, &stored)?)
    };
    told(env, read())
}

type Facts<'a> = (u32, Option<i64>, Option<u64>, Term<'a>);

fn facts<'a>(env: Env<'a>, record: &Record<'_>) -> Result<Facts<'a>> {
    msgpack::validate(&record.body)
        .map_err(|error| Error::new(ErrorKind::Corrupt, "the body is not canonical").with_source(error))?;
    let expiry = record.expiry;
    Ok((u32::from(record.flags), expiry.expires_at, expiry.idle_us, binary(env, &record.body)))
}

/// The JSON text of the key of an encrypted stash's row, and what `record_facts` tells.
#[rustler::nif(schedule = "DirtyCpu")]
fn sealed_facts<'a>(
    env: Env<'a>,
    (keyring, encryption_key): (Binary<'a>, Binary<'a>),
    (bucket, shard, slot): (String, u8, u8),
    (key_hash, key): (Binary<'a>, Binary<'a>),
    (timestamp, microsecond): (i64, i64),
    record: Binary<'a>,
) -> Term<'a> {
    let read = || {
        let row = SealedRow {
            bucket: &bucket,
            shard,
            slot,
            key_hash: &key_hash,
            key: &key,
            timestamp,
            microsecond,
            record: &record,
        };
        let (key, record) = row.open(&keyring, &Unlock::key(&encryption_key)?, VALUE_BYTES_DEFAULT)?;
        let mut json = String::new();
        key_to_json(key.as_ref(), &mut json);
        Ok((json, facts(env, &record)?))
    };
    told(env, read())
}
