//! `litestash import --from`: the stores of other packages, which the Python package of LiteStash reads.
//!
//! They are written by Python packages, in forms that Python's own libraries read best. What reads them is there
//! once, so this hands over to it.

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use clap::{Args, ValueEnum};
use litestash_core::{Error, ErrorKind};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, ExitStatus};

/// Says that the Python has no package to hand over to; the package itself exits with 0 to 3.
const NO_PACKAGE: i32 = 97;

/// Nothing is imported from the working directory, which can hold anything.
const PROGRAM: &str = "\
import sys
sys.path[:] = [place for place in sys.path if place]
try:
    from litestash.importers.__main__ import main
except ImportError:
    sys.exit(97)
sys.exit(main(sys.argv[1:]))
";

const HINT: &str = "`pip install litestash`, and name a Python other than python3 in LITESTASH_PYTHON";

/// What wrote a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Diskcache,
    Sqlitedict,
    KvCache,
    Diskstore,
    Livedict,
    LitestashBeta,
}

/// What becomes of pickled values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Pickled {
    /// They are refused, and listed
    #[default]
    Refuse,
    /// They are kept as opaque bytes
    Bytes,
    /// They are decoded if they are plain data
    Plain,
}

/// Options of an import from another package's store.
#[derive(Debug, Args)]
#[command(next_help_heading = "Stores of other packages")]
pub(super) struct Foreign {
    /// What wrote the store at FILE, which is not changed; needs the Python package litestash
    #[arg(long, value_enum, value_name = "KIND")]
    from: Option<Kind>,
    /// One of several tables
    #[arg(long, value_name = "NAME", requires = "from")]
    table: Option<OsString>,
    /// What becomes of pickled values
    #[arg(long, value_enum, value_name = "HOW", default_value_t, requires = "from")]
    pickled: Pickled,
    /// The environment variable that holds a key of an encrypted store, in hexadecimal
    #[arg(long, value_name = "NAME", requires = "from")]
    store_key_env: Vec<String>,
}

impl Foreign {
    /// What wrote the store, if it is not one of rows as text.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.from
    }

    pub(super) fn import(&self, app: &App, kind: Kind, path: &Path) -> Done {
        app.refuse_all_but_directory("--from")?;
        let python = std::env::var_os("LITESTASH_PYTHON").filter(|python| !python.is_empty());
        let python =
            python.unwrap_or_else(|| OsString::from(if cfg!(windows) { "python" } else { "python3" }));
        let mut command = Command::new(&python);
        command.args(["-c", PROGRAM, "--from", &name(&kind), "--pickled", &name(&self.pickled)]);
        if let Some(table) = &self.table {
            command.arg("--table").arg(table);
        }
        for variable in &self.store_key_env {
            command.args(["--key-env", variable]);
        }
        if app.json() {
            command.arg("--json");
        }
        command.arg("--to").arg(app.directory()?).arg("--").arg(path);
        match command.status() {
            Ok(status) => ended(status, &python),
            Err(error) => Err(failed(Error::from(error).context(python.display()))),
        }
    }
}

fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn ended(status: ExitStatus, python: &OsStr) -> Done {
    match status.code() {
        Some(0) => Ok(Exit::Success),
        Some(2) => Ok(Exit::Usage),
        Some(3) => Ok(Exit::Rejected),
        // It has said why.
        Some(1) => Ok(Exit::Error),
        Some(NO_PACKAGE) => Err(failed(Error::new(
            ErrorKind::Io,
            format!(
                "the stores of other packages are read by the Python package litestash, which {} does not have",
                python.display()
            ),
        ))),
        _ => Err(failed(Error::new(ErrorKind::Io, format!("{} ended: {status}", python.display())))),
    }
}

fn failed(error: Error) -> Failure {
    Failure::from(error).hint(ErrorKind::Io, HINT)
}
