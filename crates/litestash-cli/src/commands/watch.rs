//! `litestash watch`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::key_arg::{self, KeyForm};
use clap::{Args, ValueEnum};
use litestash_core::{Error, ErrorKind, Event, EventKind, Filter, Origin};

/// Print what every process changes, one line for each change, until Ctrl-C
///
/// A line has the kind, the key and the version that was stored or removed. `clear` has no key: a shard lost
/// all its rows. If changes could not be told, a line says how many. With --json each line is {"kind", "key",
/// "version", "origin", "shard", "missed"}; "missed" counts what is missing before the line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash watch
  litestash watch --prefix user: --kinds set,delete --json
  litestash watch --key job:7 --limit 1         wait for the next change of one key")]
pub(crate) struct Watch {
    /// Only this key
    #[arg(long, value_name = "KEY", allow_hyphen_values = true, conflicts_with = "prefix")]
    key: Option<String>,
    #[command(flatten)]
    form: KeyForm,
    /// Only text keys that begin with this
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prefix: Option<String>,
    /// Only these kinds of changes
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// End after so many changes
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// The kinds of changes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Set,
    Delete,
    Expire,
    Evict,
    Clear,
}

impl From<Kind> for EventKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Set => Self::Set,
            Kind::Delete => Self::Delete,
            Kind::Expire => Self::Expire,
            Kind::Evict => Self::Evict,
            Kind::Clear => Self::Clear,
        }
    }
}

impl Watch {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let mut filter = Filter::new().all_processes();
        if let Some(key) = &self.key {
            filter = filter.key(self.form.key(key)?);
        }
        if let Some(prefix) = &self.prefix {
            filter = filter.prefix(prefix.as_str());
        }
        if !self.kinds.is_empty() {
            filter = filter.kinds(self.kinds.iter().copied().map(EventKind::from));
        }
        let stash = app.open_existing()?;
        let events = stash.subscribe(filter)?;
        let closes = stash.clone();
        let handler = ctrlc::set_handler(move || {
            // The loop below gets what waits, and then ends; the command closes the stash once more, with an
            // answer.
            let _ = closes.close();
        });
        handler.map_err(|error| {
            Error::new(ErrorKind::Io, "the signals that end the command cannot be caught").with_source(error)
        })?;
        app.say(if app.json() { "{\"watching\":true}" } else { "watching; Ctrl-C ends" });
        let mut left = self.limit.unwrap_or(u64::MAX);
        while left > 0 {
            // What was written is shown before this waits.
            let waiting = events.try_recv();
            if waiting.is_none() {
                app.out.flush()?;
            }
            let Some(event) = waiting.or_else(|| events.recv()) else { break };
            print(app, &event)?;
            left -= 1;
        }
        app.out.flush()?;
        stash.close()?;
        Ok(Exit::Success)
    }
}

fn print(app: &mut App, event: &Event) -> Result<(), Failure> {
    let kind = event.kind.name();
    if app.json() {
        let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
        return app.out.line(format_args!(
            "{{\"kind\":\"{kind}\",\"key\":{},\"version\":{},\"origin\":\"{}\",\"shard\":{},\"missed\":{}}}",
            or_null(event.key.as_ref().map(key_arg::to_json)),
            or_null(event.version.map(|version| version.to_string())),
            if event.origin == Origin::Local { "local" } else { "other" },
            event.shard,
            event.missed,
        ));
    }
    if event.missed > 0 {
        app.out.line(format_args!("… {} missed", event.missed))?;
    }
    match (&event.key, event.version) {
        (Some(key), Some(version)) => {
            app.out.line(format_args!("{kind} {} {version}", key_arg::for_people(key)))
        }
        (Some(key), None) => app.out.line(format_args!("{kind} {}", key_arg::for_people(key))),
        (None, _) => app.out.line(format_args!("{kind} shard {:x}", event.shard)),
    }
}
