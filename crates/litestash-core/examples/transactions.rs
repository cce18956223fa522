//! kill -9 in the middle of transactions over several shards, again and again: none is half there, none that was
//! acknowledged is lost, and the sum of all accounts never changes.
//!
//! `transactions [--kills 300]`. In each cycle some processes of two threads each transfer between accounts in all
//! shards with `transaction`, and write each transfer's receipt in the same transaction; others set and delete rows
//! of their own beside them. One process is made to die at a chosen step of the protocol, the others are killed at
//! a random moment, and one of them opens the stash while others are still being killed. Meanwhile the parent
//! reads, and takes backups, whose sums must be right as well.
//!
//! Then the same in a stash that is encrypted, a third as often. At the end it is done with bugs on purpose,
//! which must be found.

use litestash_core::journal_testing::{BUG, Bug, DIES_AT, PASSES, STEPS};
use litestash_core::{Action, LiteStash, Op, Options, SetOptions, TransactionOutcome, Value};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ACCOUNTS: u64 = 48;
const START: i64 = 1000;
const PROCESSES: u64 = 3;
const THREADS: u64 = 2;

/// What is done.
#[derive(Clone, Copy)]
struct Kind {
    encrypted: bool,
    bug: u32,
}

impl Kind {
    fn open(self, dir: &Path) -> Result<LiteStash, Failure> {
        let options = if self.encrypted { Options::new().encryption_key([7; 32]) } else { Options::new() };
        Ok(options.open(dir)?)
    }
}

/// Cycles in which each bug on purpose has to be found.
const BUG_CYCLES: u64 = 60;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let outcome = match arguments.get(1).map(String::as_str) {
        Some("--child") => child(&arguments[2..]),
        _ => parent(&arguments[1..]),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("transactions: {failure}");
            ExitCode::FAILURE
        }
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

fn account(number: u64) -> String {
    format!("account:{number}")
}

/// A number that no other thread of any cycle has.
fn writer(cycle: u64, process: u64, thread: u64) -> u64 {
    (cycle * PROCESSES + process) * THREADS + thread
}

/// Transfers until it dies. One line per acknowledged transaction or write.
fn child(arguments: &[String]) -> Result<(), Failure> {
    let [dir, cycle, process, encrypted, bug, step, passes] = arguments else {
        return Err("wrong arguments".into());
    };
    let (cycle, process): (u64, u64) = (cycle.parse()?, process.parse()?);
    let kind = Kind { encrypted: encrypted == "1", bug: bug.parse()? };
    BUG.store(kind.bug, Relaxed);
    PASSES.store(passes.parse()?, Relaxed);
    DIES_AT.store(step.parse()?, Relaxed);
    let stash = kind.open(dir.as_ref())?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let stash = &stash;
                scope.spawn(move || transfer(stash, writer(cycle, process, thread)))
            })
            .collect();
        let crashed = |_| Err("a thread panicked".into());
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(crashed))
    })
}

fn transfer(stash: &LiteStash, writer: u64) -> Result<(), Failure> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (writer + 1).wrapping_mul(0x1234_5678_9abc_def1));
    for number in 0u64.. {
        // Between two accounts mostly, sometimes around many of them.
        let count = if dice.below(4) == 0 { 2 + dice.below(10) } else { 2 };
        let first = dice.below(ACCOUNTS);
        let names: Vec<_> = (0..count).map(|n| account((first + n * 7) % ACCOUNTS)).collect();
        let mut ops = Vec::new();
        for name in &names[1..] {
            ops.push(Op::new(&names[0], Action::Increment(-1))?);
            ops.push(Op::new(name, Action::Increment(1))?);
        }
        // What came of it, in a shard of its own, and the one before is deleted.
        ops.push(Op::set(format!("receipt:{writer}:{number}"), &count, SetOptions::default())?);
        ops.push(Op::set(format!("newest:{writer}"), &number, SetOptions::default())?);
        if let Some(before) = number.checked_sub(1) {
            ops.push(Op::delete(format!("receipt:{writer}:{before}"))?);
        }
        if !matches!(stash.transaction(&ops)?, TransactionOutcome::Committed(_)) {
            return Err("a transaction without conditions was refused".into());
        }
        say(&format!("t {writer} {number}\n"))?;
        // A newer write to an account's shard and row, which must not be undone.
        let own = format!("own:{writer}:{}", number % 5);
        stash.set(&own, &number)?;
        say(&format!("s {own} {number}\n"))?;
        if number % 3 == 0 {
            let into = account(dice.below(ACCOUNTS));
            let read = stash.entry(&into)?.ok_or("an account is gone")?;
            // The same balance again: a newer version of the row.
            let options = SetOptions::when(litestash_core::Condition::Version(read.version));
            stash.set_encoded(&into, read.encoded, options)?;
        }
    }
    Ok(())
}

