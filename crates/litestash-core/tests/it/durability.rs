//! What the levels promise. What a power cut leaves is the campaign `powercut`.

#[cfg(target_os = "linux")]
use crate::support::on_small_file_system;
use crate::support::{again, check_kind, keys_of_one_shard, stash, stash_at_now, wait_until};
use litestash_core::{
    Deadline, Durability, Error, ErrorKind, LiteStash, Options, ScanOptions, SetOptions, Value,
};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn relaxed(stash: &LiteStash) -> LiteStash {
    stash.with_durability(Durability::Relaxed)
}

fn with_cache(bytes: usize) -> (tempfile::TempDir, LiteStash) {
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().cache_bytes(bytes).open(dir.path()).unwrap();
    (dir, stash)
}

/// Every way to look at a row, each right after a relaxed write.
#[test]
fn a_relaxed_write_is_seen_at_once_by_its_own_stash() {
    for cache_bytes in [0, 1 << 20] {
        let (dir, stash) = with_cache(cache_bytes);
        let relaxed = relaxed(&stash);
        assert_eq!((relaxed.durability(), stash.durability()), (Durability::Relaxed, Durability::Normal));
        let looks: [&dyn Fn(i64) -> bool; 14] = [
            &|n| stash.get_as("k").unwrap() == Some(n),
            &|_| relaxed.exists("k").unwrap(),
            &|n| stash.entry("k").unwrap().unwrap().value().unwrap() == Value::Int(n),
            &|_| stash.ttl("k").unwrap() == Some(None),
            &|_| stash.clone().expires_at("k").unwrap() == Some(None),
            &|n| stash.get_many(["k", "none"]).unwrap() == [Some(Value::Int(n)), None],
            &|_| stash.keys(ScanOptions::prefix("k")).map(Result::unwrap).eq(["k".into()]),
            &|n| stash.values(ScanOptions::default()).map(Result::unwrap).any(|value| value == Value::Int(n)),
            &|n| stash.items(ScanOptions::prefix("k")).map(|item| item.unwrap().1).eq([Value::Int(n)]),
            &|_| stash.len().unwrap() == 2 && !stash.is_empty().unwrap(),
            &|n| {
                let mut rows = Vec::new();
                stash.export(&mut rows, ScanOptions::prefix("k")).unwrap();
                String::from_utf8(rows).unwrap().contains(&format!("\"value\":{n},"))
            },
            &|_| stash.stats().unwrap().rows == 2,
            &|n| {
                let copy = dir.path().join(format!("copy-{n}"));
                stash.backup(&copy).unwrap();
                LiteStash::open(&copy).unwrap().get_as("k").unwrap() == Some(n)
            },
            &|_| stash.verify().unwrap().rows == 2,
        ];
        relaxed.set("other", &true).unwrap();
        for round in 0..30i64 {
            for (at, look) in looks.iter().enumerate().take(if round == 0 { 14 } else { 11 }) {
                let number = round * 100 + at as i64;
                relaxed.set("k", &number).unwrap();
                assert!(look(number), "look {at} in round {round} with a cache of {cache_bytes} bytes");
            }
        }
    }
}

#[test]
fn others_see_a_relaxed_write_soon_and_what_is_synced_closed_or_dropped_at_once() {
    for cache_bytes in [0, 1 << 20] {
        let (dir, stash) = with_cache(cache_bytes);
        let other = LiteStash::open(dir.path()).unwrap();
        for round in 0..20 {
            let relaxed = relaxed(&stash);
            relaxed.set("k", &round).unwrap();
            relaxed.set_with("t", &round, SetOptions::ttl(SOON)).unwrap();
            wait_until("another handle sees it", SOON, || other.get_as("k").unwrap() == Some(round));
            wait_until("another handle sees it", SOON, || other.get_as("t").unwrap() == Some(round));
            relaxed.set("k", &-round).unwrap();
            relaxed.sync().unwrap();
            assert_eq!(other.get_as("k").unwrap(), Some(-round));
        }
        stash.close().unwrap();
        for round in 0..20 {
            let short = relaxed(&LiteStash::open(dir.path()).unwrap());
            for n in 0..50 {
                short.set(n, &(round, n)).unwrap();
            }
            if round % 2 == 0 {
                short.close().unwrap()
            } else {
                drop(short)
            }
            for n in 0..50 {
                assert_eq!(other.get_as(n).unwrap(), Some((round, n)));
            }
        }
    }
}

