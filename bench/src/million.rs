//! The engine alone with many rows: import, opening, reads with nothing cached, and memory.

use crate::load::Load;
use crate::rounds::{Effort, Series, alternate, timed};
use anyhow::{Context, Result};
use litestash_core::{ImportOptions, LiteStash};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) const ROWS_FEW: usize = 10_000;

/// Value of 98 characters: 100 bytes as MessagePack.
const TEXT_BYTES: usize = 98;
const IMPORT_BATCH: usize = 10_000;
const COLD_READS: usize = 2_000;
/// A step through the keys that divides no number of rows used here, so that no key is read twice.
const STEP: usize = 7_919;

/// Limits of the cache at which memory is measured.
pub(crate) const CACHE_LIMITS: [usize; 2] = [8 << 20, 64 << 20];

pub(crate) struct Million {
    pub(crate) rows: usize,
    /// Seconds a row.
    pub(crate) set_many: f64,
    pub(crate) import: f64,
    /// With few and with many rows.
    pub(crate) open: [Series; 2],
    pub(crate) cold_get: [Series; 2],
    /// Bytes that the process grew by, for each of [`CACHE_LIMITS`].
    pub(crate) memory: Vec<u64>,
}

impl Million {
    pub(crate) fn run(scratch: &Path, effort: Effort) -> Result<Self> {
        let rows = effort.rows_many;
        eprintln!("{rows} rows: import");
        let directory = tempfile::tempdir_in(scratch)?;
        let (few, many) = (directory.path().join("few"), directory.path().join("many"));
        fill(&few, ROWS_FEW)?;
        let set_many = fill(&many, rows)?.as_secs_f64() / rows as f64;
        let import = import(&directory.path().join("imported"), rows)?.as_secs_f64() / rows as f64;

        eprintln!("{rows} rows: opening, reads with nothing cached, memory");
        let sizes = [(&few, Load::new(ROWS_FEW, 100)), (&many, Load::new(rows, 100))];
        let mut random = fastrand::Rng::with_seed(3);
        let open = alternate(2 * effort.rounds, 2, |subject| {
            let (path, load) = &sizes[subject];
            timed(|| {
                let stash = LiteStash::open(path)?;
                black_box(stash.get_encoded(load.any_key(&mut random))?);
                Ok(1)
            })
        })?;
        let cold_get = alternate(2 * effort.rounds, 2, |subject| {
            let (path, load) = &sizes[subject];
            let stash = LiteStash::open(path)?;
            // Opens all shards.
            for number in 0..200 {
                stash.get_encoded(load.key(number))?;
            }
            let reads = COLD_READS.min(load.rows / 2);
            let first = random.usize(..load.rows);
            timed(|| {
                for read in 0..reads {
                    let key = load.key((first + read * STEP) % load.rows);
                    black_box(stash.get_encoded(key)?.context("a row is missing")?);
                }
                Ok(reads as u64)
            })
        })?;
        let memory = CACHE_LIMITS
            .into_iter()
            .map(|limit| memory_of_child(&many, rows, limit))
            .collect::<Result<_>>()?;
        let pair = |series: Vec<Series>| <[Series; 2]>::try_from(series).ok().context("two subjects");
        Ok(Self { rows, set_many, import, open: pair(open)?, cold_get: pair(cold_get)?, memory })
    }
}

fn text(random: &mut fastrand::Rng) -> String {
    std::iter::repeat_with(|| random.alphanumeric()).take(TEXT_BYTES).collect()
}

/// Fills a stash by `set_many`; the time of those calls and of closing.
fn fill(path: &Path, rows: usize) -> Result<Duration> {
    let load = Load::new(rows, 100);
    let mut random = fastrand::Rng::with_seed(5);
    let mut order: Vec<usize> = (0..rows).collect();
    random.shuffle(&mut order);
    let stash = LiteStash::open(path)?;
    let mut took = Duration::ZERO;
    for part in order.chunks(IMPORT_BATCH) {
        let rows: Vec<_> = part.iter().map(|&number| (load.key(number), text(&mut random))).collect();
        let start = Instant::now();
        stash.set_many(rows)?;
        took += start.elapsed();
    }
    let start = Instant::now();
    stash.close()?;
    Ok(took + start.elapsed())
}

fn import(path: &Path, rows: usize) -> Result<Duration> {
    let load = Load::new(rows, 100);
    let mut random = fastrand::Rng::with_seed(5);
    let mut lines = String::new();
    for number in 0..rows {
        writeln!(lines, r#"{{"key":"{}","value":"{}"}}"#, load.key(number), text(&mut random))?;
    }
    let start = Instant::now();
    let stash = LiteStash::open(path)?;
    stash.import(lines.as_bytes(), ImportOptions::default())?;
    stash.close()?;
    Ok(start.elapsed())
}

/// Runs [`memory`] in a process of its own, which has nothing else in its memory.
fn memory_of_child(path: &Path, rows: usize, limit: usize) -> Result<u64> {
    let output = Command::new(std::env::current_exe()?)
        .arg("memory")
        .arg(path)
        .args([rows.to_string(), limit.to_string()])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    text.trim()
        .parse()
        .with_context(|| format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Reads every row and writes some, and answers by how many bytes the process has grown.
pub(crate) fn memory(path: &Path, rows: usize, limit: usize) -> Result<u64> {
    let load = Load::new(rows, 100);
    let before = anonymous_bytes()?;
    let stash = LiteStash::options().cache_bytes(limit).open(path)?;
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..2 * rows {
        black_box(stash.get_encoded(load.any_key(&mut random))?);
    }
    let value = text(&mut random);
    for _ in 0..rows / 20 {
        stash.set(load.any_key(&mut random), &value)?;
    }
    let after = anonymous_bytes()?;
    stash.close()?;
    Ok(after.saturating_sub(before))
}

/// Resident memory that belongs to no file.
fn anonymous_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}
