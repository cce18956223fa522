//! `vectors FILE`: what the contract's functions say to each case.

use crate::Failure;
use litestash_cli::ops;
use litestash_core::contract::format::{Format, SealedRow, Unlock};
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::interchange::{key_to_json, value_from_json, value_to_json};
use litestash_core::contract::key::{Key, KeyRef, ToKey};
use litestash_core::contract::limits::VALUE_BYTES_DEFAULT;
use litestash_core::contract::msgpack;
use litestash_core::contract::record::Record;
use litestash_core::contract::route::{Place, Route};
use litestash_core::{Error, ErrorKind, Result, Version};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::io::Write;

#[derive(Deserialize)]
struct Vectors<'a> {
    kind: String,
    #[serde(borrow)]
    cases: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

pub(crate) fn run(text: &str, out: &mut impl Write) -> Result<(), Failure> {
    let vectors: Vectors<'_> = read(text)?;
    let answer: fn(&str) -> Result<Result<String>, Failure> = match vectors.kind.as_str() {
        "keys" => |case| Ok(key(&read(case)?)),
        "values_valid" => |case| Ok(value_valid(&read(case)?)),
        "values_invalid" => |case| Ok(value_invalid(&read(case)?)),
        "crc" => |case| Ok(crc(&read(case)?)),
        "records" => |case| Ok(stored_record(&read(case)?)),
        "sealed" => |case| Ok(sealed(&read(case)?)),
        "interchange" => |case| Ok(interchange(&read(case)?)),
        other => return Err(Failure::Usage(anyhow::anyhow!("unknown kind of vectors: {other}"))),
    };
    for case in vectors.cases {
        let Id { id } = read(case.get())?;
        let result = answer(case.get())?.unwrap_or_else(|error| ops::error_json(&error));
        writeln!(out, "{{\"id\":{},\"result\":{result}}}", json!(id))?;
    }
    Ok(())
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Usage(error.into()))
}

#[derive(Deserialize)]
struct KeyCase {
    r#type: String,
    input: String,
}

fn key(case: &KeyCase) -> Result<String> {
    let key = match case.r#type.as_str() {
        "text" => {
            let text = String::from_utf8(from_hex(&case.input)?)
                .map_err(|_| Error::new(ErrorKind::InvalidKey, "the text is not UTF-8"))?;
            text.to_key()?.into_owned()
        }
        "integer" => {
            let wide: i128 = case
                .input
                .parse()
                .map_err(|_| Error::new(ErrorKind::InvalidKey, "the integer is out of every range"))?;
            wide.to_key()?.into_owned()
        }
        "float" => {
            let bits = u64::from_str_radix(&case.input, 16)
                .map_err(|_| Error::new(ErrorKind::InvalidArgument, "the float is not hexadecimal"))?;
            f64::from_bits(bits).to_key()?.into_owned()
        }
        "bytes" => from_hex(&case.input)?.to_key()?.into_owned(),
        other => {
            return Err(Error::new(ErrorKind::InvalidArgument, format!("unknown type of key: {other}")));
        }
    };
    let storage = match key {
        Key::Text(_) => "text",
        Key::Int(_) => "integer",
        Key::Float(_) => "real",
        Key::Bytes(_) => "blob",
    };
    let hash = KeyHash::from(&key);
    let Route { shard, slot } = Route::of(&hash);
    Ok(format!(
        "{{\"key\":{},\"storage\":\"{storage}\",\"hash\":\"{hash}\",\"shard\":{},\"slot\":{slot}}}",
        key_json(key.as_ref()),
        shard.number()
    ))
}

#[derive(Deserialize)]
struct ValueCase<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    encoded: String,
}

fn value_valid(case: &ValueCase<'_>) -> Result<String> {
    let encoded = encoded(case.value.get())?;
    Ok(format!("{{\"encoded\":\"{encoded}\",\"value\":{}}}", decoded(&case.encoded)?))
}

#[derive(Deserialize)]
struct BodyCase {
    encoded: String,
}

fn value_invalid(case: &BodyCase) -> Result<String> {
    Ok(format!("{{\"value\":{}}}", decoded(&case.encoded)?))
}

#[derive(Deserialize)]
struct CrcCase {
    data: String,
}

fn crc(case: &CrcCase) -> Result<String> {
    Ok(json!({ "crc": format!("{:08x}", crc32fast::hash(&from_hex(&case.data)?)) }).to_string())
}

#[derive(Deserialize)]
struct RecordCase {
    key_hash: String,
    timestamp: i64,
    microsecond: i64,
    record: String,
}

fn stored_record(case: &RecordCase) -> Result<String> {
    let hash = KeyHash::from_slice(&from_hex(&case.key_hash)?)
        .ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "a key_hash has 64 bytes"))?;
    let stored = from_hex(&case.record)?;
    let version = Version::from_columns(case.timestamp, case.microsecond)?;
    let record = Format::plain().decode(&Place::of(hash), version, &stored)?;
    record_json(&record, json!({}))
}

fn record_json(record: &Record<'_>, mut result: serde_json::Value) -> Result<String> {
    // A body that the codec refuses was not written by any engine: the row is damaged.
    msgpack::validate(&record.body)
        .map_err(|error| Error::new(ErrorKind::Corrupt, "the body is not canonical").with_source(error))?;
    result["flags"] = json!(record.flags);
    result["expires_at"] = json!(record.expiry.expires_at);
    result["idle_us"] = json!(record.expiry.idle_us);
    result["body"] = json!(to_hex(&record.body));
    Ok(result.to_string())
}

#[derive(Deserialize)]
struct SealedCase {
    keyring: String,
    encryption_key: String,
    bucket: String,
    shard: u8,
    slot: u8,
    key_hash: String,
    key_column: String,
    timestamp: i64,
    microsecond: i64,
    record: String,
}

fn sealed(case: &SealedCase) -> Result<String> {
    let (key_hash, key) = (from_hex(&case.key_hash)?, from_hex(&case.key_column)?);
    let record = from_hex(&case.record)?;
    let row = SealedRow {
        bucket: &case.bucket,
        shard: case.shard,
        slot: case.slot,
        key_hash: &key_hash,
        key: &key,
        timestamp: case.timestamp,
        microsecond: case.microsecond,
        record: &record,
    };
    let unlock = Unlock::key(&from_hex(&case.encryption_key)?)?;
    let (key, record) = row.open(&from_hex(&case.keyring)?, &unlock, VALUE_BYTES_DEFAULT)?;
    let key = serde_json::from_str::<serde_json::Value>(&key_json(key.as_ref()));
    let key = key.map_err(|_| Error::new(ErrorKind::Internal, "a key is JSON"))?;
    record_json(&record, json!({ "key": key }))
}

#[derive(Deserialize)]
struct JsonCase {
    json: String,
}

fn interchange(case: &JsonCase) -> Result<String> {
    Ok(json!({ "encoded": encoded(&case.json)? }).to_string())
}

fn encoded(json: &str) -> Result<String> {
    let mut bytes = Vec::new();
    msgpack::encode(&value_from_json(json)?, &mut bytes)?;
    Ok(to_hex(&bytes))
}

fn decoded(hex: &str) -> Result<String> {
    let mut json = String::new();
    value_to_json(&msgpack::decode(&from_hex(hex)?)?, &mut json);
    Ok(json)
}

fn key_json(key: KeyRef<'_>) -> String {
    let mut json = String::new();
    key_to_json(key, &mut json);
    json
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
            _ => None,
        })
        .collect();
    bytes.ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, "the vector file holds a text that is not hexadecimal")
    })
}
