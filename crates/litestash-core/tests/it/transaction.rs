//! Transactions over several shards. Kills at every step are in `examples/transactions.rs`.

use crate::support::{NOW_US, Stored, check_kind, keys_of_one_shard, stash, stash_at_now};
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::intent;
use litestash_core::contract::key::{Key, KeyRef, StoredKey};
use litestash_core::contract::record::{self, Expiry};
use litestash_core::contract::route::{Route, ShardId};
use litestash_core::{
    Action, Condition, Durability, ErrorKind, FixedClock, LiteStash, Op, Options, Outcome, SetOptions,
    TransactionOutcome, Value, Version,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

fn set(key: &str, value: i64) -> Op {
    Op::set(key, &value, SetOptions::default()).unwrap()
}

fn add(key: &str, by: i64) -> Op {
    Op::new(key, Action::Increment(by)).unwrap()
}

fn check(key: &str, condition: Condition) -> Op {
    Op::new(key, Action::Check(condition)).unwrap()
}

fn shard_of(key: &str) -> u8 {
    Route::of(&KeyHash::of(KeyRef::Text(key))).shard.number()
}

/// A key of that shard.
fn key_in(shard: u8) -> String {
    (0..).map(|n| format!("k{n}")).find(|key| shard_of(key) == shard).unwrap()
}

fn committed(stash: &LiteStash, ops: &[Op]) -> Vec<Outcome> {
    stash.transaction(ops).unwrap().committed().unwrap()
}

fn int(stash: &LiteStash, key: &str) -> Option<i64> {
    stash.get_as(key).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn operations_happen_in_order_and_see_what_those_before_them_did() {
    for (dir, stash) in [Some(stash()), None].map(|stash| match stash {
        Some((dir, stash)) => (Some(dir), stash),
        None => (None, LiteStash::memory().unwrap()),
    }) {
        let [a, b] = [key_in(2), key_in(9)];
        let answers = committed(
            &stash,
            &[
                set(&a, 1),
                add(&b, 5),
                add(&a, 2),
                Op::new(&*a, Action::Get).unwrap(),
                Op::delete(&*b).unwrap(),
                add(&b, 7),
                check(&a, Condition::Present),
                Op::new(&*a, Action::Expect(vec![3])).unwrap(),
            ],
        );
        assert!(matches!(answers[0], Outcome::Version(Some(_))));
        assert_eq!(answers[1..4], [Outcome::Int(5), Outcome::Int(3), Outcome::Value(Some(vec![3]))]);
        assert_eq!(
            answers[4..],
            [Outcome::Flag(true), Outcome::Int(7), Outcome::Flag(true), Outcome::Flag(true)]
        );
        assert_eq!((int(&stash, &a), int(&stash, &b)), (Some(3), Some(7)));
        assert_eq!(committed(&stash, &[]), []);
        stash.close().unwrap();
        if let Some(dir) = dir {
            assert_eq!(names(dir.path()), ["journal.db", "shard-2.db", "shard-9.db"]);
            let again = LiteStash::open(dir.path()).unwrap();
            assert_eq!((int(&again, &a), int(&again, &b)), (Some(3), Some(7)));
            assert!(again.verify().unwrap().is_sound());
        }
    }
}

#[test]
fn a_condition_that_does_not_hold_or_a_failure_does_nothing_at_all() {
    let (dir, stash) = stash();
    let keys: Vec<_> = (0..16).map(key_in).collect();
    let sets = |last: Op| keys[..15].iter().map(|key| set(key, 1)).chain([last]).collect::<Vec<_>>();
    let refusing = [
        check(&keys[15], Condition::Present),
        check(&keys[15], Condition::Version(Version::from_micros(1))),
        check(&keys[0], Condition::Absent),
        Op::new(&*keys[15], Action::Expect(vec![1])).unwrap(),
        Op::set(&*keys[0], &2, SetOptions::when(Condition::Absent)).unwrap(),
        Op::new(&*keys[3], Action::CompareAndSet { expected: None, encoded: vec![1] }).unwrap(),
    ];
    for refusing in refusing {
        let refused = TransactionOutcome::Refused { index: 15 };
        assert_eq!(stash.transaction(&sets(refusing)).unwrap(), refused);
    }
    let too_much = Op::new(&*keys[0], Action::Increment(i64::MAX)).unwrap();
    check_kind(stash.transaction(&sets(too_much)), ErrorKind::Overflow);
    let no_time = SetOptions { keep_ttl: true, ..SetOptions::ttl(std::time::Duration::from_secs(1)) };
    check_kind(stash.transaction(&sets(Op::set("x", &1, no_time).unwrap())), ErrorKind::InvalidArgument);
    // Not even files.
    assert_eq!(names(dir.path()), Vec::<String>::new());
    committed(&stash, &sets(check(&keys[15], Condition::Absent)));
    assert_eq!(stash.len().unwrap(), 15);
    assert!(!dir.path().join("shard-f.db").exists(), "a condition alone makes no file");
    check_kind(stash.transaction(&vec![set("k", 1); 10_001]), ErrorKind::TooLarge);
    let reader = Options::new().read_only(true).open(dir.path()).unwrap();
    check_kind(reader.transaction(&[set("k", 1)]), ErrorKind::ReadOnly);
}

#[test]
fn within_one_shard_there_is_no_journal() {
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(3);
    committed(&stash, &[set(&keys[0], 1), add(&keys[1], 1), check(&keys[2], Condition::Absent)]);
    stash.set(key_in(1), &1).unwrap();
    // Reading another shard is no writing in two.
    committed(
        &stash,
        &[set(&keys[0], 2), check(&key_in(1), Condition::Present), check(&key_in(3), Condition::Absent)],
    );
    assert_eq!(int(&stash, &keys[0]), Some(2));
    assert_eq!(
        stash.transaction(&[set(&keys[0], 3), check(&keys[0], Condition::Absent)]).unwrap(),
        TransactionOutcome::Refused { index: 1 }
    );
    assert_eq!(int(&stash, &keys[0]), Some(2));
    assert!(!dir.path().join("journal.db").exists());
}

/// What a process leaves that dies after the journal's commit: the intents, the marks, and no rows.
struct Undone<'a> {
    dir: &'a Path,
    id: i64,
}

impl Undone<'_> {
    fn write(&self, changes: &[(&str, Option<i64>)], version: Version) {
        let journal = rusqlite::Connection::open(self.dir.join("journal.db")).unwrap();
        for number in 0..16 {
            let shard = ShardId::new(number).unwrap();
            let mut images = Vec::new();
            for (key, value) in changes.iter().filter(|(key, _)| shard_of(key) == number) {
                let hash = KeyHash::of(KeyRef::Text(key));
                let mut stored = Vec::new();
                if let Some(value) = value {
                    let body = [u8::try_from(*value).unwrap()];
                    record::encode(&hash, version, Expiry::NEVER, &body, &mut stored);
                }
                let after = value.map(|_| (version, stored.as_slice()));
                let column = StoredKey::Text(key.as_bytes());
                intent::push(&mut images, Route::of(&hash).slot, &hash, column, after);
            }
            if images.is_empty() {
                continue;
            }
            intent::seal(self.id, shard, &mut images);
            let row = (number, self.id, images);
            journal.execute("INSERT INTO intents (shard, id, changes) VALUES (?1, ?2, ?3)", row).unwrap();
        }
        journal.execute("UPDATE meta SET value = ?1 WHERE name = 'last'", [self.id]).unwrap();
    }
}

