//! `cargo xtask tidy`: the rules of this repository that no other tool checks.

mod layers;
mod manifests;
mod markdown;
mod text;

use crate::process;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Check the repository's own rules
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// A file of the repository: its path from the root, and its bytes.
struct File {
    path: String,
    bytes: Vec<u8>,
}

impl File {
    /// The text, if it is no binary file.
    fn text(&self) -> Option<&str> {
        if self.bytes.contains(&0) { None } else { std::str::from_utf8(&self.bytes).ok() }
    }

    fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// A rule looks at one file and says what is wrong with it.
type Rule = fn(&File) -> Vec<String>;

const RULES: &[Rule] = &[
    layers::check,
    manifests::lints,
    manifests::sources,
    markdown::line_length,
    markdown::links,
    text::rust_lines,
    text::rust_length,
    text::words,
    text::last_line,
    text::size,
];

pub(crate) fn run(_arguments: &Arguments) -> Result<()> {
    let files = files()?;
    let mut problems = 0;
    for file in &files {
        for problem in RULES.iter().flat_map(|rule| rule(file)) {
            println!("{}{problem}", file.path);
            problems += 1;
        }
    }
    if problems > 0 {
        bail!("{problems} problems in {} files", files.len());
    }
    println!("{} files are tidy", files.len());
    Ok(())
}

/// Every file that is committed, or would be with `git add --all`.
fn files() -> Result<Vec<File>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
    let output = process::output(Command::new("git").args(list), Duration::from_secs(60))?;
    ensure!(output.status.success(), "git ls-files: {}", output.complaint());
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut files = Vec::new();
    for path in names.split_terminator('\0') {
        match std::fs::read(path) {
            Ok(bytes) => files.push(File { path: path.to_owned(), bytes }),
            // Deleted, and the deletion not yet committed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context(path.to_owned()),
        }
    }
    ensure!(!files.is_empty(), "git lists no files");
    Ok(files)
}

/// Rust without its test module, which stands last in a file by custom.
fn without_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}

/// Whether a Rust file holds nothing but tests.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

#[cfg(test)]
fn given(path: &str, text: &str) -> File {
    File { path: path.to_owned(), bytes: text.as_bytes().to_owned() }
}
