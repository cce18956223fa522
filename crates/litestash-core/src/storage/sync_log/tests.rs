#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::{Durability, ErrorKind, LiteStash, Op, Options, SetOptions};
use std::path::Path;
use std::sync::Barrier;
use std::time::Duration;

const KEYS: u32 = 64;

fn open(directory: &Path) -> LiteStash {
    Options::new().durability(Durability::Full).open(directory).unwrap()
}

fn key(number: u32) -> String {
    format!("key {number}")
}

/// A stash whose shards all have a log that was synced.
fn warm(directory: &Path) -> LiteStash {
    let stash = open(directory);
    for round in 0..2 {
        (0..KEYS).for_each(|n| set(&stash, n, round));
    }
    stash
}

/// Has commits go to the sync log from now on.
fn record_all(stash: &LiteStash) {
    stash.inner.sync_log.as_ref().unwrap().record_all();
}

fn set(stash: &LiteStash, n: u32, value: u32) {
    stash.set(key(n), &(n, value)).unwrap();
}

/// What a power cut leaves now at worst, if nothing was written since to the shards' own logs: but for the sync log.
fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) {
    for entry in from.read_dir().unwrap().flatten() {
        let name = entry.file_name();
        if wanted(name.to_str().unwrap()) {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

fn is_durable(name: &str) -> bool {
    name.ends_with(".db") || name.ends_with("-wal")
}

fn is_sync_log(name: &str) -> bool {
    name.starts_with("sync-") && name.ends_with(".log")
}

fn sync_logs(directory: &Path) -> usize {
    directory.read_dir().unwrap().flatten().filter(|e| is_sync_log(e.file_name().to_str().unwrap())).count()
}

fn content(stash: &LiteStash) -> Vec<Option<(u32, u32)>> {
    (0..KEYS).map(|n| stash.get_as(key(n)).unwrap()).collect()
}

/// Sets, deletions, batches and deadlines, all of them only in the sync log.
fn write_recorded(stash: &LiteStash) {
    record_all(stash);
    for n in 0..16 {
        set(stash, n, 100);
        set(stash, n, 101);
    }
    for n in 16..24 {
        assert!(stash.delete(key(n)).unwrap());
    }
    set(stash, 16, 102);
    let ttl = SetOptions::ttl(Duration::from_secs(3600));
    stash.set_with(key(24), &(24, 103), ttl).unwrap();
    let ops: Vec<_> = (30..60).map(|n| Op::set(key(n), &(n, 104), SetOptions::default()).unwrap()).collect();
    stash.apply(&ops).unwrap().into_iter().for_each(|outcome| assert!(outcome.is_ok()));
}

/// A stash that lost everything but what the sync log has, and what it should be.
fn after_a_power_cut(scratch: &Path) -> (std::path::PathBuf, Vec<Option<(u32, u32)>>) {
    let (live, cut) = (scratch.join("live"), scratch.join("cut"));
    std::fs::create_dir(&cut).unwrap();
    let stash = warm(&live);
    copy(&live, &cut, is_durable);
    write_recorded(&stash);
    copy(&live, &cut, is_sync_log);
    let expected = content(&stash);
    stash.close().unwrap();
    assert_eq!(sync_logs(&live), 0, "nobody needs it after an orderly close");
    assert_eq!(content(&open(&live)), expected);
    (cut, expected)
}

#[test]
fn what_a_power_cut_took_is_done_again() {
    let scratch = tempfile::tempdir().unwrap();
    let (cut, expected) = after_a_power_cut(scratch.path());
    assert_eq!(sync_logs(&cut), 1);
    for _ in 0..2 {
        let stash = open(&cut);
        assert_eq!(content(&stash), expected);
        assert!(stash.expires_at(key(24)).unwrap().is_some(), "its deadline too");
        assert_eq!(stash.verify().unwrap().problems, []);
        assert_eq!(sync_logs(&cut), 0);
        stash.close().unwrap();
    }
}

#[test]
fn who_only_reads_refuses_and_changes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (cut, expected) = after_a_power_cut(scratch.path());
    let read_only = || Options::new().read_only(true).busy_timeout(Duration::from_millis(20)).open(&cut);
    assert_eq!(read_only().map(drop).unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(sync_logs(&cut), 1);
    open(&cut).close().unwrap();
    assert_eq!(content(&read_only().unwrap()), expected);
}

#[test]
fn repair_stores_what_only_the_sync_log_has() {
    let scratch = tempfile::tempdir().unwrap();
    let (cut, expected) = after_a_power_cut(scratch.path());
    let repaired = scratch.path().join("repaired");
    let report = crate::repair(&cut, &repaired).unwrap();
    assert_eq!(report.lost, []);
    let found = content(&open(&repaired));
    for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
        // What was deleted comes back: nobody can tell what came after.
        assert!(
            found == expected || (17..24).contains(&n) && *found == Some((n as u32, 1)),
            "{n}: {found:?}"
        );
    }
}

/// Whatever comes after a record is never undone by it.
#[test]
fn an_old_sync_log_does_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (cut, _) = after_a_power_cut(scratch.path());
    let saved = scratch.path().join("saved");
    std::fs::create_dir(&saved).unwrap();
    copy(&cut, &saved, is_sync_log);
    let stash = open(&cut);
    (0..KEYS).for_each(|n| set(&stash, n, 200));
    let newer = content(&stash);
    // While it is open, by another handle: as after the death of one process of several.
    copy(&saved, &cut, is_sync_log);
    assert_eq!(content(&open(&cut)), newer);
    assert_eq!(sync_logs(&cut), 0);
    stash.close().unwrap();
    copy(&saved, &cut, is_sync_log);
    assert_eq!(content(&open(&cut)), newer);
}

/// The same, if only some shards lost something, and some lost a part.
#[test]
fn each_shard_gets_what_it_lacks() {
    let scratch = tempfile::tempdir().unwrap();
    let (live, cut) = (scratch.path().join("live"), scratch.path().join("cut"));
    std::fs::create_dir(&cut).unwrap();
    let stash = warm(&live);
    copy(&live, &cut, is_durable);
    record_all(&stash);
    for round in 0..6 {
        (0..KEYS).for_each(|n| set(&stash, n, 300 + round));
        let shards = ["-0.", "-1.", "-2.", "-3.", "-4.", "-5."];
        let is_later = |name: &str| shards[round as usize..].iter().any(|shard| name.contains(shard));
        copy(&live, &cut, |name| name.ends_with("-wal") && is_later(name));
    }
    copy(&live, &cut, is_sync_log);
    assert_eq!(content(&open(&cut)), content(&stash));
}

#[test]
fn those_of_the_living_are_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let stash = warm(scratch.path());
    record_all(&stash);
    set(&stash, 1, 400);
    assert_eq!(sync_logs(scratch.path()), 1);
    let other = open(scratch.path());
    assert_eq!(sync_logs(scratch.path()), 1);
    record_all(&other);
    set(&other, 1, 401);
    assert_eq!(sync_logs(scratch.path()), 1, "the first commit of a connection is not recorded");
    set(&other, 1, 402);
    assert_eq!(sync_logs(scratch.path()), 2);
    other.close().unwrap();
    assert_eq!(sync_logs(scratch.path()), 1);
    assert_eq!(stash.get_as(key(1)).unwrap(), Some((1, 402)));
    stash.close().unwrap();
    assert_eq!(sync_logs(scratch.path()), 0);
}