/// A stash whose journal has a transaction that nobody finished, and the keys a to d: a and b were 1 and become
/// 2, c was 1 and is removed, d is new.
fn with_undone() -> (tempfile::TempDir, LiteStash, [String; 4]) {
    let (dir, stash) = stash();
    let keys = [1, 5, 10, 14].map(key_in);
    let [a, b, c, d] = &keys;
    committed(&stash, &[set(a, 1), set(b, 1), set(c, 1), set(d, 1)]);
    stash.delete(d).unwrap();
    let version = Version::from_micros(stash.entry(a).unwrap().unwrap().version.micros() + 1_000_000);
    let undone = Undone { dir: dir.path(), id: 7 };
    undone.write(&[(a, Some(2)), (b, Some(2)), (c, None), (d, Some(2))], version);
    (dir, stash, keys)
}

#[test]
fn a_read_finishes_first_what_was_left_undone() {
    let (_dir, stash, [a, b, c, d]) = with_undone();
    assert_eq!([&a, &b, &c, &d].map(|key| int(&stash, key)), [Some(2), Some(2), None, Some(2)]);
    assert!(stash.verify().unwrap().is_sound());
}

#[test]
fn opening_finishes_what_was_left_undone_and_the_journal_is_emptied() {
    let (dir, stash, [a, b, c, d]) = with_undone();
    let other = LiteStash::open(dir.path()).unwrap();
    for stash in [&other, &stash] {
        assert_eq!([&a, &b, &c, &d].map(|key| int(stash, key)), [Some(2), Some(2), None, Some(2)]);
    }
    other.close().unwrap();
    stash.close().unwrap();
    let journal = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    let left: i64 = journal.query_row("SELECT count(*) FROM intents", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
    let reader = Options::new().read_only(true).open(dir.path()).unwrap();
    assert_eq!(int(&reader, &a), Some(2));
}

#[test]
fn a_writer_finishes_what_was_left_undone_before_it_writes() {
    let (dir, stash, [a, b, c, d]) = with_undone();
    // Each of the ways to write: alone, in a transaction, deleting, together with others.
    stash.set(&a, &10).unwrap();
    assert_eq!(stash.increment(&b, 10).unwrap(), 12);
    assert!(!stash.delete(&c).unwrap());
    stash.set_many([(&d, 10)]).unwrap();
    stash.set(&c, &11).unwrap();
    let expected = [Some(10), Some(12), Some(11), Some(10)];
    assert_eq!([&a, &b, &c, &d].map(|key| int(&stash, key)), expected);
    drop(stash);
    let again = LiteStash::open(dir.path()).unwrap();
    assert_eq!([&a, &b, &c, &d].map(|key| int(&again, key)), expected, "nothing is done twice");
}

#[test]
fn what_was_written_since_is_not_undone_by_doing_it_again() {
    let (dir, stash, [a, b, c, _]) = with_undone();
    stash.delete(&a).unwrap();
    stash.set(&c, &3).unwrap();
    // The second half of the transaction is still undone when the other process looks.
    let other = LiteStash::open(dir.path()).unwrap();
    assert_eq!((int(&other, &a), int(&other, &c), int(&other, &b)), (None, Some(3), Some(2)));
    assert_eq!((int(&stash, &a), int(&stash, &c), int(&stash, &b)), (None, Some(3), Some(2)));
}

#[test]
fn a_backup_has_all_of_what_was_left_undone() {
    let (dir, stash, [a, b, c, d]) = with_undone();
    let copy = dir.path().join("copy");
    stash.backup(&copy).unwrap();
    assert!(!copy.join("journal.db").exists());
    let restored = LiteStash::open(&copy).unwrap();
    assert_eq!([&a, &b, &c, &d].map(|key| int(&restored, key)), [Some(2), Some(2), None, Some(2)]);
    // The numbers go on where the copy is.
    committed(&restored, &[add(&a, 1), add(&b, 1)]);
    restored.close().unwrap();
    let restored = LiteStash::open(&copy).unwrap();
    assert_eq!((int(&restored, &a), int(&restored, &b)), (Some(3), Some(3)));
}

#[test]
fn who_may_not_write_refuses_to_open_what_is_half_done() {
    let (dir, stash) = stash();
    let [a, b] = [key_in(1), key_in(5)];
    committed(&stash, &[set(&a, 1), set(&b, 1)]);
    let version = stash.entry(&a).unwrap().unwrap().version.micros() + 1;
    stash.close().unwrap();
    Undone { dir: dir.path(), id: 7 }.write(&[(&a, Some(2)), (&b, Some(2))], Version::from_micros(version));
    let soon = Options::new().read_only(true).busy_timeout(std::time::Duration::from_millis(20));
    check_kind(soon.clone().open(dir.path()), ErrorKind::ReadOnly);
    LiteStash::open(dir.path()).unwrap().close().unwrap();
    assert_eq!(int(&soon.open(dir.path()).unwrap(), &a), Some(2));
}

#[test]
fn a_damaged_journal_stops_the_writers_of_marked_shards_and_is_reported() {
    let (dir, stash, [a, ..]) = with_undone();
    let journal = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    journal.execute("UPDATE intents SET changes = zeroblob(40)", []).unwrap();
    check_kind(stash.set(&a, &3), ErrorKind::Corrupt);
    assert_eq!(int(&stash, &a), Some(1), "reading goes on");
    stash.set(key_in(0), &3).unwrap();
    assert!(!stash.verify().unwrap().is_sound());
    drop(journal);
    stash.close().unwrap();
    let again = LiteStash::open(dir.path()).unwrap();
    assert_eq!(int(&again, &a), Some(1));
    check_kind(again.set(&a, &3), ErrorKind::Corrupt);
}

#[test]
fn repair_does_what_was_left_undone() {
    let (dir, stash, _) = with_undone();
    let keys = [1, 5, 10, 14].map(key_in);
    let target = tempfile::tempdir().unwrap();
    // The background would finish it in a moment.
    let copy = target.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    stash.close().unwrap();
    for name in names(dir.path()) {
        std::fs::copy(dir.path().join(&name), copy.join(&name)).unwrap();
    }
    let report = litestash_core::repair(&copy, target.path().join("repaired")).unwrap();
    assert!(report.lost.is_empty(), "{:?}", report.lost);
    let repaired = LiteStash::open(target.path().join("repaired")).unwrap();
    assert_eq!(keys.each_ref().map(|key| int(&repaired, key)), [Some(2), Some(2), None, Some(2)]);
    let after = LiteStash::open(&copy).unwrap();
    assert_eq!(keys.each_ref().map(|key| int(&after, key)), [Some(2), Some(2), None, Some(2)]);
}

#[test]
fn a_foreign_journal_is_refused() {
    let (dir, stash) = stash();
    let other = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    check_kind(stash.transaction(&[set(&key_in(1), 1), set(&key_in(2), 1)]), ErrorKind::NotAStash);
    assert_eq!(stash.len().unwrap(), 0);
    let tables: i64 = other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn versions_deadlines_and_hints_are_those_of_single_writes() {
    let (dir, stash, clock) = stash_at_now();
    let [a, b] = [key_in(3), key_in(4)];
    let ttl = SetOptions::ttl(std::time::Duration::from_secs(60));
    committed(&stash, &[Op::set(&*a, &1, ttl).unwrap(), add(&a, 1), set(&b, 1)]);
    let entry = stash.entry(&a).unwrap().unwrap();
    assert_eq!(entry.version.micros(), crate::support::NOW_US + 1);
    assert_eq!(entry.expires_at, Some(crate::support::NOW_US + 60_000_000));
    clock.advance(60_000_000);
    assert_eq!(
        stash.transaction(&[check(&a, Condition::Present), set(&b, 2)]).unwrap(),
        TransactionOutcome::Refused { index: 0 }
    );
    stash.close().unwrap();
    assert!(LiteStash::open(dir.path()).unwrap().verify().unwrap().is_sound());
}

/// Transfers between accounts in all shards by threads of several handles, while others read and back up.
#[test]
fn sums_stay_the_same_among_threads_and_handles() {
    const ACCOUNTS: u64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let account = |number: u64| format!("account:{}", number % ACCOUNTS);
    let stashes: Vec<_> = (0..2).map(|_| LiteStash::open(dir.path()).unwrap()).collect();
    stashes[0].set_many((0..ACCOUNTS).map(|number| (account(number), 100))).unwrap();
    let sum = |stash: &LiteStash| {
        let all = stash.get_many((0..ACCOUNTS).map(account)).unwrap();
        all.into_iter().map(|value| value.as_ref().and_then(Value::as_int).unwrap()).sum::<i64>()
    };
    let (done, running) = (AtomicBool::new(false), AtomicU64::new(4));
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let stash = stashes[thread as usize % 2].clone();
            let stash = stash.with_durability([Durability::Normal, Durability::Full][thread as usize / 2]);
            let (done, running) = (&done, &running);
            scope.spawn(move || {
                for round in 0..60 {
                    let (from, to) = (account(thread * 7 + round), account(thread * 11 + 3 * round + 1));
                    committed(&stash, &[add(&from, -1), add(&to, 1)]);
                    stash.set(format!("other:{thread}:{round}"), &round).unwrap();
                }
                if running.fetch_sub(1, Ordering::SeqCst) == 1 {
                    done.store(true, Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            let mut copies = 0;
            while !done.load(Ordering::SeqCst) || copies == 0 {
                let copy = dir.path().join(format!("copy-{copies}"));
                stashes[0].backup(&copy).unwrap();
                assert_eq!(sum(&LiteStash::open(&copy).unwrap()), 100 * ACCOUNTS as i64);
                copies += 1;
            }
        });
    });
    for stash in &stashes {
        assert_eq!(sum(stash), 100 * ACCOUNTS as i64);
        assert!(stash.verify().unwrap().is_sound());
    }
}

/// One who has seen a part of a transaction sees all of it, in whichever handle.
#[test]
fn who_has_seen_a_part_sees_the_whole() {
    const ROUNDS: i64 = 300;
    let dir = tempfile::tempdir().unwrap();
    let keys: Vec<_> = (0..16).map(key_in).collect();
    let writer = LiteStash::open(dir.path()).unwrap();
    committed(&writer, &keys.iter().map(|key| set(key, 0)).collect::<Vec<_>>());
    let reader = LiteStash::open(dir.path()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                committed(&writer, &keys.iter().map(|key| set(key, round)).collect::<Vec<_>>());
            }
            done.store(true, Ordering::SeqCst);
        });
        for stash in [&reader, &writer] {
            let (keys, done) = (&keys, &done);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let mut newest = 0;
                    for key in keys.iter().chain(keys.iter().rev()) {
                        let seen = int(stash, key).unwrap();
                        assert!(seen >= newest, "{seen} after {newest}");
                        newest = seen;
                    }
                }
            });
        }
    });
}

