//! `litestash ttl`

use crate::app::App;
use crate::duration;
use crate::exit::Exit;
use crate::failure::Done;
use crate::key_arg::{self, KeyForm};
use clap::Args;

/// Print how long a key has left, or "none" if it has no deadline
///
/// With --json: {"expires_at", "ttl_us"}, Unix time and time left in microseconds, or null.
#[derive(Debug, Args)]
pub(crate) struct Ttl {
    /// The key
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    key: String,
    #[command(flatten)]
    form: KeyForm,
}

impl Ttl {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let key = self.form.key(&self.key)?;
        let stash = app.open_existing()?;
        let (Some(expires_at), Some(left)) = (stash.expires_at(&key)?, stash.ttl(&key)?) else {
            app.say(format_args!("no such key: {}", key_arg::for_people(&key)));
            return Ok(Exit::Miss);
        };
        if app.json() {
            let left = left.map(|left| u64::try_from(left.as_micros()).unwrap_or(u64::MAX));
            app.out.line(serde_json::json!({"expires_at": expires_at, "ttl_us": left}))?;
        } else {
            app.out.line(left.map_or_else(|| "none".to_owned(), duration::for_people))?;
        }
        Ok(Exit::Success)
    }
}