#[test]
fn relaxed_and_other_writes_of_a_key_are_in_their_order() {
    for cache_bytes in [0, 1 << 20] {
        let (dir, stash) = with_cache(cache_bytes);
        let other = Options::new().cache_bytes(0).open(dir.path()).unwrap();
        let relaxed = relaxed(&stash);
        let full = stash.with_durability(Durability::Full);
        for round in 0..50i64 {
            let check = |expected: Option<i64>| {
                assert_eq!(stash.get_as("k").unwrap(), expected);
                assert_eq!(other.get_as("k").unwrap(), expected, "as it is in the file");
            };
            relaxed.set("k", &round).unwrap();
            assert!(stash.delete("k").unwrap());
            check(None);
            relaxed.set("k", &round).unwrap();
            assert_eq!(relaxed.increment("k", 1).unwrap(), round + 1);
            check(Some(round + 1));
            relaxed.set("k", &7).unwrap();
            assert!(!stash.add("k", &8).unwrap());
            check(Some(7));
            relaxed.set("k", &9).unwrap();
            assert!(!full.compare_and_set("k", Some(&7), &10).unwrap());
            assert!(full.compare_and_set("k", Some(&9), &10).unwrap());
            check(Some(10));
            relaxed.set("k", &11).unwrap();
            relaxed.set_many([("k", 12), ("l", 13)]).unwrap();
            check(Some(12));
            relaxed.set("k", &14).unwrap();
            assert_eq!(stash.take("k").unwrap(), Some(Value::Int(14)));
            check(None);
            relaxed.set("k", &15).unwrap();
            assert!(stash.expire("k", Deadline::In(SOON)).unwrap());
            assert!(matches!(stash.ttl("k"), Ok(Some(Some(_)))));
            stash.set("k", &16).unwrap();
            relaxed.set("k", &17).unwrap();
            assert_eq!(stash.get_as("k").unwrap(), Some(17));
            stash.sync().unwrap();
            check(Some(17));
            relaxed.set("k", &18).unwrap();
            stash.clear().unwrap();
            check(None);
            relaxed.set("k", &19).unwrap();
            let import = "{\"key\":\"k\",\"value\":20}\n";
            stash.import(import.as_bytes(), litestash_core::ImportOptions::default()).unwrap();
            check(Some(20));
        }
        assert!(stash.verify().unwrap().is_sound());
    }
}

#[test]
fn overwrites_that_wait_become_one_row_and_deadlines_count() {
    let (dir, stash, clock) = stash_at_now();
    let other = Options::new().cache_bytes(0).clock(clock.clone()).open(dir.path()).unwrap();
    let relaxed = relaxed(&stash);
    for n in 0..5_000 {
        relaxed.set("k", &n).unwrap();
    }
    relaxed.set_with("t", &1, SetOptions::ttl(Duration::from_secs(1))).unwrap();
    relaxed
        .set_with("past", &1, SetOptions { deadline: Some(Deadline::At(1)), ..Default::default() })
        .unwrap();
    assert_eq!(stash.get_as("k").unwrap(), Some(4_999));
    assert_eq!(stash.ttl("t").unwrap(), Some(Some(Duration::from_secs(1))));
    assert_eq!(stash.get("past").unwrap(), None);
    stash.sync().unwrap();
    assert_eq!(other.get_as("k").unwrap(), Some(4_999));
    let figures = stash.stats().unwrap();
    assert_eq!((figures.rows, figures.expired_rows), (2, 1));
    relaxed.set_with("t", &2, SetOptions::ttl(Duration::from_secs(1))).unwrap();
    clock.advance(1_000_000);
    assert_eq!((stash.get("t").unwrap(), other.get("t").unwrap()), (None, None));
    assert_eq!(stash.stats().unwrap().rows, 1);
}

/// Also while the clock stands still or goes back, and whoever wrote last.
#[test]
fn versions_of_a_key_go_up_at_every_level() {
    let (dir, stash, clock) = stash_at_now();
    let cold = Options::new().cache_bytes(0).clock(clock.clone()).open(dir.path()).unwrap();
    let levels = [Durability::Relaxed, Durability::Normal, Durability::Relaxed, Durability::Full];
    let handles = levels.map(|level| stash.with_durability(level));
    let mut last = None;
    for round in 0..400 {
        clock.advance([0, 1, -1000, 5][round % 4]);
        if round % 7 == 0 {
            last = last.max(Some(cold.set("k", &round).unwrap()));
        }
        let version = handles[round / 3 % 4].set("k", &round).unwrap();
        stash.sync().unwrap();
        let stored = cold.entry("k").unwrap().unwrap().version;
        assert!(Some(stored) > last, "round {round}: {stored:?} after {last:?}");
        assert!(stored >= version, "round {round}");
        for _ in 0..2 {
            assert_eq!(stash.entry("k").unwrap().unwrap().version, stored, "round {round}");
        }
        last = Some(stored);
    }
}

