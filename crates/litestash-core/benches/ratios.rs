//! The engine against raw rusqlite, as ratios measured in one run.
//!
//! Raw rusqlite does the same upsert and select with prepared statements at the same pragmas, on one
//! file. Rounds of both alternate, and the median of the rounds' ratios is printed, so a noisy
//! machine disturbs both alike.
//!
//! Arguments: `--full` for more rounds; a path after `--cities` for the import of a JSON Lines file.

#![allow(missing_docs)]

use litestash_core::{ImportOptions, LiteStash, SetOptions};
use rusqlite::{Connection, params};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const ROWS: usize = 20_000;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().collect();
    let rounds = if arguments.iter().any(|argument| argument == "--full") { 31 } else { 9 };
    println!(
        "litestash {} with SQLite {}; {ROWS} rows, values of 120 bytes, {rounds} rounds, medians",
        env!("CARGO_PKG_VERSION"),
        litestash_core::sqlite_version()
    );
    println!("{:<34} {:>12} {:>12} {:>8}  aim", "operation", "litestash", "rusqlite", "ratio");
    let mut table = Table { rounds };
    single_keys(&mut table)?;
    opening(&mut table)?;
    let cities =
        arguments.iter().position(|argument| argument == "--cities").and_then(|at| arguments.get(at + 1));
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../litestash-cli/data/cities.jsonl");
    import(&mut table, Path::new(cities.map_or(shipped, String::as_str)))?;
    Ok(())
}

struct Table {
    rounds: usize,
}

