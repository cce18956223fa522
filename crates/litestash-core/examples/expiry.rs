//! Deadlines at scale: `expiry [--rows 1000000] [--swept 100000]`.
//!
//! 1. A million keys whose deadlines spread over some seconds. Threads read them all the time: no key may be seen from
//!    its deadline on, nor missed before it. How late the background removes the rows is printed.
//! 2. A hundred thousand rows that expire at one moment, while threads go on writing the same shards: how long
//!    it takes until all are removed, and the longest wait of a write.

use litestash_core::{Clock, Deadline, LiteStash, Op, SetOptions, SystemClock};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const BATCH: u64 = 5_000;
const READERS: u64 = 2;
const WRITERS: u64 = 2;
/// After that long something is wrong, however busy the machine is.
const LIMIT_US: i64 = 600_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Figures::asked_for(&arguments).and_then(|figures| measure(&figures)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("expiry: {failure}");
            ExitCode::FAILURE
        }
    }
}

struct Figures {
    rows: u64,
    swept: u64,
}

impl Figures {
    fn asked_for(arguments: &[String]) -> Result<Self, Failure> {
        let mut figures = Self { rows: 1_000_000, swept: 100_000 };
        for pair in arguments.chunks(2) {
            match pair {
                [name, number] if name == "--rows" => figures.rows = number.parse()?,
                [name, number] if name == "--swept" => figures.swept = number.parse()?,
                _ => return Err("usage: expiry [--rows N] [--swept N]".into()),
            }
        }
        Ok(figures)
    }
}

fn measure(figures: &Figures) -> Result<(), Failure> {
    on_time(figures.rows)?;
    // Without writers, and with some that never pause, which is the worst that can be asked of a sweep.
    swept(figures.swept, 0, 0)?;
    swept(figures.swept, 1, 1000)?;
    swept(figures.swept, WRITERS, 0)
}

fn key(number: u64) -> String {
    format!("session:{number}")
}

