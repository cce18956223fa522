//! `cargo xtask capi`: the C library from the point of view of C programs.

mod compile;
mod packages;
mod symbols;

pub(crate) use compile::{Compiler, Program};

use crate::dist::capi::{self as dist, Build};
use crate::process;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

const QUICK_START: &str = "bindings/c/examples/quickstart.c";

/// What the quick start prints with a new stash.
const GREETING: &str = "hello Ada\nvisit 1\nuser:1001 = {\"age\":36,\"name\":\"Ada\"}\nvisits = 1\n";

/// Run the tests of the C library: symbols, C and C++ programs, valgrind, sanitizers, packages
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Measure instead: what a call costs beside the engine's own
    #[arg(long)]
    bench: bool,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn tests() -> Self {
        Self { bench: false }
    }
}

/// A test program, and whether a checker of leaks may judge it.
struct Test {
    name: &'static str,
    leaks: bool,
}

const TESTS: &[Test] = &[
    Test { name: "api", leaks: true },
    Test { name: "features", leaks: true },
    Test { name: "hostile", leaks: true },
    Test { name: "threads", leaks: true },
    // A child cannot give back what it has from its parent.
    Test { name: "fork", leaks: false },
];

/// Where the tests have the library installed.
pub(crate) fn prefix(build: Build) -> Result<PathBuf> {
    let name = match build {
        Build::Release => "release",
        Build::Debug => "debug",
        Build::Testing => "testing",
    };
    Ok(std::path::absolute(process::target().join("capi").join(name))?)
}

/// Installs the library for tests.
pub(crate) fn install(build: Build) -> Result<PathBuf> {
    let prefix = prefix(build)?;
    dist::install(&prefix, build)?;
    Ok(prefix)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.bench {
        let library = install(Build::Release)?.join("lib/liblitestash.so");
        let run = ["run", "--quiet", "--release", "--package", "litestash-c-bench", "--"];
        return process::run(process::cargo().args(run).arg(library));
    }
    let work = tempfile::tempdir()?;
    // First the one with the switch, so that the plain one is what is left where others look.
    panics(&install(Build::Testing)?, work.path())?;
    let prefix = install(Build::Debug)?;
    let functions = symbols::check(&prefix)?;
    println!("symbols: {functions} functions, those of the header and no others");
    for test in TESTS {
        let source = format!("{}/tests/{}.c", dist::FOLDER, test.name);
        check(test, &source, &prefix, work.path())?;
        println!("{}: passed as C and C++, under valgrind and sanitizers", test.name);
    }
    quick_start(&prefix, work.path())?;
    packages::check(work.path())?;
    println!("quick start, pkg-config and CMake: passed");
    Ok(())
}

/// Runs a test in every way.
fn check(test: &Test, source: &str, prefix: &Path, work: &Path) -> Result<()> {
    for (way, compiler, flags) in [
        ("c", Compiler::C, &[] as &[&str]),
        ("cpp", Compiler::Cpp, &[]),
        ("sanitized", Compiler::C, &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]),
    ] {
        let program = Program { compiler, flags, sources: &[source.to_owned()], prefix };
        let program = program.compile(&work.join(format!("{}-{way}", test.name)))?;
        if way == "sanitized" {
            // Leaks are valgrind's business: LeakSanitizer was seen to miss them in programs with this library.
            succeeds(Command::new(&program).env("ASAN_OPTIONS", "detect_leaks=0"), work)?;
        } else {
            succeeds(&mut Command::new(&program), work)?;
        }
        if way == "c" {
            let mut valgrind = valgrind(test.leaks);
            succeeds(valgrind.arg(program), work)?;
        }
    }
    Ok(())
}

/// valgrind, that fails if there is an error or, if asked for, a leak.
fn valgrind(leaks: bool) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=9"]);
    if leaks {
        let kinds = "--errors-for-leak-kinds=definite,indirect,possible";
        let known = format!("--suppressions={}/tests/valgrind.supp", dist::FOLDER);
        valgrind.args(["--leak-check=full", kinds, &known]);
    }
    valgrind
}

/// Runs a program on a new directory of its own and returns what it prints.
fn succeeds(command: &mut Command, work: &Path) -> Result<String> {
    let place = tempfile::tempdir_in(work)?;
    let output = process::output(command.arg(place.path().join("stash")), LIMIT)?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    }
    ensure!(output.status.success(), "{:?}: {}", command.get_program(), output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Every function of the header that answers with a status survives a panic.
fn panics(prefix: &Path, work: &Path) -> Result<()> {
    let sources = [format!("{}/tests/panics.c", dist::FOLDER)];
    for compiler in [Compiler::C, Compiler::Cpp] {
        let program = Program { compiler, flags: &[], sources: &sources, prefix };
        let tried = succeeds(&mut Command::new(program.compile(&work.join("panics"))?), work)?;
        let tried: usize = tried.trim().parse().context("the number of functions tried")?;
        let header = symbols::fallible(prefix)?;
        ensure!(tried == header, "{tried} functions were tried, the header has {header}");
    }
    println!("panics: caught in every function");
    Ok(())
}

/// The example does what it shows, and is the one in the README.
fn quick_start(prefix: &Path, work: &Path) -> Result<()> {
    let example = std::fs::read_to_string(QUICK_START)?;
    let page = std::fs::read_to_string(format!("{}/README.md", dist::FOLDER))?;
    ensure!(
        page.contains(&format!("```c\n{example}```\n")),
        "the README does not show {QUICK_START} as it is"
    );
    for compiler in [Compiler::C, Compiler::Cpp] {
        let program = Program { compiler, flags: &[], sources: &[QUICK_START.to_owned()], prefix };
        let program = program.compile(&work.join("quickstart"))?;
        greets(valgrind(true).arg(program), work)?;
    }
    Ok(())
}

/// Runs the quick start, however it was built. The order of its rows is that of their hashes.
fn greets(command: &mut Command, work: &Path) -> Result<()> {
    let printed = succeeds(command, work)?;
    ensure!(printed == GREETING, "the quick start prints:\n{printed}");
    Ok(())
}
