//! `litestash count`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use clap::Args;
use litestash_core::ScanOptions;

/// Print how many keys there are
#[derive(Debug, Args)]
pub(crate) struct Count {
    /// Only text keys that begin with this
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prefix: Option<String>,
}

impl Count {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let stash = app.open_existing()?;
        let count = match &self.prefix {
            None => stash.len()?,
            Some(prefix) => {
                stash.keys(ScanOptions::prefix(prefix)).try_fold(0, |count, key| key.map(|_| count + 1))?
            }
        };
        if app.json() {
            app.out.line(format_args!("{{\"count\":{count}}}"))?;
        } else {
            app.out.line(count)?;
        }
        Ok(Exit::Success)
    }
}
