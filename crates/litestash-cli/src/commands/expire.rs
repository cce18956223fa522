//! `litestash expire` and `litestash persist`

use crate::app::App;
use crate::duration;
use crate::exit::Exit;
use crate::failure::Done;
use crate::key_arg::{self, KeyForm};
use clap::Args;
use litestash_core::{Deadline, Key, LiteStash};
use std::time::Duration;

/// Give a key that is there another deadline; exit code 1 if it is not there
///
/// The value stays. It is a write: the key gets a new version.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash expire session:9 --ttl 30m
  litestash expire login:9 --idle 30m         ends half an hour after it was last read or written
  litestash expire report --at 1767323045678901")]
#[command(group = clap::ArgGroup::new("when").required(true))]
pub(crate) struct Expire {
    /// The key
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    key: String,
    #[command(flatten)]
    form: KeyForm,
    /// It ends after this time: 500ms, 90s, 15m, 2h, 1d, 1h30m
    #[arg(long, value_name = "TIME", value_parser = duration::parse, group = "when")]
    ttl: Option<Duration>,
    /// It ends this time after its last use
    #[arg(long, value_name = "TIME", value_parser = duration::parse, group = "when")]
    idle: Option<Duration>,
    /// It ends at this time: Unix time in microseconds
    #[arg(long, value_name = "N", allow_negative_numbers = true, group = "when")]
    at: Option<i64>,
}

/// Take the deadline of a key away; exit code 1 if it is not there or has none
///
/// The value stays. It is a write: the key gets a new version.
#[derive(Debug, Args)]
pub(crate) struct Persist {
    /// The key
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    key: String,
    #[command(flatten)]
    form: KeyForm,
}

impl Expire {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let at = self.at.map_or(Deadline::Never, Deadline::At);
        let deadline = self.ttl.map(Deadline::In).or(self.idle.map(Deadline::Idle)).unwrap_or(at);
        let key = self.form.key(&self.key)?;
        done(app, &key, "no such key", |stash| stash.expire(&key, deadline))
    }
}

impl Persist {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let key = self.form.key(&self.key)?;
        done(app, &key, "no such key, or it has no deadline", |stash| stash.persist(&key))
    }
}

fn done(
    app: &mut App,
    key: &Key,
    otherwise: &str,
    f: impl FnOnce(&LiteStash) -> litestash_core::Result<bool>,
) -> Done {
    let stash = app.open_existing()?;
    let found = f(&stash)?;
    stash.close()?;
    if app.json() {
        app.out.line(found)?;
    } else if !found {
        app.say(format_args!("{otherwise}: {}", key_arg::for_people(key)));
    }
    Ok(if found { Exit::Success } else { Exit::Miss })
}
