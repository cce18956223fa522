//! `litestash verify`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use crate::units;
use clap::Args;
use litestash_core::{Problem, VerifyReport};

/// Check every rule of the format on every row
///
/// Prints what is wrong, and a summary. The exit code is 4 if anything is. Others can go
/// on writing meanwhile.
#[derive(Debug, Args)]
pub(crate) struct Verify {}

impl Verify {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let report = app.open_existing()?.verify()?;
        if app.json() {
            app.out.line(serde_json::json!(report))?;
        } else {
            for problem in &report.problems {
                app.out.line(describe(problem))?;
            }
            let style = app.out_style;
            app.out.line(match report.is_sound() {
                true => format!("{} {}", style.green("sound:"), looked_at(&report)),
                false => format!(
                    "{} {} in {}",
                    style.red("unsound:"),
                    units::counted(report.problems.len() as u64, "problem"),
                    looked_at(&report)
                ),
            })?;
        }
        Ok(if report.is_sound() { Exit::Success } else { Exit::Unsound })
    }
}

/// How much was checked, in words.
pub(super) fn looked_at(report: &VerifyReport) -> String {
    format!("{} in {}", units::counted(report.rows, "row"), units::counted(report.shards, "shard"))
}

fn describe(problem: &Problem) -> String {
    let bucket = problem.bucket.as_ref().map_or_else(String::new, |bucket| format!("bucket {bucket:?}, "));
    let mut text = format!("{bucket}shard {:x}", problem.shard);
    if let Some(slot) = problem.slot {
        text += &format!(", table slot_{slot}");
    }
    if let Some(hash) = &problem.key_hash {
        // Enough to find the row by.
        text += &format!(", row {}…", hash.get(..16).unwrap_or(hash));
    }
    let kind = serde_json::to_value(problem.kind).unwrap_or_default();
    text + &format!(": {}: {}", kind.as_str().unwrap_or_default(), problem.message)
}
