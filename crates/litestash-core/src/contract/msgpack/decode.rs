//! Bytes to whole values, refusing everything that is not canonical.

use super::encode::{Budget, deeper};
use super::read::{Reader, Token};
use crate::contract::value::{Map, Value, Vector};
use crate::error::{Error, Result};

/// The value that `bytes` encode. `InvalidValue` if they are not canonical, `TooLarge` over the limits.
pub fn decode(bytes: &[u8]) -> Result<Value> {
    let mut reader = Reader::new(bytes);
    let mut budget = Budget::default();
    budget.value()?;
    let value = decode_at(&mut reader, 0, &mut budget)?;
    finish(&reader)?;
    Ok(value)
}

/// Checks that `bytes` are one canonical value, without building it.
pub fn validate(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader::new(bytes);
    let mut budget = Budget::default();
    budget.value()?;
    validate_at(&mut reader, 0, &mut budget)?;
    finish(&reader)
}

fn finish(reader: &Reader<'_>) -> Result<()> {
    if reader.rest().is_empty() { Ok(()) } else { Err(Error::invalid_value("bytes after the value")) }
}

fn decode_at(reader: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Result<Value> {
    Ok(match reader.token()? {
        Token::Nil => Value::Nil,
        Token::Bool(value) => Value::Bool(value),
        Token::Int(int) => Value::Int(int),
        Token::Uint(int) => Value::Uint(int),
        Token::Float(float) => Value::Float(float),
        Token::Text(text) => Value::Text(text.to_owned()),
        Token::Bytes(bytes) => Value::Bytes(bytes.to_owned()),
        Token::Timestamp(timestamp) => Value::Timestamp(timestamp),
        Token::Vector(payload) => Value::Vector(vector(payload)),
        Token::Array(len) => {
            let depth = deeper(depth)?;
            budget.values(len)?;
            // A count costs the input at least a byte each, so room for it is at most a fixed multiple of the
            // input; still, let nested claims pay as they go.
            let mut array = Vec::with_capacity(len.min(1024));
            for _ in 0..len {
                array.push(decode_at(reader, depth, budget)?);
            }
            Value::Array(array)
        }
        Token::Map(len) => {
            let depth = deeper(depth)?;
            budget.values(len)?;
            let mut entries = Vec::with_capacity(len.min(1024));
            let mut previous = None;
            for _ in 0..len {
                let key = map_key(reader, &mut previous)?;
                entries.push((key.to_owned(), decode_at(reader, depth, budget)?));
            }
            // Already in order, so the tree is built in one pass.
            Value::Map(Map::from_iter(entries))
        }
    })
}

fn validate_at(reader: &mut Reader<'_>, depth: usize, budget: &mut Budget) -> Result<()> {
    match reader.token()? {
        Token::Array(len) => {
            let depth = deeper(depth)?;
            budget.values(len)?;
            for _ in 0..len {
                validate_at(reader, depth, budget)?;
            }
        }
        Token::Map(len) => {
            let depth = deeper(depth)?;
            budget.values(len)?;
            let mut previous = None;
            for _ in 0..len {
                map_key(reader, &mut previous)?;
                validate_at(reader, depth, budget)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn map_key<'a>(reader: &mut Reader<'a>, previous: &mut Option<&'a str>) -> Result<&'a str> {
    let Token::Text(key) = reader.token()? else {
        return Err(Error::invalid_value("a map key is not text"));
    };
    if previous.is_some_and(|previous| previous >= key) {
        return Err(Error::invalid_value("map keys are not in strictly ascending order"));
    }
    *previous = Some(key);
    Ok(key)
}

/// The numbers of a vector's payload, whose form the reader has checked.
pub(crate) fn vector(payload: &[u8]) -> Vector {
    Vector(payload.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
}
