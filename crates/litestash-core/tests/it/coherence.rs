//! Readers keep their read transactions open while nobody commits; they must never miss a commit for it.

use crate::support::stash;
use litestash_core::LiteStash;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Keys of one shard: they share its write-ahead log.
fn keys_of_one_shard(count: usize) -> Vec<String> {
    use litestash_core::contract::{hash::KeyHash, key::KeyRef, route::Route};
    let shard = |key: &str| Route::of(&KeyHash::of(KeyRef::Text(key))).shard.number();
    (0..).map(|n| format!("key:{n}")).filter(|key| shard(key) == 7).take(count).collect()
}

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
