//! The languages of the suite: one row of a table each.

use crate::dist::capi::Build;
use crate::{capi, elixir, kotlin, node, process, python, setup, swift};
use anyhow::{Context, Result};
use std::process::Command;

/// A language, by its runner.
pub(super) struct Language {
    pub(super) name: &'static str,
    /// Whether the contract promises equal files, or equal rows only (`docs/CONTRACT.md` 13).
    pub(super) identity: Identity,
    /// Options and operations of scripts, and kinds of vectors, that its runner does not know: scripts with one of
    /// them are not for it.
    pub(super) lacks: &'static [&'static str],
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
        lacks: &[],
        vectors: true,
        is_measure: true,
        unavailable: || None,
        build: || cargo_build("conformance-runner-rust", &[]),
        command: || Command::new(process::target().join("debug/conformance-runner-rust")),
    },
    Language {
        name: "c",
        identity: Identity::Files,
        lacks: &[],
        vectors: true,
        is_measure: false,
        unavailable: || (!setup::on_path("cc")).then_some("needs a C compiler"),
        build: build_c,
        command: || Command::new(process::target().join(C_RUNNER)),
    },
    Language {
        name: "cli",
        identity: Identity::Files,
        lacks: &[],
        vectors: false,
        is_measure: false,
        unavailable: setup::python_problem,
        build: || build_program("litestash-cli", CLI),
        command: || {
            let mut runner = script("conformance/runners/cli/runner.py");
            runner.env("LITESTASH_BIN", process::target().join(CLI));
            runner
        },
    },
    Language {
        name: "engine",
        identity: Identity::Files,
        lacks: &[],
        vectors: false,
        is_measure: false,
        unavailable: setup::python_problem,
        build: || build_program("litestash-engine", ENGINE),
        command: || {
            let mut runner = script("conformance/runners/engine/runner.py");
            runner.env("LITESTASH_ENGINE", process::target().join(ENGINE));
            runner
        },
    },
    Language {
        name: "kotlin",
        identity: Identity::Files,
        lacks: &[],
        vectors: true,
        is_measure: false,
        unavailable: setup::maven_problem,
        build: kotlin::build_for_tests,
        command: kotlin::runner,
    },
    Language {
        name: "node",
        identity: Identity::Files,
        lacks: &[],
        vectors: true,
        is_measure: false,
        unavailable: setup::node_problem,
        build: node::build_for_tests,
        command: node::runner,
    },
    Language {
        name: "python",
        identity: Identity::Files,
        lacks: &[],
        vectors: true,
        is_measure: false,
        unavailable: setup::python_problem,
        build: python::build_for_tests,
        command: python::runner,
    },
    Language {
        name: "elixir",
        identity: Identity::Files,
        lacks: &[],
        vectors: true,
        is_measure: false,
        unavailable: elixir::problem,
        build: elixir::build_for_tests,
        command: || elixir::runner(elixir::Mode::Nif),
    },
    Language {
        name: "elixir-port",
        identity: Identity::Files,
        lacks: &[],
        vectors: false,
        is_measure: false,
        unavailable: elixir::problem,
        build: elixir::build_for_tests,
        command: || elixir::runner(elixir::Mode::Port),
    },
    Language {
        name: "swift",
        identity: Identity::Files,
        lacks: &[],
        vectors: true,
        is_measure: false,
        unavailable: swift::problem,
        build: swift::build_runner,
        command: swift::runner,
    },
    Language {
        name: REFERENCE,
        identity: Identity::Rows,
        // What a compressor makes of a body depends on its version.
        lacks: &["compression"],
        vectors: true,
        is_measure: true,
        unavailable: setup::python_problem,
        build: || Ok(()),
        command: || script("conformance/reference/main.py"),
    },
];

/// The language that also checks the stashes of all others.
pub(super) const REFERENCE: &str = "python-reference";

/// The programs with the clock of the suite, away from where those for users are built.
const CLI: &str = "conformance/litestash";
const ENGINE: &str = "conformance/litestash-engine";

/// The runner in C.
const C_RUNNER: &str = "capi/conformance-runner-c";

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

fn script(path: &str) -> Command {
    let mut python = process::python();
    python.arg(path);
    python
}

fn cargo_build(package: &str, arguments: &[&str]) -> Result<()> {
    process::run(process::cargo().args(["build", "--quiet", "--package", package]).args(arguments))
}

fn build_c() -> Result<()> {
    let prefix = capi::install(Build::Debug)?;
    let sources = ["runner", "operations", "single", "vectors", "json"]
        .map(|part| format!("conformance/runners/c/{part}.c"));
    let program =
        capi::Program { compiler: capi::Compiler::C, flags: &[], sources: &sources, prefix: &prefix };
    program.compile(&process::target().join(C_RUNNER)).map(drop)
}

/// Builds the one program of a package with the clock of the suite.
fn build_program(package: &str, kept: &str) -> Result<()> {
    cargo_build(package, &["--bins", "--features", "conformance"])?;
    let kept = process::target().join(kept);
    let name = kept.file_name().context("a program has a name")?;
    let built = process::target().join("debug").join(name);
    if let Some(folder) = kept.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::rename(&built, &kept).with_context(|| format!("moving {}", built.display()))
}
