//! Readers keep rows in memory and their read transactions open while nobody commits; they must never miss a
//! commit for it, whoever commits and whatever becomes of the log. What one process sees of itself is in
//! `cache`.

use crate::support::{CACHES, Dice, again, keys_of_one_shard, stash};
use litestash_core::{Deadline, LiteStash, Options};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn a_commit_through_another_handle_is_seen_at_once() {
    let (dir, writer) = stash();
    let mut reader = LiteStash::open(dir.path()).unwrap();
    for round in 0..20_000u32 {
        writer.set("user:1001", &round).unwrap();
        // One to four reads: plain, the one that begins a transaction, and those that use it.
        for _ in 0..1 + round % 4 {
            assert_eq!(reader.get_as("user:1001").unwrap(), Some(round));
        }
        match round % 2_000 {
            500 => drop(writer.compact().unwrap()),
            1_000 => {
                reader.close().unwrap();
                reader = LiteStash::open(dir.path()).unwrap();
            }
            1_500 => std::thread::sleep(Duration::from_millis(20)),
            _ => {}
        }
    }
}

#[test]
fn a_commit_of_another_process_is_seen_once_it_is_acknowledged() {
    const ROLE: &str = "LITESTASH_TEST_COHERENCE";
    const ROUNDS: u32 = 20_000;
    if let Ok(dir) = std::env::var(ROLE) {
        let stash = LiteStash::open(dir).unwrap();
        let mut out = std::io::stdout().lock();
        for round in 0..ROUNDS {
            stash.set("user:1001", &round).unwrap();
            writeln!(out, "acknowledged {round}").unwrap();
            out.flush().unwrap();
            if round % 5_000 == 4_999 {
                stash.compact().unwrap();
            }
        }
        return;
    }
    let (dir, reader) = stash();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "coherence::a_commit_of_another_process_is_seen_once_it_is_acknowledged",
            "--nocapture",
        ])
        .env(ROLE, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The test runner's own lines stand between.
        let Some(round) =
            line.unwrap().rsplit_once("acknowledged ").and_then(|(_, round)| round.parse::<u32>().ok())
        else {
            continue;
        };
        heard += 1;
        for _ in 0..3 {
            let seen = reader.get_as::<u32>("user:1001").unwrap();
            assert!(seen >= Some(round), "{seen:?} after {round} was acknowledged");
        }
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(heard, ROUNDS);
}

#[test]
fn hot_readers_do_not_keep_the_log_from_being_started_anew() {
    const WRITES: u64 = 40_000;
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(50);
    stash.set_many(keys.iter().map(|key| (key, vec![0u8; 1000]))).unwrap();
    let done = AtomicBool::new(false);
    let log = dir.path().join("shard-7.db-wal");
    let largest = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for key in &keys {
                        stash.get_encoded(key).unwrap().unwrap();
                    }
                    // Readers that never pause hold up any SQLite; a kept transaction must
                    // not turn pauses into none.
                    std::thread::sleep(Duration::from_micros(500));
                }
            });
        }
        let mut largest = 0;
        for written in 0..WRITES {
            stash.set(&keys[written as usize % keys.len()], &vec![written as u8; 1000]).unwrap();
            largest = largest.max(log.metadata().unwrap().len());
        }
        done.store(true, Ordering::Relaxed);
        // Each write is a frame or more; without new starts the log would hold all of them.
        assert!(WRITES * 4096 > 3 * largest, "{WRITES} writes, a log of {largest} bytes");
        largest
    });
    assert!(largest < 40 << 20, "{largest}");
}

#[test]
fn an_idle_reader_lets_others_empty_the_log() {
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(10);
    stash.set_many(keys.iter().map(|key| (key, 0))).unwrap();
    for _ in 0..10 {
        stash.get(&keys[0]).unwrap();
    }
    let other = LiteStash::open(dir.path()).unwrap();
    other.set(&keys[1], &1).unwrap();
    let log = dir.path().join("shard-7.db-wal");
    assert!(log.metadata().unwrap().len() > 0);
    assert_eq!(other.compact().unwrap().shards_busy, 0);
    assert_eq!(log.metadata().unwrap().len(), 0);
    assert_eq!(stash.get_as(&keys[1]).unwrap(), Some(1));
}