/// One write call per line, so that no line is torn by another thread.
fn say(line: &str) -> Result<(), Failure> {
    Ok(std::io::stdout().lock().write_all(line.as_bytes())?)
}

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// The newest transfer of each writer.
    transfers: BTreeMap<String, u64>,
    rows: BTreeMap<String, u64>,
    count: u64,
}

impl Acknowledged {
    fn take_in(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let [kind, name, number] = words.as_slice() else { return };
        let Ok(number) = number.parse() else { return };
        self.count += u64::from(*kind == "t");
        let newest = if *kind == "t" { &mut self.transfers } else { &mut self.rows };
        newest.insert((*name).to_owned(), number);
    }
}

struct Started {
    child: Child,
    lines: JoinHandle<Vec<String>>,
}

fn start(
    dir: &Path,
    cycle: u64,
    process: u64,
    kind: Kind,
    step: u32,
    passes: u64,
) -> Result<Started, Failure> {
    let numbers = [cycle, process, kind.encrypted.into(), kind.bug.into(), step.into(), passes];
    let numbers = numbers.map(|number| number.to_string());
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--child")
        .arg(dir)
        .args(numbers)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("no pipe")?;
    let lines =
        std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).collect::<Vec<_>>());
    Ok(Started { child, lines })
}

fn parent(arguments: &[String]) -> Result<(), Failure> {
    let kills: u64 = match arguments {
        [name, kills] if name == "--kills" => kills.parse()?,
        [] => 300,
        _ => return Err("usage: transactions [--kills N]".into()),
    };
    for (encrypted, kills) in [(false, kills), (true, kills / 3)] {
        let tally = campaign(kills.div_ceil(PROCESSES), Kind { encrypted, bug: 0 })?;
        println!(
            "transactions{}: {} kills ({} at steps of the protocol), {} transfers acknowledged, {} backups: none \
             torn, none lost, sums constant; verify clean",
            if encrypted { ", encrypted" } else { "" },
            tally.kills,
            tally.at_steps,
            tally.transfers,
            tally.backups
        );
    }
    for bug in [Bug::RecoverLate, Bug::ForgetEarly] {
        match campaign(BUG_CYCLES, Kind { encrypted: false, bug: bug as u32 }) {
            Ok(_) => return Err(format!("the bug {bug:?} on purpose was not found").into()),
            Err(failure) => println!("transactions: the bug {bug:?} on purpose was found: {failure}"),
        }
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    kills: u64,
    at_steps: u64,
    transfers: u64,
    backups: u64,
}

fn campaign(cycles: u64, kind: Kind) -> Result<Tally, Failure> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("stash");
    let stash = kind.open(&path)?;
    stash.set_many((0..ACCOUNTS).map(|number| (account(number), START)))?;
    stash.close()?;
    BUG.store(kind.bug, Relaxed);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut acknowledged = Acknowledged::default();
    let mut tally = Tally::default();
    for cycle in 0..cycles {
        let step = STEPS[(cycle % STEPS.len() as u64) as usize];
        let mut started = Vec::new();
        for process in 0..PROCESSES {
            // The first of them dies by itself, sooner or later.
            let step = if process == 0 { step } else { 0 };
            started.push(start(&path, cycle, process, kind, step, dice.below(4))?);
        }
        if cycle % 4 == 1 {
            std::thread::sleep(Duration::from_micros(dice.below(30_000)));
            look(&path, dir.path(), kind, &mut tally)
                .map_err(|failure| format!("cycle {cycle}: {failure}"))?;
        }
        std::thread::sleep(Duration::from_micros(20_000 + dice.below(80_000)));
        for Started { mut child, lines } in started {
            match child.try_wait()? {
                None => child.kill()?,
                Some(status) if status.code().is_none() => tally.at_steps += 1,
                Some(status) => {
                    return Err(format!("cycle {cycle}: a process ended by itself: {status}").into());
                }
            }
            child.wait()?;
            tally.kills += 1;
            for line in lines.join().map_err(|_| "the reader panicked")? {
                acknowledged.take_in(&line);
            }
        }
        let stash = kind.open(&path)?;
        compare(&stash, &acknowledged).map_err(|failure| format!("cycle {cycle}: {failure}"))?;
        if cycle % 2 == 0 {
            stash.close()?;
        }
    }
    tally.transfers = acknowledged.count;
    Ok(tally)
}

