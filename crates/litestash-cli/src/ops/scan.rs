//! Operations on all keys.

use super::members::Members;
use super::{invalid, json_list};
use crate::key_arg;
use litestash_core::contract::interchange::value_to_json;
use litestash_core::{LiteStash, Result, ScanOptions, Value};

fn options(mut members: Members<'_>) -> Result<ScanOptions> {
    let prefix = members.text("prefix")?;
    let limit = members
        .int("limit")?
        .map(|limit| usize::try_from(limit).map_err(|_| invalid("`limit` is at least 0")))
        .transpose()?;
    members.finish()?;
    Ok(ScanOptions { prefix, limit, ..ScanOptions::default() })
}

fn list<T>(rows: impl Iterator<Item = Result<T>>, to_json: impl Fn(T) -> String) -> Result<String> {
    Ok(json_list(rows.map(|row| row.map(&to_json)).collect::<Result<Vec<_>>>()?))
}

fn value_json(value: &Value) -> String {
    let mut json = String::new();
    value_to_json(value, &mut json);
    json
}

pub(super) fn keys(stash: &LiteStash, members: Members<'_>) -> Result<String> {
    list(stash.keys(options(members)?), |key| key_arg::to_json(&key))
}

pub(super) fn values(stash: &LiteStash, members: Members<'_>) -> Result<String> {
    list(stash.values(options(members)?), |value| value_json(&value))
}

pub(super) fn items(stash: &LiteStash, members: Members<'_>) -> Result<String> {
    list(stash.items(options(members)?), |(key, value)| {
        format!("[{},{}]", key_arg::to_json(&key), value_json(&value))
    })
}
