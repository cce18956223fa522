//! `litestash buckets`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use clap::Args;

/// List the names of the buckets
///
/// One name a line; with --json each is a JSON string, so that any name can be told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash buckets
  litestash keys --bucket sessions")]
pub(crate) struct Buckets {}

impl Buckets {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        for name in app.open_with_buckets()?.buckets()? {
            if app.json() {
                app.out.line(serde_json::Value::from(name))?;
            } else {
                app.out.line(name)?;
            }
        }
        Ok(Exit::Success)
    }
}
