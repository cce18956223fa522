//! The runner of the conformance suite for the Rust engine; `conformance/PROTOCOL.md` says what it does.

mod dump;
mod script;
mod vectors;

use std::io::{BufRead, BufWriter, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: conformance-runner-rust script FILE DIR | vectors FILE | dump DIR [KEY] | serve";

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
    let mut out = BufWriter::new(std::io::stdout().lock());
    let done = if arguments == ["serve"] { serve(&mut out) } else { run(&arguments, &mut out) };
    let (code, error) = match done.and_then(|()| out.flush().map_err(Failure::from)) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Stopped(error)) => (1, error),
        Err(Failure::Usage(error)) => (2, error),
    };
    eprintln!("{error:#}");
    ExitCode::from(code)
}

fn run(arguments: &[String], out: &mut impl Write) -> Result<(), Failure> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["script", file, directory] => script::run(&given(file)?, directory.as_ref(), out),
        ["vectors", file] => vectors::run(&given(file)?, out),
        ["dump", directory] => dump::run(directory.as_ref(), None, out),
        ["dump", directory, key] => dump::run(directory.as_ref(), Some(key), out),
        _ => Err(Failure::Usage(anyhow::anyhow!(USAGE))),
    }
}

fn serve(out: &mut impl Write) -> Result<(), Failure> {
    for line in std::io::stdin().lock().lines() {
        let arguments: Vec<String> =
            serde_json::from_str(&line?).map_err(|error| Failure::Usage(error.into()))?;
        run(&arguments, out)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn given(file: &str) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::Usage(anyhow::anyhow!("{file}: {error}")))
}