/// In a process of its own, whose memory is not that of other tests.
#[test]
#[cfg(target_os = "linux")]
fn relaxed_writers_are_slowed_down_before_memory_is_full() {
    const ROLE: &str = "LITESTASH_TEST_PUSH_BACK";
    const WRITES: usize = 5_000;
    if let Some(dir) = std::env::var_os(ROLE) {
        let stash = relaxed(&LiteStash::open(dir).unwrap());
        let keys = keys_of_one_shard(40);
        let value = "x".repeat(64 << 10);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let (stash, keys, value) = (&stash, &keys, &value);
                scope.spawn(move || {
                    for n in 0..WRITES {
                        stash.set(&keys[(2 * n + thread) % keys.len()], value).unwrap();
                    }
                });
            }
        });
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        println!("\npeak {}", peak.trim().trim_end_matches(" kB"));
        stash.close().unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let test = "durability::relaxed_writers_are_slowed_down_before_memory_is_full";
    let output = again(test, ROLE, dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let peak_kb: usize = text.lines().find_map(|line| line.strip_prefix("peak ")).unwrap().parse().unwrap();
    assert!(peak_kb < 200 << 10, "{peak_kb} kB at the peak, of {} kB written", 2 * WRITES * 64);
}

#[test]
#[cfg(target_os = "linux")]
fn relaxed_writes_wait_for_space_on_a_full_disk() {
    on_small_file_system("size=24m", |path| {
        let filler = path.join("filler");
        let stash = LiteStash::open(path.join("stash")).unwrap();
        let keys = keys_of_one_shard(40);
        stash.set(&keys[0], &"").unwrap();
        std::fs::write(&filler, vec![0; 22 << 20]).unwrap();
        let relaxed = relaxed(&stash);
        let value = |n: usize| n.to_string().repeat(100_000);
        for (n, key) in keys.iter().enumerate() {
            // More than there is room for, less than may wait.
            relaxed.set(key, &value(n % 10)).unwrap();
        }
        check_kind(stash.sync(), ErrorKind::DiskFull);
        check_kind(stash.increment("key:counter", 1).and(stash.sync()), ErrorKind::DiskFull);
        std::thread::sleep(Duration::from_millis(50));
        check_kind(relaxed.sync(), ErrorKind::DiskFull);
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(stash.get_as(key).unwrap(), Some(value(n % 10)), "what waits can be read");
        }
        // Writers hear of it once no more may wait.
        let refused = (0..1000).find_map(|n| relaxed.set(&keys[n % keys.len()], &value(n % 10)).err());
        assert_eq!(refused.map(|error: Error| error.kind()), Some(ErrorKind::DiskFull));
        for (n, key) in keys.iter().enumerate() {
            relaxed.get_as::<String>(key).unwrap().unwrap();
            std::fs::remove_file(&filler).ok();
            relaxed.set(key, &value((n + 1) % 10)).unwrap();
        }
        stash.sync().unwrap();
        let other = Options::new().cache_bytes(0).open(path.join("stash")).unwrap();
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(other.get_as(key).unwrap(), Some(value((n + 1) % 10)));
        }
        // What cannot be written by the end is said.
        wait_until("the log is empty", SOON, || stash.compact().unwrap().shards_busy == 0);
        std::fs::write(&filler, vec![0; 24 << 20]).unwrap_err();
        relaxed.set("key:last", &"x".repeat(1 << 20)).unwrap();
        check_kind(stash.close(), ErrorKind::DiskFull);
        drop(stash);
        assert_eq!(other.get_as(&keys[0]).unwrap(), Some(value(1)));
        assert!(other.verify().unwrap().is_sound());
    });
}