#[test]
fn keys_of_every_type_survive_the_journal() {
    let keys = [Key::Text("a\0b".into()), Key::Int(-1), Key::float(0.5).unwrap(), Key::Bytes(vec![0, 9])];
    let (dir, stash) = stash();
    let ops: Vec<_> =
        keys.iter().map(|key| Op::set(key, &"x".repeat(9000), SetOptions::default()).unwrap()).collect();
    committed(&stash, &ops);
    stash.close().unwrap();
    let again = LiteStash::open(dir.path()).unwrap();
    for key in &keys {
        assert!(again.exists(key).unwrap());
    }
    assert!(again.verify().unwrap().is_sound());
}

/// A prolonged deadline is a part of a transaction like any other, though it is no new version.
#[test]
fn a_touch_is_in_the_journal_and_is_done_again() {
    for stored in [Stored::Plain, Stored::CompressedAndEncrypted] {
        let dir = tempfile::tempdir().unwrap();
        let clock = FixedClock::new(NOW_US);
        let open = || stored.options().clock(clock.clone()).background(false).open(dir.path()).unwrap();
        let stash = open();
        let keys: Vec<_> = (0..8).map(|number| format!("key:{number}")).collect();
        let window = SetOptions::idle(Duration::from_secs(80));
        let value = "again ".repeat(20);
        for key in &keys {
            stash.set_with(key, &value, window).unwrap();
        }
        clock.advance(10_000_000);
        let touches: Vec<_> = keys.iter().map(|key| Op::new(key, Action::Touch).unwrap()).collect();
        assert_eq!(committed(&stash, &touches), vec![Outcome::Flag(true); 8]);
        let deadline = |stash: &LiteStash, key: &str| stash.expires_at(key).unwrap().unwrap();
        assert!(keys.iter().all(|key| deadline(&stash, key) == Some(NOW_US + 90_000_000)));
        // Lost by the shards, and kept by the journal.
        let journal = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
        let intents: Vec<(i64, i64, Vec<u8>)> = journal
            .prepare("SELECT shard, id, changes FROM intents")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(intents.len() > 1, "nothing is forgotten without a background");
        let versions: Vec<_> = keys.iter().map(|key| stash.entry(key).unwrap().unwrap().version).collect();
        stash.close().unwrap();
        for (shard, id, changes) in intents {
            let number = ShardId::new(u8::try_from(shard).unwrap()).unwrap();
            assert!(!intent::decode(id, number, &changes).unwrap().is_empty());
            journal
                .execute(
                    "INSERT OR REPLACE INTO intents (shard, id, changes) VALUES (?1, ?2, ?3)",
                    (shard, id, changes),
                )
                .unwrap();
            let file = rusqlite::Connection::open(dir.path().join(number.file_name())).unwrap();
            for slot in 0..4 {
                file.execute(&format!("DELETE FROM slot_{slot}"), []).unwrap();
            }
            file.execute("UPDATE meta SET value = 0 WHERE name = 'applied'", []).unwrap();
        }
        drop(journal);
        let stash = open();
        for (key, version) in keys.iter().zip(versions) {
            let entry = stash.entry(key).unwrap().unwrap();
            assert_eq!((entry.version, entry.expires_at), (version, Some(NOW_US + 90_000_000)));
            assert_eq!(entry.value().unwrap(), Value::from(value.clone()));
        }
        assert!(stash.verify().unwrap().is_sound());
    }
}
