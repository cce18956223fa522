//! What a second copy of SQLite in the process, and whoever else opens and closes files, do to a stash that is
//! written meanwhile: nothing, with the lock armour.
//!
//! `armour [--mode peek|copy|write|reopen|orphan] [--runs 3] [--millis 1000] [--without all|locks|guards|forks]`.
//! A process writes, and reports each write once it was acknowledged; in the same process a second copy of
//! SQLite opens and closes the shard; in another process a third one writes. Then both are killed and the stash is
//! compared with what was reported. `--without` leaves out the armour or a part of it (needs the feature
//! `testing`), and is satisfied if that is noticed.

mod forks;
mod second;

use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::route::{Route, ShardId};
use litestash_core::contract::schema::slot_table;
use litestash_core::{Durability, KeyRef, LiteStash, Value};
use second::Second;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The environment variable that builds with the feature `testing` look at.
const WITHOUT: &str = "LITESTASH_TEST_WITHOUT_ARMOUR";

const WRITERS: u64 = 2;
const KEYS_EACH: u64 = 40;

/// Rows that are written with SQL have this many contents, in turn.
const IMAGES: u64 = 16;

/// Checkpoints are left to the engine: an old SQLite that checkpoints can lose commits by itself
/// (<https://www.sqlite.org/wal.html#walresetbug>).
const SECOND_SETUP: &str = "PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = NORMAL";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--child", mode, dir, durability] => child(mode, Path::new(dir), durability),
        ["--foreign", dir] => foreign(Path::new(dir)),
        ["--forks", mode, dir] => forks::child(mode, Path::new(dir)),
        _ => Plan::parse(&arguments).and_then(|plan| plan.run()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("armour: {failure}");
            ExitCode::FAILURE
        }
    }
}

struct Plan {
    modes: Vec<String>,
    runs: u64,
    pause: Duration,
    without: Option<String>,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let modes = ["peek", "copy", "write", "reopen", "orphan"].map(str::to_owned).to_vec();
        let mut plan = Self { modes, runs: 3, pause: Duration::from_millis(1000), without: None };
        for pair in arguments.chunks(2) {
            match pair {
                [name, value] if name == "--mode" => plan.modes = vec![value.clone()],
                [name, value] if name == "--runs" => plan.runs = value.parse()?,
                [name, value] if name == "--millis" => plan.pause = Duration::from_millis(value.parse()?),
                [name, value] if name == "--without" => plan.without = Some(value.clone()),
                _ => return Err("usage: see the head of examples/armour/main.rs".into()),
            }
        }
        if plan.without.is_some() && !cfg!(feature = "testing") {
            return Err("--without needs a build with the feature `testing`".into());
        }
        Ok(plan)
    }

    fn run(&self) -> Result<(), Failure> {
        self.modes.iter().try_for_each(|mode| self.run_mode(mode))
    }

    fn run_mode(&self, mode: &str) -> Result<(), Failure> {
        let (mut writes, mut noticed) = (0, None);
        for run in 0..self.runs {
            let durability = if run % 2 == 0 { "full" } else { "normal" };
            let dir = tempfile::tempdir()?;
            let outcome = match mode {
                "reopen" | "orphan" => forks::run(self, mode, dir.path()),
                _ => self.run_once(mode, dir.path(), durability),
            };
            match (outcome, &self.without) {
                (Ok(acknowledged), _) => writes += acknowledged,
                (Err(failure), None) => return Err(format!("{mode}, run {run}: {failure}").into()),
                (Err(failure), Some(_)) => {
                    noticed = Some((run + 1, failure));
                    break;
                }
            }
        }
        let runs = self.runs;
        match (&self.without, noticed) {
            (None, _) => {
                println!("armour: {mode}: {runs} of {runs} runs clean, {writes} acknowledged writes")
            }
            (Some(part), Some((run, failure))) => {
                println!("armour: {mode}, without {part}: noticed in run {run}: {failure}")
            }
            (Some(part), None) => {
                return Err(format!("{mode}, without {part}: {runs} runs were clean all the same").into());
            }
        }
        Ok(())
    }

    /// This program in another role, with its reports in a pipe.
    fn spawn(&self, arguments: &[&str], dir: &Path) -> Result<Role, Failure> {
        let [role, first, rest @ ..] = arguments else { return Err("a role and a mode".into()) };
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).args(Some(first).filter(|first| !first.is_empty())).arg(dir).args(rest);
        command.stdout(Stdio::piped()).stdin(Stdio::piped());
        match &self.without {
            Some(part) => command.env(WITHOUT, part),
            None => command.env_remove(WITHOUT),
        };
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("no pipe")?;
        let reader = std::thread::spawn(move || reported(BufReader::new(output)));
        Ok(Role { child, reader })
    }

    fn run_once(&self, mode: &str, dir: &Path, durability: &str) -> Result<u64, Failure> {
        prepare(dir)?;
        let child = self.spawn(&["--child", mode, durability], dir)?;
        let foreign = self.spawn(&["--foreign", ""], dir)?;
        std::thread::sleep(self.pause);
        let outcomes = [child.kill(), foreign.kill()];
        let mut acknowledged = BTreeMap::new();
        for outcome in outcomes {
            acknowledged.append(&mut outcome?);
        }
        compare(dir, &acknowledged)
    }
}

