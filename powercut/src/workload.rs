//! What is recorded: threads that write, delete, import, compact, close and reopen, and note what they do.
//!
//! Every key belongs to one thread, and every value says which key and which number it has; so whatever a power cut
//! leaves can be judged. A note is one write to the file `notes`, which the recorder keeps as an event.

use crate::history::shard_of;
use crate::level::Level;
use anyhow::{Context, Result, anyhow, bail};
use litestash_core::{
    Durability, ImportOptions, LiteStash, Op, Options, SetOptions, TransactionOutcome, Value,
};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A kind of workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    threads: u64,
    shards: usize,
    /// Of a thread in a shard.
    keys: usize,
    phases: u64,
    /// Of a thread in a phase.
    operations: u64,
    /// Values of many pages and no compaction, so that logs grow until SQLite begins them anew.
    large: bool,
    /// How many states of it are replayed in comparison with others: those of many shards or large logs take long.
    pub(crate) weight: u64,
}

/// All kinds.
pub(crate) const SHAPES: &[Shape] = &[
    Shape { threads: 1, shards: 2, keys: 8, phases: 4, operations: 60, large: false, weight: 6 },
    Shape { threads: 2, shards: 2, keys: 5, phases: 3, operations: 50, large: false, weight: 6 },
    Shape { threads: 1, shards: 1, keys: 12, phases: 3, operations: 100, large: false, weight: 6 },
    Shape { threads: 3, shards: 3, keys: 4, phases: 3, operations: 40, large: false, weight: 4 },
    Shape { threads: 1, shards: 16, keys: 2, phases: 2, operations: 60, large: false, weight: 1 },
    Shape { threads: 2, shards: 1, keys: 6, phases: 2, operations: 100, large: true, weight: 1 },
    // Shards that are synced together.
    Shape { threads: 8, shards: 8, keys: 2, phases: 2, operations: 40, large: false, weight: 4 },
];

/// The workload of one process.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The recorded directory
    #[arg(long)]
    directory: PathBuf,
    #[arg(long)]
    level: Level,
    #[arg(long)]
    seed: u64,
    /// Which kind of workload
    #[arg(long)]
    shape: usize,
    /// A bug on purpose: acknowledge before writing
    #[arg(long)]
    acknowledge_early: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shape = SHAPES.get(arguments.shape).context("there is no such shape")?;
    let mut random = SmallRng::seed_from_u64(arguments.seed);
    let notes = File::options().append(true).create(true).open(arguments.directory.join("notes"))?;
    let mut shards: Vec<usize> = (0..16).collect();
    shards.shuffle(&mut random);
    shards.truncate(shape.shards);
    let early = arguments.acknowledge_early;
    let mut workers: Vec<_> = (0..shape.threads)
        .map(|id| Worker {
            id,
            keys: keys(id, &shards, shape.keys),
            held: BTreeSet::new(),
            next: 1,
            random: SmallRng::seed_from_u64(random.random()),
            notes: &notes,
            early,
            shape: *shape,
        })
        .collect();
    let directory = stash_in(&arguments.directory);
    // The other half is left to the engine.
    if random.random() {
        std::fs::create_dir(&directory)?;
        File::open(&arguments.directory)?.sync_all()?;
    }
    let open = || Options::new().durability(arguments.level.durability).open(&directory);
    let mut stash = open()?;
    for _ in 0..shape.phases {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                workers.iter_mut().map(|worker| scope.spawn(|| worker.work(&stash))).collect();
            let crashed = |_| Err(anyhow!("a thread panicked"));
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(crashed))
        })?;
        match random.random_range(0..3) {
            0 => {}
            1 => {
                stash.close()?;
                stash = open()?;
            }
            _ => {
                drop(stash);
                stash = open()?;
            }
        }
    }
    stash.close()?;
    Ok(())
}

/// So many keys of a thread in each of the shards.
fn keys(thread: u64, shards: &[usize], each: usize) -> Vec<String> {
    let names = || (0..).map(|number| format!("t{thread}-{number}"));
    shards.iter().flat_map(|&shard| names().filter(move |key| shard_of(key) == shard).take(each)).collect()
}

/// A thread of the workload.
struct Worker<'a> {
    id: u64,
    keys: Vec<String>,
    /// Those that have a value.
    held: BTreeSet<String>,
    next: u64,
    random: SmallRng,
    notes: &'a File,
    early: bool,
    shape: Shape,
}

/// A key and the number of its new value, `None` to delete it.
type Change = (String, Option<u64>);

