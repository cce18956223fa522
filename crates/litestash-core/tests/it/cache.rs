//! The read cache within one process: it answers, it agrees with the files, and it keeps to its limit.

use crate::support::{CACHES, Dice, NOW_US, check_kind, keys_of_one_shard, stash, stash_at_now};
use litestash_core::{
    Action, CacheStats, Condition, Deadline, ErrorKind, FixedClock, ImportOptions, Key, LiteStash, Op,
    Options, SetOptions, Value,
};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn cache(stash: &LiteStash) -> CacheStats {
    stash.stats().unwrap().cache
}

/// A handle of the same directory that keeps nothing in memory.
fn without_cache(dir: &Path, clock: &FixedClock) -> LiteStash {
    Options::new().cache_bytes(0).clock(clock.clone()).open(dir).unwrap()
}

/// Insists that reading really was from memory, where it can be.
#[track_caller]
fn check_hits(before: CacheStats, after: CacheStats, at_least: u64) {
    assert!(!CACHES || after.hits - before.hits >= at_least, "{before:?} {after:?}");
}

#[test]
fn rows_and_misses_are_answered_from_memory() {
    let (_dir, stash) = stash();
    let keys = keys_of_one_shard(2);
    stash.set(&keys[0], "Ada").unwrap();
    let read = || {
        for _ in 0..500 {
            assert_eq!(stash.get_as(&keys[0]).unwrap(), Some("Ada".to_owned()));
            assert_eq!(stash.get(&keys[1]).unwrap(), None);
        }
    };
    let before = cache(&stash);
    read();
    let after = cache(&stash);
    check_hits(before, after, 900);
    assert!(!CACHES || after.misses - before.misses <= 100, "{after:?}");
    assert!(!CACHES || after.entries == 2, "{after:?}");
    // A value that this handle wrote itself needs no reading at all.
    stash.set(&keys[1], &1).unwrap();
    assert_eq!(stash.get_as(&keys[1]).unwrap(), Some(1));
    let written = cache(&stash);
    check_hits(after, written, 1);
    assert_eq!(written.misses, after.misses);
}

/// Compares everything that can be asked about a key.
fn check_same(warm: &LiteStash, cold: &LiteStash, key: &str) {
    let entry = cold.entry(key).unwrap();
    // The first read may fill the cache, the second may be answered by it.
    for _ in 0..2 {
        assert_eq!(warm.entry(key).unwrap(), entry, "{key}");
    }
    assert_eq!(warm.get(key).unwrap(), cold.get(key).unwrap());
    assert_eq!(warm.exists(key).unwrap(), entry.is_some());
    let deadline = entry.as_ref().map(|entry| entry.expires_at);
    assert_eq!(warm.expires_at(key).unwrap(), deadline);
    assert_eq!(warm.ttl(key).unwrap(), cold.ttl(key).unwrap());
    assert_eq!(warm.get_encoded(key).unwrap(), entry.map(|entry| entry.encoded));
}

