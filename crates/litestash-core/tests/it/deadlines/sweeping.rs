//! Removing rows whose deadline has passed.

use crate::support::{NOW_US, again, keys_of_one_shard, stash, stash_at_now, wait_until};
use litestash_core::{
    Clock, Deadline, FixedClock, LiteStash, Op, Options, ScanOptions, SetOptions, SystemClock,
};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const MINUTE_US: i64 = 60_000_000;
const LONG: Duration = Duration::from_secs(60);

fn at(deadline_us: i64) -> SetOptions {
    SetOptions { deadline: Some(Deadline::At(deadline_us)), ..SetOptions::default() }
}

/// Rows and hints of a sweep.
fn sweep(stash: &LiteStash) -> (u64, u64) {
    let report = stash.sweep().unwrap();
    assert!(!report.postponed);
    (report.rows, report.hints)
}

#[test]
fn only_the_deadline_in_the_record_counts() {
    let (_dir, stash, clock) = stash_at_now();
    for key in ["rewritten", "longer", "persisted", "deleted", "over"] {
        stash.set_with(key, &1, at(NOW_US + 10)).unwrap();
    }
    stash.set("rewritten", &2).unwrap();
    stash.expire("longer", Deadline::At(NOW_US + 20)).unwrap();
    stash.persist("persisted").unwrap();
    stash.delete("deleted").unwrap();
    assert_eq!(sweep(&stash), (0, 0));
    clock.advance(9);
    assert_eq!(sweep(&stash), (0, 0));
    clock.advance(1);
    assert_eq!(sweep(&stash), (1, 5));
    assert_eq!(sweep(&stash), (0, 0));
    assert_eq!(stash.len().unwrap(), 3);
    assert!(stash.verify().unwrap().is_sound());
    clock.advance(10);
    assert_eq!(sweep(&stash), (1, 1));
    let stats = stash.stats().unwrap();
    assert_eq!(
        (stats.rows, stats.expired_rows, stats.expiry.swept_rows, stats.expiry.swept_hints),
        (2, 0, 2, 6)
    );
    // A row that was swept leaves no version behind.
    assert_eq!(stash.set("over", &1).unwrap().micros(), NOW_US + 20);
}

#[test]
fn many_rows_go_in_several_transactions_and_memory_is_swept_too() {
    let clock = FixedClock::new(NOW_US);
    let stash = Options::new().clock(clock.clone()).background(false).memory().unwrap();
    let ops = keys_of_one_shard(1_000).into_iter().map(|key| Op::set(key, &1, at(NOW_US + 1)).unwrap());
    stash.apply(&ops.collect::<Vec<_>>()).unwrap();
    clock.advance(1);
    assert_eq!(sweep(&stash), (1_000, 1_000));
    assert_eq!(stash.stats().unwrap().expired_rows, 0);
}

#[test]
fn damaged_rows_and_hints_are_left_alone() {
    let (dir, stash, clock) = stash_at_now();
    let keys = keys_of_one_shard(300);
    for key in &keys {
        stash.set_with(key, &1, at(NOW_US + 1)).unwrap();
    }
    stash.close().unwrap();
    let shard = rusqlite::Connection::open(dir.path().join("shard-7.db")).unwrap();
    // More than a step of them, at the front of the table.
    let mut damaged = 0;
    for slot in 0..4 {
        let damage = format!("UPDATE slot_{slot} SET value = x'01'");
        damaged += shard.execute(&damage, []).unwrap() as u64;
    }
    drop(shard);
    let stash = Options::new().clock(clock.clone()).background(false).open(dir.path()).unwrap();
    let more = keys_of_one_shard(310);
    for key in &more[300..] {
        stash.set_with(key, &1, at(NOW_US + 2)).unwrap();
    }
    clock.advance(2);
    let report = stash.sweep().unwrap();
    assert_eq!((report.rows, report.unreadable), (10, damaged));
    assert_eq!(damaged, 300);
}

#[test]
fn a_clock_that_was_set_deletes_nothing_for_a_minute() {
    let (_dir, stash, clock) = stash_at_now();
    for (key, ttl) in [("soon", 10), ("next year", 365 * 24 * 3600)] {
        stash.set_with(key, &1, SetOptions::ttl(Duration::from_secs(ttl))).unwrap();
    }
    clock.set_by(2 * 365 * 24 * 60 * MINUTE_US);
    assert_eq!(stash.get("next year").unwrap(), None, "readers go by the clock there is");
    let report = stash.sweep().unwrap();
    assert!((report.rows, report.postponed) == (0, true));
    assert!(stash.stats().unwrap().expiry.postponed);
    // Somebody notices and puts it right.
    clock.set_by(-2 * 365 * 24 * 60 * MINUTE_US);
    assert!(stash.get("next year").unwrap().is_some());
    assert!(stash.sweep().unwrap().postponed);
    clock.advance(MINUTE_US);
    assert_eq!(sweep(&stash), (1, 1));
    assert!(stash.get("next year").unwrap().is_some());
    assert_eq!(stash.expiry_stats().clock_jumps, 2);
}

#[test]
fn the_background_leaves_what_expired_before_it_for_a_minute() {
    let (dir, stash, clock) = stash_at_now();
    // Of one shard, so that the one is seen when the other is removed.
    let [before, later] = keys_of_one_shard(2).try_into().unwrap();
    stash.set_with(&before, &1, at(NOW_US + 5)).unwrap();
    stash.close().unwrap();
    clock.advance(10);
    let stash = Options::new().clock(clock.clone()).open(dir.path()).unwrap();
    stash.set_with(&later, &1, at(NOW_US + 20)).unwrap();
    clock.advance(15);
    wait_until("the later row is removed", LONG, || stash.expiry_stats().swept_rows == 1);
    assert_eq!(stash.stats().unwrap().expired_rows, 1);
    clock.advance(MINUTE_US);
    wait_until("the other too", LONG, || stash.expiry_stats().swept_rows == 2);
    assert_eq!(stash.stats().unwrap().expired_rows, 0);
}

