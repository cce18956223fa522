//! What ends a command early, and how it is told.

use crate::app::App;
use crate::exit::Exit;
use crate::style::Style;
use litestash_core::{Error, ErrorKind, Retry};
use serde_json::json;
use std::io;

/// What a command answers.
pub(crate) type Done = Result<Exit, Failure>;

/// What ends a command early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments make no sense together or with the input.
    Usage(String),
    /// An error of the error table, with a hint where the command knows more than the table.
    Error(Error, Option<&'static str>),
    /// Whoever read standard output has seen enough.
    PipeClosed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
        if source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe) {
            return Self::PipeClosed;
        }
        Self::Error(error, None)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Error::from(error).into()
    }
}

impl Failure {
    /// The same failure with a hint of its own, if it is an error of that kind.
    pub(crate) fn hint(self, kind: ErrorKind, hint: &'static str) -> Self {
        match self {
            Self::Error(error, None) if error.kind() == kind => Self::Error(error, Some(hint)),
            other => other,
        }
    }

    /// Tells the failure on standard error.
    pub(crate) fn report(&self, app: &App) -> Exit {
        match self {
            Self::PipeClosed => Exit::Success,
            Self::Usage(message) if app.json() => {
                app.say(json!({"error": "Usage", "message": message}));
                Exit::Usage
            }
            Self::Usage(message) => {
                app.say(format_args!("{} {message}", app.err_style.red("error:")));
                Exit::Usage
            }
            Self::Error(error, hint) => {
                app.say(if app.json() { as_json(error) } else { for_people(error, *hint, &app.err_style) });
                Exit::Error
            }
        }
    }
}

fn as_json(error: &Error) -> String {
    json!({
        "error": error.kind().name(),
        "number": error.kind().number(),
        "retry": error.retry().name(),
        "message": error.message(),
    })
    .to_string()
}

fn for_people(error: &Error, hint: Option<&str>, style: &Style) -> String {
    let label = style.red(format_args!("error[{}]", error.kind().name()));
    let mut text = format!("{label} {}: {}", error.kind().number(), error.message());
    if let Some(hint) = hint.or_else(|| hint_for(error.kind())) {
        text.push_str(&format!("\n{} {hint}", style.cyan("hint:")));
    }
    text
}

/// What to do about an error: by its kind where this program has the very command for it,
/// else by whether to try again.
fn hint_for(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NoStash => "check --dir; `litestash set` and `litestash import` create a stash",
        ErrorKind::Corrupt => {
            "`litestash verify` shows what is damaged; `litestash repair SOURCE DEST` saves the rest"
        }
        ErrorKind::ReadOnly => {
            "leave out --read-only, or see to it that the directory and its file system can be written"
        }
        ErrorKind::DiskFull => {
            "free some space and run the command again; `litestash compact` gives back that of deleted rows"
        }
        ErrorKind::UnsupportedFormat => "use a newer litestash",
        ErrorKind::WrongKey => {
            "give the stash's key with --key-file or its passphrase with --passphrase-file, or neither if it is not \
             encrypted"
        }
        ErrorKind::Busy => {
            "another program holds the stash; run the command again, or see what keeps it busy for so long"
        }
        _ => match kind.retry() {
            Retry::Never => return None,
            Retry::Later => "run the command again",
            Retry::AfterReading => {
                "read the key before you run the command again: its write may or may not be there"
            }
            Retry::AfterRepair => "mend the cause and run the command again",
        },
    })
}