const OTHER: &str = "LITESTASH_TEST_OTHER_PROCESS";

/// A process that does to the same directory what it is told, and says when it is done.
struct Other {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(test: &str, dir: &Path) -> Self {
        let mut child = again(test, OTHER, dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, orders, answers: BufReader::new(answers).lines() }
    }

    /// The next thing it says about its work. The test runner's own lines stand between.
    fn answer(&mut self) -> u64 {
        loop {
            let line = self.answers.next().unwrap().unwrap();
            if let Some((_, number)) = line.rsplit_once("acknowledged ") {
                return number.parse().unwrap();
            }
        }
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    fn does(&mut self, order: &str) {
        self.order(order);
        self.answer();
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// In the child: follows orders until there are no more. Returns whether this is the child.
    fn serve_if_child() -> bool {
        let Ok(dir) = std::env::var(OTHER) else { return false };
        let mut stash = LiteStash::open(&dir).unwrap();
        let acknowledge = |number: u64| {
            let mut out = std::io::stdout().lock();
            out.write_all(format!("acknowledged {number}\n").as_bytes()).unwrap();
            out.flush().unwrap();
        };
        for order in std::io::stdin().lines() {
            let order = order.unwrap();
            let words: Vec<&str> = order.split(' ').collect();
            match words[..] {
                ["set", key, value] => {
                    stash.set(key, &value.parse::<u64>().unwrap()).unwrap();
                }
                ["set_many", one, two, value] => {
                    let value: u64 = value.parse().unwrap();
                    stash.set_many([(one, value), (two, value)]).unwrap();
                }
                ["delete", key] => assert!(stash.delete(key).is_ok()),
                ["expire", key] => assert!(stash.expire(key, Deadline::At(1)).is_ok()),
                ["clear"] => stash.clear().unwrap(),
                // The log emptied to nothing, and started anew by the next commit.
                ["compact"] => drop(stash.compact().unwrap()),
                ["reopen"] => {
                    stash.close().unwrap();
                    stash = LiteStash::open(&dir).unwrap();
                }
                ["fill", key, bytes] => {
                    stash.set(key, &"x".repeat(bytes.parse().unwrap())).unwrap();
                }
                ["storm", key, from] => {
                    for number in from.parse().unwrap().. {
                        stash.set(key, &number).unwrap();
                        acknowledge(number);
                    }
                }
                _ => panic!("{order}"),
            }
            acknowledge(0);
        }
        true
    }
}

/// Everything another process can do, one thing after the other; after each, what it was told is there.
#[test]
fn whatever_another_process_did_is_seen_once_it_said_so() {
    if Other::serve_if_child() {
        return;
    }
    const ROUNDS: u64 = 1500;
    let (dir, warm) = stash();
    let mut other =
        Other::start("coherence::whatever_another_process_did_is_seen_once_it_said_so", dir.path());
    let keys = keys_of_one_shard(5);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    let before = warm.stats().unwrap().cache;
    for round in 0..ROUNDS {
        let key = keys[dice.below(5) as usize].as_str();
        let second = keys[dice.below(5) as usize].as_str();
        match dice.below(24) {
            0..8 => {
                other.does(&format!("set {key} {round}"));
                expected.insert(key, round);
            }
            8..13 => {
                other.does(&format!("delete {key}"));
                expected.remove(key);
            }
            13 | 14 => {
                other.does(&format!("set_many {key} {second} {round}"));
                expected.extend([(key, round), (second, round)]);
            }
            15 => {
                other.does(&format!("expire {key}"));
                expected.remove(key);
            }
            16 => {
                other.does("clear");
                expected.clear();
            }
            17 => other.does("compact"),
            18 => other.does("reopen"),
            19 => other.does("fill filler 300000"),
            // Between them this process writes too, also right before the other does.
            20..22 => {
                warm.set(key, &round).unwrap();
                expected.insert(key, round);
            }
            22 => {
                warm.set(key, &round).unwrap();
                other.does(&format!("set {second} {round}"));
                expected.extend([(key, round), (second, round)]);
            }
            _ => drop(warm.compact().unwrap()),
        }
        for _ in 0..3 {
            for key in &keys {
                let value = expected.get(key.as_str()).copied();
                assert_eq!(warm.get_as::<u64>(key).unwrap(), value, "{key} in round {round}");
            }
        }
    }
    drop(other.orders);
    assert!(other.child.wait().unwrap().success());
    let after = warm.stats().unwrap().cache;
    assert!(!CACHES || after.hits - before.hits > ROUNDS * 8, "{before:?} {after:?}");
    assert!(after.misses - before.misses > ROUNDS / 2, "{after:?}");
}

/// kill -9 in the middle of commits; then this process or the next one recovers the log.
#[test]
fn after_a_kill_nothing_acknowledged_is_taken_back() {
    const TEST: &str = "coherence::after_a_kill_nothing_acknowledged_is_taken_back";
    if Other::serve_if_child() {
        return;
    }
    let (dir, warm) = stash();
    let cold = Options::new().cache_bytes(0).open(dir.path()).unwrap();
    let keys = keys_of_one_shard(2);
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let (mut newest, mut acknowledgements) = (0, 0);
    let before = warm.stats().unwrap().cache;
    for cycle in 0..25u64 {
        let mut other = Other::start(TEST, dir.path());
        other.order(&format!("storm {} {}", keys[0], newest + 1));
        let until = newest + 20 + dice.below(400);
        while newest < until {
            newest = other.answer();
            acknowledgements += 1;
            for _ in 0..3 {
                let seen = warm.get_as::<u64>(&keys[0]).unwrap();
                assert!(seen >= Some(newest), "{seen:?} after {newest} was acknowledged");
            }
        }
        other.kill();
        let committed = warm.get_as::<u64>(&keys[0]).unwrap();
        assert!(committed >= Some(newest), "{committed:?} after {newest} was acknowledged");
        assert_eq!(cold.get_as::<u64>(&keys[0]).unwrap(), committed);
        newest = committed.unwrap();
        if cycle % 3 == 0 {
            // The next commit is by a process that has seen nothing of the old log.
            let mut next = Other::start(TEST, dir.path());
            next.does(&format!("set {} {}", keys[0], newest + 1));
            assert_eq!(warm.get_as(&keys[0]).unwrap(), Some(newest + 1));
            next.does("compact");
            next.does(&format!("delete {}", keys[0]));
            assert_eq!((warm.get(&keys[0]).unwrap(), warm.get(&keys[0]).unwrap()), (None, None));
            newest += 1;
            next.kill();
        } else if cycle % 3 == 1 {
            warm.set(&keys[1], &cycle).unwrap();
            assert_eq!(cold.get_as(&keys[1]).unwrap(), Some(cycle));
            assert_eq!(warm.get_as(&keys[0]).unwrap(), Some(newest));
        }
    }
    let after = warm.stats().unwrap().cache;
    assert!(!CACHES || after.hits - before.hits > acknowledgements / 4, "{before:?} {after:?}");
    assert!(warm.verify().unwrap().is_sound());
}

/// A handle that only reads, while the stash is closed by its last writer and opened by the next, each of
/// which makes a log of its own.
#[test]
fn a_read_only_handle_follows_one_log_after_the_other() {
    let (dir, writer) = stash();
    let key = &keys_of_one_shard(1)[0];
    writer.set(key, &0).unwrap();
    writer.close().unwrap();
    let warm = Options::new().read_only(true).open(dir.path()).unwrap();
    for round in 1..60 {
        let writer = LiteStash::open(dir.path()).unwrap();
        for number in 0..4 {
            writer.set(key, &(round * 10 + number)).unwrap();
            for _ in 0..3 {
                assert_eq!(warm.get_as(key).unwrap(), Some(round * 10 + number));
            }
        }
        if round % 5 == 0 {
            writer.delete(key).unwrap();
            assert_eq!((warm.get(key).unwrap(), warm.get(key).unwrap()), (None, None));
        }
        writer.close().unwrap();
        let left = (round % 5 != 0).then_some(round * 10 + 3);
        assert_eq!((warm.get_as(key).unwrap(), warm.get_as(key).unwrap()), (left, left));
    }
    let figures = warm.stats().unwrap().cache;
    assert!(!CACHES || figures.hits > 100, "{figures:?}");
}