fn int(stash: &LiteStash, key: &str) -> Result<Option<i64>, Failure> {
    Ok(stash.get(key)?.as_ref().and_then(Value::as_int))
}

fn check_sum(stash: &LiteStash) -> Result<(), Failure> {
    let balances = stash.get_many((0..ACCOUNTS).map(account))?;
    let sum: Option<i64> = balances.iter().map(|value| value.as_ref().and_then(Value::as_int)).sum();
    let expected = START * ACCOUNTS as i64;
    if sum == Some(expected) { Ok(()) } else { Err(format!("the sum is {sum:?}, not {expected}").into()) }
}

/// A backup while everything goes on.
fn look(path: &Path, beside: &Path, kind: Kind, tally: &mut Tally) -> Result<(), Failure> {
    let copy = beside.join("copy");
    let stash = kind.open(path)?;
    stash.backup(&copy)?;
    let restored = kind.open(&copy)?;
    check_sum(&restored).map_err(|failure| format!("in a backup {failure}"))?;
    // The copy is a stash that goes on by itself.
    restored.transaction(&[
        Op::new(account(0), Action::Increment(-5))?,
        Op::new(account(1), Action::Increment(5))?,
    ])?;
    restored.close()?;
    check_sum(&kind.open(&copy)?)?;
    std::fs::remove_dir_all(&copy)?;
    tally.backups += 1;
    Ok(())
}

fn compare(stash: &LiteStash, acknowledged: &Acknowledged) -> Result<(), Failure> {
    check_sum(stash)?;
    for (writer, number) in &acknowledged.transfers {
        let newest = int(stash, &format!("newest:{writer}"))?.map(i64::unsigned_abs);
        let Some(newest) = newest.filter(|newest| newest >= number) else {
            return Err(
                format!("writer {writer}: {number} was acknowledged, {newest:?} is the newest").into()
            );
        };
        let receipt = |number: u64| stash.exists(format!("receipt:{writer}:{number}"));
        if !receipt(newest)? || newest.checked_sub(1).is_some_and(|before| receipt(before).unwrap_or(true)) {
            return Err(format!("writer {writer}: transfer {newest} is half there").into());
        }
    }
    for (key, number) in &acknowledged.rows {
        let found = int(stash, key)?.map(i64::unsigned_abs);
        if found.is_none_or(|found| found < *number) {
            return Err(format!("{key} holds {found:?}, acknowledged was {number}").into());
        }
    }
    let report = stash.verify()?;
    if !report.is_sound() {
        return Err(format!("verify found {:?}", report.problems).into());
    }
    Ok(())
}