impl Table {
    /// Runs both sides in alternating rounds and prints the median time per operation of
    /// each, and the median ratio.
    fn compare(
        &mut self,
        name: &str,
        aim: &str,
        operations: usize,
        mut ours: impl FnMut(usize) -> Result<Duration, Error>,
        mut raw: impl FnMut(usize) -> Result<Duration, Error>,
    ) -> Result<(), Error> {
        let (mut our_times, mut raw_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.rounds + 1 {
            let our = ours(round)?.as_secs_f64() / operations as f64;
            let other = raw(round)?.as_secs_f64() / operations as f64;
            // The first round warms both up.
            if round > 0 {
                our_times.push(our);
                raw_times.push(other);
                ratios.push(our / other);
            }
        }
        println!(
            "{name:<34} {:>12} {:>12} {:>7.2}x  {aim}",
            show(median(&mut our_times)),
            show(median(&mut raw_times)),
            median(&mut ratios)
        );
        Ok(())
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn show(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}

/// A value whose canonical encoding has 120 bytes, different for every number.
fn value(number: usize) -> Vec<u8> {
    let mut text = format!("{number:>118}").into_bytes();
    text.splice(0..0, [0xd9, 118]);
    text
}

/// Keys in an order that jumps around.
fn key(number: usize) -> String {
    format!("user:{}", number * 7919 % ROWS)
}

const CREATE: &str =
    "CREATE TABLE kv (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, at INTEGER NOT NULL) STRICT";
const UPSERT: &str = "INSERT INTO kv (key, value, at) VALUES (?1, ?2, ?3) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, at = excluded.at";
const SELECT: &str = "SELECT value FROM kv WHERE key = ?1";

fn raw_connection(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL")?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1000")?;
    Ok(connection)
}

fn single_keys(table: &mut Table) -> Result<(), Error> {
    let dir = tempfile::tempdir()?;
    let stash = LiteStash::open(dir.path().join("stash"))?;
    let connection = raw_connection(&dir.path().join("raw.db"))?;
    connection.execute(CREATE, [])?;
    let mut upsert = connection.prepare(UPSERT)?;
    let mut select = connection.prepare(SELECT)?;
    let mut delete = connection.prepare("DELETE FROM kv WHERE key = ?1")?;

    table.compare(
        "set, overwrite (new at first)",
        "<= 1.5",
        ROWS,
        |round| {
            time(ROWS, |n| {
                stash.set_encoded(key(n), value(n + round), SetOptions::default())?;
                Ok(())
            })
        },
        |round| {
            time(ROWS, |n| {
                upsert.execute(params![key(n), value(n + round), n as i64])?;
                Ok(())
            })
        },
    )?;
    let mut raw_get = |_| {
        time(ROWS, |n| {
            black_box(select.query_row([key(n)], |row| row.get::<_, Vec<u8>>(0))?);
            Ok(())
        })
    };
    table.compare(
        "get, encoded",
        "<= 1.3",
        ROWS,
        |_| {
            time(ROWS, |n| {
                black_box(stash.get_encoded(key(n))?);
                Ok(())
            })
        },
        &mut raw_get,
    )?;
    table.compare(
        "get, as a Value",
        "<= 1.3",
        ROWS,
        |_| {
            time(ROWS, |n| {
                black_box(stash.get(key(n))?);
                Ok(())
            })
        },
        &mut raw_get,
    )?;
    table.compare(
        "get, miss",
        "",
        ROWS,
        |_| {
            time(ROWS, |n| {
                black_box(stash.get(format!("none:{n}"))?);
                Ok(())
            })
        },
        |_| {
            time(ROWS, |n| {
                black_box(select.exists([format!("none:{n}")])?);
                Ok(())
            })
        },
    )?;
    table.compare(
        "delete and set new",
        "",
        ROWS,
        |_| {
            time(ROWS, |n| {
                stash.delete(key(n))?;
                stash.set_encoded(key(n), value(n), SetOptions::default())?;
                Ok(())
            })
        },
        |_| {
            time(ROWS, |n| {
                delete.execute([key(n)])?;
                upsert.execute(params![key(n), value(n), n as i64])?;
                Ok(())
            })
        },
    )
}

fn time(count: usize, mut f: impl FnMut(usize) -> Result<(), Error>) -> Result<Duration, Error> {
    let start = Instant::now();
    for n in 0..count {
        f(n)?;
    }
    Ok(start.elapsed())
}

fn opening(table: &mut Table) -> Result<(), Error> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("stash");
    LiteStash::open(&path)?.set_many((0..ROWS).map(|n| (key(n), n)).take(10_000))?;
    let raw = dir.path().join("raw.db");
    raw_connection(&raw)?.execute(CREATE, [])?;
    table.compare(
        "open an existing stash, one get",
        "< 2 ms",
        1,
        |_| {
            let start = Instant::now();
            let stash = LiteStash::open(&path)?;
            black_box(stash.get(key(1))?);
            Ok(start.elapsed())
        },
        |_| {
            let start = Instant::now();
            let connection = raw_connection(&raw)?;
            black_box(connection.prepare(SELECT)?.exists([key(1)])?);
            Ok(start.elapsed())
        },
    )
}

/// Import of a JSON Lines file, against raw rusqlite inserting the same encoded bytes in
/// one transaction per shard.
fn import(table: &mut Table, path: &Path) -> Result<(), Error> {
    let text = std::fs::read(path)?;
    let scratch = LiteStash::memory()?;
    let report = scratch.import(text.as_slice(), ImportOptions::default())?;
    let mut shards: Vec<Vec<(String, Vec<u8>)>> = vec![Vec::new(); 16];
    for key in scratch.keys(litestash_core::ScanOptions::default()) {
        let key = key?;
        let hash = litestash_core::contract::hash::KeyHash::from(&key);
        let shard = litestash_core::contract::route::Route::of(&hash).shard;
        let encoded = scratch.get_encoded(&key)?.unwrap_or_default();
        shards[shard.index()].push((key.as_text().unwrap_or_default().to_owned(), encoded));
    }
    let rows = report.rows as usize;
    let name = format!("import of {rows} rows, per row");
    table.compare(
        &name,
        "<= 1.5",
        rows,
        |_| {
            let dir = tempfile::tempdir()?;
            let start = Instant::now();
            let stash = LiteStash::open(dir.path())?;
            stash.import(text.as_slice(), ImportOptions::default())?;
            stash.close()?;
            Ok(start.elapsed())
        },
        |_| {
            let dir = tempfile::tempdir()?;
            let start = Instant::now();
            for (number, rows) in shards.iter().enumerate() {
                let mut connection = raw_connection(&dir.path().join(format!("{number}.db")))?;
                connection.execute(CREATE, [])?;
                let txn = connection.transaction()?;
                {
                    let mut upsert = txn.prepare(UPSERT)?;
                    for (key, encoded) in rows {
                        upsert.execute(params![key, encoded, 0])?;
                    }
                }
                txn.commit()?;
            }
            Ok(start.elapsed())
        },
    )?;
    let dir = tempfile::tempdir()?;
    let start = Instant::now();
    let stash = LiteStash::open(dir.path())?;
    stash.import(text.as_slice(), ImportOptions::default())?;
    stash.close()?;
    println!(
        "{:<34} {:>12}",
        format!("import of {:.1} MB, whole", text.len() as f64 / 1e6),
        show(start.elapsed().as_secs_f64())
    );
    Ok(())
}
