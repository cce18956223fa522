//! Recordings, and the power cuts that are replayed from them.

use crate::disk::{Disk, State};
use crate::event::{Event, Kind};
use crate::history::{History, Violation};
use crate::inspect;
use crate::level::Level;
use crate::workload::SHAPES;
use anyhow::{Context, Result, anyhow, bail, ensure};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::path::{Path, PathBuf};
use std::process::Command;

/// States of one recording, about.
const STATES_PER_RECORDING: u64 = 250;

/// One state in so many is also written to, closed and opened again.
const GO_ON_ONCE_IN: u64 = 8;

/// A bug on purpose, which must be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Bug {
    /// Syncs of write-ahead logs are not believed.
    DropSync,
    /// Nor are those of the sync log.
    DropSharedSync,
    /// Writes are acknowledged before they are made.
    AckEarly,
}

impl Bug {
    /// How the names of files end whose syncs are not believed.
    fn deaf(self) -> Option<&'static str> {
        match self {
            Self::DropSync => Some("-wal"),
            Self::DropSharedSync => Some("/sync-0.log"),
            Self::AckEarly => None,
        }
    }

    /// States in which it should be found.
    pub(crate) fn states(self) -> u64 {
        match self {
            // One kind of workload in seven shares syncs, when it happens that way.
            Self::DropSharedSync => 600,
            Self::DropSync | Self::AckEarly => 60,
        }
    }
}

/// What to replay.
pub(crate) struct Campaign {
    pub(crate) level: Level,
    pub(crate) states: u64,
    pub(crate) seed: u64,
    pub(crate) bug: Option<Bug>,
    /// Only this recording.
    pub(crate) recording: Option<u64>,
    /// Where the first bad state of a recording is kept.
    pub(crate) keep: PathBuf,
}

/// How many states were bad, and in which way.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) states: u64,
    pub(crate) corrupt: u64,
    pub(crate) lost: u64,
    pub(crate) not_prefix: u64,
    /// States without transactions that were acknowledged and not promised, and the most in one state.
    pub(crate) short: u64,
    pub(crate) gone: usize,
}

impl Tally {
    pub(crate) fn bad(self) -> u64 {
        self.corrupt + self.lost + self.not_prefix
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.states += other.states;
        self.corrupt += other.corrupt;
        self.lost += other.lost;
        self.not_prefix += other.not_prefix;
        self.short += other.short;
        self.gone = self.gone.max(other.gone);
    }
}

/// A recording and where it stands.
struct Recording {
    number: u64,
    seed: u64,
    log: PathBuf,
    events: Vec<Event>,
    history: History,
}

/// A power cut: before which event, and the seed of what it leaves.
struct Cut {
    number: u64,
    event: u64,
    seed: u64,
}

impl Campaign {
    pub(crate) fn run(&self) -> Result<Tally> {
        let kinds = SHAPES.len() as u64;
        let recordings = self.states.div_ceil(STATES_PER_RECORDING).max(1).next_multiple_of(kinds);
        // Which states are whose: of every round of all kinds each has its weight.
        let weight = |number: u64| SHAPES[(number % kinds) as usize].weight;
        let total: u64 = (0..recordings).map(weight).sum();
        let upto = |number| (0..number).map(weight).sum::<u64>() * self.states / total;
        let mut tally = Tally::default();
        for number in (0..recordings).filter(|number| self.recording.is_none_or(|only| only == *number)) {
            let states = upto(number + 1) - upto(number);
            let scratch = scratch()?;
            let recording = self.record(number, scratch.path())?;
            tally.add(self.replay(&recording, states, scratch.path())?);
        }
        Ok(tally)
    }

