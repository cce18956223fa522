//! `litestash expire-older-than`

use crate::app::App;
use crate::duration;
use crate::exit::Exit;
use crate::failure::Done;
use crate::units;
use clap::Args;
use std::time::Duration;

/// Remove rows that were last written longer ago than that
///
/// Reading and touching a row is no writing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash expire-older-than 30d
  litestash expire-older-than 12h --prefix cache:")]
pub(crate) struct ExpireOlderThan {
    /// The age: 90s, 15m, 2h, 30d
    #[arg(value_name = "AGE", value_parser = duration::parse)]
    age: Duration,
    /// Only text keys that begin with this
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
}

impl ExpireOlderThan {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let stash = app.open_existing()?;
        let removed = stash.expire_older_than(self.age, self.prefix.as_deref())?;
        stash.close()?;
        if app.json() {
            app.out.line(serde_json::json!({"removed": removed}))?;
        } else {
            app.out.line(format_args!("removed {}", units::counted(removed, "row")))?;
        }
        Ok(Exit::Success)
    }
}
