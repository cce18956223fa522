//! The engine against rusqlite, LMDB, redb and fjall, in one run. `cargo xtask bench` starts it.

mod compare;
mod import;
mod load;
mod machine;
mod million;
mod must_hold;
mod plots;
mod report;
mod rounds;
mod store;
mod table;
mod threads;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use compare::Comparison;
use million::{Million, ROWS_FEW};
use must_hold::Measured;
use report::Report;
use rounds::Effort;
use std::path::PathBuf;
use std::time::Duration;
use store::{Level, Peer};
use threads::{Scaling, Work};

const THREADS: &[usize] = &[1, 2, 8, 32];
const THREADS_SYNCED: &[usize] = &[1, 8, 32, 256];

/// The engine against its peers.
#[derive(Parser)]
struct Arguments {
    /// Measure longer, and 1 000 000 rows in every store; write docs/benchmarks.md with its plots
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Only show that everything runs; the numbers mean nothing
    #[arg(long)]
    quick: bool,
    /// Only these cases, and of many threads only the engine and rusqlite; writes nothing
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "docs")]
    only: Vec<Case>,
    /// The JSON Lines file whose import is measured
    #[arg(long, default_value = "crates/litestash-cli/data/cities.jsonl")]
    cities: PathBuf,
    /// Write the page and its plots into that directory; --full writes into `docs`
    #[arg(long, value_name = "DIR")]
    docs: Option<PathBuf>,
    /// Where the stores' files are put meanwhile
    #[arg(long, default_value = "target")]
    scratch: PathBuf,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Each operation by one thread
    Single,
    /// Gets by many threads
    Gets,
    /// Sets by many threads
    Sets,
    /// Synced sets by many threads
    Synced,
    /// 1 000 000 rows
    Many,
    /// Importing a file
    Import,
}

#[derive(Subcommand)]
enum Part {
    /// Print by how much this process grows while it uses a stash
    #[command(hide = true)]
    Memory { stash: PathBuf, rows: usize, limit: usize },
}

impl Arguments {
    fn effort(&self) -> Effort {
        let (rounds, milliseconds, rows_many) = match (self.quick, self.full) {
            (true, _) => (1, 5, 20_000),
            (_, true) => (11, 150, 1_000_000),
            _ => (7, 60, 1_000_000),
        };
        Effort { rounds, block: Duration::from_millis(milliseconds), rows_many }
    }

    /// Rows and bytes of a value.
    fn sizes(&self) -> &'static [(usize, usize)] {
        match (self.quick, self.full) {
            (true, _) => &[(2_000, 100)],
            (_, true) => &[(ROWS_FEW, 100), (ROWS_FEW, 1_000), (ROWS_FEW, 10_000), (1_000_000, 100)],
            _ => &[(ROWS_FEW, 100), (ROWS_FEW, 1_000), (ROWS_FEW, 10_000)],
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Part::Memory { stash, rows, limit }) = &arguments.part {
        println!("{}", million::memory(stash, *rows, *limit)?);
        return Ok(());
    }
    let effort = arguments.effort();
    let scratch = tempfile::tempdir_in(&arguments.scratch)?;
    let scratch = scratch.path();
    for line in machine::describe(scratch)? {
        println!("{line}");
    }
    let is_asked = |case| arguments.only.is_empty() || arguments.only.contains(&case);
    let sizes = if is_asked(Case::Single) { arguments.sizes() } else { &[] };
    let comparisons = sizes
        .iter()
        .map(|&(rows, value_bytes)| Comparison::run(scratch, effort, rows, value_bytes))
        .collect::<Result<Vec<_>>>()?;
    let peers = if arguments.only.is_empty() { &Peer::ALL[..] } else { &[Peer::LiteStash, Peer::Rusqlite] };
    let scale = |case, work, level, threads| {
        is_asked(case).then(|| Scaling::run(scratch, effort, (work, level), threads, peers)).transpose()
    };
    let gets = scale(Case::Gets, Work::Get, Level::NoSync, THREADS)?;
    let sets = scale(Case::Sets, Work::Set, Level::NoSync, THREADS)?;
    let synced = scale(Case::Synced, Work::Set, Level::FullSync, THREADS_SYNCED)?;
    let million = is_asked(Case::Many).then(|| Million::run(scratch, effort)).transpose()?;
    let measured = Measured {
        small: comparisons.first(),
        sets: sets.as_ref(),
        synced: synced.as_ref(),
        million: million.as_ref(),
    };
    let must_hold = must_hold::table(&measured);
    let import =
        is_asked(Case::Import).then(|| import::run(scratch, effort, &arguments.cities)).transpose()?;
    let scalings = [gets, sets, synced].into_iter().flatten().collect();
    let report = Report { must_hold, comparisons, scalings, import };
    println!("\n{}", report.text());
    let docs = arguments.docs.or_else(|| arguments.full.then(|| "docs".into()));
    if let Some(docs) = docs.filter(|_| arguments.only.is_empty()) {
        report.write(&docs, scratch)?;
        println!("wrote {}", docs.join("benchmarks.md").display());
    }
    Ok(())
}
