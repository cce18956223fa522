//! The command line.

use crate::serve::{self, End, PAYLOAD_BYTES_DEFAULT};
use clap::{Parser, ValueEnum};
use litestash_core::Options;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

const EXIT: &str = "\
Exit status: 0 after a close, the end of input or a signal; 1 if the stash could not be closed in an orderly way
or a stream failed; 2 for wrong usage; 3 if the client broke the protocol.

The protocol is in docs/ENGINE.md. Frames go to stdout, the log to stderr.";

/// The LiteStash engine for programs in any language: MessagePack frames over stdin and stdout
#[derive(Debug, Parser)]
#[command(name = "litestash-engine", version, max_term_width = 110, after_help = EXIT)]
struct Arguments {
    /// The stash's directory; without it the client's hello names one
    #[arg(short, long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Change no row of the stash
    #[arg(long, requires = "dir")]
    read_only: bool,
    /// What an acknowledged write has reached
    #[arg(long, requires = "dir", value_enum, default_value_t)]
    durability: Durability,
    /// The longest frame in bytes, either way
    #[arg(long, value_name = "BYTES", default_value_t = PAYLOAD_BYTES_DEFAULT)]
    frame_bytes_max: usize,
    /// What is told on stderr: off, error, warn, info, debug or trace
    #[arg(long, env = "LITESTASH_LOG", hide_env_values = true, value_name = "LEVEL", default_value = "warn")]
    log: LevelFilter,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Durability {
    Relaxed,
    #[default]
    Normal,
    Full,
}

impl From<Durability> for litestash_core::Durability {
    fn from(level: Durability) -> Self {
        match level {
            Durability::Relaxed => Self::Relaxed,
            Durability::Normal => Self::Normal,
            Durability::Full => Self::Full,
        }
    }
}

/// The program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_max_level(arguments.log).with_writer(std::io::stderr).init();
    let given = arguments.dir.map(|dir| {
        (dir, Options::new().read_only(arguments.read_only).durability(arguments.durability.into()))
    });
    let output = match stdout() {
        Ok(output) => Box::new(output),
        Err(error) => {
            tracing::error!(%error, "there is no standard output");
            return ExitCode::from(1);
        }
    };
    match serve::serve(std::io::stdin().lock(), output, given, arguments.frame_bytes_max) {
        End::Orderly => ExitCode::SUCCESS,
        End::Failed => ExitCode::from(1),
        End::Protocol => ExitCode::from(3),
    }
}

/// Standard output without the buffer that looks for ends of lines.
fn stdout() -> std::io::Result<File> {
    #[cfg(unix)]
    return std::os::fd::AsFd::as_fd(&std::io::stdout()).try_clone_to_owned().map(File::from);
    #[cfg(windows)]
    return std::os::windows::io::AsHandle::as_handle(&std::io::stdout())
        .try_clone_to_owned()
        .map(File::from);
}