/// What was acknowledged: by key, the last value, and how many there were.
type Reports = BTreeMap<String, (u64, u64)>;

pub(crate) struct Role {
    pub(crate) child: Child,
    reader: std::thread::JoinHandle<Reports>,
}

impl Role {
    /// kill -9, unless it ended by itself, which is a failure.
    pub(crate) fn kill(mut self) -> Result<Reports, Failure> {
        let ended = self.stop()?;
        let reports = self.reader.join().map_err(|_| "the reader panicked")?;
        match ended {
            Some(status) => {
                let count: u64 = reports.values().map(|(_, count)| count).sum();
                Err(format!("a process that writes ended by itself, after {count} writes: {status}").into())
            }
            None => Ok(reports),
        }
    }

    /// kill -9 alone. Answers how the process ended, if that was by itself.
    pub(crate) fn stop(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let ended = self.child.try_wait()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(ended)
    }

    /// The reports of a process that was killed, once nobody can add to them.
    pub(crate) fn reports(self) -> Result<Reports, Failure> {
        self.reader.join().map_err(|_| "the reader panicked".into())
    }

    pub(crate) fn end(mut self) -> Result<Reports, Failure> {
        let status = self.child.wait()?;
        let reports = self.reader.join().map_err(|_| "the reader panicked")?;
        if status.success() { Ok(reports) } else { Err(format!("a process failed: {status}").into()) }
    }
}

fn reported(output: impl BufRead) -> Reports {
    let mut reports = Reports::new();
    for line in output.lines().map_while(Result::ok) {
        if let Some((key, Ok(value))) = line.split_once(' ').map(|(key, value)| (key, value.parse())) {
            let entry = reports.entry(key.to_owned()).or_default();
            *entry = (value, entry.1 + 1);
        }
    }
    reports
}

/// One write call per line, so that no line is torn by another thread.
pub(crate) fn acknowledge(key: &str, value: u64) -> Result<(), Failure> {
    Ok(std::io::stdout().lock().write_all(format!("{key} {value}\n").as_bytes())?)
}

/// The keys that a writer uses, all in one shard, so that everybody meets there.
fn keys(writer: u64) -> Vec<String> {
    let here = |key: &String| Route::of(&KeyHash::of(KeyRef::Text(key))).shard == shard();
    (0..).map(|number| format!("{writer}:{number}")).filter(here).take(KEYS_EACH as usize).collect()
}

fn shard() -> ShardId {
    Route::of(&KeyHash::of(KeyRef::Text("second"))).shard
}

/// A key of the shard that only `who` writes, with SQL.
fn sql_key(who: &str) -> String {
    let here = |key: &String| Route::of(&KeyHash::of(KeyRef::Text(key))).shard == shard();
    (0..).map(|number| format!("{who}{number}")).find(here).unwrap_or_default()
}

/// Lets the engine write what others will write with SQL, and notes the statements beside the stash.
fn prepare(dir: &Path) -> Result<(), Failure> {
    for who in ["second", "foreign"] {
        let key = sql_key(who);
        let hash = KeyHash::of(KeyRef::Text(&key));
        let table = slot_table(Route::of(&hash).slot);
        let hash: String = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut statements = Vec::new();
        for image in 0..IMAGES {
            LiteStash::open(dir)?.set(&key, &image)?;
            let row = rusqlite::Connection::open(dir.join(shard().file_name()))?.query_row(
                &format!("SELECT hex(value), timestamp, microsecond FROM {table} WHERE key_hash = x'{hash}'"),
                [],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
            )?;
            statements.push(format!(
                "BEGIN IMMEDIATE; UPDATE {table} SET value = x'{}', timestamp = {}, microsecond = {} \
                 WHERE key_hash = x'{hash}'; COMMIT",
                row.0, row.1, row.2
            ));
        }
        std::fs::write(statements_path(dir, who), statements.join("\n"))?;
    }
    Ok(())
}

