//! Whole values to bytes.

use super::write;
use crate::contract::limits::{DEPTH_MAX, VALUES_MAX};
use crate::contract::value::Value;
use crate::error::{Error, Result};

/// Appends the canonical encoding of `value` to `out`.
///
/// `TooLarge` over the limits of depth and count; the body's length is for whoever knows the stash's bound.
pub fn encode(value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let mut budget = Budget::default();
    budget.value()?;
    encode_at(value, 0, &mut budget, out)
}

fn encode_at(value: &Value, depth: usize, budget: &mut Budget, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Nil => write::nil(out),
        Value::Bool(value) => write::bool(out, *value),
        Value::Int(int) => write::int(out, *int),
        Value::Uint(int) => write::uint(out, *int),
        Value::Float(float) => write::float(out, *float),
        Value::Text(text) => write::text(out, text)?,
        Value::Bytes(bytes) => write::bytes(out, bytes)?,
        Value::Timestamp(timestamp) => write::timestamp(out, *timestamp),
        Value::Vector(vector) => write::vector(out, &vector.0)?,
        Value::Array(array) => {
            let depth = deeper(depth)?;
            write::array_head(out, array.len())?;
            for element in array {
                budget.value()?;
                encode_at(element, depth, budget, out)?;
            }
        }
        Value::Map(map) => {
            let depth = deeper(depth)?;
            write::map_head(out, map.len())?;
            for (key, value) in map {
                budget.value()?;
                write::text(out, key)?;
                encode_at(value, depth, budget, out)?;
            }
        }
    }
    Ok(())
}

/// One container further down; `TooLarge` beyond the limit.
pub(crate) fn deeper(depth: usize) -> Result<usize> {
    if depth >= DEPTH_MAX {
        return Err(Error::too_large(format!("the value is nested deeper than {DEPTH_MAX}")));
    }
    Ok(depth + 1)
}

/// Counts the values of one record.
#[derive(Debug, Default)]
pub(crate) struct Budget(usize);

impl Budget {
    /// One more value; `TooLarge` beyond the limit.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<()> {
        self.values(1)
    }

    /// That many more values; `TooLarge` beyond the limit.
    #[inline]
    pub(crate) fn values(&mut self, count: usize) -> Result<()> {
        self.0 = self.0.saturating_add(count);
        if self.0 > VALUES_MAX {
            return Err(Error::too_large(format!("the value holds more than {VALUES_MAX} values")));
        }
        Ok(())
    }
}
