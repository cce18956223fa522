//! `litestash exists`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use crate::key_arg::KeyForm;
use clap::Args;

/// Print true or false for each key: whether it is there
///
/// The exit code is 0 if all of them are, else 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  if litestash exists lock > /dev/null; then echo locked; fi")]
pub(crate) struct Exists {
    /// Keys to look for
    #[arg(required = true, value_name = "KEY", allow_negative_numbers = true)]
    keys: Vec<String>,
    #[command(flatten)]
    form: KeyForm,
}

impl Exists {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let keys = self.form.keys(&self.keys)?;
        let stash = app.open_existing()?;
        let mut exit = Exit::Success;
        for key in &keys {
            let there = stash.exists(key)?;
            app.out.line(there)?;
            if !there {
                exit = Exit::Miss;
            }
        }
        Ok(exit)
    }
}
