//! Limits: counters that are exact, rows and bytes that are kept, and who goes.

use crate::support::{Dice, NOW_US, Stored, again, check_kind, keys_of_one_shard};
use litestash_core::{
    BucketOptions, Condition, Deadline, Durability, ErrorKind, Eviction, FixedClock, Key, Limits, LiteStash,
    Op, Options, ProblemKind, ScanOptions, SetOptions, repair,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

fn rows(rows: u64, eviction: Eviction) -> Limits {
    Limits { rows: Some(rows), eviction, ..Limits::default() }
}

fn bytes(bytes: u64, eviction: Eviction) -> Limits {
    Limits { bytes: Some(bytes), eviction, ..Limits::default() }
}

fn open(dir: &Path, limits: Limits) -> LiteStash {
    Options::new().limits(limits).background(false).open(dir).unwrap()
}

/// A stash without a limit that matters, so that its shards are counted.
fn counted(dir: &Path) -> LiteStash {
    open(dir, rows(u64::MAX, Eviction::None))
}

#[track_caller]
fn check_counters(stash: &LiteStash) {
    let report = stash.verify().unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    let stats = stash.stats().unwrap();
    assert_eq!(stats.limits.counted_rows, Some(stats.rows + stats.expired_rows));
    assert_eq!(stats.limits.counted_bytes, Some(stats.key_bytes + stats.record_bytes));
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for limits in [rows(0, Eviction::None), bytes((8 << 20) - 1, Eviction::Random)] {
        check_kind(Options::new().limits(limits).open(dir.path()), ErrorKind::InvalidArgument);
    }
}

#[test]
fn counters_equal_a_recount_after_random_operations_of_two_handles() {
    random_operations(Stored::Plain, Stored::Plain);
}

/// Only one of the two compresses, so rows are of both kinds.
#[test]
fn counters_count_what_is_stored_encrypted_and_compressed() {
    random_operations(Stored::CompressedAndEncrypted, Stored::Encrypted);
    random_operations(Stored::Plain, Stored::Compressed);
}

fn random_operations(limited: Stored, other: Stored) {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW_US);
    let limited = limited.options().limits(rows(300, Eviction::LeastRecentlyStored)).background(false);
    // The second one knows of no limits, and keeps the counters all the same.
    let options = [limited, other.options()].map(|options| options.clock(clock.clone()));
    let mut dice = Dice(7);
    let mut stashes = options.clone().map(|options| options.open(dir.path()).unwrap());
    stashes[0].set("first", &1).unwrap();
    for step in 0..4000 {
        let which = dice.below(2) as usize;
        let stash = stashes[which].clone();
        let key = format!("key:{}", dice.below(400));
        let value = "v".repeat(dice.below(300) as usize);
        match dice.below(16) {
            0..4 => drop(stash.set(&key, &value).unwrap()),
            4 => drop(stash.delete(&key).unwrap()),
            5 => drop(stash.take(&key).unwrap()),
            6 => drop(stash.increment(format!("n:{}", dice.below(9)), 1).unwrap()),
            7 => {
                let options = SetOptions::ttl(Duration::from_micros(1 + dice.below(500)));
                stash.set_with(&key, &value, options).unwrap();
            }
            8 => drop(stash.with_durability(Durability::Relaxed).set(&key, &value)),
            9 => {
                let items = (0..20).map(|n| (format!("many:{}", n + dice.below(50)), value.clone()));
                stash.set_many(items.collect::<Vec<_>>()).unwrap();
            }
            10 => drop(stash.delete_many((0..9).map(|n| format!("many:{n}"))).unwrap()),
            11 => drop(stash.expire(&key, Deadline::At(NOW_US + 100)).unwrap()),
            12 => clock.advance(dice.below(50) as i64),
            13 => {
                let window = Duration::from_micros(1 + dice.below(500));
                stash.set_with(&key, &value, SetOptions::idle(window)).unwrap();
            }
            14 => drop(stash.touch(&key).unwrap()),
            _ if stash.is_encrypted() && dice.below(40) == 0 => drop(stash.rotate_key(|_| true).unwrap()),
            _ if step % 7 == 0 && dice.below(30) == 0 => stash.clear().unwrap(),
            _ if dice.below(20) == 0 => {
                stashes[which].close().unwrap();
                stashes[which] = options[which].clone().open(dir.path()).unwrap();
            }
            _ => {
                let options = SetOptions::when(Condition::Absent);
                stash.set_with(&key, &value, options).unwrap();
            }
        }
        if step % 500 == 0 {
            check_counters(&stashes[which]);
        }
    }
    for stash in &stashes {
        stash.compact().unwrap();
        check_counters(stash);
    }
}

