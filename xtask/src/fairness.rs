//! `cargo xtask fairness`: how several processes share one shard, against plain SQLite.

use crate::process;

/// Measure how processes share a shard
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each of the measurements takes
    #[arg(long, default_value_t = 3)]
    seconds: u32,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let build = ["run", "--quiet", "--release", "--package", "litestash-core", "--features", "testing"];
    let seconds = arguments.seconds.to_string();
    process::run(process::cargo().args(build).args(["--example", "fairness", "--", "--seconds", &seconds]))
}
