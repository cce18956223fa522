use crate::support::{NOW_US, check_kind, stash, stash_at_now};
use litestash_core::{
    Condition, Deadline, ErrorKind, Key, LiteStash, Op, Outcome, ScanOptions, SetOptions, Value, Version,
};
use std::time::Duration;

#[test]
fn the_worked_example_is_what_plain_sqlite_finds() {
    let (dir, stash, _) = stash_at_now();
    let value = Value::Map([("name".into(), "Ada".into()), ("age".into(), 36.into())].into());
    assert_eq!(stash.set("user:1001", &value).unwrap(), Version::from_micros(NOW_US));
    stash.close().unwrap();
    let files: Vec<_> = dir.path().read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["shard-2.db"]);
    let sqlite = rusqlite::Connection::open(dir.path().join("shard-2.db")).unwrap();
    let row: (String, String, i64, i64) = sqlite
        .query_row("SELECT key, lower(hex(value)), timestamp, microsecond FROM slot_1", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    assert_eq!(
        row,
        ("user:1001".into(), "00eda2ff4682a361676524a46e616d65a3416461".into(), 1_767_323_045, 678_901)
    );
}

#[test]
fn a_nil_is_not_a_miss_and_empty_keys_are_keys() {
    let (_dir, stash) = stash();
    stash.set("nil", &()).unwrap();
    assert_eq!(stash.get("nil").unwrap(), Some(Value::Nil));
    assert_eq!(stash.get("missing").unwrap(), None);
    assert!(stash.exists("nil").unwrap() && !stash.exists("missing").unwrap());
    stash.set("", &1).unwrap();
    stash.set([0u8; 0], &2).unwrap();
    assert_eq!((stash.get_as("").unwrap(), stash.get_as([0u8; 0]).unwrap()), (Some(1), Some(2)));
}

#[test]
fn one_number_is_one_key() {
    let (_dir, stash) = stash();
    stash.set(1, &"int").unwrap();
    stash.set(1.0, &"float").unwrap();
    stash.set("1", &"text").unwrap();
    assert_eq!(stash.len().unwrap(), 2);
    assert_eq!(stash.get_as::<String>(1i64).unwrap().as_deref(), Some("float"));
    check_kind(stash.set(f64::NAN, &0), ErrorKind::InvalidKey);
    check_kind(stash.set("k".repeat(2049), &0), ErrorKind::TooLarge);
}

#[test]
fn versions_go_up_whatever_the_clock_does() {
    let (_dir, stash, clock) = stash_at_now();
    let first = stash.set("k", &1).unwrap();
    let second = stash.set("k", &1).unwrap();
    clock.advance(-1_000_000);
    let third = stash.set("k", &1).unwrap();
    assert_eq!([first, second, third].map(Version::micros), [NOW_US, NOW_US + 1, NOW_US + 2]);
    assert_eq!(stash.entry("k").unwrap().unwrap().version, third);
    assert_eq!(stash.set("other", &1).unwrap().micros(), NOW_US - 1_000_000);
}

#[test]
fn conditions_hold_or_nothing_happens() {
    let (_dir, stash) = stash();
    assert!(!stash.replace("k", &1).unwrap());
    assert!(stash.add("k", &1).unwrap() && !stash.add("k", &2).unwrap());
    assert!(stash.replace("k", &3).unwrap());
    let version = stash.entry("k").unwrap().unwrap().version;
    let newer = stash.set_with("k", &4, SetOptions::when(Condition::Version(version))).unwrap();
    assert!(newer.is_some_and(|newer| newer > version));
    assert_eq!(stash.set_with("k", &5, SetOptions::when(Condition::Version(version))).unwrap(), None);
    assert!(!stash.compare_and_set("k", Some(&1), &6).unwrap());
    assert!(stash.compare_and_set("k", Some(&4), &6).unwrap());
    assert!(stash.compare_and_set("new", None::<&()>, &7).unwrap());
    assert!(!stash.compare_and_set("new", None::<&()>, &8).unwrap());
    assert_eq!(stash.take("k").unwrap(), Some(6.into()));
    assert_eq!(stash.take("k").unwrap(), None);
    assert!(stash.delete("new").unwrap() && !stash.delete("new").unwrap());
}