impl Worker<'_> {
    fn work(&mut self, stash: &LiteStash) -> Result<()> {
        (0..self.shape.operations).try_for_each(|_| self.step(stash))
    }

    fn step(&mut self, stash: &LiteStash) -> Result<()> {
        match self.random.random_range(0..100) {
            0..40 => self.set(stash),
            40..52 => self.delete(stash),
            52..66 => self.set_many(stash),
            // At the other levels what came before a transaction in its shards is promised less than it.
            66..74 if stash.durability() == Durability::Full => self.transaction(stash),
            66..80 => self.apply(stash),
            80..84 => self.set_to_expire(stash),
            84..88 => self.import(stash),
            88..91 => self.barrier(stash),
            91..94 if !self.shape.large => stash.compact().map(|_| ()).map_err(Into::into),
            _ => stash.get(self.some_key()).map(drop).map_err(Into::into),
        }
    }

    fn note(&self, line: &str) -> Result<()> {
        let mut notes = self.notes;
        Ok(notes.write_all(line.as_bytes())?)
    }

    fn some_key(&mut self) -> String {
        self.keys.choose(&mut self.random).cloned().unwrap_or_default()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn filler(&mut self, number: u64) -> String {
        let length = match self.random.random_range(0..20) {
            _ if self.shape.large => self.random.random_range(4_000..40_000),
            0 => self.random.random_range(3_000..15_000),
            _ => self.random.random_range(0..200),
        };
        filler(number, length)
    }

    fn value(&mut self, key: &str, number: u64) -> (String, u64, String) {
        (key.to_owned(), number, self.filler(number))
    }

    /// Notes the changes, makes them, and notes that they are acknowledged.
    fn change(&mut self, changes: &[Change], make: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.change_as("issue", changes, make)
    }

    fn change_as(
        &mut self,
        kind: &str,
        changes: &[Change],
        make: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let mut line = format!("{kind} {}", self.id);
        for (key, number) in changes {
            line += &format!(" {key}={}", number.map_or_else(|| "-".to_owned(), |number| number.to_string()));
            let _ = if number.is_some() { self.held.insert(key.clone()) } else { self.held.remove(key) };
        }
        self.note(&(line + "\n"))?;
        let acknowledgement = format!("ack {}\n", self.id);
        if self.early {
            self.note(&acknowledgement)?;
        }
        make(self)?;
        if self.early { Ok(()) } else { self.note(&acknowledgement) }
    }

    fn set(&mut self, stash: &LiteStash) -> Result<()> {
        let (key, number) = (self.some_key(), self.number());
        let value = self.value(&key, number);
        self.change(&[(key.clone(), Some(number))], |_| {
            stash.set(&key, &value)?;
            Ok(())
        })
    }

    fn set_to_expire(&mut self, stash: &LiteStash) -> Result<()> {
        let (key, number) = (self.some_key(), self.number());
        let value = self.value(&key, number);
        let options = SetOptions::ttl(Duration::from_secs(86_400));
        self.change(&[(key.clone(), Some(number))], |_| {
            stash.set_with(&key, &value, options)?;
            Ok(())
        })
    }

    fn delete(&mut self, stash: &LiteStash) -> Result<()> {
        let held: Vec<_> = self.held.iter().cloned().collect();
        let Some(key) = held.choose(&mut self.random).cloned() else { return Ok(()) };
        self.change(&[(key.clone(), None)], |_| {
            if stash.delete(&key)? { Ok(()) } else { bail!("{key} was not there") }
        })
    }

    /// Different keys with new numbers.
    fn several(&mut self, most: usize) -> Vec<Change> {
        let count = self.random.random_range(2..=most);
        let keys: Vec<_> = self.keys.sample(&mut self.random, count).cloned().collect();
        keys.into_iter().map(|key| (key, Some(self.number()))).collect()
    }

    fn set_many(&mut self, stash: &LiteStash) -> Result<()> {
        let changes = self.several(8);
        let values = self.values(&changes);
        self.change(&changes, |_| {
            stash.set_many(values.iter().map(|value| (&value.0, value)))?;
            Ok(())
        })
    }

    fn values(&mut self, changes: &[Change]) -> Vec<(String, u64, String)> {
        changes.iter().map(|(key, number)| self.value(key, number.unwrap_or_default())).collect()
    }

    fn apply(&mut self, stash: &LiteStash) -> Result<()> {
        let (changes, ops) = self.mixed()?;
        self.change(&changes, |_| {
            Ok(stash.apply(&ops)?.into_iter().try_for_each(|outcome| outcome.map(drop))?)
        })
    }

    fn transaction(&mut self, stash: &LiteStash) -> Result<()> {
        let (changes, ops) = self.mixed()?;
        self.change_as("together", &changes, |_| match stash.transaction(&ops)? {
            TransactionOutcome::Committed(_) => Ok(()),
            TransactionOutcome::Refused { .. } => bail!("a transaction without conditions was refused"),
        })
    }

    /// Sets and deletions.
    fn mixed(&mut self) -> Result<(Vec<Change>, Vec<Op>)> {
        let mut changes = self.several(6);
        for change in &mut changes {
            if self.held.contains(&change.0) && self.random.random_ratio(1, 3) {
                change.1 = None;
            }
        }
        let values = self.values(&changes);
        let ops = changes.iter().zip(&values).map(|((key, number), value)| match number {
            Some(_) => Op::set(key, value, SetOptions::default()),
            None => Op::delete(key),
        });
        let ops = ops.collect::<litestash_core::Result<Vec<_>>>()?;
        Ok((changes, ops))
    }

    fn import(&mut self, stash: &LiteStash) -> Result<()> {
        let changes = self.several(12);
        let mut lines = String::new();
        for (key, number, filler) in self.values(&changes) {
            lines += &format!("{{\"key\":\"{key}\",\"value\":[\"{key}\",{number},\"{filler}\"]}}\n");
        }
        self.change(&changes, |_| {
            let report = stash.import(lines.as_bytes(), ImportOptions::default())?;
            if report.rejected_lines == 0 { Ok(()) } else { bail!("a line was rejected") }
        })
    }

    fn barrier(&mut self, stash: &LiteStash) -> Result<()> {
        self.note(&format!("sync {}\n", self.id))?;
        stash.sync()?;
        self.note(&format!("synced {}\n", self.id))
    }
}

fn filler(number: u64, length: usize) -> String {
    char::from(b'a' + (number % 26) as u8).to_string().repeat(length)
}

/// The number of the value that stands under that key, if it is one of a workload.
pub(crate) fn number_of(key: &str, value: &Value) -> Option<u64> {
    let Value::Array(parts) = value else { return None };
    let [Value::Text(of), Value::Int(number), Value::Text(text)] = parts.as_slice() else { return None };
    let number = u64::try_from(*number).ok()?;
    (of == key && *text == filler(number, text.len())).then_some(number)
}

/// The directory of the stash in the recorded one.
pub(crate) fn stash_in(directory: &Path) -> PathBuf {
    directory.join("stash")
}
