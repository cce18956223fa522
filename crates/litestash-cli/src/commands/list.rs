//! `litestash keys` and `litestash items`

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::key_arg;
use clap::Args;
use litestash_core::contract::interchange::value_to_json;
use litestash_core::{Cursor, Result, ScanOptions};

/// List keys, one per line
///
/// Text keys are printed as they are (as JSON where they are empty or hold control characters), others as
/// JSON. With --json every key is JSON. Rows come in the order of their hashes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash keys --prefix user: --limit 10
  litestash keys --limit 1000 --cursor 24c580f6…    go on behind an earlier list")]
pub(crate) struct Keys {
    #[command(flatten)]
    window: Window,
}

/// List keys with their values: {"key", "value"} as JSON, one per line
///
/// The lines can be imported again. Rows come in the order of their hashes.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  litestash items --prefix user: --limit 10")]
pub(crate) struct Items {
    #[command(flatten)]
    window: Window,
}

/// Which part of the stash.
#[derive(Debug, Args)]
struct Window {
    /// Only text keys that begin with this
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prefix: Option<String>,
    /// At most so many. If there are more, stderr has the cursor for the rest: "more: --cursor …", or
    /// {"cursor": …} with --json
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Begin behind the last row of an earlier list
    #[arg(long, default_value = "", hide_default_value = true)]
    cursor: Cursor,
}

impl Window {
    /// One more than asked for, to know whether there are more.
    fn options(&self) -> ScanOptions {
        ScanOptions {
            prefix: self.prefix.clone(),
            limit: self.limit.map(|limit| limit.saturating_add(1)),
            cursor: self.cursor,
        }
    }

    /// Prints rows up to the limit. A damaged row is told, and the others go on.
    fn print<I, T>(
        &self,
        app: &mut App,
        mut rows: I,
        cursor_of: impl Fn(&I) -> Cursor,
        print: impl Fn(&mut App, T) -> Result<(), Failure>,
    ) -> Done
    where
        I: Iterator<Item = Result<T>>,
    {
        let mut exit = Exit::Success;
        let mut left = self.limit;
        loop {
            let cursor = cursor_of(&rows);
            let Some(row) = rows.next() else { return Ok(exit) };
            if left == Some(0) {
                app.say(match app.json() {
                    true => format!("{{\"cursor\":\"{cursor}\"}}"),
                    false => format!("more: --cursor {cursor}"),
                });
                return Ok(exit);
            }
            left = left.map(|left| left - 1);
            match row {
                Ok(row) => print(app, row)?,
                Err(error) => exit = Failure::from(error).report(app),
            }
        }
    }
}

impl Keys {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let keys = app.open_existing()?.keys(self.window.options());
        self.window.print(app, keys, litestash_core::Keys::cursor, |app, key| {
            let text = if app.json() { key_arg::to_json(&key) } else { key_arg::for_people(&key) };
            app.out.line(text)
        })
    }
}

impl Items {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        let items = app.open_existing()?.items(self.window.options());
        self.window.print(app, items, litestash_core::Items::cursor, |app, (key, value)| {
            let mut line = format!("{{\"key\":{},\"value\":", key_arg::to_json(&key));
            value_to_json(&value, &mut line);
            line.push('}');
            app.out.line(line)
        })
    }
}