#[test]
fn increments_have_one_answer_each() {
    let (_dir, stash) = stash();
    assert_eq!(stash.increment("n", 5).unwrap(), 5);
    assert_eq!(stash.increment("n", -7).unwrap(), -2);
    stash.set("n", &i64::MAX).unwrap();
    check_kind(stash.increment("n", 1), ErrorKind::Overflow);
    assert_eq!(stash.get_as("n").unwrap(), Some(i64::MAX));
    stash.set("n", &u64::MAX).unwrap();
    check_kind(stash.increment("n", -1), ErrorKind::Overflow);
    stash.set("n", &1.5).unwrap();
    check_kind(stash.increment("n", 1), ErrorKind::TypeMismatch);
    assert_eq!(stash.increment_float("n", 1.0).unwrap(), 2.5);
    stash.set("n", &(1i64 << 53)).unwrap();
    assert_eq!(stash.increment_float("n", -1.0).unwrap(), 9_007_199_254_740_991.0);
    stash.set("n", &((1i64 << 53) + 1)).unwrap();
    check_kind(stash.increment_float("n", 1.0), ErrorKind::Overflow);
    stash.set("n", &f64::MAX).unwrap();
    check_kind(stash.increment_float("n", f64::MAX), ErrorKind::Overflow);
    check_kind(stash.increment_float("n", f64::NAN), ErrorKind::InvalidArgument);
}

#[test]
fn deadlines_end_rows_for_every_reader() {
    let (_dir, stash, clock) = stash_at_now();
    stash.set_with("k", &1, SetOptions::ttl(Duration::from_micros(10))).unwrap();
    stash.set("stays", &1).unwrap();
    assert_eq!(stash.ttl("k").unwrap(), Some(Some(Duration::from_micros(10))));
    assert_eq!(stash.ttl("stays").unwrap(), Some(None));
    clock.advance(9);
    assert!(stash.exists("k").unwrap());
    clock.advance(1);
    assert!(
        !stash.exists("k").unwrap()
            && stash.get("k").unwrap().is_none()
            && stash.entry("k").unwrap().is_none()
    );
    assert_eq!(stash.len().unwrap(), 1);
    assert_eq!(
        stash.keys(ScanOptions::default()).map(Result::unwrap).collect::<Vec<_>>(),
        [Key::from("stays")]
    );
    assert!(!stash.expire("k", Deadline::In(Duration::from_secs(1))).unwrap());
    let stats = stash.stats().unwrap();
    assert_eq!((stats.rows, stats.expired_rows), (1, 1));
    assert!(!stash.delete("k").unwrap());
    assert_eq!(stash.stats().unwrap().expired_rows, 0);
    assert!(stash.expire("stays", Deadline::At(NOW_US + 1_000_000)).unwrap());
    assert_eq!(stash.expires_at("stays").unwrap(), Some(Some(NOW_US + 1_000_000)));
    let keep = SetOptions { keep_ttl: true, ..SetOptions::default() };
    stash.set_with("stays", &2, keep).unwrap();
    assert_eq!(stash.increment("stays", 1).unwrap(), 3);
    assert_eq!(stash.expires_at("stays").unwrap(), Some(Some(NOW_US + 1_000_000)));
    assert!(stash.persist("stays").unwrap() && !stash.persist("stays").unwrap());
    stash.expire("stays", Deadline::At(NOW_US + 1_000_000)).unwrap();
    stash.set("stays", &0).unwrap();
    assert_eq!(stash.ttl("stays").unwrap(), Some(None));
    check_kind(stash.set_with("k", &0, SetOptions::ttl(Duration::ZERO)), ErrorKind::InvalidArgument);
    assert!(stash.verify().unwrap().is_sound());
}

#[test]
fn batches_answer_each_operation() {
    let (dir, stash) = stash();
    let keys: Vec<_> = (0..500).map(|n| format!("key:{n}")).collect();
    let versions = stash.set_many(keys.iter().zip(0..)).unwrap();
    assert_eq!(versions.len(), 500);
    let read = stash.get_many(keys.iter().rev()).unwrap();
    assert!(read.iter().zip((0..500).rev()).all(|(value, n)| *value == Some(Value::Int(n))));
    let ops = [
        Op::set("text", "x", SetOptions::default()).unwrap(),
        Op::new("text", litestash_core::Action::Increment(1)).unwrap(),
        Op::new("key:7", litestash_core::Action::Increment(1)).unwrap(),
        Op::delete("missing").unwrap(),
    ];
    let mut results = stash.apply(&ops).unwrap().into_iter();
    assert!(matches!(results.next(), Some(Ok(Outcome::Version(Some(_))))));
    check_kind(results.next().unwrap(), ErrorKind::TypeMismatch);
    assert_eq!(results.next().unwrap().unwrap(), Outcome::Int(8));
    assert_eq!(results.next().unwrap().unwrap(), Outcome::Flag(false));
    assert_eq!(stash.delete_many(["key:1", "key:1", "key:2"]).unwrap(), [true, false, true]);
    assert_eq!(stash.len().unwrap(), 499);
    check_kind(stash.get_many(0..10_001), ErrorKind::TooLarge);
    stash.clear().unwrap();
    assert!(stash.is_empty().unwrap());
    assert!(dir.path().join("shard-0.db").exists());
}

