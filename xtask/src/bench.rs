//! `cargo xtask bench`: the ratios by which the engine's speed is judged.

use crate::process;

/// Measure the engine and print its ratios
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Measure longer and with more data
    #[arg(long)]
    full: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut bench = process::cargo();
    bench.args(["bench", "--package", "litestash-core", "--bench", "ratios"]);
    if arguments.full {
        bench.args(["--", "--full"]);
    }
    process::run(&mut bench)
}
