//! `script FILE DIR`: operations on a new stash, one result per line.

use crate::Failure;
use anyhow::anyhow;
use litestash_cli::ops;
use litestash_core::{FixedClock, Limits, Options};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

#[derive(Deserialize)]
struct Script<'a> {
    clock: i64,
    #[serde(default)]
    options: ScriptOptions,
    #[serde(borrow)]
    operations: Vec<&'a RawValue>,
}

/// How the stash is opened.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ScriptOptions {
    default_ttl_us: Option<u64>,
    limits: Option<GivenLimits>,
}

#[derive(Deserialize)]
struct GivenLimits {
    rows: Option<u64>,
    eviction: String,
}

impl GivenLimits {
    fn limits(&self) -> Result<Limits, Failure> {
        match self.eviction.as_str() {
            "none" => Ok(Limits { rows: self.rows, ..Limits::default() }),
            other => Err(Failure::Usage(anyhow!("no eviction {other}"))),
        }
    }
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
    let default_ttl = script.options.default_ttl_us.map(Duration::from_micros);
    let mut options =
        Options::new().clock(clock.clone()).background(false).origin(1).default_ttl(default_ttl);
    if let Some(limits) = &script.options.limits {
        options = options.limits(limits.limits()?);
    }
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
                let result = ops::run_op(&stash, operation.get());
                writeln!(out, "{}", result.unwrap_or_else(|error| ops::error_json(&error)))?;
            }
        }
    }
    Ok(stash.close()?)
}
