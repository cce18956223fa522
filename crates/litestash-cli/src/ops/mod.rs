//! The operations of `conformance/PROTOCOL.md`, from JSON to JSON.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! let stash = litestash_core::LiteStash::open(dir.path())?;
//! let sum = litestash_cli::ops::run_op(&stash, r#"{"op": "increment", "key": "visits", "by": 2}"#)?;
//! assert_eq!(sum, "2");
//! # Ok::<_, litestash_core::Error>(())
//! ```

mod batch;
mod buckets;
mod given;
mod members;
mod scan;
#[cfg(feature = "conformance")]
mod script;
mod single;

#[cfg(feature = "conformance")]
pub use script::Script;

#[doc(hidden)]
pub use given::{ScriptOptions, run_script_op, with_key};

use litestash_core::{Error, ErrorKind, LiteStash, Result};
use members::Members;
use single::Single;
pub(crate) use single::entry_json;
use std::time::Duration;

/// Performs one operation, given as a JSON object, and answers with its result as compact JSON on one line.
///
/// What is no operation (no JSON object, an unknown operation or member, a member missing or of the wrong
/// type) is `InvalidArgument`. `tick`, `reopen` and `watch` belong to scripts and are unknown here.
pub fn run_op(stash: &LiteStash, op: &str) -> Result<String> {
    let mut members = Members::parse(op)?;
    let name = members.required_text("op")?;
    run_named(stash, &name, members)
}

/// The result of an operation that was refused: `{"error":NAME}`.
pub fn error_json(error: &Error) -> String {
    format!("{{\"error\":\"{}\"}}", error.kind().name())
}

fn run_named(stash: &LiteStash, name: &str, mut members: Members<'_>) -> Result<String> {
    match name {
        "buckets" => return buckets::list(stash, members),
        "drop_bucket" => return buckets::drop(stash, members),
        _ => {}
    }
    // Anything else is done in a bucket if it names one.
    match members.text("bucket")? {
        Some(bucket) => run_within(&stash.bucket(&bucket)?, name, members),
        None => run_within(stash, name, members),
    }
}

fn run_within(stash: &LiteStash, name: &str, mut members: Members<'_>) -> Result<String> {
    match name {
        "get_many" => batch::get_many(stash, members),
        "set_many" => batch::set_many(stash, members),
        "delete_many" => batch::delete_many(stash, members),
        "apply" => batch::apply(stash, members),
        "transaction" => batch::transaction(stash, members),
        "keys" => scan::keys(stash, members),
        "values" => scan::values(stash, members),
        "items" => scan::items(stash, members),
        "len" => {
            members.finish()?;
            Ok(stash.len()?.to_string())
        }
        "clear" => {
            members.finish()?;
            stash.clear()?;
            Ok("null".to_owned())
        }
        "sweep" => {
            members.finish()?;
            let report = stash.sweep()?;
            Ok(format!("{{\"rows\":{},\"hints\":{}}}", report.rows, report.hints))
        }
        "expire_older_than" => {
            let age = members.required_int("age_us")?;
            let age = u64::try_from(age).map_err(|_| invalid("`age_us` is at least 0"))?;
            let prefix = members.text("prefix")?;
            members.finish()?;
            let removed = stash.expire_older_than(Duration::from_micros(age), prefix.as_deref())?;
            Ok(removed.to_string())
        }
        _ => {
            let single = Single::parse(name, &mut members)?;
            members.finish()?;
            Ok(single.run(stash)?.to_json())
        }
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// `[a,b,…]` of texts that are JSON.
fn json_list(elements: impl IntoIterator<Item = String>) -> String {
    let mut list = String::from("[");
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        list.push_str(&element);
    }
    list.push(']');
    list
}
