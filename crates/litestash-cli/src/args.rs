//! The command line as a whole: what comes before the command, and the list of commands.

use crate::commands::Command;
use crate::duration;
use crate::exit;
use crate::failure::Failure;
use crate::style::ColorChoice;
use crate::units;
use crate::unlock::Unlock;
use clap::{Args, Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

const EXAMPLES: &str = "\
Examples:
  litestash demo                               try it: 5,000 cities in ./litestash-demo
  export LITESTASH_DIR=./data                  the stash to work with; or --dir with each command
  litestash set user:1 '{\"name\": \"Ada\"}'       store JSON
  litestash set note --raw 'any text'          store text
  litestash set session:9 true --ttl 30m       store for half an hour
  litestash get user:1                         read it back
  litestash keys --prefix user:                list keys
  litestash import people.csv --key-column id  load a file
  litestash export - | gzip > backup.jsonl.gz  save all rows as text
  litestash set cart:7 '[1, 2]' --bucket shop  keep it apart, in a bucket of its own

Data goes to stdout, messages go to stderr.";

/// Keys and values in a directory of SQLite files that programs in any language share
#[derive(Debug, Parser)]
#[command(
    name = "litestash",
    version,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = format!("{EXAMPLES}\n\n{}", exit::TABLE),
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The stash's directory [env: LITESTASH_DIR]
    #[arg(short, long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(crate) dir: Option<PathBuf>,
    /// Work in the bucket of that name instead of the stash itself
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(crate) bucket: Option<String>,
    /// Change no row of the stash
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) read_only: bool,
    /// Relaxed: written within milliseconds. Normal: a power cut may take the newest writes. Full: each write is
    /// synced
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "LEVEL",
        default_value_t,
        help_heading = "Global options"
    )]
    pub(crate) durability: Durability,
    /// What is stored without saying a deadline ends after this time, such as 1h30m
    #[arg(long, global = true, value_name = "TIME", value_parser = duration::parse)]
    #[arg(help_heading = "Global options")]
    pub(crate) default_ttl: Option<Duration>,
    #[command(flatten)]
    pub(crate) unlock: Unlock,
    /// Store values of 1 KiB and more compressed where that saves at least an eighth
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) compress: bool,
    /// What the stash may take on disk while this command writes: bytes, or with KiB, MiB or GiB, at least 8MiB
    #[arg(long, global = true, value_name = "SIZE", value_parser = units::parse_bytes, help_heading = "Global options")]
    pub(crate) max_bytes: Option<u64>,
    /// How many rows the stash may have while this command writes
    #[arg(long, global = true, value_name = "ROWS", help_heading = "Global options")]
    pub(crate) max_rows: Option<u64>,
    /// What goes when a limit is reached; none: the write fails
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "POLICY",
        default_value_t,
        help_heading = "Global options"
    )]
    pub(crate) eviction: Eviction,
    /// Print for programs: JSON on stdout, errors as JSON on stderr
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// When to use colours; auto is on terminals, unless NO_COLOR is set
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        help_heading = "Global options"
    )]
    pub(crate) color: ColorChoice,
    /// What the engine's log tells on stderr: off, error, warn, info, debug or trace
    #[arg(
        long,
        global = true,
        env = "LITESTASH_LOG",
        hide_env_values = true,
        value_name = "LEVEL",
        default_value = "warn",
        help_heading = "Global options"
    )]
    log: LevelFilter,
}

impl Global {
    /// The limits given.
    pub(crate) fn limits(&self) -> litestash_core::Limits {
        litestash_core::Limits { bytes: self.max_bytes, rows: self.max_rows, eviction: self.eviction.into() }
    }

    /// Whether nothing is said of how the stash is opened but its directory.
    pub(crate) fn is_only_directory(&self) -> Result<bool, Failure> {
        let Self { bucket, read_only, durability, default_ttl, compress, .. } = self;
        Ok(bucket.is_none()
            && !read_only
            && matches!(durability, Durability::Normal)
            && default_ttl.is_none()
            && !compress
            && self.limits() == litestash_core::Limits::default()
            && !self.unlock.is_given()?)
    }

    /// Sends the engine's log to standard error.
    pub(crate) fn start_logging(&self) {
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(self.log)
            .with_ansi(crate::style::Style::new(self.color, is_terminal).is_on())
            .init();
    }
}

/// The levels of durability.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Durability {
    Relaxed,
    #[default]
    Normal,
    Full,
}

/// Which rows go when a stash is full.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Eviction {
    #[default]
    None,
    LeastRecentlyStored,
    LeastRecentlyUsed,
    LeastFrequentlyUsed,
    Random,
}

impl From<Eviction> for litestash_core::Eviction {
    fn from(eviction: Eviction) -> Self {
        match eviction {
            Eviction::None => Self::None,
            Eviction::LeastRecentlyStored => Self::LeastRecentlyStored,
            Eviction::LeastRecentlyUsed => Self::LeastRecentlyUsed,
            Eviction::LeastFrequentlyUsed => Self::LeastFrequentlyUsed,
            Eviction::Random => Self::Random,
        }
    }
}

impl From<Durability> for litestash_core::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Relaxed => Self::Relaxed,
            Durability::Normal => Self::Normal,
            Durability::Full => Self::Full,
        }
    }
}
