//! `cargo xtask expiry`: a million deadlines, and how a sweep gets on with those who write.

use crate::process;

const ROWS_SHORT: u32 = 50_000;
const SWEPT_SHORT: u32 = 20_000;

/// Let a million keys expire, and measure sweeps
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Keys that expire one after another while they are read
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// Keys that expire at one moment while others are written
    #[arg(long, default_value_t = 100_000)]
    swept: u32,
    /// 50,000 and 20,000 keys, for every run of the tests
    #[arg(long, conflicts_with_all = ["rows", "swept"])]
    short: bool,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn short() -> Self {
        Self { rows: ROWS_SHORT, swept: SWEPT_SHORT, short: true }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { rows, swept, .. } = if arguments.short { &Arguments::short() } else { arguments };
    process::example("expiry", &["--rows", &rows.to_string(), "--swept", &swept.to_string()])
}