#[test]
fn relaxed_writes_are_refused_where_others_are() {
    let (dir, stash) = stash();
    let relaxed = relaxed(&stash);
    relaxed.set("k", &1).unwrap();
    check_kind(relaxed.set("", &"x".repeat(65 << 20)), ErrorKind::TooLarge);
    check_kind(relaxed.set_with("k", &2, SetOptions::ttl(Duration::ZERO)), ErrorKind::InvalidArgument);
    stash.sync().unwrap();
    let reader = Options::new().read_only(true).durability(Durability::Relaxed).open(dir.path()).unwrap();
    check_kind(reader.set("k", &2), ErrorKind::ReadOnly);
    assert_eq!(reader.get_as("k").unwrap(), Some(1));
    relaxed.set("k", &3).unwrap();
    stash.close().unwrap();
    check_kind(relaxed.set("k", &4), ErrorKind::Closed);
    check_kind(relaxed.get("k"), ErrorKind::Closed);
    check_kind(relaxed.sync(), ErrorKind::Closed);
    assert_eq!(reader.get_as("k").unwrap(), Some(3));
    // In memory there is nothing to be written later.
    let memory = Options::new().durability(Durability::Relaxed).memory().unwrap();
    memory.set("k", &1).unwrap();
    assert_eq!(memory.get_as("k").unwrap(), Some(1));
    memory.close().unwrap();
}

#[test]
fn a_kill_after_sync_takes_nothing_that_was_synced() {
    const ROLE: &str = "LITESTASH_TEST_SYNCED";
    const TEST: &str = "durability::a_kill_after_sync_takes_nothing_that_was_synced";
    const KEYS: u64 = 64;
    if let Some(dir) = std::env::var_os(ROLE) {
        let stash = relaxed(&LiteStash::open(dir).unwrap());
        let first = (0..KEYS).filter_map(|key| stash.get_as::<u64>(key).unwrap()).max().unwrap_or(0) + 1;
        for round in first.. {
            for key in 0..KEYS {
                stash.set(key, &round).unwrap();
            }
            if round % 2 == 0 {
                stash.sync().unwrap();
                println!("\nsynced {round}");
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..10 {
        let mut child = again(TEST, ROLE, dir.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut synced = 0;
        for _ in 0..5 {
            let line = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("synced "));
            synced = line.unwrap()["synced ".len()..].parse().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let stash = LiteStash::open(dir.path()).unwrap();
        for key in 0..KEYS {
            let found = stash.get_as::<u64>(key).unwrap();
            assert!(found >= Some(synced), "{key}: {found:?} after {synced} was synced");
        }
        assert!(stash.verify().unwrap().is_sound());
    }
}

/// Threads at all levels on one shard: each sees its own writes, none loses any.
#[test]
fn levels_mix_in_one_shard() {
    const THREADS: usize = 6;
    const ROUNDS: i64 = 250;
    for cache_bytes in [0, 1 << 20] {
        let (dir, stash) = with_cache(cache_bytes);
        let keys = keys_of_one_shard(2 * THREADS + 2);
        let levels = [Durability::Relaxed, Durability::Normal, Durability::Full];
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let own = [&keys[2 * thread], &keys[2 * thread + 1]];
                let shared = [&keys[2 * THREADS], &keys[2 * THREADS + 1]];
                let stash = &stash;
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let level = levels[(thread + round as usize / 10) % 3];
                        let handle = stash.with_durability(level);
                        handle.set(own[0], &round).unwrap();
                        assert_eq!(stash.get_as(own[0]).unwrap(), Some(round));
                        match round % 4 {
                            0 => drop(handle.set(own[1], &round).unwrap()),
                            1 => assert!(handle.delete(own[1]).unwrap()),
                            2 => assert!(handle.add(own[1], &round).unwrap()),
                            _ => assert_eq!(handle.take(own[1]).unwrap(), Some(Value::Int(round - 1))),
                        }
                        let left = (round % 2 == 0).then_some(round);
                        assert_eq!(stash.get_as(own[1]).unwrap(), left);
                        handle.increment(shared[0], 1).unwrap();
                        handle.set(shared[1], &round).unwrap();
                    }
                });
            }
        });
        stash.close().unwrap();
        let again = LiteStash::open(dir.path()).unwrap();
        for thread in 0..THREADS {
            assert_eq!(again.get_as(&keys[2 * thread]).unwrap(), Some(ROUNDS - 1));
            let last = (ROUNDS % 2 == 1).then_some(ROUNDS - 1);
            assert_eq!(again.get_as(&keys[2 * thread + 1]).unwrap(), last);
        }
        assert_eq!(again.get_as(&keys[2 * THREADS]).unwrap(), Some(THREADS as i64 * ROUNDS));
        assert!(again.verify().unwrap().is_sound());
    }
}
