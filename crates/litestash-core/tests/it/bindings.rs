//! What bindings use: looks that never wait, checks beforehand, encoded rows, and work that can be stopped.

use crate::support::{CACHES, NOW_US, keys_of_one_shard, stash, stash_at_now};
use litestash_core::contract::msgpack;
use litestash_core::{
    Action, Deadline, ErrorKind, LiteStash, Op, Options, Peek, ScanOptions, SetOptions, Value,
};
use std::cell::Cell;
use std::time::Duration;

fn peek(stash: &LiteStash, key: &str) -> Peek<Vec<u8>> {
    stash.peek_encoded(key, <[u8]>::to_vec).unwrap()
}

#[test]
fn a_peek_answers_from_memory_or_not_at_all() {
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(2);
    assert_eq!(peek(&stash, &keys[0]), Peek::Unknown);
    stash.set(&keys[0], &7).unwrap();
    // The first write of a shard finds nobody who could know the header that it changed.
    assert_eq!(stash.get_as(&keys[0]).unwrap(), Some(7));
    let before = stash.stats().unwrap().cache;
    let found = peek(&stash, &keys[0]);
    assert!(!CACHES || found == Peek::Found(vec![7]), "{found:?}");
    assert_eq!(peek(&stash, &keys[1]), Peek::Unknown);
    assert_eq!(peek(&stash, &keys[1]), Peek::Unknown);
    let after = stash.stats().unwrap().cache;
    assert!(!CACHES || after.hits == before.hits + 1, "{after:?}");
    assert_eq!(after.misses, before.misses, "a peek is no read that failed");
    stash.delete(&keys[0]).unwrap();
    let gone = peek(&stash, &keys[0]);
    assert!(!CACHES || gone == Peek::Missing, "{gone:?}");
    // What another handle writes is not answered from memory any more.
    stash.set(&keys[0], &8).unwrap();
    let other = LiteStash::open(dir.path()).unwrap();
    other.set(&keys[0], &9).unwrap();
    assert!(matches!(peek(&stash, &keys[0]), Peek::Unknown));
    other.close().unwrap();
    stash.close().unwrap();
    assert_eq!(stash.peek_encoded("k", |_| ()).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(stash.peek_encoded(f64::NAN, |_| ()).unwrap_err().kind(), ErrorKind::InvalidKey);
}

#[test]
fn a_peek_sees_no_expired_row() {
    let (_dir, stash, clock) = stash_at_now();
    stash
        .set_with("k", &1, SetOptions { deadline: Some(Deadline::At(NOW_US + 5)), ..SetOptions::default() })
        .unwrap();
    assert!(!matches!(peek(&stash, "k"), Peek::Missing));
    clock.advance(5);
    assert!(!matches!(peek(&stash, "k"), Peek::Found(_)));
}

#[test]
fn a_batch_is_checked_without_being_done() {
    let (dir, _) = stash();
    let stash = Options::new().value_bytes_max(10).open(dir.path()).unwrap();
    let set = |options| Op::set("k", "short", options).unwrap();
    assert!(stash.check(&[set(SetOptions::default())]).is_ok());
    let long = Op::set("k", "a text that is too long", SetOptions::default()).unwrap();
    assert_eq!(stash.check(&[set(SetOptions::default()), long]).unwrap_err().kind(), ErrorKind::TooLarge);
    let never = set(SetOptions::ttl(Duration::ZERO));
    assert_eq!(stash.check(&[never]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let many = vec![Op::new("k", Action::Get).unwrap(); 10_001];
    assert_eq!(stash.check(&many).unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(stash.get("k").unwrap(), None);
}

#[test]
fn encoded_rows_are_the_rows() {
    let (_dir, stash) = stash();
    stash.set_many((0..600).map(|i| (i, vec![i, i + 1]))).unwrap();
    let items: Vec<_> = stash.items(ScanOptions::default()).map(Result::unwrap).collect();
    let mut encoded = stash.items_encoded(ScanOptions::default());
    for (key, value) in items {
        let (same, body) = encoded.next().unwrap().unwrap();
        assert_eq!((same, msgpack::decode(&body).unwrap()), (key, value));
    }
    assert!(encoded.next().is_none());
    assert!(matches!(stash.get(0).unwrap(), Some(Value::Array(_))));
}

#[test]
fn verify_and_backup_end_when_they_are_told_to() {
    let (dir, stash) = stash();
    stash.set_many((0..200).map(|i| (i, i))).unwrap();
    for allowed in [0, 1, 3] {
        let asked = Cell::new(0);
        let goes_on = || asked.replace(asked.get() + 1) < allowed;
        assert_eq!(stash.verify_while(goes_on).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(asked.get(), allowed + 1);
        asked.set(0);
        let copy = dir.path().join("copy");
        assert_eq!(stash.backup_while(&copy, goes_on).unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(!copy.exists());
        let left = std::fs::read_dir(dir.path()).unwrap();
        assert!(left.flatten().all(|entry| !entry.file_name().to_string_lossy().contains("partial")));
    }
    assert!(stash.verify_while(|| true).unwrap().is_sound());
    assert_eq!(stash.backup_while(dir.path().join("copy"), || true).unwrap().shards, 16);
}

#[test]
fn compact_and_repair_end_when_they_are_told_to() {
    let (dir, stash) = stash();
    stash.set_many((0..2000).map(|i| (i, "x".repeat(1000)))).unwrap();
    stash.delete_many(0..2000).unwrap();
    stash.set_many((0..200).map(|i| (i, i))).unwrap();
    let asked = Cell::new(0);
    for allowed in [0, 1, 3] {
        asked.set(0);
        let goes_on = || asked.replace(asked.get() + 1) < allowed;
        assert_eq!(stash.compact_while(goes_on).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(asked.get(), allowed + 1);
    }
    assert!(stash.compact_while(|| true).unwrap().pages_freed > 0);
    stash.close().unwrap();
    for allowed in [0, 1, 5] {
        asked.set(0);
        let goes_on = || asked.replace(asked.get() + 1) < allowed;
        let place = dir.path().join(format!("stopped-{allowed}"));
        let stopped = litestash_core::repair_while(dir.path(), &place, Options::new(), goes_on);
        assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(asked.get(), allowed + 1);
    }
    let place = dir.path().join("repaired");
    let report = litestash_core::repair_while(dir.path(), &place, Options::new(), || true).unwrap();
    assert_eq!((report.rows, report.lost.len()), (200, 0));
}

#[test]
fn the_shard_of_a_key_is_the_file_that_it_is_in() {
    let (dir, stash) = stash();
    stash.set("key", &1).unwrap();
    let shard = stash.shard_of("key").unwrap();
    let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name());
    let databases: Vec<_> = files.filter(|name| name.to_string_lossy().ends_with(".db")).collect();
    assert_eq!(databases, [format!("shard-{shard}.db").as_str()]);
}
