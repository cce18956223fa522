//! The languages of the suite: one row of a table each.

use crate::{process, setup};
use anyhow::{Context, Result};
use std::process::Command;

/// A language, by its runner.
pub(super) struct Language {
    pub(super) name: &'static str,
    /// Whether the contract promises equal files, or equal rows only (`docs/CONTRACT.md` 13).
    pub(super) identity: Identity,
    /// Whether it compresses as the engine does. A script with compression is for these languages only: what a
    /// compressor makes of a body depends on its version.
    pub(super) compresses: bool,
    /// Whether the runner answers vectors.
    pub(super) vectors: bool,
    /// Whether others are measured against it, so that it always runs.
    pub(super) is_measure: bool,
    /// Why it cannot run here, if it cannot.
    unavailable: fn() -> Option<&'static str>,
    /// Builds what the runner needs.
    pub(super) build: fn() -> Result<()>,
    /// The runner, without its arguments.
    command: fn() -> Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    Files,
    Rows,
}

pub(super) const LANGUAGES: &[Language] = &[
    Language {
        name: "rust",
        identity: Identity::Files,
        compresses: true,
        vectors: true,
        is_measure: true,
        unavailable: || None,
        build: || cargo_build("conformance-runner-rust", &[]),
        command: || Command::new(process::target().join("debug/conformance-runner-rust")),
    },
    Language {
        name: "cli",
        identity: Identity::Files,
        compresses: true,
        vectors: false,
        is_measure: false,
        unavailable: setup::python_problem,
        build: build_cli,
        command: || {
            let mut runner = script("conformance/runners/cli/runner.py");
            runner.env("LITESTASH_BIN", process::target().join(CLI));
            runner
        },
    },
    Language {
        name: REFERENCE,
        identity: Identity::Rows,
        compresses: false,
        vectors: true,
        is_measure: true,
        unavailable: setup::python_problem,
        build: || Ok(()),
        command: reference,
    },
];

/// The language that also checks the stashes of all others.
pub(super) const REFERENCE: &str = "python-reference";

/// The command line with the clock of the suite, away from where the one for users is built.
const CLI: &str = "conformance/litestash";

impl Language {
    pub(super) fn unavailable(&self) -> Option<&'static str> {
        (self.unavailable)()
    }

    pub(super) fn runner(&self, command: &str) -> Command {
        let mut runner = (self.command)();
        runner.arg(command);
        runner
    }
}

pub(super) fn names() -> Vec<&'static str> {
    LANGUAGES.iter().map(|language| language.name).collect()
}

/// The reference, without a command.
pub(super) fn reference() -> Command {
    script("conformance/reference/main.py")
}

fn script(path: &str) -> Command {
    let mut python = process::python();
    python.arg(path);
    python
}

fn cargo_build(package: &str, arguments: &[&str]) -> Result<()> {
    process::run(process::cargo().args(["build", "--quiet", "--package", package]).args(arguments))
}

fn build_cli() -> Result<()> {
    cargo_build("litestash-cli", &["--bin", "litestash", "--features", "conformance"])?;
    let (built, kept) = (process::target().join("debug/litestash"), process::target().join(CLI));
    if let Some(folder) = kept.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::rename(&built, &kept).with_context(|| format!("moving {}", built.display()))
}
