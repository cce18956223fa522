//! `litestash sweep`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use crate::units;
use clap::Args;

/// Remove expired rows now, while others go on writing
///
/// Nobody ever sees an expired row; a sweep gives room. Programs that have the stash open for a while sweep by
/// themselves.
#[derive(Debug, Args)]
pub(crate) struct Sweep {}

impl Sweep {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let stash = app.open_existing()?;
        let report = stash.sweep()?;
        stash.close()?;
        if app.json() {
            app.out.line(serde_json::json!(report))?;
            return Ok(Exit::Success);
        }
        app.out.line(format_args!("removed {}", units::counted(report.rows, "expired row")))?;
        if report.unreadable > 0 {
            app.say(format_args!(
                "left {} alone that cannot be read: litestash verify",
                units::counted(report.unreadable, "row")
            ));
        }
        if report.postponed {
            app.say("the clock was set while the stash was open; run it again a minute from now");
        }
        Ok(Exit::Success)
    }
}