#[test]
fn a_stash_that_is_there_is_counted_by_the_first_write_with_limits() {
    let dir = tempfile::tempdir().unwrap();
    let plain = LiteStash::open(dir.path()).unwrap();
    for n in 0..200 {
        plain.set(n, &"x".repeat(n as usize)).unwrap();
    }
    assert_eq!(plain.stats().unwrap().limits.counted_rows, None);
    let limited = counted(dir.path());
    limited.set("one more", &1).unwrap();
    check_counters(&limited);
    // The other handle hears of it with its next write.
    plain.set("and one", &1).unwrap();
    plain.delete(3).unwrap();
    check_counters(&plain);
    assert_eq!(plain.stats().unwrap().limits.counted_rows, Some(201));
}

#[test]
fn counters_that_are_off_are_found_and_mended_by_repair() {
    let dir = tempfile::tempdir().unwrap();
    let stash = counted(dir.path());
    for n in 0..100 {
        stash.set(n, &n).unwrap();
    }
    stash.close().unwrap();
    let shard =
        (0..16).map(|n| dir.path().join(format!("shard-{n:x}.db"))).find(|path| path.exists()).unwrap();
    let file = rusqlite::Connection::open(&shard).unwrap();
    file.execute("UPDATE meta SET value = value + 1 WHERE name = 'rows'", []).unwrap();
    file.close().unwrap();
    let stash = counted(dir.path());
    let problems = stash.verify().unwrap().problems;
    assert_eq!(problems.iter().map(|problem| problem.kind).collect::<Vec<_>>(), [ProblemKind::Counters]);
    stash.close().unwrap();
    let mended = tempfile::tempdir().unwrap();
    assert_eq!(repair(dir.path(), mended.path()).unwrap().rows, 100);
    let stash = counted(mended.path());
    stash.set(0, &0).unwrap();
    check_counters(&stash);
}

#[test]
fn without_eviction_the_write_that_would_pass_the_limit_fails_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for memory in [false, true] {
        let options = Options::new().limits(rows(10, Eviction::None)).background(false);
        let stash = if memory { options.memory().unwrap() } else { options.open(dir.path()).unwrap() };
        for n in 0..10 {
            stash.set(n, &n).unwrap();
        }
        check_kind(stash.set(10, &10), ErrorKind::LimitReached);
        check_kind(stash.add(10, &10), ErrorKind::LimitReached);
        check_kind(stash.increment(10, 1), ErrorKind::LimitReached);
        check_kind(stash.with_durability(Durability::Relaxed).set(10, &1), ErrorKind::LimitReached);
        check_kind(stash.with_durability(Durability::Full).set(10, &1), ErrorKind::LimitReached);
        check_kind(stash.set_many([(3, 4), (10, 10)]), ErrorKind::LimitReached);
        let ops = [Op::set(10, &1, SetOptions::default()).unwrap(), Op::delete(3).unwrap()];
        assert_eq!(stash.apply(&ops).unwrap().iter().filter(|result| result.is_ok()).count(), 1);
        assert_eq!(stash.len().unwrap(), 9);
        stash.set(10, &10).unwrap();
        // What is there can be replaced.
        stash.set(10, &"longer").unwrap();
        check_kind(stash.set(3, &3), ErrorKind::LimitReached);
        stash.delete(10).unwrap();
        stash.set(3, &3).unwrap();
        assert_eq!(stash.len().unwrap(), 10);
        if !memory {
            check_counters(&stash);
        }
    }
}

