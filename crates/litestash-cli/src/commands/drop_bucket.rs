//! `litestash drop-bucket`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use clap::Args;
use std::io::{BufRead, IsTerminal};

/// Delete a bucket with everything in it
///
/// Asks on a terminal; elsewhere --yes is needed. The exit code is 1 if there was no such bucket. Others may be
/// using the bucket: for them it is empty from now on.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  litestash drop-bucket sessions --yes")]
pub(crate) struct DropBucket {
    /// The bucket's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl DropBucket {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let stash = app.open_with_buckets()?;
        if !self.yes && !self.agreed(app)? {
            app.say("nothing was deleted");
            return Ok(Exit::Success);
        }
        let dropped = stash.drop_bucket(&self.name)?;
        stash.close()?;
        if app.json() {
            app.out.line(format_args!("{{\"dropped\":{dropped}}}"))?;
        } else if !dropped {
            app.say("there is no such bucket");
        }
        Ok(if dropped { Exit::Success } else { Exit::Miss })
    }

    fn agreed(&self, app: &App) -> Result<bool, Failure> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Err(Failure::Usage("deleting a bucket takes --yes where nobody can be asked".to_owned()));
        }
        app.say(format_args!("Delete the bucket {:?} with everything in it? Type yes:", self.name));
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "yes" | "y"))
    }
}
