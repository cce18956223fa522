//! Scripts of the conformance suite: the same operations under a clock that stands still,
//! with `tick`, `reopen` and `watch`.

use super::members::Members;
use super::run_script_op;
use litestash_core::{FixedClock, LiteStash, Options, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A stash whose clock moves only by `tick`.
pub struct Script {
    stash: LiteStash,
    directory: PathBuf,
    options: Options,
    clock: FixedClock,
}

impl Script {
    /// Opens the stash in `directory` with a clock that shows `clock_us`, Unix time in microseconds.
    pub fn open(options: Options, directory: impl AsRef<Path>, clock_us: i64) -> Result<Self> {
        let clock = FixedClock::new(clock_us);
        let options = options.clock(clock.clone()).background(false).origin(1);
        let directory = directory.as_ref().to_owned();
        let stash = options.clone().open(&directory)?;
        Ok(Self { stash, directory, options, clock })
    }

    /// Performs one operation; see [`run_op`](super::run_op).
    pub fn run_op(&mut self, op: &str) -> Result<String> {
        let mut members = Members::parse(op)?;
        let name = members.required_text("op")?;
        match name.as_str() {
            "tick" => {
                let us = members.required_int("us")?;
                members.finish()?;
                self.clock.advance(us);
            }
            "reopen" => {
                members.finish()?;
                self.stash.close()?;
                self.stash = self.options.clone().open(&self.directory)?;
            }
            "watch" => {
                let us = u64::try_from(members.required_int("us")?).unwrap_or(0);
                members.finish()?;
                self.stash.log_changes(Duration::from_micros(us))?;
            }
            _ => return run_script_op(&self.stash, op),
        }
        Ok("null".to_owned())
    }

    /// Closes the stash in an orderly way.
    pub fn close(self) -> Result<()> {
        self.stash.close()
    }
}
