//! kill -9 of a writing process, again and again: every acknowledged row is there afterwards.
//!
//! `crash [--cycles 300]`. The writing process prints each write only after the stash acknowledged
//! it; the parent kills it at a random moment, also while it recovers, and compares. Each cycle goes
//! on with the same directory. Every other cycle writes at `full`; every fourth has threads that write at
//! `relaxed`, whose writes count as acknowledged once `sync` has returned.

use litestash_core::{Durability, LiteStash, Options, Value};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const THREADS: u64 = 2;
const KEYS: u64 = 400;
/// Relaxed writes between two syncs.
const SYNCED_EACH: u64 = 50;

/// What a cycle writes at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Levels {
    level: Durability,
    /// Whether every other thread writes at `relaxed` and syncs.
    relaxed: bool,
}

impl Levels {
    fn of(cycle: u64) -> Self {
        let level = if cycle % 2 == 1 { Durability::Full } else { Durability::Normal };
        // Fourths of both: 3 is full, 4 is normal.
        Self { level, relaxed: matches!(cycle % 8, 3 | 4) }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let outcome = match arguments.get(1).map(String::as_str) {
        Some("--child") => child(&arguments[2..]),
        _ => parent(&arguments[1..]),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("crash: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Writes until it is killed. One line per acknowledged write: thread, key, value.
fn child(arguments: &[String]) -> Result<(), Failure> {
    let [dir, cycle] = arguments else { return Err("wrong arguments".into()) };
    let cycle: u64 = cycle.parse()?;
    let levels = Levels::of(cycle);
    let stash = Options::new().durability(levels.level).open(dir)?;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let relaxed = levels.relaxed && thread % 2 == 0;
                let stash = if relaxed { stash.with_durability(Durability::Relaxed) } else { stash.clone() };
                scope.spawn(move || {
                    if relaxed { write_and_sync(&stash, cycle, thread) } else { write(&stash, cycle, thread) }
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })
}

fn write(stash: &LiteStash, cycle: u64, thread: u64) -> Result<(), Failure> {
    for number in 0.. {
        let (key, value) = (number * 31 % KEYS, cycle << 32 | number);
        if number % 10 == 9 {
            let batch = (0..5).map(|n| (format!("{thread}:{}", (key + n) % KEYS), value));
            stash.set_many(batch)?;
            for n in 0..5 {
                acknowledge(thread, (key + n) % KEYS, value)?;
            }
        } else {
            stash.set(format!("{thread}:{key}"), &value)?;
            acknowledge(thread, key, value)?;
        }
    }
    Ok(())
}

fn write_and_sync(stash: &LiteStash, cycle: u64, thread: u64) -> Result<(), Failure> {
    for group in 0.. {
        let writes = (group * SYNCED_EACH..(group + 1) * SYNCED_EACH)
            .map(|number| (number * 31 % KEYS, cycle << 32 | number));
        for (key, value) in writes.clone() {
            stash.set(format!("{thread}:{key}"), &value)?;
        }
        stash.sync()?;
        for (key, value) in writes {
            acknowledge(thread, key, value)?;
        }
    }
    Ok(())
}

/// One write call per line, so that no line is torn by another thread.
fn acknowledge(thread: u64, key: u64, value: u64) -> Result<(), Failure> {
    Ok(std::io::stdout().lock().write_all(format!("{thread} {key} {value}\n").as_bytes())?)
}

fn parent(arguments: &[String]) -> Result<(), Failure> {
    let cycles: u64 = match arguments {
        [name, cycles] if name == "--cycles" => cycles.parse()?,
        [] => 300,
        _ => return Err("usage: crash [--cycles N]".into()),
    };
    let dir = tempfile::tempdir()?;
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    // At normal, at full, and in cycles with relaxed writers.
    let mut writes = [0u64; 3];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for cycle in 0..cycles {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Some cycles are killed before or while the files of the last one are recovered.
        let pause =
            Duration::from_micros(if cycle % 5 == 4 { random % 8_000 } else { 5_000 + random % 120_000 });
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--child")
            .arg(dir.path())
            .arg(cycle.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no pipe")?;
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.collect::<Vec<_>>()
        });
        std::thread::sleep(pause);
        if let Some(status) = child.try_wait()? {
            return Err(format!("cycle {cycle}: the writer ended by itself: {status}").into());
        }
        child.kill()?;
        child.wait()?;
        for line in reader.join().map_err(|_| "the reader panicked")? {
            let mut words = line.split(' ');
            if let (Some(thread), Some(key), Some(Ok(value))) =
                (words.next(), words.next(), words.next().map(str::parse))
            {
                acknowledged.insert(format!("{thread}:{key}"), value);
                let levels = Levels::of(cycle);
                writes[if levels.relaxed { 2 } else { usize::from(levels.level == Durability::Full) }] += 1;
            }
        }
        compare(dir.path(), &acknowledged).map_err(|failure| format!("cycle {cycle}: {failure}"))?;
    }
    let [normal, full, relaxed] = writes;
    println!(
        "crash: {cycles} kills; acknowledged writes: {normal} at normal, {full} at full, {relaxed} in cycles \
         with relaxed ones, none lost; verify clean"
    );
    Ok(())
}

/// A row may be newer than its acknowledgement (committed, and killed before the line
/// was printed), never older.
fn compare(dir: &Path, acknowledged: &BTreeMap<String, u64>) -> Result<(), Failure> {
    let stash = LiteStash::open(dir)?;
    for (key, value) in acknowledged {
        let found = stash.get(key)?.as_ref().and_then(Value::as_int).map(i64::unsigned_abs);
        if found.is_none_or(|found| found < *value) {
            return Err(format!("{key} holds {found:?}, acknowledged was {value}").into());
        }
    }
    let report = stash.verify()?;
    if !report.is_sound() {
        return Err(format!("verify found {:?}", report.problems).into());
    }
    Ok(())
}
