//! Buckets: names, lists, options, what they share with their stash and what not.

use crate::support::{check_kind, keys_of_one_shard, stash};
use litestash_core::{BucketOptions, Durability, ErrorKind, LiteStash, Options, ScanOptions};

#[test]
fn a_bucket_has_rows_of_its_own_and_every_operation() {
    let (dir, stash) = stash();
    let (a, b) = (stash.bucket("a").unwrap(), stash.bucket("b").unwrap());
    assert!(stash.buckets().unwrap().is_empty(), "nothing is created before the first write");
    stash.set("key", "root").unwrap();
    a.set("key", "in a").unwrap();
    assert_eq!(b.get("key").unwrap(), None);
    assert_eq!(stash.buckets().unwrap(), ["a"], "a read creates nothing");
    b.set("key", "in b").unwrap();
    for (handle, value) in [(&stash, "root"), (&a, "in a"), (&b, "in b")] {
        // From the file, and from the cache.
        assert_eq!(handle.get_as::<String>("key").unwrap().as_deref(), Some(value));
        assert_eq!(handle.get_as::<String>("key").unwrap().as_deref(), Some(value));
        assert_eq!(handle.len().unwrap(), 1);
    }
    assert_eq!(a.increment("n", 2).unwrap(), 2);
    a.set_many((0..100).map(|n| (n, n))).unwrap();
    assert_eq!(a.keys(ScanOptions::default()).count(), 102);
    a.clear().unwrap();
    assert!(a.is_empty().unwrap() && !b.is_empty().unwrap());
    assert_eq!(stash.buckets().unwrap(), ["a", "b"], "an emptied bucket is still there");
    assert!(a.is_bucket() && !stash.is_bucket());
    stash.close().unwrap();
    check_kind(a.get("key"), ErrorKind::Closed);
    let again = LiteStash::open(dir.path()).unwrap();
    let b = again.bucket("b").unwrap();
    assert_eq!(b.get_as::<String>("key").unwrap().as_deref(), Some("in b"));
}