#[test]
fn a_batch_is_answered_shard_by_shard_while_it_goes_on() {
    let (_dir, stash) = stash();
    // From this number on several threads work on the shards.
    for count in [50, 5_000] {
        let ops: Vec<_> = (0..count).map(|n| Op::set(n, &n, SetOptions::default()).unwrap()).collect();
        let mut answered = vec![0; ops.len()];
        let mut shards = Vec::new();
        stash
            .apply_each(&ops, |index, outcome| {
                assert!(matches!(outcome, Ok(Outcome::Version(Some(_)))));
                answered[index] += 1;
                // What is answered is done, although others are still to come.
                assert_eq!(stash.get_as(index as i64).unwrap(), Some(index as i64));
                shards.push(stash.shard_of(index as i64).unwrap());
            })
            .unwrap();
        assert!(answered.iter().all(|times| *times == 1));
        shards.dedup();
        assert_eq!(shards.len(), 16, "those of one shard together");
    }
    let many: Vec<_> = (0..10_001).map(Op::delete).collect::<Result<_, _>>().unwrap();
    check_kind(stash.apply_each(&many, |_, _| panic!("none was done")), ErrorKind::TooLarge);
}

#[test]
fn reads_and_conditions_create_no_file() {
    let (dir, stash) = stash();
    stash.get("a").unwrap();
    stash.delete("a").unwrap();
    stash.take("a").unwrap();
    stash.replace("a", &1).unwrap();
    stash.get_many(["a", "b"]).unwrap();
    stash.clear().unwrap();
    stash.stats().unwrap();
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[test]
fn iteration_has_prefix_limit_and_cursor_and_ends_while_others_insert() {
    let (_dir, stash) = stash();
    for n in 0..1000 {
        stash.set(format!("a:{n}"), &n).unwrap();
        stash.set(n, &n).unwrap();
    }
    let mut seen = Vec::new();
    let mut cursor = litestash_core::Cursor::START;
    loop {
        let mut page = stash.keys(ScanOptions { prefix: Some("a:".into()), limit: Some(70), cursor });
        let before = seen.len();
        seen.extend(page.by_ref().map(Result::unwrap));
        cursor = page.cursor().to_string().parse().unwrap();
        if seen.len() == before {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 1000);
    // Each step of the iteration inserts; hash order makes it end all the same.
    let mut inserted = 0;
    for item in stash.items(ScanOptions::default()) {
        item.unwrap();
        stash.set(format!("more:{inserted}"), &0).unwrap();
        inserted += 1;
        assert!(inserted < 100_000);
    }
    assert!(inserted >= 2000);
}

#[test]
fn a_closed_stash_says_so() {
    let (_dir, stash) = stash();
    stash.set("k", &1).unwrap();
    let other = stash.clone();
    let mut iterator = other.keys(ScanOptions::default());
    stash.close().unwrap();
    stash.close().unwrap();
    assert!(other.is_closed());
    check_kind(other.get("k"), ErrorKind::Closed);
    check_kind(other.set("k", &1), ErrorKind::Closed);
    check_kind(other.stats(), ErrorKind::Closed);
    check_kind(iterator.next().unwrap(), ErrorKind::Closed);
    assert!(iterator.next().is_none());
}

#[test]
fn memory_has_the_same_operations() {
    let stash = LiteStash::memory().unwrap();
    for n in 0..200 {
        stash.set(n, &n).unwrap();
    }
    assert_eq!(stash.get_as(7).unwrap(), Some(7));
    assert_eq!(stash.len().unwrap(), 200);
    assert_eq!(stash.keys(ScanOptions::default()).count(), 200);
    let report = stash.verify().unwrap();
    assert_eq!((report.rows, report.shards, report.is_sound()), (200, 16, true));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(stash.backup(dir.path().join("copy")).unwrap().shards, 16);
    let copy = LiteStash::open(dir.path().join("copy")).unwrap();
    assert_eq!(copy.len().unwrap(), 200);
    assert!(copy.verify().unwrap().is_sound());
}
