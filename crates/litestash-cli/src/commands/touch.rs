//! `litestash touch`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use crate::key_arg::{self, KeyForm};
use clap::Args;

/// Begin the time of a key anew that was stored with --idle; exit code 1 if it is not there
///
/// A key with another deadline, or none, stays as it is.
#[derive(Debug, Args)]
pub(crate) struct Touch {
    /// The key
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    key: String,
    #[command(flatten)]
    form: KeyForm,
}

impl Touch {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let key = self.form.key(&self.key)?;
        let stash = app.open_existing()?;
        let found = stash.touch(&key)?;
        stash.close()?;
        if app.json() {
            app.out.line(found)?;
        } else if !found {
            app.say(format_args!("no such key: {}", key_arg::for_people(&key)));
        }
        Ok(if found { Exit::Success } else { Exit::Miss })
    }
}