/// One write of every kind there is, chosen by dice. What the operation answers is tested elsewhere.
fn write(stash: &LiteStash, dice: &mut Dice, keys: &[String]) {
    let any = dice.below(1000) as i64;
    let key = &keys[dice.below(keys.len() as u64) as usize];
    let other = &keys[dice.below(keys.len() as u64) as usize];
    let ttl = SetOptions::ttl(Duration::from_micros(1 + any.unsigned_abs()));
    match dice.below(20) {
        0 | 1 => drop(stash.set(key, &any)),
        2 => drop(stash.set_with(key, &any, ttl)),
        3 => drop(stash.delete(key)),
        4 => drop(stash.take(key)),
        5 | 6 => drop(stash.increment(key, any)),
        7 => drop(stash.increment_float(key, any as f64 / 8.0)),
        8 => {
            let expected = stash.get(key).unwrap();
            assert!(stash.compare_and_set(key, expected.as_ref(), &any).unwrap());
        }
        9 => drop(stash.expire(key, Deadline::In(Duration::from_micros(1 + any.unsigned_abs())))),
        10 => drop(stash.persist(key)),
        11 => drop(stash.add(key, &any)),
        12 => drop(stash.replace(key, &any)),
        13 => drop(stash.set_many([(key, any), (other, -any)])),
        14 => drop(stash.delete_many([key, other])),
        15 => {
            let entry = stash.entry(key).unwrap();
            let condition = entry.map_or(Condition::Absent, |entry| Condition::Version(entry.version));
            assert!(stash.set_with(key, &any, SetOptions::when(condition)).unwrap().is_some());
        }
        16 => {
            let ops = [
                Op::set(key, &any, SetOptions::default()),
                Op::new(other, Action::Increment(1)),
                Op::new(other, Action::Take),
                Op::set(other, &any, ttl),
                Op::delete(key),
                Op::set(key, &-any, SetOptions { keep_ttl: true, ..SetOptions::default() }),
            ];
            let ops: Vec<_> = ops.into_iter().map(Result::unwrap).collect();
            assert_eq!(stash.apply(&ops).unwrap().len(), ops.len());
        }
        17 => {
            let line = |key: &str, value: i64| format!("{{\"key\":\"{key}\",\"value\":{value}}}\n");
            let lines = line(key, any) + &line(other, -any);
            let report = stash.import(lines.as_bytes(), ImportOptions::default()).unwrap();
            assert_eq!((report.rows, report.rejected_lines), (2, 0), "{report:?}");
        }
        18 if any < 200 => stash.clear().unwrap(),
        18 => {
            let mut rows = Vec::new();
            stash.export(&mut rows, litestash_core::ScanOptions::default()).unwrap();
            stash.clear().unwrap();
            stash.import(&*rows, ImportOptions { keep_versions: true, progress: None }).unwrap();
        }
        _ => drop(stash.get_or_set::<i64, litestash_core::Error>(key, ttl, || Ok(any))),
    }
}

#[test]
fn every_write_of_ones_own_is_seen_at_once_as_it_is_in_the_file() {
    let (dir, warm, clock) = stash_at_now();
    let cold = without_cache(dir.path(), &clock);
    let keys = keys_of_one_shard(6);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let before = cache(&warm);
    for round in 0..1500 {
        write(&warm, &mut dice, &keys);
        // Sometimes the time stands still or goes back, and versions go up all the same.
        clock.advance([0, 0, 1, 100, 700, -50][dice.below(6) as usize]);
        if round % 40 == 0 {
            // Also between what another handle does.
            write(&cold, &mut dice, &keys);
        }
        for key in &keys {
            check_same(&warm, &cold, key);
        }
    }
    // Six keys were asked seven times each in every round; what the round changed may be read once.
    check_hits(before, cache(&warm), 1500 * 6 * 5);
    assert_eq!(cache(&cold).hits, 0);
    assert!(warm.verify().unwrap().is_sound());
}

/// Threads that write and read through one handle while another handle writes the same shards.
#[test]
fn what_was_acknowledged_to_any_thread_is_seen_by_every_thread() {
    const WRITES: u64 = 6000;
    let (dir, warm) = stash();
    let other = LiteStash::open(dir.path()).unwrap();
    let keys = keys_of_one_shard(4);
    let acknowledged: Vec<AtomicU64> = keys.iter().map(|_| AtomicU64::new(0)).collect();
    let done = AtomicU64::new(0);
    let (warm, keys, acknowledged, done) = (&warm, &keys, &acknowledged, &done);
    let before = cache(warm);
    std::thread::scope(|scope| {
        for (at, key) in keys.iter().enumerate() {
            let writer = if at == 0 { other.clone() } else { warm.clone() };
            scope.spawn(move || {
                for number in 1..=WRITES {
                    writer.set(key, &number).unwrap();
                    acknowledged[at].store(number, Ordering::SeqCst);
                    if at == 0 {
                        // Every commit of another handle makes all rows out of date.
                        std::thread::sleep(Duration::from_micros(100));
                    }
                }
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        for _ in 0..3 {
            scope.spawn(move || {
                while done.load(Ordering::SeqCst) < keys.len() as u64 {
                    for (at, key) in keys.iter().enumerate() {
                        for _ in 0..4 {
                            let least = acknowledged[at].load(Ordering::SeqCst);
                            let seen = warm.get_as::<u64>(key).unwrap().unwrap_or(0);
                            assert!(seen >= least, "{seen} after {least} was acknowledged");
                        }
                    }
                }
            });
        }
    });
    for key in keys {
        assert_eq!(warm.get_as(key).unwrap(), Some(WRITES));
    }
    check_hits(before, cache(warm), 1000);
}

/// A transaction that writes nothing leaves the log as it is: what changed it right after was somebody else.
#[test]
fn a_write_that_changes_nothing_hides_no_commit_of_others() {
    const WRITES: u64 = 40_000;
    let (dir, warm) = stash();
    let other = LiteStash::open(dir.path()).unwrap();
    let keys = keys_of_one_shard(3);
    warm.set(&keys[0], &0).unwrap();
    let (acknowledged, done) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=WRITES {
                other.set(&keys[0], &number).unwrap();
                acknowledged.store(number, Ordering::SeqCst);
            }
            done.store(1, Ordering::SeqCst);
        });
        scope.spawn(|| {
            while done.load(Ordering::SeqCst) == 0 {
                assert!(!warm.delete(&keys[1]).unwrap());
                assert!(!warm.replace(&keys[2], &1).unwrap());
            }
        });
        while done.load(Ordering::SeqCst) == 0 {
            let least = acknowledged.load(Ordering::SeqCst);
            let seen = warm.get_as::<u64>(&keys[0]).unwrap().unwrap();
            assert!(seen >= least, "{seen} after {least} was acknowledged");
        }
    });
}