#[test]
fn names_are_any_text_and_stand_encoded_on_disk() {
    let (dir, stash) = stash();
    let long = "x".repeat(255);
    let names =
        [".", "..", "a/b", "a b", "\0", "é", "e\u{301}", "🦀", "A-z_0", "shard-0.db", "../../escape", &long];
    for name in names {
        stash.bucket(name).unwrap().set("name", name).unwrap();
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(stash.buckets().unwrap(), sorted);
    for name in names {
        assert_eq!(stash.bucket(name).unwrap().get_as::<String>("name").unwrap().as_deref(), Some(name));
    }
    let on_disk = |name: &str| dir.path().join("buckets").join(name).is_dir();
    assert!(on_disk("%2E") && on_disk("%2E%2E") && on_disk("a%2Fb") && on_disk("%00") && on_disk("%C3%A9"));
    assert!(on_disk("%2E%2E%2F%2E%2E%2Fescape"));
    // What does not decode is no bucket.
    for other in ["%2e", "not encoded", ".dropped-no", "%C3"] {
        std::fs::create_dir(dir.path().join("buckets").join(other)).unwrap();
    }
    std::fs::write(dir.path().join("buckets/file"), "").unwrap();
    assert_eq!(stash.buckets().unwrap(), sorted);
    for name in ["", &"x".repeat(256), &".".repeat(86)] {
        check_kind(stash.bucket(name), ErrorKind::InvalidArgument);
        check_kind(stash.drop_bucket(name), ErrorKind::InvalidArgument);
    }
    for name in names {
        assert!(stash.drop_bucket(name).unwrap(), "{name:?}");
        assert!(!stash.drop_bucket(name).unwrap(), "{name:?}");
    }
    assert!(stash.buckets().unwrap().is_empty());
}

#[test]
fn a_dropped_bucket_is_empty_for_every_handle_and_made_anew_by_a_write() {
    let (dir, stash) = stash();
    let elsewhere = LiteStash::open(dir.path()).unwrap();
    let handles = [stash.bucket("b").unwrap(), elsewhere.bucket("b").unwrap()];
    let read_only = Options::new().read_only(true).open(dir.path()).unwrap();
    let reader = read_only.bucket("b").unwrap();
    let keys = keys_of_one_shard(3);
    for round in 0..5 {
        for handle in &handles {
            handle.set(&keys[0], &round).unwrap();
            handle.set("of another shard", &round).unwrap();
        }
        for handle in handles.iter().chain([&reader]) {
            assert_eq!(handle.get_as(&keys[0]).unwrap(), Some(round));
            assert_eq!(handle.get_as::<i32>(&keys[1]).unwrap(), None);
        }
        assert!(stash.drop_bucket("b").unwrap());
        assert!(stash.buckets().unwrap().is_empty());
        for handle in handles.iter().chain([&reader]) {
            assert_eq!(handle.get_as::<i32>(&keys[0]).unwrap(), None, "round {round}");
            assert_eq!(handle.get_as::<i32>(&keys[1]).unwrap(), None, "round {round}");
            assert_eq!(handle.len().unwrap(), 0);
        }
        assert!(!handles[0].delete(&keys[0]).unwrap());
        assert!(stash.buckets().unwrap().is_empty(), "what creates no row makes no bucket");
        // One of them makes it anew; those that found nothing just now see it.
        handles[round % 2].set(&keys[1], &round).unwrap();
        for handle in handles.iter().chain([&reader]) {
            assert_eq!(handle.get_as(&keys[1]).unwrap(), Some(round), "round {round}");
        }
        handles[(round + 1) % 2].set(&keys[2], &round).unwrap();
        assert_eq!(handles[round % 2].get_as(&keys[2]).unwrap(), Some(round));
        handles[0].delete_many(&keys).unwrap();
    }
    check_kind(read_only.drop_bucket("b"), ErrorKind::ReadOnly);
    check_kind(reader.set("key", &1), ErrorKind::ReadOnly);
    elsewhere.close().unwrap();
    read_only.close().unwrap();
    stash.close().unwrap();
    let left: Vec<_> = std::fs::read_dir(dir.path().join("buckets/b")).unwrap().flatten().collect();
    assert!(left.iter().all(|file| file.path().extension().is_some_and(|end| end == "db")), "{left:?}");
    assert_eq!(std::fs::read_dir(dir.path().join("buckets")).unwrap().count(), 1);
}

#[test]
fn every_kind_of_write_goes_to_the_bucket_made_anew() {
    let (dir, stash) = stash();
    let elsewhere = LiteStash::open(dir.path()).unwrap();
    let key = &keys_of_one_shard(1)[0];
    let write: [fn(&LiteStash, &str); 6] = [
        |bucket, key| assert!(bucket.set(key, &1).unwrap().micros() > 0),
        |bucket, key| assert!(bucket.add(key, &1).unwrap()),
        |bucket, key| assert_eq!(bucket.increment(key, 1).unwrap(), 1),
        |bucket, key| drop(bucket.set_many([(key, 1)]).unwrap()),
        |bucket, key| assert!(bucket.with_durability(Durability::Full).add(key, &1).unwrap()),
        |bucket, key| {
            bucket.with_durability(Durability::Relaxed).set(key, &1).unwrap();
            bucket.sync().unwrap();
        },
    ];
    let (writer, other) = (elsewhere.bucket("b").unwrap(), stash.bucket("b").unwrap());
    for write in write {
        // Often enough that locks are kept between commits.
        for n in 0..40 {
            writer.set(key, &n).unwrap();
        }
        assert!(stash.drop_bucket("b").unwrap());
        write(&writer, key);
        assert_eq!(other.get_as(key).unwrap(), Some(1));
        assert_eq!(stash.buckets().unwrap(), ["b"]);
    }
    // What was acknowledged before is not written afterwards.
    other.with_durability(Durability::Relaxed).set(key, &2).unwrap();
    assert!(stash.drop_bucket("b").unwrap());
    other.sync().unwrap();
    assert_eq!(other.get(key).unwrap(), None);
    assert!(stash.buckets().unwrap().is_empty());
}

#[test]
fn options_are_agreed_on_and_buckets_have_no_buckets() {
    let (_dir, stash) = stash();
    let small = BucketOptions::new().value_bytes_max(100).durability(Durability::Full);
    let bucket = stash.bucket_with("small", small.clone()).unwrap();
    assert_eq!(bucket.durability(), Durability::Full);
    check_kind(bucket.set("key", &"x".repeat(200)), ErrorKind::TooLarge);
    let again = stash.bucket("small").unwrap();
    assert_eq!(again.durability(), Durability::Normal);
    check_kind(again.set("key", &"x".repeat(200)), ErrorKind::TooLarge);
    stash.bucket_with("small", small.durability(Durability::Relaxed)).unwrap();
    check_kind(
        stash.bucket_with("small", BucketOptions::new().value_bytes_max(200)),
        ErrorKind::InvalidArgument,
    );
    drop((bucket, again));
    let larger = stash.bucket_with("small", BucketOptions::new().value_bytes_max(300)).unwrap();
    larger.set("key", &"x".repeat(200)).unwrap();
    check_kind(stash.bucket_with("b", BucketOptions::new().value_bytes_max(0)), ErrorKind::InvalidArgument);
    check_kind(larger.bucket("inner"), ErrorKind::InvalidArgument);
    check_kind(larger.buckets(), ErrorKind::InvalidArgument);
    check_kind(larger.drop_bucket("inner"), ErrorKind::InvalidArgument);
    larger.close().unwrap();
    check_kind(larger.get("key"), ErrorKind::Closed);
    assert!(stash.bucket("small").unwrap().exists("key").unwrap());
}

#[test]
fn a_bucket_keeps_its_stash_open() {
    let (dir, stash) = stash();
    let bucket = stash.bucket("b").unwrap();
    bucket.set("key", &1).unwrap();
    drop(stash);
    let mut keys = bucket.keys(ScanOptions::default());
    bucket.set("key", &2).unwrap();
    drop(bucket);
    assert_eq!(keys.next().unwrap().unwrap().as_text(), Some("key"));
    drop(keys);
    let left = std::fs::read_dir(dir.path().join("buckets/b")).unwrap().count();
    assert_eq!(left, 1, "the last handle has closed the shard and its log is gone");
}

#[test]
fn the_cache_is_shared_and_bounded_over_all() {
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().cache_bytes(1 << 20).open(dir.path()).unwrap();
    let value = "x".repeat(1000);
    for bucket in 0..8 {
        let bucket = stash.bucket(&format!("b{bucket}")).unwrap();
        bucket.set_many((0..400).map(|key| (key, &value))).unwrap();
        (0..400).for_each(|key| assert!(bucket.exists(key).unwrap()));
    }
    let cache = stash.stats().unwrap().cache;
    assert!(cache.bytes <= 1 << 20, "{cache:?}");
    assert!(!crate::support::CACHES || cache.entries > 500, "{cache:?}");
    let uncached = stash.bucket_with("uncached", BucketOptions::new().cache(false)).unwrap();
    uncached.set("key", &1).unwrap();
    let before = stash.stats().unwrap().cache.hits;
    (0..10).for_each(|_| assert!(uncached.exists("key").unwrap()));
    assert_eq!(stash.stats().unwrap().cache.hits, before);
}

#[test]
fn a_stash_in_memory_has_buckets_in_memory() {
    let stash = LiteStash::memory().unwrap();
    stash.bucket("b").unwrap().set("key", &1).unwrap();
    for n in 0..200 {
        // More than linger without a reason.
        assert_eq!(stash.bucket(&n.to_string()).unwrap().get("key").unwrap(), None);
    }
    let bucket = stash.bucket("b").unwrap();
    assert_eq!(bucket.get_as("key").unwrap(), Some(1));
    assert_eq!(stash.buckets().unwrap(), ["b"]);
    assert!(stash.drop_bucket("b").unwrap() && !stash.drop_bucket("b").unwrap());
    assert_eq!(bucket.get("key").unwrap(), None);
    assert!(stash.buckets().unwrap().is_empty());
    bucket.set("key", &2).unwrap();
    assert_eq!(stash.buckets().unwrap(), ["b"]);
}

#[test]
fn care_is_taken_of_buckets_too() {
    let (dir, stash) = stash();
    stash.set_many((0..50).map(|n| (n, "root"))).unwrap();
    for name in ["a", "b/\u{e9}"] {
        stash.bucket(name).unwrap().set_many((0..100).map(|n| (n, name))).unwrap();
    }
    let stats = stash.stats().unwrap();
    assert_eq!((stats.rows, stats.buckets.buckets, stats.buckets.rows), (50, 2, 200));
    assert!(stats.buckets.file_bytes > 0 && stats.buckets.key_bytes > 0);
    assert_eq!(stash.bucket("a").unwrap().stats().unwrap().rows, 100);
    let report = stash.verify().unwrap();
    assert!(report.is_sound());
    assert_eq!((report.rows, report.shards), (250, 48));

    let copy = tempfile::tempdir().unwrap();
    let whole = copy.path().join("whole");
    assert_eq!(stash.backup(&whole).unwrap().shards, 48);
    let copied = LiteStash::open(&whole).unwrap();
    assert_eq!(copied.buckets().unwrap(), ["a", "b/\u{e9}"]);
    assert_eq!(copied.bucket("b/\u{e9}").unwrap().get_as::<String>(7).unwrap().as_deref(), Some("b/\u{e9}"));
    assert_eq!((copied.len().unwrap(), copied.verify().unwrap().rows), (50, 250));
    copied.close().unwrap();
    let one = copy.path().join("one");
    stash.bucket("a").unwrap().backup(&one).unwrap();
    assert_eq!(LiteStash::open(&one).unwrap().len().unwrap(), 100);

    stash.bucket("a").unwrap().clear().unwrap();
    stash.compact().unwrap();
    stash.sync().unwrap();
    stash.close().unwrap();
    // A bucket alone makes a directory a stash.
    for shard in 0..16 {
        std::fs::remove_file(whole.join(format!("shard-{shard:x}.db"))).unwrap();
    }
    let only_buckets = Options::new().create(false).open(&whole).unwrap();
    assert_eq!(only_buckets.bucket("a").unwrap().len().unwrap(), 100);
    only_buckets.close().unwrap();

    let damaged = dir.path().join("buckets/b%2F%C3%A9/shard-3.db");
    let lost = rusqlite::Connection::open(&damaged).unwrap();
    let rows = "UPDATE slot_0 SET value = x'00'; UPDATE slot_1 SET value = x'00'; \
                UPDATE slot_2 SET value = x'00'; UPDATE slot_3 SET value = x'00'";
    lost.execute_batch(rows).unwrap();
    lost.close().unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    let problems = stash.verify().unwrap().problems;
    assert!(!problems.is_empty());
    let named = |bucket: &Option<String>| bucket.as_deref() == Some("b/\u{e9}");
    assert!(problems.iter().all(|problem| named(&problem.bucket) && problem.shard == 3), "{problems:?}");
    stash.close().unwrap();
    let repaired = copy.path().join("repaired");
    let report = litestash_core::repair(dir.path(), &repaired).unwrap();
    assert_eq!(report.lost.len(), problems.len());
    assert!(report.lost.iter().all(|lost| named(&lost.bucket)));
    let repaired = LiteStash::open(&repaired).unwrap();
    assert_eq!(repaired.len().unwrap(), 50);
    assert_eq!(repaired.bucket("b/\u{e9}").unwrap().len().unwrap(), 100 - problems.len() as u64);
}
