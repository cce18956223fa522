//! `get_or_set` across processes.

use crate::support::{NOW_US, again, check_kind, stash_at_now, wait_until};
use litestash_core::{ComputeOptions, Deadline, ErrorKind, FixedClock, LiteStash, Options, SetOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// With a lease that a test may wait for.
fn short() -> ComputeOptions {
    ComputeOptions { lease: Duration::from_millis(300), ..ComputeOptions::default() }
}

fn compute(stash: &LiteStash, key: &str, f: impl FnOnce() -> i32) -> i32 {
    stash.get_or_set_with(key, short(), || Ok::<_, std::io::Error>(f())).unwrap()
}

/// Notes that something happened, for all processes.
fn note(dir: &Path, what: &str) {
    let mut file = std::fs::File::options().append(true).create(true).open(dir.join(what)).unwrap();
    file.write_all(b".").unwrap();
}

fn noted(dir: &Path, what: &str) -> u64 {
    dir.join(what).metadata().map_or(0, |file| file.len())
}

fn leases(dir: &Path) -> i64 {
    let count = |number: u8| {
        let path = dir.join(format!("stash/shard-{number:x}.db"));
        if !path.exists() {
            return 0;
        }
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.query_row("SELECT count(*) FROM leases", [], |row| row.get(0)).unwrap_or(0)
    };
    (0..16).map(count).sum::<i64>()
}

fn start(test: &str, dir: &Path) -> Child {
    again(test, "LITESTASH_LEASES", dir).stdout(Stdio::null()).spawn().unwrap()
}

/// The directory, in a process that a test started.
fn role() -> Option<std::path::PathBuf> {
    std::env::var_os("LITESTASH_LEASES").map(Into::into)
}

#[test]
fn processes_and_threads_share_one_computation() {
    if let Some(dir) = role() {
        let stash = LiteStash::open(dir.join("stash")).unwrap();
        note(&dir, "ready");
        wait_until("go", LIMIT, || dir.join("go").exists());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for key in ["a", "b", "c"] {
                        let value = compute(&stash, key, || {
                            note(&dir, key);
                            std::thread::sleep(Duration::from_millis(60));
                            42
                        });
                        assert_eq!(value, 42);
                    }
                });
            }
        });
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut children: Vec<_> =
        (0..4).map(|_| start("leases::processes_and_threads_share_one_computation", dir.path())).collect();
    wait_until("all are ready", LIMIT, || noted(dir.path(), "ready") == 4);
    note(dir.path(), "go");
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(["a", "b", "c"].map(|key| noted(dir.path(), key)), [1; 3]);
    assert_eq!(leases(dir.path()), 0, "what was taken was given back");
    let stash = LiteStash::open(dir.path().join("stash")).unwrap();
    assert_eq!(stash.len().unwrap(), 3, "leases are no rows");
    assert!(stash.verify().unwrap().is_sound());
}

#[test]
fn a_holder_that_was_killed_holds_nobody_up_for_longer_than_its_lease() {
    if let Some(dir) = role() {
        let stash = LiteStash::open(dir.join("stash")).unwrap();
        compute(&stash, "k", || {
            note(&dir, "computing");
            std::thread::sleep(LIMIT);
            1
        });
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let test = "leases::a_holder_that_was_killed_holds_nobody_up_for_longer_than_its_lease";
    let mut child = start(test, dir.path());
    wait_until("it computes", LIMIT, || noted(dir.path(), "computing") == 1);
    // Longer than the lease: it is renewed.
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(leases(dir.path()), 1);
    let stash = LiteStash::open(dir.path().join("stash")).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| compute(&stash, "k", || 2));
        std::thread::sleep(Duration::from_millis(700));
        assert!(!waiting.is_finished(), "the lease of a living holder is respected");
        child.kill().unwrap();
        child.wait().unwrap();
        let since = Instant::now();
        assert_eq!(waiting.join().unwrap(), 2);
        assert!(since.elapsed() < LIMIT);
    });
    assert_eq!(leases(dir.path()), 0);
}

/// Two handles are as good as two processes: they share no flights.
#[test]
fn what_fails_or_panics_gives_its_lease_back_and_a_nil_is_a_value() {
    let dir = tempfile::tempdir().unwrap();
    let open = || LiteStash::open(dir.path().join("stash")).unwrap();
    let (one, two) = (open(), open());
    let slow = ComputeOptions { lease: Duration::from_secs(600), ..ComputeOptions::default() };
    let failed = one.get_or_set_with("k", slow, || Err::<i32, _>(std::io::Error::other("no luck")));
    check_kind(failed, ErrorKind::ComputeFailed);
    let crashed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let computed = || -> Result<i32, std::io::Error> { std::panic::resume_unwind(Box::new(())) };
        one.get_or_set_with("k", slow, computed)
    }));
    assert!(crashed.is_err());
    assert_eq!(leases(dir.path()), 0);
    let nil = two.get_or_set_with("k", slow, || Ok::<_, std::io::Error>(None::<i32>)).unwrap();
    let kept = one.get_or_set_with("k", slow, || Ok::<_, std::io::Error>(Some(1))).unwrap();
    assert_eq!((nil, kept), (None, None));
    // Who waits for one that fails computes.
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            one.get_or_set_with("l", slow, || {
                note(dir.path(), "computing");
                std::thread::sleep(Duration::from_millis(100));
                Err::<i32, _>(std::io::Error::other("no luck"))
            })
        });
        wait_until("it computes", LIMIT, || noted(dir.path(), "computing") == 1);
        assert_eq!(compute(&two, "l", || 3), 3);
        check_kind(failing.join().unwrap(), ErrorKind::ComputeFailed);
    });
}

