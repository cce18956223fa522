//! Several processes with several threads write and read one directory for a while; no error, no lost row,
//! `verify` clean.
//!
//! `soak [--seconds 20] [--processes 4] [--threads 2]`. Every thread owns keys that only it writes,
//! and knows what each must hold; all raise shared counters. At the end the counters must equal the
//! sum of what was acknowledged.

use litestash_core::{LiteStash, Op, ScanOptions, SetOptions, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const KEYS_EACH: u64 = 500;
const COUNTERS: u64 = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let outcome = match arguments.get(1).map(String::as_str) {
        Some("--child") => child(&arguments[2..]),
        _ => parent(&arguments[1..]),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("soak: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn number(arguments: &[String], name: &str, default: u64) -> Result<u64, Failure> {
    match arguments.iter().position(|argument| argument == name) {
        Some(at) => Ok(arguments.get(at + 1).ok_or(format!("{name} needs a number"))?.parse()?),
        None => Ok(default),
    }
}

fn parent(arguments: &[String]) -> Result<(), Failure> {
    let (seconds, processes, threads) = (
        number(arguments, "--seconds", 20)?,
        number(arguments, "--processes", 4)?,
        number(arguments, "--threads", 2)?,
    );
    let dir = tempfile::tempdir()?;
    println!("soak: {processes} processes x {threads} threads for {seconds} s");
    let children = (0..processes)
        .map(|process| {
            Command::new(std::env::current_exe()?)
                .arg("--child")
                .arg(dir.path())
                .args([process, threads, seconds].map(|number| number.to_string()))
                .stdout(Stdio::piped())
                .spawn()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let (mut writes, mut reads, mut increments) = (0, 0, 0);
    for child in children {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("a process failed: {}", output.status).into());
        }
        let figures: Vec<u64> =
            String::from_utf8(output.stdout)?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [w, r, i] = figures[..] else { return Err("a process printed no figures".into()) };
        writes += w;
        reads += r;
        increments += i;
    }
    let stash = LiteStash::open(dir.path())?;
    let report = stash.verify()?;
    if !report.is_sound() {
        return Err(format!("verify found {:?}", report.problems).into());
    }
    let mut counted = 0;
    for counter in 0..COUNTERS {
        counted += stash.get_as::<u64>(format!("counter:{counter}"))?.unwrap_or(0);
    }
    if counted != increments {
        return Err(format!("the counters hold {counted}, acknowledged were {increments}").into());
    }
    println!("soak: {writes} writes, {reads} reads, {} rows, counters {counted}; verify clean", report.rows);
    Ok(())
}

fn child(arguments: &[String]) -> Result<(), Failure> {
    let [dir, process, threads, seconds] = arguments else { return Err("wrong arguments".into()) };
    let (process, threads, seconds): (u64, u64, u64) = (process.parse()?, threads.parse()?, seconds.parse()?);
    let stash = LiteStash::open(Path::new(dir))?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let totals = std::thread::scope(|scope| {
        let stash = &stash;
        let workers: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(stash, process, thread, until))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a thread panicked".into())))
            .try_fold([0; 3], |sum, done| {
                let done = done?;
                Ok::<_, Failure>(std::array::from_fn(|n| sum[n] + done[n]))
            })
    })?;
    stash.close()?;
    println!("{} {} {}", totals[0], totals[1], totals[2]);
    Ok(())
}

/// Writes, deletes and reads the thread's own keys, and raises counters that all share.
fn work(stash: &LiteStash, process: u64, thread: u64, until: Instant) -> Result<[u64; 3], Failure> {
    let owner = format!("p{process}t{thread}");
    let mut expected: BTreeMap<u64, Option<u64>> = BTreeMap::new();
    let (mut writes, mut reads, mut increments) = (0, 0, 0);
    let mut random = 0x9e37_79b9_7f4a_7c15 ^ (process << 32 | thread);
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    while Instant::now() < until {
        let (dice, at) = (next() % 100, next() % KEYS_EACH);
        let key = format!("{owner}:{at}");
        match dice {
            0..40 => {
                let value = next() % 1_000_000;
                stash.set(&key, &(value, "x".repeat((value % 300) as usize)))?;
                expected.insert(at, Some(value));
                writes += 1;
            }
            40..45 => {
                let was_there = stash.delete(&key)?;
                if was_there != expected.get(&at).copied().flatten().is_some() {
                    return Err(format!("{key}: delete answered {was_there}").into());
                }
                expected.insert(at, None);
                writes += 1;
            }
            45..50 => {
                let values: Vec<_> = (0..20).map(|n| (at + n, next() % 1_000_000)).collect();
                let ops = values
                    .iter()
                    .map(|(at, value)| Op::set(format!("{owner}:{at}"), &(value, ""), SetOptions::default()))
                    .collect::<Result<Vec<_>, _>>()?;
                for result in stash.apply(&ops)? {
                    result?;
                }
                writes += values.len() as u64;
                expected.extend(values.into_iter().map(|(at, value)| (at, Some(value))));
            }
            50..55 => {
                stash.increment(format!("counter:{}", at % COUNTERS), 1)?;
                increments += 1;
            }
            _ => {
                check(stash, &owner, at, expected.get(&at).copied().flatten())?;
                reads += 1;
            }
        }
    }
    for (at, value) in &expected {
        check(stash, &owner, *at, *value)?;
    }
    let prefix = format!("{owner}:");
    let mut listed = 0;
    for item in stash.items(ScanOptions::prefix(&prefix)) {
        item?;
        listed += 1;
    }
    let live = expected.values().filter(|value| value.is_some()).count();
    if listed != live {
        return Err(format!("{owner}: {listed} rows are listed, {live} were acknowledged").into());
    }
    Ok([writes, reads, increments])
}

fn check(stash: &LiteStash, owner: &str, at: u64, expected: Option<u64>) -> Result<(), Failure> {
    let found = match stash.get(format!("{owner}:{at}"))? {
        Some(Value::Array(pair)) => {
            pair.first().and_then(Value::as_int).and_then(|int| u64::try_from(int).ok())
        }
        None => None,
        Some(other) => return Err(format!("{owner}:{at} holds {}", other.type_name()).into()),
    };
    if found != expected {
        return Err(format!("{owner}:{at} holds {found:?}, acknowledged was {expected:?}").into());
    }
    Ok(())
}
