//! For tests and the conformance runner. Never in a package.

use crate::error::{Raise, refused};
use crate::key::{checked, with_key};
use crate::stash::Stash;
use crate::{decode, encode};
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::interchange::{key_from_json, key_to_json, value_from_json, value_to_json};
use litestash_core::contract::route::Route;
use litestash_core::contract::{msgpack, record};
use litestash_core::{Error, ErrorKind, KeyRef, Version};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

/// Moves the clock of a stash that was opened with a fixed one.
#[pyfunction]
pub(crate) fn advance_clock(py: Python<'_>, stash: &Bound<'_, Stash>, us: i64) -> PyResult<()> {
    stash.get().handle(py)?.clock.iter().for_each(|clock| clock.advance(us));
    Ok(())
}

/// The value that a JSON text stands for.
#[pyfunction]
pub(crate) fn value_from_interchange<'py>(py: Python<'py>, json: &str) -> PyResult<Bound<'py, PyAny>> {
    let mut encoded = Vec::new();
    value_from_json(json).and_then(|value| msgpack::encode(&value, &mut encoded)).raise(py)?;
    decode::object(py, &encoded)
}

/// The JSON text of a value.
#[pyfunction]
pub(crate) fn value_to_interchange(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut json = String::new();
    value_to_json(&msgpack::decode(&encode::encoded(value)?).raise(value.py())?, &mut json);
    Ok(json)
}

/// The key that a JSON text stands for.
#[pyfunction]
pub(crate) fn key_from_interchange<'py>(py: Python<'py>, json: &str) -> PyResult<Bound<'py, PyAny>> {
    checked(py, key_from_json(json))
}

/// The encoding of a value.
#[pyfunction]
pub(crate) fn encode_value<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(value.py(), &encode::encoded(value)?))
}

/// The value of an encoding, which must be canonical.
#[pyfunction]
pub(crate) fn decode_value<'py>(py: Python<'py>, encoded: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    msgpack::validate(encoded).raise(py)?;
    decode::object(py, encoded)
}

/// What becomes of a key.
#[pyfunction]
pub(crate) fn key_facts<'py>(key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(key.py());
    with_key(key, |key| {
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
        facts.set_item("key", json)?;
        facts.set_item("storage", storage)?;
        facts.set_item("hash", hash.to_string())?;
        facts.set_item("shard", shard.number())?;
        facts.set_item("slot", slot.number())
    })?;
    Ok(facts)
}

/// CRC-32 as records have it.
#[pyfunction]
pub(crate) fn crc(data: &[u8]) -> u32 {
    crc32fast::hash(data)
}

/// The parts of a stored record.
#[pyfunction]
pub(crate) fn record_facts<'py>(
    py: Python<'py>,
    key_hash: &[u8],
    timestamp: i64,
    microsecond: i64,
    stored: &[u8],
) -> PyResult<Bound<'py, PyDict>> {
    let hash = KeyHash::from_slice(key_hash)
        .ok_or_else(|| refused(py, ErrorKind::Internal, "a hash has 64 bytes"))?;
    let version = Version::from_columns(timestamp, microsecond).raise(py)?;
    let record = record::decode(&hash, version, stored).raise(py)?;
    msgpack::validate(record.body)
        .map_err(|error| Error::new(ErrorKind::Corrupt, "the body is not canonical").with_source(error))
        .raise(py)?;
    let facts = PyDict::new(py);
    facts.set_item("flags", record.flags)?;
    facts.set_item("expires_at", record.expiry.expires_at)?;
    facts.set_item("idle_us", record.expiry.idle_us)?;
    facts.set_item("body", PyBytes::new(py, record.body))?;
    Ok(facts)
}
