//! `cargo xtask armour`: a second copy of SQLite beside a stash, with the lock armour and, to test the test,
//! without parts of it.

use crate::process;
use anyhow::Result;

const RUNS_SHORT: u32 = 2;

/// Runs without a part of the armour, until one of them notices.
const RUNS_UNTIL_NOTICED: u32 = 12;

/// What is left out, and where that must be noticed.
const LEFT_OUT: &[(&str, &str)] = &[
    ("all", "peek"),
    ("all", "write"),
    ("all", "reopen"),
    ("locks", "peek"),
    ("guards", "peek"),
    ("forks", "orphan"),
];

/// Let a second copy of SQLite meddle with a stash
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many runs of each mode
    #[arg(long, default_value_t = 10)]
    runs: u32,
    /// 2 runs, for every run of the tests
    #[arg(long, conflicts_with = "runs")]
    short: bool,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn short() -> Self {
        Self { runs: RUNS_SHORT, short: true }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !cfg!(all(target_os = "linux", target_pointer_width = "64")) {
        println!("armour: not on this platform");
        return Ok(());
    }
    let runs = if arguments.short { RUNS_SHORT } else { arguments.runs };
    example(&["--runs", &runs.to_string()])?;
    let until = RUNS_UNTIL_NOTICED.to_string();
    for (part, mode) in LEFT_OUT {
        example(&["--runs", &until, "--mode", mode, "--without", part])?;
    }
    Ok(())
}

fn example(arguments: &[&str]) -> Result<()> {
    let package = ["--package", "litestash-core", "--features", "testing", "--example", "armour", "--"];
    process::run(process::cargo().args(["run", "--quiet", "--release"]).args(package).args(arguments))
}
