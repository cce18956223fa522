//! The tagged forms: `{"$bytes": …}` and its siblings.

use crate::contract::msgpack;
use crate::contract::value::{Map, Timestamp, Value, Vector};
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use jiff::civil::DateTime;

pub(super) const BYTES: &str = "$bytes";
pub(super) const FLOAT: &str = "$float";
pub(super) const MAP: &str = "$map";
pub(super) const TIMESTAMP: &str = "$timestamp";
pub(super) const VECTOR: &str = "$vector";

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Whether an object with this only member is a tag.
pub(super) fn is_tag(map: &Map) -> bool {
    map.len() == 1 && map.first_key_value().is_some_and(|(key, _)| key.starts_with('$'))
}

/// Turns tagged objects, at any depth, into the values they stand for.
pub(super) fn untag(value: Value) -> Result<Value> {
    match value {
        Value::Map(mut map) if is_tag(&map) => match map.pop_first() {
            Some((tag, content)) => read(&tag, content),
            None => Ok(Value::Map(map)),
        },
        Value::Map(map) => untag_members(map),
        Value::Array(array) => array.into_iter().map(untag).collect::<Result<_>>().map(Value::Array),
        plain => Ok(plain),
    }
}

fn untag_members(mut map: Map) -> Result<Value> {
    for value in map.values_mut() {
        *value = untag(std::mem::take(value))?;
    }
    Ok(Value::Map(map))
}

fn read(tag: &str, content: Value) -> Result<Value> {
    match (tag, content) {
        (BYTES, Value::Text(text)) => base64(&text).map(Value::Bytes),
        (FLOAT, Value::Text(text)) => float(&text).map(Value::Float),
        (MAP, Value::Map(map)) => untag_members(map),
        (TIMESTAMP, Value::Text(text)) => rfc3339(&text).map(Value::Timestamp),
        (TIMESTAMP, Value::Array(parts)) => raw_timestamp(&parts).map(Value::Timestamp),
        (VECTOR, Value::Text(text)) => vector(&base64(&text)?).map(Value::Vector),
        _ => Err(Error::invalid_value(
            "an object whose only member begins with `$` is no known tag with its content",
        )),
    }
}

fn base64(text: &str) -> Result<Vec<u8>> {
    STANDARD
        .decode(text)
        .map_err(|error| Error::invalid_value("a tag's content is not base64").with_source(error))
}

fn float(text: &str) -> Result<f64> {
    match text {
        "nan" => Ok(f64::NAN),
        "inf" => Ok(f64::INFINITY),
        "-inf" => Ok(f64::NEG_INFINITY),
        _ => Err(Error::invalid_value("`$float` is one of \"nan\", \"inf\" and \"-inf\"")),
    }
}

fn rfc3339(text: &str) -> Result<Timestamp> {
    let parsed = text.strip_suffix('Z').and_then(|civil| civil.parse::<DateTime>().ok()).and_then(|moment| {
        let since = moment.duration_since(EPOCH);
        // `SignedDuration` rounds towards zero; a timestamp's nanoseconds count upwards.
        let borrow = i64::from(since.subsec_nanos() < 0);
        let nanoseconds = since.subsec_nanos() + if borrow == 1 { 1_000_000_000 } else { 0 };
        Timestamp::new(since.as_secs() - borrow, u32::try_from(nanoseconds).ok()?)
    });
    // One form is legal: the one that writing gives.
    parsed.filter(|timestamp| to_rfc3339(*timestamp).as_deref() == Some(text)).ok_or_else(|| {
        Error::invalid_value("`$timestamp` is not RFC 3339 in UTC with `Z` and a shortest fraction")
    })
}

/// RFC 3339, or `None` for a year outside 0000 to 9999.
pub(super) fn to_rfc3339(timestamp: Timestamp) -> Option<String> {
    let since = SignedDuration::new(timestamp.seconds(), i32::try_from(timestamp.nanoseconds()).ok()?);
    let moment = EPOCH.checked_add(since).ok()?;
    (moment.year() >= 0).then(|| format!("{moment}Z"))
}

fn raw_timestamp(parts: &[Value]) -> Result<Timestamp> {
    let timestamp = match parts {
        [seconds, nanoseconds] => seconds
            .as_int()
            .zip(nanoseconds.as_int().and_then(|ns| u32::try_from(ns).ok()))
            .and_then(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds)),
        _ => None,
    };
    timestamp.filter(|timestamp| to_rfc3339(*timestamp).is_none()).ok_or_else(|| {
        Error::invalid_value("`$timestamp` as [seconds, nanoseconds] is for years outside 0000 to 9999")
    })
}

fn vector(payload: &[u8]) -> Result<Vector> {
    if !payload.len().is_multiple_of(4) {
        return Err(Error::invalid_value("`$vector` holds 4 bytes for each number"));
    }
    let vector = msgpack::vector(payload);
    let canonical = vector.0.iter().flat_map(|f| crate::contract::value::canonical_f32(*f).to_le_bytes());
    if !canonical.eq(payload.iter().copied()) {
        return Err(Error::invalid_value("`$vector` holds a NaN other than the one legal form"));
    }
    Ok(vector)
}
