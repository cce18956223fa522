//! `cargo xtask soak`: many threads and processes on one stash.

use crate::process;

const SECONDS_SHORT: u32 = 5;
const PROCESSES: u32 = 4;
const THREADS: u32 = 4;

/// Let threads and processes work on one stash
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// How many processes
    #[arg(long, default_value_t = PROCESSES)]
    processes: u32,
    /// How many threads in each process
    #[arg(long, default_value_t = THREADS)]
    threads: u32,
    /// 5 seconds, for every run of the tests
    #[arg(long, conflicts_with = "seconds")]
    short: bool,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn short() -> Self {
        Self { seconds: SECONDS_SHORT, processes: PROCESSES, threads: THREADS, short: true }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let seconds = if arguments.short { SECONDS_SHORT } else { arguments.seconds };
    let (seconds, processes, threads) =
        (seconds.to_string(), arguments.processes.to_string(), arguments.threads.to_string());
    process::example("soak", &["--seconds", &seconds, "--processes", &processes, "--threads", &threads])
}
