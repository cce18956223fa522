//! `cargo xtask codegen`: every file that is generated and committed. With `--check` nothing is written.

mod elixir_errors;
mod error_codes;
mod errors;
mod golden;
mod header;
mod kotlin;
mod python_errors;
mod swift;
mod uniffi;
mod vectors;

use anyhow::{Result, bail};
use std::path::Path;

/// Write every generated file, or check them
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if a file is stale
    #[arg(long)]
    pub(crate) check: bool,
}

/// Whether a generator writes its files or only looks at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Write,
    Check,
}

/// A generator returns the files that were stale; in [`Mode::Write`] they are written.
type Generator = fn(Mode) -> Result<Vec<String>>;

// The golden digests follow from the scripts, so they come last.
const GENERATORS: &[Generator] = &[
    errors::generate,
    error_codes::generate,
    python_errors::generate,
    elixir_errors::generate,
    header::generate,
    kotlin::generate,
    swift::generate,
    uniffi::generate,
    vectors::generate,
    golden::generate,
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mode = if arguments.check { Mode::Check } else { Mode::Write };
    let mut stale = Vec::new();
    for generator in GENERATORS {
        stale.append(&mut generator(mode)?);
    }
    for file in &stale {
        println!("{} {file}", if arguments.check { "stale:" } else { "wrote" });
    }
    if arguments.check && !stale.is_empty() {
        bail!("{} generated files are stale; run cargo xtask codegen", stale.len());
    }
    Ok(())
}

/// One file with one text.
fn file(path: &str, wanted: &str, mode: Mode) -> Result<Vec<String>> {
    if std::fs::read(path).is_ok_and(|present| present == wanted.as_bytes()) {
        return Ok(Vec::new());
    }
    if mode == Mode::Write {
        if let Some(folder) = Path::new(path).parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, wanted)?;
    }
    Ok(vec![path.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_is_reported_and_only_written_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file.md");
        let path = path.to_str().unwrap();
        assert_eq!(file(path, "a", Mode::Check).unwrap(), [path]);
        assert!(std::fs::read(path).is_err());
        assert_eq!(file(path, "a", Mode::Write).unwrap(), [path]);
        assert!(file(path, "a", Mode::Check).unwrap().is_empty());
        assert_eq!(file(path, "b", Mode::Check).unwrap(), [path]);
    }
}