#[test]
fn without_eviction_bytes_are_refused_and_come_back_by_deleting() {
    let dir = tempfile::tempdir().unwrap();
    let stash = open(dir.path(), bytes(8 << 20, Eviction::None));
    check_kind(stash.set("large", &"x".repeat(400_000)), ErrorKind::LimitReached);
    let value = "x".repeat(1000);
    let full = (0..10_000).find(|n| match stash.set(n, &value) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::LimitReached);
            true
        }
    });
    let full = full.expect("the limit was never reached");
    assert!(full > 2500, "only {full} rows fit");
    assert!(size(dir.path()) <= (8 << 20) * 105 / 100, "{} bytes", size(dir.path()));
    // No larger is no problem, and a smaller one neither.
    stash.set(0, &value).unwrap();
    stash.set(1, &"y").unwrap();
    for n in 0..full / 2 {
        stash.delete(n).unwrap();
    }
    for n in 0..full / 4 {
        stash.set(n, &value).unwrap();
    }
    assert!(size(dir.path()) <= (8 << 20) * 105 / 100, "{} bytes", size(dir.path()));
    check_counters(&stash);
}

/// Integer keys that are there.
fn stored(stash: &LiteStash) -> BTreeSet<i64> {
    let int = |key| if let Key::Int(int) = key { int } else { panic!("another key") };
    stash.keys(ScanOptions::default()).map(|key| int(key.unwrap())).collect()
}

/// Bytes of the directory's files.
fn size(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn ten_rows_are_the_ten_used_last() {
    for memory in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let clock = FixedClock::new(NOW_US);
        let options = Options::new().clock(clock.clone()).background(false);
        let options = options.limits(rows(10, Eviction::LeastRecentlyUsed));
        let stash = if memory { options.memory().unwrap() } else { options.open(dir.path()).unwrap() };
        // The order of use, last at the end.
        let mut model: Vec<u64> = Vec::new();
        let mut dice = Dice(3);
        for step in 0..600 {
            clock.advance(1);
            let key = dice.below(25);
            let used = |model: &mut Vec<u64>| {
                model.retain(|known| *known != key);
                model.push(key);
            };
            match dice.below(3) {
                0 => {
                    let there = stash.get(key).unwrap().is_some();
                    assert_eq!(there, model.contains(&key), "step {step}, key {key}");
                    if there {
                        used(&mut model);
                    }
                }
                _ => {
                    stash.set(key, &step).unwrap();
                    used(&mut model);
                    if model.len() > 10 {
                        model.remove(0);
                    }
                }
            }
            assert_eq!(stored(&stash), model.iter().map(|key| *key as i64).collect(), "step {step}");
        }
        assert!(stash.stats().unwrap().limits.evicted_rows > 100);
    }
}

#[test]
fn a_transaction_over_many_shards_keeps_the_limit_of_rows() {
    let sets = |keys: std::ops::Range<i64>| -> Vec<Op> {
        keys.map(|key| Op::set(key, &key, SetOptions::default()).unwrap()).collect()
    };
    for memory in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let at = |limits: Limits, name: &str| {
            let options = Options::new().limits(limits).background(false);
            if memory { options.memory().unwrap() } else { options.open(dir.path().join(name)).unwrap() }
        };
        let stash = at(rows(20, Eviction::None), "none");
        check_kind(stash.transaction(&sets(0..21)), ErrorKind::LimitReached);
        assert!(stash.is_empty().unwrap());
        assert!(stash.transaction(&sets(0..20)).unwrap().committed().is_some());
        check_kind(stash.transaction(&sets(19..21)), ErrorKind::LimitReached);
        // What goes first makes room, in whatever shards the two are.
        for key in 100..120 {
            let mut moves = vec![Op::delete(key - 100).unwrap()];
            moves.extend(sets(key..key + 1));
            assert!(stash.transaction(&moves).unwrap().committed().is_some(), "{key}");
            moves.rotate_left(1);
            moves[0] = Op::set(key + 1000, &key, SetOptions::default()).unwrap();
            check_kind(stash.transaction(&moves), ErrorKind::LimitReached);
        }
        assert_eq!(stored(&stash), (100..120).collect());
        check_counters(&stash);
        let stash = at(rows(20, Eviction::LeastRecentlyStored), "stored");
        for from in [0, 30, 60] {
            stash.transaction(&sets(from..from + 30)).unwrap();
            assert_eq!(stored(&stash).len(), 20);
        }
        check_counters(&stash);
    }
}

