//! The command line.

use crate::serve::{self, End, PAYLOAD_BYTES_DEFAULT};
use clap::{Parser, ValueEnum};
use litestash_core::{
    Compression, Error, ErrorKind, Options, Result, Zeroizing, parse_key, read_key_file, read_passphrase_file,
};
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
    /// The file with the key of an encrypted stash: 32 bytes, or 64 hexadecimal digits
    #[arg(long, requires = "dir", value_name = "FILE", group = "unlock")]
    key_file: Option<PathBuf>,
    /// The file with the passphrase of an encrypted stash: its first line
    #[arg(long, requires = "dir", value_name = "FILE", group = "unlock")]
    passphrase_file: Option<PathBuf>,
    /// The environment variable with the key of an encrypted stash, as 64 hexadecimal digits
    #[arg(long, requires = "dir", value_name = "NAME", group = "unlock")]
    key_env: Option<String>,
    /// The environment variable with the passphrase of an encrypted stash
    #[arg(long, requires = "dir", value_name = "NAME", group = "unlock")]
    passphrase_env: Option<String>,
    /// Compress values of 1024 bytes and more where that helps
    #[arg(long, requires = "dir")]
    compress: bool,
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

impl Arguments {
    /// Where the stash is and how it is opened, if that is said.
    fn given(&self) -> Result<Option<(PathBuf, Options)>> {
        let Some(dir) = &self.dir else { return Ok(None) };
        let mut options = Options::new()
            .read_only(self.read_only)
            .durability(self.durability.into())
            .compression(self.compress.then(Compression::default));
        if let Some(file) = &self.key_file {
            options = options.encryption_key(&*read_key_file(file)?);
        }
        if let Some(file) = &self.passphrase_file {
            options = options.passphrase(&*read_passphrase_file(file)?);
        }
        if let Some(name) = &self.key_env {
            options = options.encryption_key(&*parse_key(&variable(name)?)?);
        }
        if let Some(name) = &self.passphrase_env {
            options = options.passphrase(&*variable(name)?);
        }
        Ok(Some((dir.clone(), options)))
    }
}

fn variable(name: &str) -> Result<Zeroizing<String>> {
    let unset =
        |_| Error::new(ErrorKind::InvalidArgument, format!("the variable {name} is not set to UTF-8"));
    std::env::var(name).map(Zeroizing::new).map_err(unset)
}

/// The program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_max_level(arguments.log).with_writer(std::io::stderr).init();
    let given = match arguments.given() {
        Ok(given) => given,
        Err(error) => {
            tracing::error!(%error, "the key cannot be had");
            return ExitCode::from(2);
        }
    };
    let output = match stdout() {
        Ok(output) => Box::new(output),
        Err(error) => {
            tracing::error!(%error, "there is no standard output");
            return ExitCode::from(1);
        }
    };
    let input = std::io::stdin().lock();
    #[cfg(unix)]
    let input = crate::lookout::Lookout::new(input);
    match serve::serve(input, output, given, arguments.frame_bytes_max) {
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