fn statements_path(dir: &Path, who: &str) -> PathBuf {
    dir.join(format!("{who}.sql"))
}

fn child(mode: &str, dir: &Path, durability: &str) -> Result<(), Failure> {
    let durability = if durability == "full" { Durability::Full } else { Durability::Normal };
    let stash =
        LiteStash::options().durability(durability).busy_timeout(Duration::from_secs(30)).open(dir)?;
    let second = Second::load()?;
    std::thread::scope(|scope| {
        let mut workers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let stash = &stash;
                    move || write(stash, writer)
                })
            })
            .collect();
        if mode == "write" {
            workers.push(scope.spawn(|| write_with_sql(&second, dir, "second")));
        } else {
            workers.push(scope.spawn(|| peek(&second, dir)));
        }
        if mode == "copy" {
            workers.push(scope.spawn(|| copy(dir)));
        }
        workers.into_iter().try_for_each(|worker| {
            let outcome = worker.join().unwrap_or_else(|_| Err("a thread panicked".into()));
            if let Err(failure) = &outcome {
                // The others write until they are killed.
                eprintln!("armour: {failure}");
                std::process::exit(1);
            }
            outcome
        })
    })
}

fn write(stash: &LiteStash, writer: u64) -> Result<(), Failure> {
    let keys = keys(writer);
    for (number, key) in (1..).zip(keys.iter().cycle()) {
        stash.set(key, &number)?;
        acknowledge(key, number)?;
        if number % 7 == 0 {
            let found = stash.get(key)?.as_ref().and_then(Value::as_int);
            if found != Some(number as i64) {
                return Err(format!("{key} holds {found:?}, just written was {number}").into());
            }
        }
    }
    Ok(())
}

/// Opens, reads and closes with the second copy. What it reads is its own affair: in `copy` it loses its locks.
fn peek(second: &Second, dir: &Path) -> Result<(), Failure> {
    let path = dir.join(shard().file_name());
    loop {
        if let Ok(connection) = second.open(&path) {
            let _ = connection.run("SELECT count(*) FROM slot_0");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn copy(dir: &Path) -> Result<(), Failure> {
    let path = dir.join(shard().file_name());
    loop {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            // A log that is not there yet is no failure.
            let _ = std::fs::read(PathBuf::from(path));
        }
        std::thread::sleep(Duration::from_micros(700));
    }
}

fn write_with_sql(second: &Second, dir: &Path, who: &str) -> Result<(), Failure> {
    let (path, key) = (dir.join(shard().file_name()), sql_key(who));
    let statements = std::fs::read_to_string(statements_path(dir, who))?;
    let mut images = (0..).zip(statements.lines()).cycle();
    loop {
        let connection = second.open(&path)?;
        connection.run(SECOND_SETUP)?;
        for (image, statement) in images.by_ref().take(5) {
            connection.run(statement)?;
            acknowledge(&key, image)?;
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// A process without a stash that writes now and then and closes each time.
fn foreign(dir: &Path) -> Result<(), Failure> {
    write_with_sql(&Second::load()?, dir, "foreign")
}

/// A row may be newer than its acknowledgement (committed, and killed before the line was printed), never
/// older.
pub(crate) fn compare(dir: &Path, acknowledged: &Reports) -> Result<u64, Failure> {
    let stash = LiteStash::options().busy_timeout(Duration::from_secs(3)).open(dir)?;
    let in_turn = [sql_key("second"), sql_key("foreign")];
    let mut writes = 0;
    for (key, (value, count)) in acknowledged {
        writes += count;
        let found = stash.get(key)?.as_ref().and_then(Value::as_int).map(i64::unsigned_abs);
        let fine = match found {
            Some(found) if in_turn.contains(key) => found == *value || found == (value + 1) % IMAGES,
            Some(found) => found >= *value,
            None => false,
        };
        if !fine {
            return Err(format!("{key} holds {found:?}, acknowledged was {value}").into());
        }
    }
    let report = stash.verify()?;
    if !report.is_sound() {
        return Err(format!("verify found {:?}", report.problems).into());
    }
    Ok(writes)
}
