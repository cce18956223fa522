//! `script FILE DIR`: operations on a new stash, one result per line.

use crate::Failure;
use anyhow::anyhow;
use litestash_cli::ops;
use litestash_core::{FixedClock, Options};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

#[derive(Deserialize)]
struct Script<'a> {
    clock: i64,
    #[serde(borrow)]
    options: Option<&'a RawValue>,
    #[serde(borrow)]
    operations: Vec<&'a RawValue>,
}

/// What concerns the runner itself of an operation.
#[derive(Deserialize)]
struct Operation {
    op: String,
    us: Option<i64>,
}

pub(crate) fn run(text: &str, directory: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let script: Script<'_> = serde_json::from_str(text).map_err(|error| Failure::Usage(error.into()))?;
    let clock = FixedClock::new(script.clock);
    let given = script.options.map_or("{}", RawValue::get);
    let options = Options::new().clock(clock.clone()).background(false).origin(1);
    let options = ops::ScriptOptions::parse(given)?.apply(options)?;
    let mut stash = options.clone().open(directory)?;
    for operation in script.operations {
        let Operation { op, us } = serde_json::from_str(operation.get())?;
        match op.as_str() {
            "tick" => {
                clock.advance(us.ok_or_else(|| anyhow!("tick without us"))?);
                writeln!(out, "null")?;
            }
            "reopen" => {
                stash.close()?;
                stash = options.clone().open(directory)?;
                writeln!(out, "null")?;
            }
            "watch" => {
                let us =
                    us.and_then(|us| u64::try_from(us).ok()).ok_or_else(|| anyhow!("watch without us"))?;
                stash.log_changes(Duration::from_micros(us))?;
                writeln!(out, "null")?;
            }
            _ => {
                let result = ops::run_script_op(&stash, operation.get());
                writeln!(out, "{}", result.unwrap_or_else(|error| ops::error_json(&error)))?;
            }
        }
    }
    Ok(stash.close()?)
}
