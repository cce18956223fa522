//! How several processes share one shard, with the engine as it is, without its turns, and with plain SQLite.
//!
//! `fairness [--seconds 3]`. Every process writes keys of one shard as fast as it can. Printed are the commits
//! per second of each, the greatest ratio between two of them within one second, the longest wait for a
//! commit, and the total against that of one process with as many threads.

use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::route::Route;
use litestash_core::{KeyRef, LiteStash};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SETUPS: [&str; 3] = ["engine", "without", "rusqlite"];
const LOADS: [(usize, usize); 6] = [(1, 1), (2, 1), (4, 1), (1, 4), (2, 4), (4, 4)];
const KEYS_EACH: usize = 50;
const SHARD: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["--child", setup, dir, threads, seconds] => child(setup, Path::new(dir), threads, seconds),
        ["--seconds", seconds] => seconds.parse().map_err(Failure::from).and_then(parent),
        [] => parent(3),
        _ => Err("usage: fairness [--seconds N]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("fairness: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn parent(seconds: usize) -> Result<(), Failure> {
    println!(
        "| setup | processes x threads | commits/s of each | worst second | longest wait | total | against one |"
    );
    println!("|---|---|---|---|---|---|---|");
    for setup in SETUPS {
        let mut alone = 0.0;
        for (processes, threads) in LOADS {
            let figures = measure(setup, processes, threads, seconds)?;
            let each: Vec<f64> = figures
                .iter()
                .map(|figures| figures.counts.iter().sum::<u64>() as f64 / seconds as f64)
                .collect();
            let total: f64 = each.iter().sum();
            if processes == 1 {
                alone = total;
            }
            let worst = (0..seconds)
                .map(|second| {
                    let counts = figures.iter().map(|figures| figures.counts[second]);
                    let (most, least) = (counts.clone().max(), counts.min());
                    most.unwrap_or(0) as f64 / least.unwrap_or(0).max(1) as f64
                })
                .fold(1.0, f64::max);
            let longest = figures.iter().map(|figures| figures.longest_us).max().unwrap_or(0) as f64 / 1000.0;
            let each: Vec<_> = each.iter().map(|rate| format!("{rate:.0}")).collect();
            println!(
                "| {setup} | {processes} x {threads} | {} | {worst:.2} : 1 | {longest:.1} ms | {total:.0}/s | {:.2} |",
                each.join(" "),
                total / alone
            );
        }
    }
    Ok(())
}

/// What a process reports: its commits in each second and its longest wait for one.
struct Figures {
    counts: Vec<u64>,
    longest_us: u64,
}

fn measure(setup: &str, processes: usize, threads: usize, seconds: usize) -> Result<Vec<Figures>, Failure> {
    let dir = tempfile::tempdir()?;
    if setup == "rusqlite" {
        raw(dir.path())?.execute_batch("CREATE TABLE kv (key INTEGER PRIMARY KEY, value BLOB NOT NULL)")?;
    }
    let mut children = (0..processes)
        .map(|_| {
            Command::new(std::env::current_exe()?)
                .args(["--child", setup])
                .arg(dir.path())
                .args([threads, seconds].map(|number| number.to_string()))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
        })
        .collect::<Result<Vec<Child>, _>>()?;
    let mut outputs = Vec::new();
    for child in &mut children {
        let mut output = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        output.read_line(&mut String::new())?;
        outputs.push(output);
    }
    // All are ready; closing their input is the signal.
    children.iter_mut().for_each(|child| drop(child.stdin.take()));
    let mut all = Vec::new();
    for (child, mut output) in children.iter_mut().zip(outputs) {
        let mut text = String::new();
        output.read_to_string(&mut text)?;
        if !child.wait()?.success() {
            return Err("a process failed".into());
        }
        let mut counts: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let longest_us = counts.pop().ok_or("a process printed no figures")?;
        all.push(Figures { counts, longest_us });
    }
    Ok(all)
}

fn child(setup: &str, dir: &Path, threads: &str, seconds: &str) -> Result<(), Failure> {
    let (threads, seconds): (usize, usize) = (threads.parse()?, seconds.parse()?);
    litestash_core::testing::WITHOUT.store(setup == "without", Ordering::Relaxed);
    let stash = if setup == "rusqlite" { None } else { Some(LiteStash::open(dir)?) };
    let writers = (0..threads)
        .map(|thread| match &stash {
            Some(stash) => Writer::stash(stash.clone(), thread),
            None => Writer::raw(dir),
        })
        .collect::<Result<Vec<_>, _>>()?;
    println!("ready");
    std::io::stdout().flush()?;
    std::io::stdin().read_line(&mut String::new())?;
    let start = Instant::now();
    let figures = std::thread::scope(|scope| {
        let working: Vec<_> =
            writers.into_iter().map(|writer| scope.spawn(move || work(writer, start, seconds))).collect();
        working
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
            .collect::<Result<Vec<Figures>, Failure>>()
    })?;
    for second in 0..seconds {
        print!("{} ", figures.iter().map(|figures| figures.counts[second]).sum::<u64>());
    }
    println!("{}", figures.iter().map(|figures| figures.longest_us).max().unwrap_or(0));
    Ok(())
}

fn raw(dir: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(dir.join("raw.db"))?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// One thread's way of writing.
enum Writer {
    Stash(LiteStash, Vec<String>),
    Raw(rusqlite::Connection),
}

impl Writer {
    fn stash(stash: LiteStash, thread: usize) -> Result<Self, Failure> {
        let keys: Vec<_> = (0..)
            .map(|n| format!("{thread}:{n}"))
            .filter(|key| Route::of(&KeyHash::of(KeyRef::Text(key))).shard.number() == SHARD)
            .take(KEYS_EACH)
            .collect();
        for key in &keys {
            stash.set(key, &0)?;
        }
        Ok(Self::Stash(stash, keys))
    }

    fn raw(dir: &Path) -> Result<Self, Failure> {
        Ok(Self::Raw(raw(dir)?))
    }

    fn write(&self, n: u64) -> Result<(), Failure> {
        let at = n as usize % KEYS_EACH;
        let value = format!("{n:0>100}");
        match self {
            Self::Stash(stash, keys) => {
                stash.set(&keys[at], &value)?;
            }
            Self::Raw(connection) => {
                let upsert = "INSERT INTO kv (key, value) VALUES (?1, ?2) \
                              ON CONFLICT (key) DO UPDATE SET value = excluded.value";
                connection.prepare_cached(upsert)?.execute((at as i64, value.as_bytes()))?;
            }
        }
        Ok(())
    }
}

fn work(writer: Writer, start: Instant, seconds: usize) -> Result<Figures, Failure> {
    let mut figures = Figures { counts: vec![0; seconds], longest_us: 0 };
    let mut before = start.elapsed();
    for n in 0.. {
        writer.write(n)?;
        let now = start.elapsed();
        figures.longest_us = figures.longest_us.max((now - before).as_micros() as u64);
        before = now;
        match figures.counts.get_mut(now.as_secs() as usize) {
            Some(count) => *count += 1,
            None => break,
        }
    }
    Ok(figures)
}
