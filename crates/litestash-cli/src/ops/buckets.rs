//! Operations on the list of buckets.

use super::json_list;
use super::members::Members;
use litestash_core::{LiteStash, Result};

pub(super) fn list(stash: &LiteStash, members: Members<'_>) -> Result<String> {
    members.finish()?;
    Ok(json_list(stash.buckets()?.into_iter().map(|name| serde_json::Value::from(name).to_string())))
}

pub(super) fn drop(stash: &LiteStash, mut members: Members<'_>) -> Result<String> {
    let bucket = members.required_text("bucket")?;
    members.finish()?;
    Ok(stash.drop_bucket(&bucket)?.to_string())
}
