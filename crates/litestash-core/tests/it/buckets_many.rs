//! Many buckets: few threads, few descriptors, and shards that are closed when nobody uses them.
#![cfg(target_os = "linux")]

use crate::support::keys_of_one_shard;
use litestash_core::{LiteStash, Options};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROLE: &str = "LITESTASH_TEST_BUCKETS";
const BUCKETS: u64 = 2000;

/// Runs the test of that name in a process of its own with so few descriptors; true in that process.
fn is_child(test: &str, descriptors: u64) -> bool {
    if std::env::var_os(ROLE).is_some() {
        let limit = rustix::process::Rlimit { current: Some(descriptors), maximum: Some(descriptors) };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
        return true;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("buckets_many::{test}"), "--nocapture"])
        .env(ROLE, "")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{text}");
    println!("{text}");
    false
}

fn engine_threads() -> usize {
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|_| true)
        .filter_map(|task| name(task).ok())
        .filter(|name| name.starts_with("litestash"))
        .count()
}

/// Descriptors of files below that directory.
fn descriptors(of: &std::path::Path) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    entries.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|file| file.starts_with(of))).count()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(feature = "testing")]
fn rest_soon() {
    litestash_core::testing::REST_MS.store(50, Ordering::Relaxed);
}

#[cfg(not(feature = "testing"))]
fn rest_soon() {}

#[test]
fn two_thousand_buckets_with_few_descriptors_and_threads() {
    const LIMIT: u64 = 200;
    if !is_child("two_thousand_buckets_with_few_descriptors_and_threads", LIMIT) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let stash = LiteStash::open(&path).unwrap();
    let before = resident_bytes();
    let handles: Vec<_> = (0..BUCKETS).map(|n| stash.bucket(&format!("bucket {n}")).unwrap()).collect();
    println!("bytes for each handle never used: {}", (resident_bytes() - before) / BUCKETS);
    for (n, bucket) in handles.iter().enumerate() {
        bucket.set("number", &n).unwrap();
        assert_eq!(bucket.get_as("number").unwrap(), Some(n));
    }
    assert!(descriptors(&path) <= LIMIT as usize / 2 + 20, "{}", descriptors(&path));
    assert!(engine_threads() <= 4, "{}", engine_threads());
    println!("bytes for each handle used once: {}", (resident_bytes() - before) / BUCKETS);
    // All at once from several threads, and without handles that stay.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let stash = &stash;
            scope.spawn(move || {
                for n in (thread..BUCKETS).step_by(4) {
                    let bucket = stash.bucket(&format!("bucket {n}")).unwrap();
                    assert_eq!(bucket.get_as("number").unwrap(), Some(n));
                    if n % 8 == thread {
                        bucket.set("number", &(n + 1)).unwrap();
                    }
                }
            });
        }
    });
    drop(handles);
    assert_eq!(stash.buckets().unwrap().len() as u64, BUCKETS);
    for n in 0..BUCKETS {
        let expected = if n % 8 == n % 4 { n + 1 } else { n };
        let bucket = stash.bucket(&format!("bucket {n}")).unwrap();
        assert_eq!(bucket.get_as("number").unwrap(), Some(expected));
    }
    assert!(engine_threads() <= 4);
    stash.close().unwrap();
    assert_eq!((descriptors(&path), engine_threads()), (0, 0));
}

#[test]
fn what_nobody_uses_is_closed_and_opened_again() {
    rest_soon();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let stash = LiteStash::open(&path).unwrap();
    let bucket = stash.bucket("b").unwrap();
    for round in 0..3 {
        stash.set("key", &round).unwrap();
        bucket.set("key", &round).unwrap();
        assert!(stash.exists("key").unwrap() && bucket.exists("other").is_ok());
        wait_until("everything is closed", || descriptors(&path) == 0);
        let logs = |dir: &std::path::Path| {
            std::fs::read_dir(dir)
                .unwrap()
                .flatten()
                .filter(|file| file.path().to_string_lossy().ends_with("-wal"))
                .count()
        };
        assert_eq!((logs(&path), logs(&path.join("buckets/b"))), (0, 0));
        // Somebody else writes meanwhile: nothing old is kept over a rest.
        let elsewhere = LiteStash::open(&path).unwrap();
        elsewhere.set("key", &(round + 10)).unwrap();
        elsewhere.bucket("b").unwrap().set("key", &(round + 10)).unwrap();
        elsewhere.close().unwrap();
        assert_eq!(stash.get_as("key").unwrap(), Some(round + 10));
        assert_eq!(bucket.get_as("key").unwrap(), Some(round + 10));
    }
}

#[test]
fn closing_what_is_not_used_disturbs_nobody() {
    rest_soon();
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().cache_bytes(64 << 10).open(dir.path()).unwrap();
    let keys = keys_of_one_shard(4);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let (stash, keys, stop) = (&stash, &keys, &stop);
            scope.spawn(move || {
                let mut counts = [0u64; 4];
                for round in 0.. {
                    let bucket = stash.bucket(&(round % 4).to_string()).unwrap();
                    counts[round % 4] += 1;
                    assert_eq!(
                        bucket.increment(&keys[thread], 1).unwrap() as u64,
                        counts[round % 4],
                        "nothing is lost"
                    );
                    assert_eq!(bucket.get_as(&keys[thread]).unwrap(), Some(counts[round % 4]));
                    assert!(bucket.len().unwrap() >= 1);
                    if round % 16 == 15 {
                        // Long enough for some to be closed, while others are used.
                        std::thread::sleep(Duration::from_millis(30 * (thread as u64 + 1)));
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_secs(4));
        stop.store(true, Ordering::Relaxed);
    });
    assert!(stash.bucket("0").unwrap().verify().unwrap().is_sound());
}
