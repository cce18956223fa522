//! Dropping buckets that other threads and processes use, and being killed at it.

use litestash_core::{ErrorKind, LiteStash, Op, SetOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "LITESTASH_TEST_DROPS";

fn child(test: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("bucket_drops::{test}")])
        .env(ROLE, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn role() -> Option<LiteStash> {
    std::env::var_os(ROLE).map(|dir| LiteStash::open(dir).unwrap())
}

/// Drops that have begun and that have ended, told by rows of the stash itself.
const BEGUN: &str = "begun";
const ENDED: &str = "ended";

/// A row that a writer makes once it has written and read without a drop in between.
fn undisturbed_by(writer: u64) -> String {
    format!("undisturbed:{writer}")
}

fn count(stash: &LiteStash, of: &str) -> u64 {
    stash.get_as(of).unwrap().unwrap_or(0)
}

/// Writes and reads the bucket until told to stop. What is written and read between two drops must be there.
fn write_among_drops(stash: &LiteStash, writer: u64) -> u64 {
    let bucket = stash.bucket("b").unwrap();
    let mut undisturbed = 0;
    for n in 0.. {
        if stash.exists("stop").unwrap() {
            return undisturbed;
        }
        let key = format!("{writer}:{}", n % 50);
        let ended = count(stash, ENDED);
        bucket.set(&key, &n).unwrap();
        let found: Option<u64> = bucket.get_as(&key).unwrap();
        bucket.get(format!("{}:{}", 1 - writer, n % 50)).unwrap();
        let rows = bucket.len().unwrap();
        if count(stash, BEGUN) == ended {
            assert_eq!(found, Some(n), "no drop began since the last one had ended");
            assert!((1..=100).contains(&rows));
            undisturbed += 1;
            if undisturbed == 1 {
                stash.set(undisturbed_by(writer), &true).unwrap();
            }
        } else {
            assert!(found.is_none() || found == Some(n));
        }
    }
    undisturbed
}

#[test]
fn nothing_written_after_a_drop_is_lost() {
    if let Some(stash) = role() {
        assert!(write_among_drops(&stash, 1) > 0);
        stash.close().unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    let mut child = child("nothing_written_after_a_drop_is_lost", dir.path());
    let mut drops = 0;
    std::thread::scope(|scope| {
        let own = LiteStash::open(dir.path()).unwrap();
        let writer = scope.spawn(move || write_among_drops(&own, 0));
        let since = Instant::now();
        let was_undisturbed = || (0..2).all(|writer| stash.exists(undisturbed_by(writer)).unwrap());
        // On a machine with much else to do it takes longer until there were drops enough, and the pauses have to be
        // longer until both have had their moment.
        let is_late = || since.elapsed() >= Duration::from_secs(5);
        while !is_late() || (drops <= 20 || !was_undisturbed()) && since.elapsed() < Duration::from_secs(90) {
            let waits = Duration::from_millis(if is_late() && !was_undisturbed() { 300 } else { 0 });
            stash.increment(BEGUN, 1).unwrap();
            drops += u64::from(stash.drop_bucket("b").unwrap());
            stash.set(ENDED, &count(&stash, BEGUN)).unwrap();
            std::thread::sleep(Duration::from_millis(drops % 20) + waits);
        }
        stash.set("stop", &true).unwrap();
        assert!(writer.join().unwrap() > 0);
    });
    assert!(child.wait().unwrap().success());
    println!("{drops} drops");
    assert!(drops > 20, "{drops}");
    let bucket = stash.bucket("b").unwrap();
    assert!(bucket.verify().unwrap().is_sound() && stash.verify().unwrap().is_sound());
    // The newest rows of both writers are the same for everybody.
    let fresh = LiteStash::open(dir.path()).unwrap();
    for n in 0..50 {
        for writer in 0..2 {
            let key = format!("{writer}:{n}");
            assert_eq!(bucket.get(&key).unwrap(), fresh.bucket("b").unwrap().get(&key).unwrap(), "{key}");
        }
    }
    drop(fresh);
    stash.drop_bucket("b").unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("buckets")).unwrap().count(), 0);
}

#[test]
fn two_who_drop_the_same_bucket_are_not_in_each_others_way() {
    let dir = tempfile::tempdir().unwrap();
    let stashes = [(); 3].map(|()| LiteStash::open(dir.path()).unwrap());
    std::thread::scope(|scope| {
        for (number, stash) in stashes.iter().enumerate() {
            scope.spawn(move || {
                let bucket = stash.bucket("b").unwrap();
                for n in 0..60 {
                    bucket.set(n, &number).unwrap();
                    stash.drop_bucket("b").unwrap();
                }
            });
        }
    });
    assert!(stashes[0].buckets().unwrap().is_empty());
    assert_eq!(stashes[1].bucket("b").unwrap().len().unwrap(), 0);
}