#[test]
fn a_value_that_another_handle_sets_meanwhile_ends_the_waiting_and_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let open = || LiteStash::open(dir.path().join("stash")).unwrap();
    let (one, two, three) = (open(), open(), open());
    std::thread::scope(|scope| {
        let computing = scope.spawn(|| {
            compute(&one, "k", || {
                note(dir.path(), "computing");
                wait_until("the other is back", LIMIT, || noted(dir.path(), "back") == 1);
                1
            })
        });
        wait_until("it computes", LIMIT, || noted(dir.path(), "computing") == 1);
        let waiting = scope.spawn(|| compute(&two, "k", || 2));
        std::thread::sleep(Duration::from_millis(20));
        three.set("k", &7).unwrap();
        assert_eq!(waiting.join().unwrap(), 7);
        note(dir.path(), "back");
        assert_eq!(computing.join().unwrap(), 7);
    });
}

#[test]
fn without_leases_each_handle_computes() {
    let dir = tempfile::tempdir().unwrap();
    let alone = ComputeOptions { across_processes: false, ..ComputeOptions::default() };
    let computed = AtomicU32::new(0);
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let stash = LiteStash::open(dir.path().join("stash")).unwrap();
                let value = stash.get_or_set_with("k", alone, || {
                    barrier.wait();
                    Ok::<_, std::io::Error>(computed.fetch_add(1, Ordering::SeqCst))
                });
                assert!(value.unwrap() < 2);
            });
        }
    });
    assert_eq!(computed.into_inner(), 2);
    assert_eq!(leases(dir.path()), 0);
}

#[test]
fn a_lease_of_a_clock_that_was_set_back_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW_US);
    let open = || Options::new().clock(clock.clone()).open(dir.path().join("stash")).unwrap();
    let (one, two) = (open(), open());
    one.get_or_set_with("k", short(), || {
        clock.advance(-3_600_000_000);
        assert_eq!(compute(&two, "k", || 2), 2);
        Ok::<_, std::io::Error>(1)
    })
    .unwrap();
    assert_eq!(two.get_as("k").unwrap(), Some(2));
}

#[test]
fn stale_values_are_returned_while_one_computes_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW_US);
    let open = || Options::new().clock(clock.clone()).open(dir.path().join("stash")).unwrap();
    let (one, two) = (open(), open());
    let options = ComputeOptions {
        set: SetOptions::ttl(Duration::from_secs(10)),
        stale_while_revalidate: Some(Duration::from_secs(30)),
        ..ComputeOptions::default()
    };
    let get = |stash: &LiteStash, value: i32| {
        stash.get_or_set_with("k", options, || Ok::<_, std::io::Error>(value)).unwrap()
    };
    assert_eq!((get(&one, 1), get(&two, 2)), (1, 1));
    assert_eq!(one.expires_at("k").unwrap(), Some(Some(NOW_US + 40_000_000)));
    clock.advance(9_999_999);
    assert_eq!(get(&one, 2), 1, "still fresh");
    clock.advance(1);
    let next = one.get_or_set_with("k", options, || {
        // Another thread of the handle, and another handle.
        std::thread::scope(|scope| {
            let stale = scope.spawn(|| get(&one, 3));
            assert_eq!((stale.join().unwrap(), get(&two, 3)), (1, 1));
        });
        Ok::<_, std::io::Error>(2)
    });
    assert_eq!(next.unwrap(), 2);
    assert_eq!((get(&one, 4), get(&two, 4)), (2, 2));
    // A computation that fails leaves the old value.
    clock.advance(20_000_000);
    let failed = one.get_or_set_with("k", options, || Err::<i32, _>(std::io::Error::other("no luck")));
    check_kind(failed, ErrorKind::ComputeFailed);
    assert_eq!(one.get_as("k").unwrap(), Some(2));
    // A value that somebody sets while the next is computed is kept.
    let kept = one.get_or_set_with("k", options, || {
        two.set("k", &5).unwrap();
        Ok::<_, std::io::Error>(6)
    });
    assert_eq!(kept.unwrap(), 5);
    // The stale row may end while the next is computed; after the window nothing is stale.
    assert_eq!(get(&one, 0), 5);
    two.delete("k").unwrap();
    assert_eq!(get(&one, 7), 7);
    clock.advance(39_000_000);
    let late = one.get_or_set_with("k", options, || {
        clock.advance(2_000_000);
        Ok::<_, std::io::Error>(8)
    });
    assert_eq!((late.unwrap(), get(&two, 9)), (8, 8));
    clock.advance(40_000_000);
    assert_eq!(get(&two, 9), 9);
}

#[test]
fn options_without_a_sense_are_refused() {
    let (_dir, stash, _clock) = stash_at_now();
    let window = Some(Duration::from_secs(1));
    let at = SetOptions { deadline: Some(Deadline::At(NOW_US)), ..SetOptions::default() };
    for options in [
        ComputeOptions { stale_while_revalidate: window, ..ComputeOptions::default() },
        ComputeOptions { stale_while_revalidate: window, set: at, ..ComputeOptions::default() },
        ComputeOptions { lease: Duration::from_millis(9), ..ComputeOptions::default() },
        ComputeOptions { lease: Duration::from_secs(601), ..ComputeOptions::default() },
    ] {
        let refused = stash.get_or_set_with("k", options, || Ok::<_, std::io::Error>(1));
        check_kind(refused, ErrorKind::InvalidArgument);
    }
    assert_eq!(stash.len().unwrap(), 0);
}
