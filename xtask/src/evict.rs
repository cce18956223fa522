//! `cargo xtask evict`: far more data than the limit, on a directory that is watched.

use crate::process;

/// Write far more into a stash than its limit
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// 16 MiB and 64 MiB of values, for every run of the tests
    #[arg(long, conflicts_with = "long")]
    short: bool,
    /// 10 GiB of values
    #[arg(long)]
    long: bool,
    /// stored, used, frequency or random
    #[arg(long, default_value = "used")]
    eviction: String,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn short() -> Self {
        Self { short: true, long: false, eviction: "used".to_owned() }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (limit, volume) = match (arguments.short, arguments.long) {
        (true, _) => ("16", "64"),
        (_, true) => ("64", "10240"),
        _ => ("64", "2048"),
    };
    let policy = arguments.eviction.as_str();
    process::example("evict", &["--limit", limit, "--volume", volume, "--eviction", policy, "--unlimited"])
}