const ROWS: u64 = 40;

#[test]
fn a_process_killed_at_a_drop_leaves_the_bucket_or_nothing() {
    if let Some(stash) = role() {
        stash.bucket("b").unwrap().set_many((0..ROWS).map(|n| (n, n))).unwrap();
        stash.set("dropping", &true).unwrap();
        stash.drop_bucket("b").unwrap();
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Stays open over all of it, as another process would.
    let watching = LiteStash::open(dir.path()).unwrap();
    let watched = watching.bucket("b").unwrap();
    let (mut whole, mut gone) = (0, 0);
    for round in 0..24u64 {
        let mut child = child("a_process_killed_at_a_drop_leaves_the_bucket_or_nothing", dir.path());
        while !watching.exists("dropping").unwrap() {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_micros(round * 500));
        child.kill().unwrap();
        child.wait().unwrap();
        let rows = if round % 2 == 0 {
            watched.len().unwrap()
        } else {
            LiteStash::open(dir.path()).unwrap().bucket("b").unwrap().len().unwrap()
        };
        assert!(rows == 0 || rows == ROWS, "{rows} rows in round {round}");
        if rows == 0 {
            gone += 1;
        } else {
            whole += 1;
        }
        assert_eq!(watched.len().unwrap(), rows);
        assert_eq!(watching.buckets().unwrap() == ["b"], rows > 0);
        watched.set("after", &round).unwrap();
        assert_eq!(watched.get_as("after").unwrap(), Some(round));
        assert!(watched.verify().unwrap().is_sound());
        watching.drop_bucket("b").unwrap();
        assert_eq!(watched.get("after").unwrap(), None);
        let left: Vec<_> = std::fs::read_dir(dir.path().join("buckets")).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        watching.delete("dropping").unwrap();
    }
    println!("killed at a drop: {whole} left whole, {gone} gone");
}

/// What a process leaves that dies between two of its commits, or before the directory is renamed.
#[test]
fn a_drop_half_done_is_finished_by_whoever_finds_it() {
    for marked in [1, 2, 16] {
        for by_writing in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let stash = LiteStash::open(dir.path()).unwrap();
            stash.bucket("b").unwrap().set_many((0..100).map(|n| (n, n))).unwrap();
            stash.close().unwrap();
            for shard in 0..marked {
                let file = dir.path().join(format!("buckets/b/shard-{shard:x}.db"));
                let connection = rusqlite::Connection::open(file).unwrap();
                connection.execute_batch("DELETE FROM slot_0; DELETE FROM slot_1").unwrap();
                connection.execute("INSERT INTO meta (name, value) VALUES ('dropped', 1)", []).unwrap();
            }
            let read_only = litestash_core::Options::new().read_only(true).open(dir.path()).unwrap();
            let stash = LiteStash::open(dir.path()).unwrap();
            let bucket = stash.bucket("b").unwrap();
            if by_writing {
                // A key of a marked shard.
                let key = crate::support::keys_of_shard(0, 1).remove(0);
                bucket.set(&key, &1).unwrap();
                assert_eq!(bucket.len().unwrap(), 1);
                assert_eq!(read_only.bucket("b").unwrap().get_as(&key).unwrap(), Some(1));
            } else {
                assert_eq!(bucket.len().unwrap(), 0);
                assert!(stash.buckets().unwrap().is_empty());
            }
        }
    }
}

#[test]
fn a_root_with_the_mark_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    let key = crate::support::keys_of_shard(0, 1).remove(0);
    stash.set(&key, &1).unwrap();
    let connection = rusqlite::Connection::open(dir.path().join("shard-0.db")).unwrap();
    connection.execute("INSERT INTO meta (name, value) VALUES ('dropped', 1)", []).unwrap();
    crate::support::check_kind(stash.set(&key, &2), ErrorKind::NotAStash);
}

#[test]
fn a_read_does_not_bring_back_a_bucket_in_which_there_were_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    let bucket = stash.bucket("b").unwrap();
    let sets: Vec<_> = (0..40).map(|key| Op::set(key, &key, SetOptions::default()).unwrap()).collect();
    for round in 0..3 {
        bucket.transaction(&sets).unwrap();
        assert!(stash.drop_bucket("b").unwrap(), "{round}");
        for key in 0..40 {
            assert_eq!(bucket.get(key).unwrap(), None);
            assert!(!bucket.exists(key).unwrap());
        }
        assert_eq!(bucket.get_many(0..40).unwrap(), vec![None; 40]);
        assert!(bucket.is_empty().unwrap());
        assert_eq!(stash.buckets().unwrap(), [""; 0]);
        assert!(!stash.drop_bucket("b").unwrap());
    }
}
