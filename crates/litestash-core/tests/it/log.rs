//! How large a shard's write-ahead log becomes, and what is left of it when nobody writes any more.

use crate::support::{again, frames, keys_of_one_shard, stash, wait_until};
use litestash_core::{LiteStash, ScanOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The worker comes by twice a second; a busy machine may take its time.
const TIDIED_WITHIN: Duration = Duration::from_secs(10);

/// An idle log of that size is cut off.
const LONG_LOG_BYTES: u64 = 8 << 20;

fn log_of(dir: &Path) -> PathBuf {
    dir.join("shard-7.db-wal")
}

fn bytes(log: &Path) -> u64 {
    log.metadata().unwrap().len()
}

#[test]
fn slow_readers_here_and_elsewhere_do_not_let_the_log_grow() {
    const TEST: &str = "log::slow_readers_here_and_elsewhere_do_not_let_the_log_grow";
    const ROLE: &str = "LITESTASH_TEST_SLOW_READER";
    const WRITES: usize = 40_000;
    if let Ok(dir) = std::env::var(ROLE) {
        // Reads on and on, until its input ends.
        let stash = LiteStash::open(dir).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
                done.store(true, Ordering::SeqCst);
            });
            read_slowly(&stash, &done);
        });
        return;
    }
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(1000);
    stash.set_many(keys.iter().map(|key| (key, vec![0u8; 500]))).unwrap();
    let mut child =
        again(TEST, ROLE, dir.path()).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let (done, log) = (AtomicBool::new(false), log_of(dir.path()));
    let largest = std::thread::scope(|scope| {
        scope.spawn(|| read_slowly(&stash, &done));
        // An iterator that is begun and not gone on with is no reader.
        let mut held = stash.items(ScanOptions::default());
        held.next().unwrap().unwrap();
        let mut largest = 0;
        for written in 0..WRITES {
            stash.set(&keys[written * 7 % keys.len()], &vec![written as u8; 500]).unwrap();
            largest = largest.max(bytes(&log));
        }
        assert!(held.count() > 500);
        done.store(true, Ordering::SeqCst);
        largest
    });
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!((WRITES * 4096) as u64 > 3 * largest, "{WRITES} writes, a log of {largest} bytes");
    wait_until("the log is tidied", TIDIED_WITHIN, || bytes(&log) < LONG_LOG_BYTES);
    assert_eq!(stash.len().unwrap(), keys.len() as u64);
}

/// A scan with pauses, and single reads between.
fn read_slowly(stash: &LiteStash, done: &AtomicBool) {
    while !done.load(Ordering::SeqCst) {
        for item in stash.items(ScanOptions::default()) {
            let (key, _) = item.unwrap();
            stash.get_encoded(&key).unwrap().unwrap();
            std::thread::sleep(Duration::from_micros(300));
            if done.load(Ordering::SeqCst) {
                break;
            }
        }
    }
}

/// Also if it was started anew since, and holds little of its length.
#[test]
fn a_log_that_had_to_grow_is_cut_off_when_it_is_idle() {
    for started_anew in [false, true] {
        let (dir, stash) = stash();
        let keys = keys_of_one_shard(20);
        stash.set(&keys[0], &0).unwrap();
        let log = log_of(dir.path());
        // A transaction of SQLite's own that stays open, as nothing in the engine does.
        let holder = rusqlite::Connection::open(dir.path().join("shard-7.db")).unwrap();
        holder.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").unwrap();
        for n in 0..3000 {
            stash.set(&keys[n % keys.len()], &vec![n as u8; 3000]).unwrap();
        }
        let grown = bytes(&log);
        assert!(grown > LONG_LOG_BYTES, "{grown}");
        holder.execute_batch("COMMIT").unwrap();
        if started_anew {
            let mut writes = 0;
            while frames(&holder) > 500 || bytes(&log) < grown {
                writes += 1;
                assert!(writes < 100_000, "the log is not started anew");
                stash.set(&keys[0], &writes).unwrap();
            }
        }
        drop(holder);
        wait_until("the log is cut off", TIDIED_WITHIN, || bytes(&log) < LONG_LOG_BYTES);
        assert_eq!(stash.get_as(&keys[19]).unwrap(), Some(vec![2999u32 as u8; 3000]));
        stash.close().unwrap();
        assert!(!log.exists());
    }
}
