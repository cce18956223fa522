//! Reads from a warm cache while other processes commit: none is older than what was acknowledged before it.
//!
//! `coherence [--commits 1000000]`. One process writes all the time, a second one in half of it; each owns
//! keys, and both share their shards. A write has a number, which its process notes in shared memory before it
//! begins and once it is acknowledged; every sixteenth number of a key is a delete. They compact, close and
//! open the stash, and are killed at random moments. Threads of this process read through two handles, one
//! with a cache and one without, and write keys of their own.

use litestash_core::{LiteStash, Options};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const WRITERS: u64 = 2;
const KEYS_EACH: u64 = 40;
const READERS: u64 = 2;
/// Reads of a key one after the other: a program that needs no key twice needs no cache.
const BURST: u32 = 6;
/// The least share of the reads through the handle with a cache that must have been answered by it.
const HITS_LEAST: f64 = 0.25;
/// Every such number of a key is a delete.
const DELETES: u64 = 16;
/// Without a commit for so long something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the writers tell: an array of numbers in memory that the processes share.
struct Board(&'static [AtomicU64]);

/// What the board knows of a key: the number of the write begun last, and of the one acknowledged last.
struct Note<'a> {
    begun: &'a AtomicU64,
    acknowledged: &'a AtomicU64,
}

impl Board {
    const NUMBERS: usize = 2 + 2 * (WRITERS * KEYS_EACH) as usize;

    fn open(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(Self::NUMBERS as u64 * 8)?;
        Ok(Self::map(&file)?)
    }

    #[expect(unsafe_code, reason = "a memory map has no safe form")]
    fn map(file: &File) -> std::io::Result<Self> {
        let access = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping of the whole file, page-aligned, never unmapped and never cut short; all
        // processes use it as atomic numbers only.
        unsafe {
            let page = mmap(std::ptr::null_mut(), Self::NUMBERS * 8, access.0, access.1, file, 0)?;
            Ok(Self(std::slice::from_raw_parts(page.cast(), Self::NUMBERS)))
        }
    }

    /// Acknowledged commits of all writers.
    fn commits(&self) -> &AtomicU64 {
        &self.0[0]
    }

    /// How many there shall be.
    fn target(&self) -> &AtomicU64 {
        &self.0[1]
    }

    fn note(&self, key: u64) -> Note<'_> {
        let at = 2 + 2 * key as usize;
        Note { begun: &self.0[at], acknowledged: &self.0[at + 1] }
    }

    fn is_done(&self) -> bool {
        self.commits().load(SeqCst) >= self.target().load(SeqCst)
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

fn name(key: u64) -> String {
    format!("key:{key}")
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match &arguments[..] {
        [role, dir, board, writer, seed] if role == "--writer" => write(dir, board, writer, seed),
        [option, commits] if option == "--commits" => {
            commits.parse().map_err(Failure::from).and_then(campaign)
        }
        [] => campaign(1_000_000),
        _ => Err("usage: coherence [--commits N]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("coherence: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// In a writing process: commits until there were enough, or it is killed.
fn write(dir: &str, board: &str, writer: &str, seed: &str) -> Result<(), Failure> {
    let board = Board::open(Path::new(board))?;
    let (writer, mut dice) = (writer.parse::<u64>()?, Dice(seed.parse()?));
    let mut stash = LiteStash::open(dir)?;
    for round in 1u64.. {
        if board.is_done() {
            break;
        }
        let key = writer * KEYS_EACH + dice.below(KEYS_EACH);
        let note = board.note(key);
        // What was begun by a process that was killed may be there or not; its number is not used again.
        let number = note.begun.fetch_add(1, SeqCst) + 1;
        if number % DELETES == 0 {
            stash.delete(name(key))?;
        } else {
            stash.set(name(key), &number)?;
        }
        note.acknowledged.store(number, SeqCst);
        board.commits().fetch_add(1, SeqCst);
        if round % 5_000 == 2_500 {
            stash.compact()?;
        } else if round % 5_000 == 0 {
            stash.close()?;
            stash = LiteStash::open(dir)?;
        }
    }
    Ok(stash.close()?)
}

/// A reading thread.
struct Reader<'a> {
    board: &'a Board,
    warm: &'a LiteStash,
    cold: &'a LiteStash,
    reads: u64,
    own_writes: u64,
    stale: Vec<String>,
}

impl Reader<'_> {
    fn run(mut self, reader: u64, stopped: &AtomicBool) -> Result<Self, Failure> {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ reader << 32);
        while !stopped.load(SeqCst) {
            let key = dice.below(WRITERS * KEYS_EACH);
            for _ in 0..BURST {
                self.read(self.warm, "with a cache", key)?;
            }
            match dice.below(128) {
                0..16 => self.read(self.cold, "without a cache", key)?,
                16..19 => self.write_and_read(&format!("own:{reader}:{}", key % 8), dice.below(2) == 0)?,
                _ => {}
            }
        }
        Ok(self)
    }

    fn read(&mut self, stash: &LiteStash, handle: &str, key: u64) -> Result<(), Failure> {
        let note = self.board.note(key);
        let least = note.acknowledged.load(SeqCst);
        let found = stash.get_as::<u64>(name(key))?;
        let most = note.begun.load(SeqCst);
        let fresh = match found {
            Some(number) => (least..=most).contains(&number),
            // Nothing was ever written, or a delete is among what may be the newest.
            None => most / DELETES * DELETES >= least,
        };
        self.reads += 1;
        if !fresh {
            self.stale.push(format!("{handle}: key {key} was {found:?}, acknowledged was {least} of {most}"));
        }
        Ok(())
    }

    /// A key that nobody else writes: what was written is there, in between the commits of others.
    fn write_and_read(&mut self, key: &str, deletes: bool) -> Result<(), Failure> {
        self.own_writes += 1;
        let number = self.own_writes;
        let expected = if deletes {
            self.warm.delete(key)?;
            None
        } else {
            self.warm.set(key, &number)?;
            Some(number)
        };
        for stash in [self.warm, self.cold, self.warm] {
            let found = stash.get_as::<u64>(key)?;
            self.reads += 1;
            if found != expected {
                self.stale.push(format!("{key} was {found:?}, this thread had made it {expected:?}"));
            }
        }
        Ok(())
    }
}

fn start_writer(dir: &Path, board: &Path, writer: u64, seed: u64) -> Result<Child, Failure> {
    let program = std::env::current_exe()?;
    let arguments = [writer.to_string(), seed.to_string()];
    Ok(Command::new(program).arg("--writer").args([dir, board]).args(arguments).spawn()?)
}

/// Keeps the writers at work until there were enough commits. Returns how many were killed.
fn drive(dir: &Path, board_path: &Path, board: &Board) -> Result<u64, Failure> {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut writers: [Option<Child>; WRITERS as usize] = [None, None];
    let (mut kills, mut seen, mut since) = (0, 0, Instant::now());
    while !board.is_done() {
        let commits = board.commits().load(SeqCst);
        if commits > seen {
            (seen, since) = (commits, Instant::now());
        } else if since.elapsed() > PATIENCE {
            return Err(format!("nothing was committed for {PATIENCE:?}").into());
        }
        for (number, slot) in writers.iter_mut().enumerate() {
            match slot {
                Some(child) => {
                    if let Some(status) = child.try_wait()?
                        && !(board.is_done() && status.success())
                    {
                        return Err(format!("a writer ended by itself: {status}").into());
                    }
                }
                // The second writer pauses as long as it works.
                None if number == 0 || dice.below(2) == 0 => {
                    *slot = Some(start_writer(dir, board_path, number as u64, 1 + dice.below(1 << 40))?);
                }
                None => {}
            }
        }
        std::thread::sleep(Duration::from_micros(100_000 + dice.below(400_000)));
        let slot = &mut writers[dice.below(WRITERS) as usize];
        if let Some(child) = slot.as_mut().filter(|_| !board.is_done()) {
            child.kill()?;
            child.wait()?;
            kills += 1;
            *slot = None;
        }
    }
    for child in writers.iter_mut().flatten() {
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("a writer failed: {status}").into());
        }
    }
    Ok(kills)
}

