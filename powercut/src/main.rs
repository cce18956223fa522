//! Power cuts: a workload's writes are recorded, and replayed without those that no sync had covered.
//!
//! `cargo xtask powercut` builds and runs this. A workload ([`workload`]) runs in a process of its own, in which the
//! recorder (`powercut/recorder`) keeps every change of a file, every sync, and the workload's notes of what it
//! began and what was acknowledged. From that recording power cuts are replayed: for each a moment is chosen, mostly
//! just after an acknowledgement or around a sync, and a state that the disk can then be in. The engine opens the
//! files, verifies every byte, and what it finds is judged against the promise of the level ([`level`]).
//!
//! # The model of the disk
//!
//! - What was written to a file before its last completed sync began is there.
//! - Of every 512-byte sector written later, any version since then is there, each sector for itself: whole writes
//!   are kept, dropped or torn, in any combination. A sector never has a later change without an earlier one.
//! - The size of a file is one that it has had since its last sync; where it grew and nothing arrived there are
//!   zeros or garbage. A truncation and later changes of the size happen in their order.
//! - Of a directory's changes (create, link, rename, remove) those before its last completed sync are there, and a
//!   prefix of the later ones. Syncing a file does not make its name durable, as on some file systems it does.
//! - Nothing is ordered between files, or between a file and its directory. Shared memory is lost; in one of ten
//!   states its file is there with garbage.
//!
//! # The judgement
//!
//! Opening and verifying must find nothing wrong, and every value must be one that was issued for its key. A thread
//! owns its keys; so what is left of a shard shows after how many parts of each thread's work it is. There must be
//! such a number for every thread (a prefix, and each batch as a whole), not below what the level promises; and what
//! was acknowledged before a surviving write began must survive too, across threads.
//!
//! # Coming back to a failure
//!
//! The first bad state of each recording is kept with its log, and its seed and numbers are printed; `--recording`
//! repeats one. Recordings of one thread repeat exactly but for times and process numbers; in those of several the
//! threads' order can differ, and the kept log is the record of it.

mod campaign;
mod disk;
#[expect(dead_code, reason = "the recorder encodes")]
#[path = "../recorder/src/event.rs"]
mod event;
mod history;
mod inspect;
mod level;
mod workload;

use anyhow::{Result, ensure};
use campaign::{Bug, Campaign, Tally};
use clap::{Parser, Subcommand, ValueEnum};
use level::{LEVELS, Level};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    child: Option<Child>,
    /// How many states, over all levels
    #[arg(long, default_value_t = 20_000)]
    states: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this level
    #[arg(long)]
    level: Option<Level>,
    /// Only this bug on purpose, which must be found
    #[arg(long)]
    seed_bug: Option<Bug>,
    /// Only this recording of each level
    #[arg(long)]
    recording: Option<u64>,
    /// Where bad states are kept
    #[arg(long, default_value = "target/powercut")]
    keep: PathBuf,
}

#[derive(Subcommand)]
enum Child {
    /// The workload that is recorded
    #[command(hide = true)]
    Child(workload::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.child {
        Some(Child::Child(workload)) => workload::run(workload),
        None => run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("powercut: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    match arguments.seed_bug {
        Some(bug) => return find(bug, arguments),
        None => Bug::value_variants().iter().copied().try_for_each(|bug| find(bug, arguments))?,
    }
    let started = Instant::now();
    let levels: Vec<_> =
        LEVELS.iter().filter(|level| arguments.level.is_none_or(|only| only.name == level.name)).collect();
    let mut all = Tally::default();
    let mut parts = Vec::new();
    for (index, level) in (0..).zip(&levels) {
        let count = levels.len() as u64;
        let states = arguments.states / count + u64::from(index < arguments.states % count);
        let tally = campaign(arguments, **level, states, None).run()?;
        parts.push(format!(
            "{}: {} lost, {} not a prefix, newest writes gone in {} (at most {})",
            level.name, tally.lost, tally.not_prefix, tally.short, tally.gone
        ));
        all.add(tally);
    }
    println!(
        "powercut: {} states, {} corrupt; {}; {:.0} states/s, seed {}",
        all.states,
        all.corrupt,
        parts.join("; "),
        all.states as f64 / started.elapsed().as_secs_f64(),
        arguments.seed
    );
    ensure!(all.bad() == 0, "{} states break a promise", all.bad());
    Ok(())
}

/// A test of this test: a bug on purpose must be found as a loss.
fn find(bug: Bug, arguments: &Arguments) -> Result<()> {
    let tally = campaign(arguments, LEVELS[0], bug.states(), Some(bug)).run()?;
    println!("powercut: the bug {bug:?} on purpose: lost in {} of {} states", tally.lost, tally.states);
    ensure!(tally.lost > 0, "the bug {bug:?} was not found");
    Ok(())
}

fn campaign(arguments: &Arguments, level: Level, states: u64, bug: Option<Bug>) -> Campaign {
    let recording = arguments.recording.filter(|_| bug.is_none());
    Campaign { level, states, seed: arguments.seed, bug, recording, keep: arguments.keep.clone() }
}
