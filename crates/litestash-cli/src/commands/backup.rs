//! `litestash backup`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use crate::units;
use clap::Args;
use std::path::PathBuf;

/// Copy the stash as of one moment, while others go on writing
///
/// DEST must not exist, or be an empty directory. It appears whole or not at all, and is itself a stash.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  litestash backup ./data-$(date +%F)")]
pub(crate) struct Backup {
    /// The copy's directory
    #[arg(value_name = "DEST")]
    destination: PathBuf,
}

impl Backup {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let report = app.open_existing()?.backup(&self.destination)?;
        if app.json() {
            app.out.line(serde_json::json!(report))?;
        } else {
            app.out.line(format_args!(
                "copied {}, {}, to {}",
                units::counted(report.shards, "shard"),
                units::bytes(report.bytes),
                self.destination.display()
            ))?;
        }
        Ok(Exit::Success)
    }
}
