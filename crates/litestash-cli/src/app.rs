//! What every command is given: the global options, the streams, and a way to open the stash.

use crate::args::Global;
use crate::failure::Failure;
use crate::output::Out;
use crate::style::Style;
use litestash_core::{Compression, Error, LiteStash, Options};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

const NO_DIRECTORY: &str =
    "which stash? Give its directory with --dir DIR, or in the environment variable LITESTASH_DIR";

/// The surroundings of a command.
pub(crate) struct App {
    pub(crate) out: Out,
    pub(crate) out_style: Style,
    pub(crate) err_style: Style,
    global: Global,
}

impl App {
    pub(crate) fn new(global: Global) -> Self {
        Self {
            out: Out::new(),
            out_style: Style::new(global.color, std::io::stdout().is_terminal()),
            err_style: Style::new(global.color, std::io::stderr().is_terminal()),
            global,
        }
    }

    /// Whether a program reads the output.
    pub(crate) fn json(&self) -> bool {
        self.global.json
    }

    /// A message to the user, on standard error.
    pub(crate) fn say(&self, text: impl Display) {
        // Where nobody listens there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// The directory given with `--dir`, without regard to the environment.
    pub(crate) fn explicit_directory(&self) -> Option<&Path> {
        self.global.dir.as_deref()
    }

    /// The directory of the stash.
    pub(crate) fn directory(&self) -> Result<PathBuf, Failure> {
        let from_environment =
            || std::env::var_os("LITESTASH_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        self.global
            .dir
            .clone()
            .or_else(from_environment)
            .ok_or_else(|| Failure::Usage(NO_DIRECTORY.to_owned()))
    }

    /// How stashes are opened.
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let options = Options::new()
            .read_only(self.global.read_only)
            .durability(self.global.durability.into())
            .default_ttl(self.global.default_ttl)
            .limits(self.global.limits())
            .compression(self.global.compress.then(Compression::default));
        let options = self.global.unlock.apply(options)?;
        #[cfg(feature = "conformance")]
        let options = match conformance_clock()? {
            Some(us) => {
                let clock = litestash_core::FixedClock::new(us);
                conformance_options(options)?.clock(clock).background(false)
            }
            None => options,
        };
        Ok(options)
    }

    /// Opens the stash for a command that has nothing to do where there is none.
    pub(crate) fn open_existing(&self) -> Result<LiteStash, Failure> {
        self.open(self.options()?.create(false))
    }

    /// Opens the stash, creating it if it is missing.
    pub(crate) fn open_or_create(&self) -> Result<LiteStash, Failure> {
        self.open(self.options()?)
    }

    fn open(&self, options: Options) -> Result<LiteStash, Failure> {
        let stash = self.open_root(options)?;
        match &self.global.bucket {
            Some(bucket) => Ok(stash.bucket(bucket)?),
            None => Ok(stash),
        }
    }

    fn open_root(&self, options: Options) -> Result<LiteStash, Failure> {
        let directory = self.directory()?;
        Ok(options.open(&directory).map_err(|error: Error| error.context(directory.display()))?)
    }

    /// Opens the stash for a command that is about its buckets.
    pub(crate) fn open_with_buckets(&self) -> Result<LiteStash, Failure> {
        self.refuse_bucket()?;
        self.open_existing()
    }

    /// Refuses `--bucket` for a command that is not about a single one.
    pub(crate) fn refuse_bucket(&self) -> Result<(), Failure> {
        match self.global.bucket {
            Some(_) => Err(Failure::Usage("--bucket does not go with this command".to_owned())),
            None => Ok(()),
        }
    }

    /// Refuses every option that says how a stash is opened, for a command that another program performs.
    pub(crate) fn refuse_all_but_directory(&self, with: &str) -> Result<(), Failure> {
        if self.global.is_only_directory()? {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "of the options that say how the stash is opened only --dir goes with {with}; \
             litestash.importers in Python takes all"
        )))
    }
}

/// The time that stands still, in microseconds, if the environment gives one.
#[cfg(feature = "conformance")]
pub(crate) fn conformance_clock() -> Result<Option<i64>, Failure> {
    let Some(text) = std::env::var_os("LITESTASH_CONFORMANCE_CLOCK") else { return Ok(None) };
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(us) => Ok(Some(us)),
        None => Err(Failure::Usage("LITESTASH_CONFORMANCE_CLOCK is no number of microseconds".to_owned())),
    }
}

/// The options of the script, if the environment gives any.
#[cfg(feature = "conformance")]
fn conformance_options(options: Options) -> Result<Options, Failure> {
    match std::env::var("LITESTASH_CONFORMANCE_OPTIONS") {
        Ok(json) => Ok(crate::ops::ScriptOptions::parse(&json)?.apply(options)?),
        Err(_) => Ok(options),
    }
}