/// Writes rows of which each ends at its own moment, and reads them from before the first until after the
/// last.
fn on_time(rows: u64) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let stash = LiteStash::open(dir.path())?;
    let began = Instant::now();
    // Writing takes this long at most; then they end one after another.
    let (lead_us, spread_us) = ((rows as i64 * 30).max(1_000_000), (rows as i64 * 30).max(1_000_000));
    let first_us = SystemClock.now_us() + lead_us;
    let deadline = |number: u64| first_us + (number as i64 * 7919 % rows as i64) * spread_us / rows as i64;
    for batch in 0..rows.div_ceil(BATCH) {
        let numbers = batch * BATCH..((batch + 1) * BATCH).min(rows);
        let ops = numbers.map(|number| {
            let options =
                SetOptions { deadline: Some(Deadline::At(deadline(number))), ..SetOptions::default() };
            Op::set(key(number), &number, options)
        });
        for outcome in stash.apply(&ops.collect::<Result<Vec<_>, _>>()?)? {
            outcome?;
        }
    }
    let written = began.elapsed();
    let (reads, late, early) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (done, lag_us) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| -> Result<(), Failure> {
        for reader in 0..READERS {
            let (stash, reads, late, early, done) = (&stash, &reads, &late, &early, &done);
            scope.spawn(move || {
                let mut number = reader * rows / READERS;
                while !done.load(Ordering::Relaxed) {
                    number = (number + 104_729) % rows;
                    let before = SystemClock.now_us();
                    let Ok(found) = stash.get(key(number)) else { return };
                    let after = SystemClock.now_us();
                    reads.fetch_add(1, Ordering::Relaxed);
                    if found.is_some() && before >= deadline(number) {
                        late.fetch_add(1, Ordering::Relaxed);
                    }
                    if found.is_none() && after < deadline(number) {
                        early.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let watched = watch_lag(&stash, first_us, spread_us, rows, &lag_us);
        done.store(true, Ordering::Relaxed);
        watched
    })?;
    let stats = stash.stats()?;
    let (reads, late, early) = (reads.into_inner(), late.into_inner(), early.into_inner());
    println!(
        "{rows} keys written in {:.1} s; {reads} reads while they ended: {late} saw an expired row, {early} missed one \
         before its deadline; removed {} rows, the background at most {:.0} ms behind",
        written.as_secs_f64(),
        stats.expiry.swept_rows,
        lag_us.into_inner() as f64 / 1e3,
    );
    if late + early > 0 || stats.rows != 0 || stats.expiry.swept_rows != rows {
        return Err(format!("rows were seen or missed at the wrong time, or are left: {stats:?}").into());
    }
    stash.close()?;
    Ok(())
}

/// Follows the figures of the background until it has removed all rows.
fn watch_lag(
    stash: &LiteStash,
    first_us: i64,
    spread_us: i64,
    rows: u64,
    lag_us: &AtomicU64,
) -> Result<(), Failure> {
    loop {
        let swept = stash.expiry_stats().swept_rows;
        let now = SystemClock.now_us();
        // The rows swept so far are those of deadlines up to here, but for a shard or two.
        let reached = first_us + (swept as i128 * spread_us as i128 / rows as i128) as i64;
        let behind = now.min(first_us + spread_us) - reached;
        lag_us.fetch_max(u64::try_from(behind).unwrap_or(0), Ordering::Relaxed);
        if swept == rows {
            return Ok(());
        }
        if now > first_us + spread_us + LIMIT_US {
            return Err(format!("ten minutes after the last deadline {} rows are left", rows - swept).into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Lets rows expire at one moment while others are written.
fn swept(rows: u64, writers: u64, pause_us: u64) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let stash = LiteStash::open(dir.path())?;
    let due_us = SystemClock.now_us() + (rows as i64 * 40).max(1_000_000);
    let options = SetOptions { deadline: Some(Deadline::At(due_us)), ..SetOptions::default() };
    for batch in 0..rows.div_ceil(BATCH) {
        let numbers = batch * BATCH..((batch + 1) * BATCH).min(rows);
        let ops = numbers.map(|number| Op::set(key(number), &"a value of some length", options));
        for outcome in stash.apply(&ops.collect::<Result<Vec<_>, _>>()?)? {
            outcome?;
        }
    }
    let done = AtomicBool::new(false);
    let took = std::thread::scope(|scope| -> Result<(Duration, [Vec<u64>; 2]), Failure> {
        let threads: Vec<_> = (0..writers)
            .map(|writer| {
                let (stash, done) = (&stash, &done);
                scope.spawn(move || write(stash, writer, due_us, pause_us, done))
            })
            .collect();
        if writers > 0 {
            // What a sweep costs by its locks, and not by the processor that it takes, shows beside a thread that only
            // computes.
            scope.spawn(|| while SystemClock.now_us() < due_us {});
        }
        let took = loop {
            let now = SystemClock.now_us();
            if stash.expiry_stats().swept_rows == rows {
                break Duration::from_micros((now - due_us).unsigned_abs());
            }
            if now > due_us + LIMIT_US {
                return Err("ten minutes after the deadline rows are left".into());
            }
            std::thread::sleep(Duration::from_micros(500));
        };
        done.store(true, Ordering::Relaxed);
        let mut waits = [Vec::new(), Vec::new()];
        for thread in threads {
            let [before, during] = thread.join().map_err(|_| "a writer panicked")??;
            waits[0].extend(before);
            waits[1].extend(during);
        }
        Ok((took, waits))
    })?;
    let (took, waits) = took;
    let [before, during] = waits.map(describe);
    println!(
        "{rows} rows that expired at one moment were removed within {:.0} ms, beside {writers} writers{}; their \
         waits before, beside a thread that computes: {before}; meanwhile: {during}",
        took.as_secs_f64() * 1e3,
        if pause_us > 0 { format!(" that pause {pause_us} µs") } else { String::new() },
    );
    stash.close()?;
    Ok(())
}

fn describe(mut waits: Vec<u64>) -> String {
    waits.sort_unstable();
    let at = |part: f64| waits.get((waits.len() as f64 * part) as usize).copied().unwrap_or(0) as f64 / 1e3;
    let longest = waits.last().copied().unwrap_or(0) as f64 / 1e3;
    let over = waits.iter().filter(|wait| **wait > 5_000).count();
    format!(
        "{} writes, median {:.3}, 99.9 % {:.2}, longest {longest:.2} ms, {over} over 5 ms",
        waits.len(),
        at(0.5),
        at(0.999)
    )
}

/// The waits of a writer in microseconds, before the deadline and behind it.
fn write(
    stash: &LiteStash,
    writer: u64,
    due_us: i64,
    pause_us: u64,
    done: &AtomicBool,
) -> Result<[Vec<u64>; 2], Failure> {
    let mut waits = [Vec::new(), Vec::new()];
    let mut number = 0;
    while !done.load(Ordering::Relaxed) {
        let now = SystemClock.now_us();
        if now < due_us - 500_000 {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        number += 1;
        let began = Instant::now();
        stash.set(format!("writer:{writer}:{}", number % 1000), &number)?;
        waits[usize::from(now >= due_us)].push(u64::try_from(began.elapsed().as_micros())?);
        if pause_us > 0 {
            std::thread::sleep(Duration::from_micros(pause_us));
        }
    }
    Ok(waits)
}
