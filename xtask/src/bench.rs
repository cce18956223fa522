//! `cargo xtask bench`: the engine against its peers.

use crate::process;
use std::path::PathBuf;

/// Measure the engine against rusqlite, LMDB, redb and fjall
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Measure longer, and 1 000 000 rows in every store; write docs/benchmarks.md with its plots
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Only show that everything runs; the numbers mean nothing
    #[arg(long)]
    quick: bool,
    /// Only these cases, such as `sets,synced`; writes nothing
    #[arg(long, value_name = "CASES")]
    only: Option<String>,
    /// A JSON Lines file whose import is measured in place of the shipped one's
    #[arg(long, value_name = "FILE")]
    cities: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut bench = process::cargo();
    bench.args(["run", "--quiet", "--release", "--package", "litestash-bench", "--", "--scratch"]);
    bench.arg(process::target());
    bench.args(arguments.full.then_some("--full"));
    bench.args(arguments.quick.then_some("--quick"));
    if let Some(cases) = &arguments.only {
        bench.args(["--only", cases]);
    }
    if let Some(file) = &arguments.cities {
        bench.arg("--cities").arg(file);
    }
    process::run(&mut bench)
}
