//! `litestash repair`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use crate::units;
use clap::Args;
use litestash_core::Lost;
use std::path::PathBuf;

/// Save everything readable from a damaged stash into a new one
///
/// SOURCE is not changed, and no other program may have it open. DEST must not exist, or be an empty
/// directory. Versions and deadlines are kept. Prints what was lost; the exit code is 4 if anything was.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  litestash repair ./data ./data-repaired")]
pub(crate) struct Repair {
    /// The damaged stash's directory
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// The new stash's directory
    #[arg(value_name = "DEST")]
    destination: PathBuf,
}

impl Repair {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        app.refuse_bucket()?;
        let report = litestash_core::repair_with(&self.source, &self.destination, app.options()?)?;
        if app.json() {
            app.out.line(serde_json::json!(report))?;
        } else {
            for lost in &report.lost {
                app.out.line(describe(lost))?;
            }
            let saved = format!(
                "saved {} from {} to {}",
                units::counted(report.rows, "row"),
                units::counted(report.shards, "shard"),
                self.destination.display()
            );
            let lost = match report.lost.len() as u64 {
                0 => app.out_style.green("nothing was lost"),
                number => app.out_style.red(format_args!("{} lost", units::counted(number, "item"))),
            };
            app.out.line(format_args!("{saved}; {lost}"))?;
        }
        Ok(if report.lost.is_empty() { Exit::Success } else { Exit::Unsound })
    }
}

fn describe(lost: &Lost) -> String {
    let bucket = lost.bucket.as_ref().map_or_else(String::new, |bucket| format!("bucket {bucket:?}, "));
    let mut text = format!("lost: {bucket}shard {:x}", lost.shard);
    if let Some(slot) = lost.slot {
        text += &format!(", table slot_{slot}");
    }
    if let Some(key) = &lost.key {
        text += &format!(", key {key}");
    } else if let Some(hash) = &lost.key_hash {
        text += &format!(", row {}…", hash.get(..16).unwrap_or(hash));
    }
    text + ": " + &lost.reason
}
