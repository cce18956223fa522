//! `cargo xtask transactions`: processes that are killed in the middle of transactions over several shards.

use crate::process;

const KILLS_SHORT: u32 = 45;

/// Kill processes in the middle of transactions and check what they left
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many processes are killed
    #[arg(long, default_value_t = 300)]
    kills: u32,
    /// 45 kills, for every run of the tests
    #[arg(long, conflicts_with = "kills")]
    short: bool,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn short() -> Self {
        Self { kills: KILLS_SHORT, short: true }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let kills = if arguments.short { KILLS_SHORT } else { arguments.kills };
    let build = ["run", "--quiet", "--release", "--package", "litestash-core", "--features", "testing"];
    let kills = kills.to_string();
    process::run(process::cargo().args(build).args(["--example", "transactions", "--", "--kills", &kills]))
}