#[test]
fn expired_rows_are_misses_although_they_are_held() {
    let (dir, warm, clock) = stash_at_now();
    let cold = without_cache(dir.path(), &clock);
    let key = &keys_of_one_shard(1)[0];
    warm.set_with(key, &1, SetOptions::ttl(Duration::from_secs(1))).unwrap();
    for _ in 0..10 {
        assert_eq!(warm.get_as(key).unwrap(), Some(1));
    }
    let before = cache(&warm);
    for (us, there) in [(999_999, true), (1, false), (1_000_000, false), (-2_000_000, true)] {
        clock.advance(us);
        assert_eq!(warm.get_as(key).unwrap(), there.then_some(1), "{us}");
        assert_eq!(warm.exists(key).unwrap(), there);
        assert_eq!(warm.ttl(key).unwrap(), cold.ttl(key).unwrap());
        assert_eq!(warm.get_many([key]).unwrap(), [there.then_some(Value::Int(1))]);
        check_same(&warm, &cold, key);
    }
    let after = cache(&warm);
    check_hits(before, after, 20);
    assert!(!CACHES || after.misses == before.misses);
    warm.expire(key, Deadline::At(NOW_US - 1)).unwrap();
    assert_eq!((warm.get(key).unwrap(), cold.get(key).unwrap()), (None, None));
}

#[test]
fn memory_stays_under_the_limit_however_much_is_read() {
    const LIMIT: usize = 1 << 20;
    const ROWS: i64 = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().cache_bytes(LIMIT).open(dir.path()).unwrap();
    for part in 0..10 {
        stash.set_many((0..ROWS / 10).map(|n| (part * ROWS / 10 + n, vec![n; 600]))).unwrap();
        let figures = cache(&stash);
        assert!(figures.bytes <= LIMIT as u64, "{figures:?}");
    }
    assert!(stash.stats().unwrap().record_bytes > 10 * LIMIT as u64);
    for key in 0..ROWS {
        assert_eq!(stash.get_as::<Vec<i64>>(key).unwrap(), Some(vec![key % (ROWS / 10); 600]));
        if key % 500 == 0 {
            let figures = cache(&stash);
            assert!(figures.bytes <= LIMIT as u64 && figures.bytes_max == LIMIT as u64, "{figures:?}");
        }
    }
    let figures = cache(&stash);
    assert!(!CACHES || figures.bytes > LIMIT as u64 / 2 && figures.entries > 100, "{figures:?}");
}

#[test]
fn a_cache_that_is_off_holds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().cache_bytes(0).open(dir.path()).unwrap();
    for n in 0..100 {
        stash.set(n, &n).unwrap();
        assert_eq!(stash.get_as(n).unwrap(), Some(n));
        assert_eq!(stash.get_as(n).unwrap(), Some(n));
        assert_eq!(stash.get(-n - 1).unwrap(), None);
    }
    assert_eq!(cache(&stash), CacheStats::default());
}