/// A stash and a bucket of it, with a limit each, against two maps, through reopening and a clock that is set.
#[test]
fn the_longest_stored_goes_whatever_the_clock_does() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW_US);
    let options =
        Options::new().clock(clock.clone()).background(false).limits(rows(12, Eviction::LeastRecentlyStored));
    let in_bucket = BucketOptions::new().limits(rows(5, Eviction::LeastRecentlyStored));
    let mut root = options.clone().open(dir.path()).unwrap();
    let mut models = [BTreeMap::new(), BTreeMap::new()];
    let (mut dice, mut set_back) = (Dice(11), false);
    for step in 0..2000 {
        let place = dice.below(2) as usize;
        let stash = match place {
            0 => root.clone(),
            _ => root.bucket_with("b", in_bucket.clone()).unwrap(),
        };
        let (model, key) = (&mut models[place], dice.below(30).cast_signed());
        match dice.below(20) {
            0..12 => {
                clock.advance(1);
                model.insert(key, stash.set(key, &step).unwrap().micros());
                if model.len() > [12, 5][place] {
                    let found = stored(&stash);
                    let gone: Vec<_> = model.keys().filter(|key| !found.contains(key)).copied().collect();
                    let oldest = model.values().copied().min();
                    let gone: Vec<_> = gone.iter().map(|key| model.remove(key)).collect();
                    // Rows that seem older than those known to be the oldest are found a little later.
                    assert_eq!((gone.len(), set_back || gone == [oldest]), (1, true), "step {step}");
                }
            }
            12..15 => assert_eq!(stash.delete(key).unwrap(), model.remove(&key).is_some()),
            15..17 => assert_eq!(stash.get(key).unwrap().is_some(), model.contains_key(&key)),
            17 => {
                let by_us =
                    [90_000_000, 40, -90_000_000, -3][dice.below(if step < 1000 { 2 } else { 4 }) as usize];
                set_back |= by_us < 0;
                clock.set_by(by_us);
            }
            18 if dice.below(3) == 0 => {
                root.close().unwrap();
                root = options.clone().open(dir.path()).unwrap();
                continue;
            }
            _ if place == 1 && dice.below(40) == 0 => {
                root.drop_bucket("b").unwrap();
                model.clear();
            }
            _ => {}
        }
        assert_eq!(stored(&stash), model.keys().copied().collect(), "step {step}");
    }
    check_counters(&root);
    check_counters(&root.bucket_with("b", in_bucket).unwrap());
}

#[test]
fn the_least_frequently_used_and_the_longest_stored_go() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW_US);
    let options = Options::new().clock(clock.clone()).background(false);
    let stash = options.clone().limits(rows(20, Eviction::LeastFrequentlyUsed)).open(dir.path()).unwrap();
    for n in 0..20 {
        stash.set(n, &n).unwrap();
        (0..=20 - n).for_each(|_| drop(stash.get(n).unwrap()));
    }
    clock.advance(1);
    stash.set(100, &1).unwrap();
    // The new one was never used; it is spared by the write that brought it.
    assert_eq!(stored(&stash), (0..19).chain([100]).collect());
    stash.close().unwrap();
    let stash = options.limits(rows(20, Eviction::LeastRecentlyStored)).open(dir.path()).unwrap();
    clock.advance(1);
    stash.set(0, &0).unwrap();
    (0..20).for_each(|n| drop(stash.get(n).unwrap()));
    for n in 200..210 {
        clock.advance(1);
        stash.set(n, &n).unwrap();
    }
    assert_eq!(stored(&stash).len(), 20);
    assert!(stored(&stash).contains(&0) && (200..210).all(|n| stored(&stash).contains(&n)));
}

#[test]
fn what_has_expired_goes_first() {
    for (limit, keys) in [(50, 50), (2000, 2000)] {
        let dir = tempfile::tempdir().unwrap();
        let clock = FixedClock::new(NOW_US);
        let options = Options::new().clock(clock.clone()).background(false);
        let stash = options.limits(rows(limit, Eviction::LeastRecentlyStored)).open(dir.path()).unwrap();
        for n in 0..keys / 2 {
            stash.set(n, &n).unwrap();
        }
        clock.advance(1);
        for n in keys / 2..keys {
            stash.set_with(n, &n, SetOptions::ttl(Duration::from_micros(10))).unwrap();
        }
        clock.advance(100);
        for n in keys..keys + keys / 4 {
            stash.set(n, &n).unwrap();
        }
        assert_eq!(stash.stats().unwrap().limits.evicted_rows, 0);
        assert_eq!(stash.len().unwrap() as i64, keys / 2 + keys / 4);
        check_counters(&stash);
    }
}

