//! `cargo xtask crash`: processes that are killed while they write, and what is left of their writes.

use crate::process;

const CYCLES_SHORT: u32 = 30;

/// Kill writing processes and check what they left
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many processes are killed
    #[arg(long, default_value_t = 300)]
    cycles: u32,
    /// 30 cycles, for every run of the tests
    #[arg(long, conflicts_with = "cycles")]
    short: bool,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn short() -> Self {
        Self { cycles: CYCLES_SHORT, short: true }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cycles = if arguments.short { CYCLES_SHORT } else { arguments.cycles };
    process::example("crash", &["--cycles", &cycles.to_string()])
}