/// A row counts as its key and value and 192 bytes; one of more than a 128th of the limit is not held.
#[test]
fn rows_near_the_size_rule_are_held_or_leave_nothing_old() {
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().cache_bytes(128_000).open(dir.path()).unwrap();
    // One byte of key, three bytes before a text of this length.
    const LONGEST: usize = 1000 - 192 - 1 - 3;
    stash.set("k", "").unwrap();
    for length in [LONGEST, LONGEST + 1, 10, LONGEST + 1, LONGEST, 100_000, LONGEST - 1, LONGEST + 1, 0] {
        let value = "x".repeat(length);
        stash.set("k", &value).unwrap();
        let before = cache(&stash);
        for _ in 0..10 {
            assert_eq!(stash.get_as("k").unwrap(), Some(value.clone()));
        }
        let after = cache(&stash);
        if length <= LONGEST {
            check_hits(before, after, 9);
        } else {
            assert_eq!((after.hits, after.entries), (before.hits, 0), "{length}");
        }
    }
}

#[test]
fn keys_of_equal_bytes_and_other_types_are_other_keys() {
    let (dir, warm, clock) = stash_at_now();
    let cold = without_cache(dir.path(), &clock);
    let bytes = *b"12345678";
    let number = u64::from_ne_bytes(bytes);
    let keys = [
        Key::from("12345678"),
        Key::from(bytes.to_vec()),
        Key::from(number as i64),
        Key::float(f64::from_bits(number)).unwrap(),
        Key::from(12_345_678),
        Key::float(12_345_678.5).unwrap(),
        Key::from("1"),
        Key::from(1),
        Key::from(vec![1]),
        Key::from(b"1".to_vec()),
        Key::from(1i64.to_ne_bytes().to_vec()),
        Key::from(""),
        Key::from(Vec::new()),
        Key::from(0),
    ];
    let check = |expected: &[Option<usize>]| {
        for _ in 0..3 {
            for (key, value) in keys.iter().zip(expected) {
                assert_eq!(warm.get_as::<usize>(key).unwrap(), *value, "{key:?}");
                assert_eq!(cold.get_as::<usize>(key).unwrap(), *value, "{key:?}");
            }
        }
    };
    let before = cache(&warm);
    let mut expected = vec![None; keys.len()];
    for (at, key) in keys.iter().enumerate() {
        warm.set(key, &at).unwrap();
        expected[at] = Some(at);
        check(&expected);
    }
    for (at, key) in keys.iter().enumerate() {
        assert!(warm.delete(key).unwrap());
        expected[at] = None;
        check(&expected);
    }
    check_hits(before, cache(&warm), 14 * 14 * 3);
    // One number is one key, however it is written.
    warm.set(1.0, &100).unwrap();
    assert_eq!((warm.get_as(1).unwrap(), warm.get_as(1.0).unwrap()), (Some(100), Some(100)));
    warm.set(1, &200).unwrap();
    assert_eq!((warm.get_as(1).unwrap(), warm.get_as(1.0).unwrap()), (Some(200), Some(200)));
}

/// Rows of foreign writers may be sound and not canonical: they are refused however often they are asked for, and
/// whatever was asked of them before.
#[test]
fn what_is_not_canonical_is_not_kept() {
    use litestash_core::contract::{hash::KeyHash, key::KeyRef, record, record::Expiry, route::Route};
    let (dir, stash) = stash();
    stash.set("k", &1).unwrap();
    let version = stash.entry("k").unwrap().unwrap().version;
    let hash = KeyHash::of(KeyRef::Text("k"));
    let Route { shard, slot } = Route::of(&hash);
    let mut record = Vec::new();
    // 1 in two bytes instead of one.
    record::encode(&hash, version, Expiry::NEVER, &[0xcc, 0x01], &mut record);
    let file = rusqlite::Connection::open(dir.path().join(shard.file_name())).unwrap();
    assert_eq!(file.execute(&format!("UPDATE slot_{slot} SET value = ?1"), [record]).unwrap(), 1);
    for _ in 0..3 {
        assert!(stash.exists("k").unwrap());
        check_kind(stash.get_encoded("k"), ErrorKind::Corrupt);
        check_kind(stash.get_as::<i64>("k"), ErrorKind::Corrupt);
        check_kind(stash.get("k"), ErrorKind::Corrupt);
        check_kind(stash.with_encoded("k", |_| Ok(())), ErrorKind::Corrupt);
    }
}
