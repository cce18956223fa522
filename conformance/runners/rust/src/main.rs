//! The runner of the conformance suite for the Rust engine; `conformance/PROTOCOL.md` says what it does.

mod dump;
mod script;
mod vectors;

use std::io::{BufWriter, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: conformance-runner-rust script FILE DIR | vectors FILE | dump DIR [KEY]";

/// Why a command did not run.
enum Failure {
    /// The arguments, or the file they name, are not what the command takes.
    Usage(anyhow::Error),
    /// The command could not go on.
    Stopped(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Stopped(error.into())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let done = match arguments[..] {
        ["script", file, directory] => {
            given(file).and_then(|text| script::run(&text, directory.as_ref(), &mut out))
        }
        ["vectors", file] => given(file).and_then(|text| vectors::run(&text, &mut out)),
        ["dump", directory] => dump::run(directory.as_ref(), None, &mut out),
        ["dump", directory, key] => dump::run(directory.as_ref(), Some(key), &mut out),
        _ => Err(Failure::Usage(anyhow::anyhow!(USAGE))),
    };
    let (code, error) = match done.and_then(|()| out.flush().map_err(Failure::from)) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Stopped(error)) => (1, error),
        Err(Failure::Usage(error)) => (2, error),
    };
    eprintln!("{error:#}");
    ExitCode::from(code)
}

fn given(file: &str) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::Usage(anyhow::anyhow!("{file}: {error}")))
}