fn campaign(commits: u64) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let (stash_path, board_path): (PathBuf, PathBuf) = (dir.path().join("stash"), dir.path().join("board"));
    let board = Board::open(&board_path)?;
    board.target().store(commits, SeqCst);
    let warm = LiteStash::open(&stash_path)?;
    let cold = Options::new().cache_bytes(0).open(&stash_path)?;
    let stopped = AtomicBool::new(false);
    let (kills, readers) = std::thread::scope(|scope| {
        let reader =
            || Reader { board: &board, warm: &warm, cold: &cold, reads: 0, own_writes: 0, stale: Vec::new() };
        let threads: Vec<_> = (1..=READERS)
            .map(|number| {
                let (reader, stopped) = (reader(), &stopped);
                scope.spawn(move || reader.run(number, stopped))
            })
            .collect();
        let kills = drive(&stash_path, &board_path, &board);
        stopped.store(true, SeqCst);
        let readers: Result<Vec<_>, Failure> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a reader panicked".into())))
            .collect();
        Ok::<_, Failure>((kills?, readers?))
    })?;
    // Nobody writes any more: both handles see the last state.
    let mut last =
        Reader { board: &board, warm: &warm, cold: &cold, reads: 0, own_writes: 0, stale: Vec::new() };
    for key in 0..WRITERS * KEYS_EACH {
        for _ in 0..2 {
            last.read(&warm, "with a cache, at the end", key)?;
            last.read(&cold, "without a cache, at the end", key)?;
        }
        if warm.get(name(key))? != cold.get(name(key))? {
            last.stale.push(format!("key {key} differs between the handles"));
        }
    }
    let cache = warm.stats()?.cache;
    let readers: Vec<_> = readers.into_iter().chain([last]).collect();
    let (reads, own): (u64, u64) =
        readers.iter().fold((0, 0), |sum, reader| (sum.0 + reader.reads, sum.1 + reader.own_writes));
    let stale: Vec<_> = readers.iter().flat_map(|reader| &reader.stale).collect();
    let share = cache.hits as f64 / (cache.hits + cache.misses).max(1) as f64;
    println!(
        "coherence: {} commits of others and {own} own, {kills} kills, {reads} reads, {} cache hits ({:.0} %), \
         {} stale reads",
        board.commits().load(SeqCst),
        cache.hits,
        share * 100.0,
        stale.len()
    );
    if let Some(first) = stale.first() {
        return Err(format!("stale reads, the first: {first}").into());
    }
    if !warm.verify()?.is_sound() {
        return Err("verify found damage".into());
    }
    if share < HITS_LEAST {
        return Err(format!("too few reads were answered from memory: {:.0} %", share * 100.0).into());
    }
    Ok(())
}