#[test]
fn the_background_removes_rows_on_time_also_those_of_other_processes() {
    const ROLE: &str = "LITESTASH_TEST_SWEPT";
    if let Ok(dir) = std::env::var(ROLE) {
        let stash = Options::new().background(false).open(dir).unwrap();
        for key in keys_of_one_shard(50) {
            stash.set_with(format!("{key}:theirs"), &1, SetOptions::ttl(Duration::from_millis(300))).unwrap();
            stash.set_with(key, &1, SetOptions::ttl(Duration::from_millis(300))).unwrap();
        }
        stash.close().unwrap();
        return;
    }
    let (dir, stash) = stash();
    let [mine, used] = keys_of_one_shard(52).split_off(50).try_into().unwrap();
    stash.set_with(mine, &1, SetOptions::ttl(Duration::from_millis(1))).unwrap();
    wait_until("mine", LONG, || stash.expiry_stats().swept_rows == 1);
    let test = "deadlines::sweeping::the_background_removes_rows_on_time_also_those_of_other_processes";
    let mut child = again(test, ROLE, dir.path()).stdout(Stdio::null()).spawn().unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        // A shard that is not used for some seconds is closed, and then it is nobody's to sweep.
        stash.set(&used, &1).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success());
    // Those of the shard that this process has open.
    wait_until("theirs", LONG, || stash.expiry_stats().swept_rows >= 51);
}

/// The keys get another value again and again around the moment at which the old one ends.
#[test]
fn a_rewrite_that_races_a_sweep_loses_nothing() {
    let (_dir, stash) = stash();
    let keys = keys_of_one_shard(400);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    stash.sweep().unwrap();
                }
            });
        }
        let sweeper = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                stash.expire_older_than(Duration::from_secs(1000), None).unwrap();
            }
        });
        for round in 0..30 {
            let soon = SystemClock.now_us() + 2_000;
            for key in &keys {
                stash.set_with(key, &round, at(soon)).unwrap();
            }
            for key in &keys {
                stash.set(key, &round).unwrap();
            }
            for key in &keys {
                assert_eq!(stash.get_as::<i32>(key).unwrap(), Some(round));
            }
        }
        done.store(true, Ordering::Relaxed);
        sweeper.join().unwrap();
    });
    assert_eq!(stash.len().unwrap(), 400);
    wait_until("all hints are swept", LONG, || {
        stash.sweep().unwrap();
        stash.sweep().unwrap().hints == 0
    });
    assert!(stash.verify().unwrap().is_sound());
}

#[test]
fn rows_go_by_the_age_of_their_last_write() {
    let (_dir, stash, clock) = stash_at_now();
    let hour = Duration::from_secs(3600);
    for key in keys_of_one_shard(500) {
        stash.set(format!("old:{key}"), &1).unwrap();
    }
    stash.set("old:used", &1).unwrap();
    stash.set_with("old:touched", &1, SetOptions::idle(10 * hour)).unwrap();
    stash.set_with("old:expired", &1, SetOptions::ttl(Duration::from_secs(1))).unwrap();
    stash.set(7, &1).unwrap();
    stash.set("new", &1).unwrap();
    clock.advance(60 * MINUTE_US);
    stash.increment("new", 1).unwrap();
    stash.get("old:used").unwrap();
    stash.touch("old:touched").unwrap();
    assert_eq!(stash.expire_older_than(hour, None).unwrap(), 0, "exactly an hour is not more");
    clock.advance(1);
    assert_eq!(stash.expire_older_than(hour, Some("other:")).unwrap(), 0);
    assert_eq!(stash.expire_older_than(hour, Some("old:")).unwrap(), 502);
    assert_eq!(stash.expire_older_than(Duration::MAX, None).unwrap(), 0);
    assert_eq!(stash.expire_older_than(hour, None).unwrap(), 1);
    let keys: Vec<_> = stash.keys(ScanOptions::default()).map(Result::unwrap).collect();
    assert_eq!(keys, ["new".into()]);
    assert!(stash.verify().unwrap().is_sound());
}

/// Threads that the stash has started.
#[cfg(target_os = "linux")]
#[test]
fn a_stash_without_deadlines_has_no_thread_for_them() {
    const ROLE: &str = "LITESTASH_TEST_THREADS";
    let test = "deadlines::sweeping::a_stash_without_deadlines_has_no_thread_for_them";
    let Ok(dir) = std::env::var(ROLE) else {
        let dir = tempfile::tempdir().unwrap();
        assert!(again(test, ROLE, dir.path()).output().unwrap().status.success());
        return;
    };
    let has_thread = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.into_iter().any(|name| name.starts_with("litestash-expir"))
    };
    let stash = LiteStash::open(dir).unwrap();
    for number in 0..2_000 {
        stash.set(number, &number).unwrap();
        stash.get(number).unwrap();
        stash.increment(number, 1).unwrap();
    }
    assert!(!has_thread());
    stash.set_with("a", &1, SetOptions::ttl(LONG)).unwrap();
    wait_until("a thread is there", LONG, has_thread);
    stash.close().unwrap();
    wait_until("and gone", LONG, || !has_thread());
}
