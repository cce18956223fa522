//! `litestash apply`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::ops;
use crate::units;
use clap::Args;
use litestash_core::{Error, ErrorKind, LiteStash, Result};
use std::io::{BufRead, BufReader};

/// Carry out operations given as JSON Lines on stdin
///
/// Each line is an operation; each prints one line, its result. A line that is refused has the result
/// {"error": NAME}; stderr says why, and the exit code is then 3. Results are flushed whenever no further
/// line waits, so that a program can hold the conversation through pipes.
#[derive(Debug, Args)]
#[command(after_help = r#"Operations on one key:
  {"op": "get", "key": K}                                   {"value": V} or null; likewise "take"
  {"op": "entry", "key": K}                                 {"value", "version", "expires_at", "size"} or null
  {"op": "exists", "key": K}                                true or false; likewise "delete", "persist", "touch"
  {"op": "ttl", "key": K}                                   {"expires_at": N or null} or null
  {"op": "set", "key": K, "value": V}                       the version, or null; also "ttl_us": N, "idle_us": N,
                                                            "expires_at": N or null, "keep_ttl": true, "if": "absent",
                                                            "present", {"version": N}
  {"op": "add", "key": K, "value": V}                       whether it was stored; likewise "replace"
  {"op": "compare_and_set", "key": K, "expected": V, "value": V}
                                                            whether it was stored; without "expected": if not there
  {"op": "increment", "key": K, "by": 1}                    the sum; "increment_float" adds a float
  {"op": "expire", "key": K, "ttl_us": N}                   whether it was there; or "idle_us", "expires_at"
  {"op": "check", "key": K, "if": C} or "expected": V       whether that holds; C as for "set"

On several:
  {"op": "get_many", "keys": [K, …]}, {"op": "delete_many", "keys": [K, …]}
  {"op": "set_many", "items": [[K, V], …]}
  {"op": "apply", "operations": [OPERATION, …]}             operations on one key, one transaction per shard
  {"op": "transaction", "operations": [OPERATION, …]}       {"committed": [RESULT, …]}, or {"refused": INDEX} of
                                                            the first whose condition does not hold: nothing is done
  {"op": "keys"}, {"op": "values"}, {"op": "items"}         also "prefix": TEXT, "limit": N
  {"op": "len"}, {"op": "clear"}, {"op": "sweep"}, {"op": "expire_older_than", "age_us": N}
  {"op": "buckets"}, {"op": "drop_bucket", "bucket": NAME}  any other may name a "bucket" to be done in

Example:
  echo '{"op": "increment", "key": "visits", "by": 1}' | litestash apply"#)]
pub(crate) struct Apply {}

impl Apply {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let mut target = Target::open(app)?;
        let mut input = BufReader::new(std::io::stdin());
        let (mut number, mut refused) = (0, 0);
        let mut line = Vec::new();
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line).map_err(|error| Error::from(error).context("stdin"))? == 0 {
                break;
            }
            number += 1;
            let text = std::str::from_utf8(&line)
                .map_err(|_| Error::new(ErrorKind::InvalidArgument, "the line is not valid UTF-8"));
            if text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
                continue;
            }
            match text.and_then(|text| target.run_op(text)) {
                Ok(result) => app.out.line(result)?,
                Err(error) => {
                    refused += 1;
                    app.say(format_args!("line {number}: {error}"));
                    app.out.line(ops::error_json(&error))?;
                }
            }
            if input.buffer().is_empty() {
                app.out.flush()?;
            }
        }
        target.close()?;
        if refused == 0 {
            return Ok(Exit::Success);
        }
        app.say(format_args!("refused {}", units::counted(refused, "operation")));
        Ok(Exit::Rejected)
    }
}

/// What the operations work on: a stash, or in conformance runs one whose clock stands still.
enum Target {
    Stash(LiteStash),
    #[cfg(feature = "conformance")]
    Script(Box<ops::Script>),
}

impl Target {
    fn open(app: &App) -> std::result::Result<Self, Failure> {
        #[cfg(feature = "conformance")]
        if let Some(clock_us) = crate::app::conformance_clock()? {
            let script = ops::Script::open(app.options()?, app.directory()?, clock_us)?;
            return Ok(Self::Script(Box::new(script)));
        }
        Ok(Self::Stash(app.open_or_create()?))
    }

    fn run_op(&mut self, op: &str) -> Result<String> {
        match self {
            Self::Stash(stash) => ops::run_op(stash, op),
            #[cfg(feature = "conformance")]
            Self::Script(script) => script.run_op(op),
        }
    }

    fn close(self) -> Result<()> {
        match self {
            Self::Stash(stash) => stash.close(),
            #[cfg(feature = "conformance")]
            Self::Script(script) => script.close(),
        }
    }
}
