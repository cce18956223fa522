//! `cargo xtask powercut`: recorded writes, replayed without those that a power cut takes.

use crate::process;
use std::process::Command;

const STATES_SHORT: u64 = 2_400;

/// Replay power cuts from recorded writes
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many states of the disk, over all levels
    #[arg(long, default_value_t = 20_000)]
    states: u64,
    /// What the states are chosen by; another one gives others
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 2400 states, for every run of the tests
    #[arg(long, conflicts_with = "states")]
    short: bool,
    /// Further arguments of the program itself, such as `--level full --recording 3`
    #[arg(last = true)]
    rest: Vec<String>,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn short() -> Self {
        Self { states: STATES_SHORT, seed: 1, short: true, rest: Vec::new() }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if !cfg!(target_os = "linux") {
        println!("powercut: not run: its recorder replaces functions of Linux's libc");
        return Ok(());
    }
    // One build for both, so that the recorder lies beside the program that preloads it.
    let build = ["build", "--quiet", "--release"];
    let packages = ["--package", "litestash-powercut", "--package", "litestash-powercut-recorder"];
    process::run(process::cargo().args(build).args(packages))?;
    let target = process::target();
    let states = if arguments.short { STATES_SHORT } else { arguments.states };
    let mut program = Command::new(target.join("release").join("powercut"));
    program.args(["--states", &states.to_string(), "--seed", &arguments.seed.to_string()]);
    process::run(program.arg("--keep").arg(target.join("powercut")).args(&arguments.rest))
}