    /// Runs the workload in a process of its own.
    fn record(&self, number: u64, scratch: &Path) -> Result<Recording> {
        let seed: u64 = SmallRng::seed_from_u64(self.seed ^ (number << 32)).random();
        let (directory, log) = (scratch.join("recorded"), scratch.join("log"));
        std::fs::create_dir(&directory)?;
        let program = std::env::current_exe()?;
        let recorder = program.with_file_name("liblitestash_powercut_recorder.so");
        ensure!(recorder.exists(), "{} is not built", recorder.display());
        let mut child = Command::new(program);
        child.arg("child").arg("--directory").arg(&directory);
        child.args(["--level", self.level.name, "--seed", &seed.to_string()]);
        child.args(["--shape", &(number % SHAPES.len() as u64).to_string()]);
        if self.bug == Some(Bug::AckEarly) {
            child.arg("--acknowledge-early");
        }
        child.env("LD_PRELOAD", recorder);
        child.env("LITESTASH_RECORD_DIRECTORY", &directory).env("LITESTASH_RECORD_LOG", &log);
        let status = child.status()?;
        ensure!(status.success(), "recording {number} with seed {}: {status}", self.seed);
        let bytes = std::fs::read(&log)?;
        let mut events = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (event, after) = Event::decode(rest).context("the log is damaged")?;
            events.push(event);
            rest = after;
        }
        check_complete(&events, &directory)?;
        std::fs::remove_dir_all(&directory)?;
        let history = History::new(&events, self.level.promise)?;
        Ok(Recording { number, seed, log, events, history })
    }

    /// Replays so many power cuts, on all processors.
    fn replay(&self, recording: &Recording, states: u64, scratch: &Path) -> Result<Tally> {
        let mut cuts = cuts(recording, states)?;
        cuts.sort_by_key(|cut| cut.event);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|thread| {
                    let cuts = cuts.iter().skip(thread).step_by(threads);
                    let directory = scratch.join(format!("state-{thread}"));
                    scope.spawn(move || self.replay_some(recording, cuts, &directory))
                })
                .collect();
            let mut tally = Tally::default();
            for worker in workers {
                tally.add(worker.join().unwrap_or_else(|_| Err(anyhow!("a replaying thread panicked")))?);
            }
            Ok(tally)
        })
    }

    fn replay_some<'a>(
        &self,
        recording: &Recording,
        cuts: impl Iterator<Item = &'a Cut>,
        directory: &Path,
    ) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut disk = Disk::new(self.bug.and_then(Bug::deaf));
        let mut events = (0..).zip(&recording.events).peekable();
        for cut in cuts {
            while let Some((_, event)) = events.next_if(|(at, _)| *at < cut.event) {
                disk.apply(event);
            }
            let mut random = SmallRng::seed_from_u64(cut.seed);
            let mut state = disk.cut(&mut random);
            if random.random_ratio(1, 10) {
                inspect::add_shared_memory(&mut state, &mut random);
            }
            inspect::write(&state, directory)?;
            let found = inspect::read(directory, self.level, cut.number % GO_ON_ONCE_IN == 0);
            let judged =
                found.and_then(|found| recording.history.judge(cut.event, self.level.promise, &found));
            tally.states += 1;
            match &judged {
                Ok(0) => {}
                Ok(gone) => {
                    tally.short += 1;
                    tally.gone = tally.gone.max(*gone);
                }
                Err(violation) => {
                    if tally.bad() == 0 && self.bug.is_none() {
                        self.keep(recording, cut, &state, violation)?;
                    }
                    match violation {
                        Violation::Corrupt(_) => tally.corrupt += 1,
                        Violation::Lost(_) => tally.lost += 1,
                        Violation::NotPrefix(_) => tally.not_prefix += 1,
                    }
                }
            }
            std::fs::remove_dir_all(directory)?;
        }
        Ok(tally)
    }

    /// Keeps a bad state and its recording, and says how to come back to it.
    fn keep(&self, recording: &Recording, cut: &Cut, state: &State, violation: &Violation) -> Result<()> {
        let name = format!("{}-{}-{}-{}", self.level.name, self.seed, recording.number, cut.number);
        let directory = self.keep.join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        inspect::write(state, &directory.join("state"))?;
        std::fs::copy(&recording.log, directory.join("log"))?;
        println!(
            "powercut: {violation}\n  level {}, --seed {}, recording {} (its seed {}), state {} before event {} \
             of {}; kept in {}",
            self.level.name,
            self.seed,
            recording.number,
            recording.seed,
            cut.number,
            cut.event,
            recording.events.len(),
            directory.display()
        );
        Ok(())
    }
}

/// A directory in memory, if there is one: the model decides what is durable, not the disk.
fn scratch() -> Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("powercut-");
        builder
    };
    match builder().tempdir_in(memory) {
        Ok(directory) => Ok(directory),
        Err(_) => Ok(builder().tempdir_in(std::env::temp_dir().canonicalize()?)?),
    }
}

/// The files must be what the recorded events make of them; else something was written past the recorder.
fn check_complete(events: &[Event], directory: &Path) -> Result<()> {
    let mut disk = Disk::new(None);
    events.iter().for_each(|event| disk.apply(event));
    let recorded = disk.live();
    let mut found = State::new();
    let mut open = vec![PathBuf::new()];
    while let Some(parent) = open.pop() {
        for entry in std::fs::read_dir(directory.join(&parent))? {
            let entry = entry?;
            let path = parent.join(entry.file_name());
            let name = path.to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                found.insert(name, None);
                open.push(path);
            } else if name != "notes" && !name.ends_with("-shm") {
                found.insert(name, Some(std::fs::read(entry.path())?));
            }
        }
    }
    let names = |state: &State| state.keys().cloned().collect::<Vec<_>>();
    ensure!(names(&found) == names(&recorded), "recorded {:?}, found {:?}", names(&recorded), names(&found));
    match found.iter().find(|(name, bytes)| recorded.get(*name) != Some(bytes)) {
        Some((name, _)) => bail!("{name} was written past the recorder"),
        None => Ok(()),
    }
}

/// Where power is cut: mostly just after something was acknowledged, around syncs, and anywhere.
fn cuts(recording: &Recording, states: u64) -> Result<Vec<Cut>> {
    let mut random = SmallRng::seed_from_u64(recording.seed);
    let is_sync = |event: &Event| matches!(event.kind, Kind::Sync | Kind::SyncDirectory);
    let syncs: Vec<u64> =
        (0..).zip(&recording.events).filter(|(_, event)| is_sync(event)).map(|(at, _)| at).collect();
    let some = |from: &[u64], random: &mut SmallRng| {
        from.choose(random).copied().context("the recording acknowledges or syncs nothing")
    };
    let one = |number| {
        let event = match random.random_range(0..8) {
            0..3 => some(&recording.history.acknowledgements, &mut random)? + 1,
            3..5 => some(&syncs, &mut random)? + 1,
            5 => some(&syncs, &mut random)?,
            _ => random.random_range(0..=recording.events.len() as u64),
        };
        Ok(Cut { number, event, seed: random.random() })
    };
    (0..states).map(one).collect()
}
