//! `litestash set`

use crate::app::App;
use crate::duration;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::key_arg::KeyForm;
use clap::Args;
use litestash_core::contract::interchange::value_from_json;
use litestash_core::{Condition, Deadline, Error, ErrorKind, SetOptions, Value, Version};
use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::time::Duration;

const RAW_HINT: &str = "VALUE is JSON, so text needs quotes: '\"hello\"'. Text as it is: --raw hello";

/// Store a value under a key and print the new version
///
/// The version is the Unix time of the write in microseconds. If the condition does not hold, nothing is
/// stored or printed, and the exit code is 1. A plain `set` clears an old deadline.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash set user:1 '{\"name\": \"Ada\", \"age\": 36}'
  litestash set greeting --raw 'any text as it is'
  litestash set photo --bytes --file photo.jpg
  date | litestash set now --raw -
  litestash set session:9 true --ttl 1h30m
  litestash set login:9 true --idle 30m       ends half an hour after it was last read or written
  litestash set lock '\"me\"' --if-absent --ttl 30s && echo mine
  litestash set user:1 '{}' --if-version 1767323045678901

JSON has a form for every type of value: {\"$bytes\": base64}, {\"$float\": \"nan\"}, {\"$timestamp\": RFC 3339},
{\"$vector\": base64}, and 1 is an integer where 1.0 is a float.")]
pub(crate) struct Set {
    /// The key
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    key: String,
    /// The value as JSON; - or nothing reads it from stdin
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    value: Option<String>,
    #[command(flatten)]
    form: KeyForm,
    /// The value is text as it is, not JSON
    #[arg(long, help_heading = "Value")]
    raw: bool,
    /// The value is bytes as they are
    #[arg(long, conflicts_with = "raw", help_heading = "Value")]
    bytes: bool,
    /// Read the value from a file
    #[arg(long, value_name = "PATH", conflicts_with = "value", help_heading = "Value")]
    file: Option<PathBuf>,
    /// The value ends after this time: 500ms, 90s, 15m, 2h, 1d, 1h30m
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    #[arg(conflicts_with_all = ["idle", "no_ttl", "keep_ttl"], help_heading = "Deadline")]
    ttl: Option<Duration>,
    /// The value ends this time after its last use: each get, set and touch begins it anew
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    #[arg(conflicts_with_all = ["no_ttl", "keep_ttl"], help_heading = "Deadline")]
    idle: Option<Duration>,
    /// The value does not end, whatever --default-ttl says
    #[arg(long, conflicts_with = "keep_ttl", help_heading = "Deadline")]
    no_ttl: bool,
    /// Keep the deadline that the key has now
    #[arg(long, help_heading = "Deadline")]
    keep_ttl: bool,
    /// Only if the key is not there
    #[arg(long, conflicts_with_all = ["if_present", "if_version"], help_heading = "Condition")]
    if_absent: bool,
    /// Only if the key is there
    #[arg(long, conflicts_with = "if_version", help_heading = "Condition")]
    if_present: bool,
    /// Only if the key is there with this version
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Condition")]
    if_version: Option<i64>,
}

impl Set {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let key = self.form.key(&self.key)?;
        let value = self.convert(self.read(app)?)?;
        let options =
            SetOptions { deadline: self.deadline(), keep_ttl: self.keep_ttl, condition: self.condition() };
        let stash = app.open_or_create()?;
        let version = stash.set_with(&key, &value, options)?;
        stash.close()?;
        let Some(version) = version else {
            app.say("not stored: the condition does not hold");
            return Ok(Exit::Miss);
        };
        if app.json() {
            app.out.line(format_args!("{{\"version\":{version}}}"))?;
        } else {
            app.out.line(version)?;
        }
        Ok(Exit::Success)
    }

    fn deadline(&self) -> Option<Deadline> {
        let never = self.no_ttl.then_some(Deadline::Never);
        self.ttl.map(Deadline::In).or(self.idle.map(Deadline::Idle)).or(never)
    }

    fn condition(&self) -> Condition {
        match self.if_version {
            Some(version) => Condition::Version(Version::from_micros(version)),
            None if self.if_absent => Condition::Absent,
            None if self.if_present => Condition::Present,
            None => Condition::Always,
        }
    }

    fn read(&self, app: &App) -> Result<Vec<u8>, Failure> {
        match (&self.file, self.value.as_deref()) {
            (Some(path), _) => {
                Ok(std::fs::read(path).map_err(|error| Error::from(error).context(path.display()))?)
            }
            (None, Some(value)) if value != "-" => Ok(value.as_bytes().to_vec()),
            _ => {
                let mut stdin = std::io::stdin().lock();
                if stdin.is_terminal() {
                    app.say("reading the value from the terminal; Ctrl-D ends it");
                }
                let mut value = Vec::new();
                stdin.read_to_end(&mut value).map_err(|error| Error::from(error).context("stdin"))?;
                Ok(value)
            }
        }
    }

    fn convert(&self, bytes: Vec<u8>) -> Result<Value, Failure> {
        if self.bytes {
            return Ok(Value::Bytes(bytes));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let message = "the value is not valid UTF-8";
            Failure::from(Error::new(ErrorKind::InvalidValue, message).with_source(error))
                .hint(ErrorKind::InvalidValue, "--bytes stores any bytes")
        })?;
        if self.raw {
            return Ok(Value::Text(text));
        }
        value_from_json(&text).map_err(|error| Failure::from(error).hint(ErrorKind::InvalidValue, RAW_HINT))
    }
}