#[test]
fn most_victims_of_a_sample_are_among_the_oldest_fifth() {
    for eviction in [Eviction::LeastRecentlyStored, Eviction::LeastRecentlyUsed] {
        let dir = tempfile::tempdir().unwrap();
        let clock = FixedClock::new(NOW_US);
        let options = Options::new().clock(clock.clone()).background(false);
        let stash = options.limits(rows(5000, eviction)).open(dir.path()).unwrap();
        // The order of use is another than that of writing, where that counts.
        let mut order: Vec<u64> = (0..5000).collect();
        let mut dice = Dice(11);
        for key in &order {
            clock.advance(1);
            stash.set(*key, &0).unwrap();
        }
        if eviction == Eviction::LeastRecentlyUsed {
            for at in (1..order.len()).rev() {
                order.swap(at, dice.below(at as u64 + 1) as usize);
            }
            for key in &order {
                clock.advance(1);
                stash.get(*key).unwrap();
            }
        }
        let age: BTreeMap<u64, usize> = order.iter().enumerate().map(|(at, key)| (*key, at)).collect();
        for key in 5000..5500u64 {
            clock.advance(1);
            stash.set(key, &0).unwrap();
        }
        assert_eq!(stash.len().unwrap(), 5000);
        let gone: Vec<_> = (0..5500).filter(|key| !stash.exists(*key).unwrap()).collect();
        assert_eq!(gone.len(), 500);
        let old = gone.iter().filter(|key| age.get(key).is_some_and(|age| *age < 1100)).count();
        assert!(old >= 450, "{eviction:?}: {old} of 500 are among the oldest fifth");
        check_counters(&stash);
    }
}

#[test]
fn any_row_may_go_at_random() {
    let dir = tempfile::tempdir().unwrap();
    let stash = open(dir.path(), rows(2000, Eviction::Random));
    for n in 0..3000 {
        stash.set(n, &n).unwrap();
    }
    assert_eq!(stash.len().unwrap(), 2000);
    let left = (0..1000).filter(|n| stash.exists(*n).unwrap()).count();
    assert!((400..900).contains(&left), "{left} of the first thousand are left");
    check_counters(&stash);
}

#[test]
fn other_processes_and_later_ones_know_of_uses() {
    let dir = tempfile::tempdir().unwrap();
    let limits = rows(10, Eviction::LeastRecentlyUsed);
    let stash = Options::new().limits(limits).open(dir.path()).unwrap();
    for n in 0..10 {
        stash.set(n, &n).unwrap();
    }
    let version = stash.entry(0).unwrap().unwrap().version;
    stash.get(0).unwrap();
    stash.close().unwrap();
    let stash = open(dir.path(), limits);
    for n in 20..25 {
        stash.set(n, &n).unwrap();
    }
    assert_eq!(stash.entry(0).unwrap().unwrap().version, version, "a use is no write");
    assert!((1..6).all(|n| !stash.exists(n).unwrap()));
    check_counters(&stash);
}

#[test]
fn bytes_on_disk_stay_within_the_limit_whatever_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let limit = 8 << 20;
    let stash = open(dir.path(), bytes(limit, Eviction::LeastRecentlyUsed));
    let mut dice = Dice(5);
    for step in 0..6000u64 {
        let length = if step % 100 == 0 { dice.below(100_000) } else { dice.below(3000) };
        stash.set(dice.below(1 << 40), &"x".repeat(length as usize)).unwrap();
        if step % 50 == 0 {
            let size = size(dir.path());
            assert!(size <= limit + limit / 20, "{size} bytes after {step} writes");
        }
    }
    check_kind(stash.set("large", &"x".repeat(limit as usize / 32)), ErrorKind::LimitReached);
    // All in one shard: it takes from the others.
    for key in keys_of_one_shard(2000) {
        stash.set(&key, &"x".repeat(1000)).unwrap();
    }
    let size = size(dir.path());
    assert!(size <= limit + limit / 20, "{size} bytes");
    let stats = stash.stats().unwrap();
    assert!(stats.limits.evicted_rows > 0 && stats.limits.disk_bytes == size, "{stats:?}");
    check_counters(&stash);
}

