//! The Elixir binding: its tests in both modes, and its runner of the conformance suite.

use crate::{process, setup, swift};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "bindings/elixir";

/// Run the tests of the Elixir binding
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Measure it against its peers instead
    #[arg(long)]
    bench: bool,
    /// With --bench: only show that everything runs; the numbers mean nothing
    #[arg(long, requires = "bench")]
    quick: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.bench { bench(arguments.quick) } else { test(true) }
}

/// Where a stash runs: in the virtual machine, or in a process beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Nif,
    Port,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Nif => "nif",
            Self::Port => "port",
        }
    }
}

/// Compiles the package with what only tests need; its own compiler builds the Rust programs.
pub(crate) fn build_for_tests() -> Result<()> {
    process::run(mix(Mode::Nif).args(["compile", "--warnings-as-errors"]))
}

/// The runner, without its arguments.
pub(crate) fn runner(mode: Mode) -> Command {
    let mut runner = Command::new("elixir");
    let beams = Path::new(FOLDER).join("_build/test/lib/litestash/ebin");
    runner.arg("-pa").arg(beams).args(["-e", "LiteStash.Conformance.main(System.argv())"]);
    environment(&mut runner, mode);
    runner
}

/// Runs the tests of the package in both modes.
pub(crate) fn test(require_all: bool) -> Result<()> {
    if setup::is_skipped("the Elixir binding", problem(), require_all)? {
        return Ok(());
    }
    process::run(mix(Mode::Nif).args(["format", "--check-formatted"]))?;
    build_for_tests()?;
    for mode in [Mode::Nif, Mode::Port] {
        println!("mix test, mode {}", mode.name());
        process::run(mix(mode).args(["test", "--warnings-as-errors"]))?;
    }
    test_newer(require_all)
}

/// The packages of a newer Debian that run the tests, and what those call.
const NEWER: &[&str] = &["elixir", "python3", "procps"];

/// Runs the tests once more with what a newer Debian has of Erlang and Elixir, and the programs that were built here.
fn test_newer(require_all: bool) -> Result<()> {
    if setup::is_skipped("a newer Elixir", swift::problem(), require_all)? {
        return Ok(());
    }
    let target = std::path::absolute(process::target())?;
    let script = r#"cd "$1" && elixir --version && exec mix test --warnings-as-errors"#;
    let folder = std::path::absolute(FOLDER)?.display().to_string();
    let command = ["sh", "-c", script, "sh", &folder].map(str::to_owned);
    for mode in [Mode::Nif, Mode::Port] {
        println!("mix test with a newer Elixir, mode {}", mode.name());
        let mut mix = swift::beside(NEWER, "usr/bin/mix", &command)?;
        mix.env("MIX_ENV", "test").env("MIX_BUILD_PATH", target.join("elixir-newer"));
        mix.env("LITESTASH_NATIVE_DIR", target.join("debug"));
        environment(&mut mix, mode);
        process::run(&mut mix)?;
    }
    Ok(())
}

/// Measures the package against its peers, optimised.
fn bench(quick: bool) -> Result<()> {
    let mut mix = mix(Mode::Nif);
    mix.env("MIX_ENV", "bench").args(["run", "bench/bench.exs"]);
    mix.args(quick.then_some("--short"));
    process::run(&mut mix)
}

/// Why Elixir cannot run the package, if it cannot.
pub(crate) fn problem() -> Option<&'static str> {
    (!setup::on_path("mix")).then_some("needs Elixir")
}

fn mix(mode: Mode) -> Command {
    let mut mix = Command::new("mix");
    mix.current_dir(FOLDER).env("MIX_ENV", "test");
    environment(&mut mix, mode);
    mix
}

fn environment(command: &mut Command, mode: Mode) {
    command.env("LITESTASH_MODE", mode.name());
    // Without it the virtual machine takes file names for Latin-1, and says so.
    command.env("LC_ALL", "C.UTF-8");
}
