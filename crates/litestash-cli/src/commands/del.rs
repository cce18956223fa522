//! `litestash del`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Done;
use crate::key_arg::KeyForm;
use clap::Args;

/// Delete keys and print how many of them were there
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash del user:1 user:2
  litestash keys --prefix tmp: | xargs -d '\\n' litestash del --")]
pub(crate) struct Del {
    /// Keys to delete
    #[arg(required = true, value_name = "KEY", allow_negative_numbers = true)]
    keys: Vec<String>,
    #[command(flatten)]
    form: KeyForm,
}

impl Del {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let keys = self.form.keys(&self.keys)?;
        let stash = app.open_existing()?;
        let deleted = stash.delete_many(&keys)?.into_iter().filter(|was_there| *was_there).count();
        stash.close()?;
        if app.json() {
            app.out.line(format_args!("{{\"deleted\":{deleted}}}"))?;
        } else {
            app.out.line(deleted)?;
        }
        Ok(Exit::Success)
    }
}
