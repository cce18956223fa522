//! `litestash get`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::key_arg::{self, KeyForm};
use crate::ops;
use clap::Args;
use litestash_core::contract::interchange::value_to_json;
use litestash_core::{Key, LiteStash, Value};

/// Print the values of keys as JSON, one per line
///
/// A key that is not there prints nothing on stdout; the exit code is then 1. With --json there is a line for
/// each key, in order: {"key", "found", "value"}.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash get user:1
  litestash get user:1 user:2 user:3 --json
  litestash get photo --raw > photo.jpg
  litestash get --key-type int -42
  litestash get user:1 --entry       value, version, deadline and size")]
pub(crate) struct Get {
    /// Keys to read
    #[arg(required = true, value_name = "KEY", allow_negative_numbers = true)]
    keys: Vec<String>,
    #[command(flatten)]
    form: KeyForm,
    /// Print a text or bytes value as it is, without a line feed; any other as JSON. For one key
    #[arg(long, conflicts_with_all = ["entry", "json"])]
    raw: bool,
    /// Print {"value", "version", "expires_at", "size"}: times are Unix time in microseconds, the size is
    /// that of the stored encoding
    #[arg(long)]
    entry: bool,
}

impl Get {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        if self.raw && self.keys.len() > 1 {
            return Err(Failure::Usage("--raw prints one value; give it one KEY".to_owned()));
        }
        let keys = self.form.keys(&self.keys)?;
        let stash = app.open_existing()?;
        let mut exit = Exit::Success;
        for (key, found) in keys.iter().zip(self.read(&stash, &keys)?) {
            match found {
                Some(found) => self.print(app, key, &found)?,
                None => {
                    exit = Exit::Miss;
                    report_miss(app, key)?;
                }
            }
        }
        Ok(exit)
    }

    fn read(&self, stash: &LiteStash, keys: &[Key]) -> Result<Vec<Option<Found>>, Failure> {
        if self.entry {
            let entry = |key| {
                let Some(entry) = stash.entry(key)? else { return Ok(None) };
                let value = entry.value()?;
                let json = ops::entry_json(&value, &entry);
                Ok(Some(Found { value, json }))
            };
            return keys.iter().map(entry).collect();
        }
        let found = |value: Value| {
            let mut json = String::new();
            value_to_json(&value, &mut json);
            Found { value, json }
        };
        Ok(stash.get_many(keys)?.into_iter().map(|value| value.map(found)).collect())
    }

    fn print(&self, app: &mut App, key: &Key, found: &Found) -> Result<(), Failure> {
        if app.json() {
            let name = if self.entry { "entry" } else { "value" };
            let key = key_arg::to_json(key);
            return app.out.line(format_args!("{{\"key\":{key},\"found\":true,\"{name}\":{}}}", found.json));
        }
        match &found.value {
            Value::Text(text) if self.raw => app.out.raw(text.as_bytes()),
            Value::Bytes(bytes) if self.raw => app.out.raw(bytes),
            _ => app.out.line(&found.json),
        }
    }
}

struct Found {
    value: Value,
    json: String,
}

fn report_miss(app: &mut App, key: &Key) -> Result<(), Failure> {
    if app.json() {
        return app.out.line(format_args!("{{\"key\":{},\"found\":false}}", key_arg::to_json(key)));
    }
    app.say(format_args!("no such key: {}", key_arg::for_people(key)));
    Ok(())
}
