//! `litestash compact`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use crate::units;
use clap::Args;

/// Give the space of deleted rows back to the file system, while others go on writing
#[derive(Debug, Args)]
pub(crate) struct Compact {}

impl Compact {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let stash = app.open_existing()?;
        let report = stash.compact()?;
        stash.close()?;
        if app.json() {
            app.out.line(serde_json::json!(report))?;
        } else {
            app.out.line(format_args!("gave back {}", units::bytes(report.bytes_freed)))?;
            if report.shards_busy > 0 {
                app.say(format_args!(
                    "{} in use by others and not finished; run it again later",
                    units::counted(report.shards_busy, "shard")
                ));
            }
        }
        Ok(Exit::Success)
    }
}