#[test]
fn memory_is_limited_too() {
    let stash = Options::new().limits(bytes(8 << 20, Eviction::LeastRecentlyStored)).memory().unwrap();
    for n in 0..10_000 {
        stash.set(n, &"x".repeat(1000)).unwrap();
    }
    let stats = stash.stats().unwrap();
    assert!(stats.file_bytes <= 8 << 20, "{}", stats.file_bytes);
    assert!(stats.rows > 500 && stash.exists(9999).unwrap());
}

#[test]
fn counters_survive_the_death_of_a_writer() {
    const ROLE: &str = "LITESTASH_TEST_COUNTERS";
    if let Some(dir) = std::env::var_os(ROLE) {
        let stash = Options::new().limits(bytes(8 << 20, Eviction::LeastRecentlyUsed)).open(dir).unwrap();
        for n in 0u64.. {
            stash.set(n % 5000, &"x".repeat((n % 1500) as usize)).unwrap();
            if n % 3 == 0 {
                stash.delete((n * 7) % 5000).unwrap();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let plain = LiteStash::open(dir.path()).unwrap();
    for round in 0..5 {
        let mut writer = again("limits::counters_survive_the_death_of_a_writer", ROLE, dir.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        for n in 0..300 {
            plain.set(format!("plain:{n}"), &"x".repeat(n * round)).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
    }
    check_counters(&plain);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_no_end_of_writing() {
    use crate::support::on_small_file_system;
    on_small_file_system("size=12m", |dir| {
        // The limit is larger than the disk.
        let limits = bytes(16 << 20, Eviction::LeastRecentlyUsed);
        let stash = Options::new().limits(limits).background(false).open(dir.join("stash")).unwrap();
        for n in 0..30_000u64 {
            stash.set(n, &"x".repeat(1000)).unwrap();
            let found = stash.get(n).unwrap();
            assert!(found.is_some(), "{n} is not there");
            stash.get(n / 2).unwrap();
        }
        assert!(stash.stats().unwrap().limits.evicted_rows > 20_000);
        check_counters(&stash);
        stash.close().unwrap();
        // Somebody else fills what is left.
        let fill = || {
            use std::io::Write;
            let mut other = std::fs::File::create(dir.join("other")).unwrap();
            while other.write(&[1; 4096]).is_ok_and(|written| written > 0) {}
        };
        fill();
        let stash = Options::new().limits(limits).background(false).open(dir.join("stash")).unwrap();
        for n in 0..2000u64 {
            stash.set(n, &"y".repeat(1000)).unwrap();
            assert!(stash.get(n).unwrap().is_some());
        }
        check_counters(&stash);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_no_end_of_transactions_over_shards() {
    use crate::support::on_small_file_system;
    use litestash_core::{Action, TransactionOutcome};
    on_small_file_system("size=12m", |dir| {
        let limits = bytes(16 << 20, Eviction::LeastRecentlyUsed);
        let stash = Options::new().limits(limits).background(false).open(dir.join("stash")).unwrap();
        let text = "x".repeat(1000);
        for n in 0..2500u64 {
            let keys: [u64; 4] = std::array::from_fn(|part| 4 * n + part as u64);
            let set = |key: u64| Op::set(key, &text, SetOptions::default()).unwrap();
            let mut ops: Vec<_> = keys.into_iter().map(set).collect();
            ops.push(Op::new("count", Action::Increment(1)).unwrap());
            let outcome = stash.transaction(&ops).unwrap();
            assert!(matches!(outcome, TransactionOutcome::Committed(_)), "{n}");
            for key in keys {
                assert!(stash.get(key).unwrap().is_some(), "{key} is not there");
            }
        }
        assert_eq!(stash.get_as("count").unwrap(), Some(2500));
        assert!(stash.stats().unwrap().limits.evicted_rows > 1000);
        check_counters(&stash);
        stash.close().unwrap();
    });
}
