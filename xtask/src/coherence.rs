//! `cargo xtask coherence`: reads from a warm cache while other processes commit.

use crate::process;

const COMMITS_SHORT: u32 = 60_000;

/// Read from the cache while other processes commit, and look for stale reads
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many commits
    #[arg(long, default_value_t = 1_000_000)]
    commits: u32,
    /// 60 000 commits, for every run of the tests
    #[arg(long, conflicts_with = "commits")]
    short: bool,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn short() -> Self {
        Self { commits: COMMITS_SHORT, short: true }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let commits = if arguments.short { COMMITS_SHORT } else { arguments.commits };
    process::example("coherence", &["--commits", &commits.to_string()])
}