/// What changes more than rows is synced in the shard's own log.
#[test]
fn what_is_not_known_whole_is_not_recorded() {
    let scratch = tempfile::tempdir().unwrap();
    let (live, cut) = (scratch.path().join("live"), scratch.path().join("cut"));
    std::fs::create_dir(&cut).unwrap();
    let stash = warm(&live);
    let recorded = || std::fs::read(live.join("sync-0.log")).map_or(0, |log| super::Record::all(&log).len());
    record_all(&stash);
    set(&stash, 1, 500);
    let before = recorded();
    let writes: [&dyn Fn(&LiteStash); 4] = [
        &|stash| stash.clear().unwrap(),
        &|stash| assert!(stash.set(key(1), &vec![7u64; 40_000]).is_ok()),
        &|stash| set(&stash.with_durability(Durability::Normal), 1, 501),
        // Upon what was not synced.
        &|stash| set(stash, 1, 502),
    ];
    for write in writes {
        write(&stash);
        assert_eq!(recorded(), before);
    }
    set(&stash, 1, 503);
    assert_eq!(recorded(), before + 1);
}

/// Threads that meet: each write is there when it was acknowledged, and at last the sync log is gone.
#[test]
fn many_threads_share_syncs() {
    let scratch = tempfile::tempdir().unwrap();
    let stash = warm(scratch.path());
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (stash, start) = (&stash, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..40 {
                    let n = (round * 8 + thread) % KEYS;
                    set(stash, n, round);
                }
            });
        }
    });
    let expected = content(&stash);
    stash.close().unwrap();
    assert_eq!(sync_logs(scratch.path()), 0);
    assert_eq!(content(&open(scratch.path())), expected);
}
