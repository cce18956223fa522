//! Encrypted stashes: what the files hold, what is refused, and the operations on them.

use crate::support::{again, check_kind};
use litestash_core::{
    Compression, CountingRandom, Deadline, Durability, ErrorKind, FixedClock, ImportOptions, Key, LiteStash,
    Op, Options, ScanOptions, SetOptions, Value, repair, repair_with,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const KEY: [u8; 32] = [7; 32];

fn options() -> Options {
    Options::new().encryption_key(KEY)
}

fn stash() -> (TempDir, LiteStash) {
    let dir = tempfile::tempdir().unwrap();
    let stash = options().open(dir.path()).unwrap();
    (dir, stash)
}

/// Every file with its content.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let content = entry.path().is_file().then(|| std::fs::read(entry.path()).unwrap());
        Some((entry.file_name().into_string().unwrap(), content?))
    };
    dir.read_dir().unwrap().filter_map(file).collect()
}

fn rows(stash: &LiteStash) -> usize {
    stash.items(ScanOptions::default()).collect::<Result<Vec<_>, _>>().unwrap().len()
}

fn rusqlite(dir: &Path, shard: &str) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join(shard)).unwrap()
}

#[test]
fn neither_keys_nor_values_are_found_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let look = |when: &str| {
        for (name, bytes) in files(dir.path()) {
            for secret in ["SECRETKEY", "SECRETVALUE", "a passphrase of some length"] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} is in {name} {when}");
            }
            assert!(!bytes.windows(32).any(|window| window == KEY), "the key is in {name} {when}");
        }
    };
    for compression in [None, Some(Compression { min_bytes: 8, level: 3 })] {
        let stash = options().compression(compression).open(dir.path()).unwrap();
        for n in 0..200 {
            stash.set(format!("SECRETKEY{n}"), &"SECRETVALUE".repeat(n + 1)).unwrap();
            stash.set(format!("SECRETKEY{n}").as_bytes(), &"SECRETVALUE").unwrap();
        }
        stash.with_durability(Durability::Relaxed).set("SECRETKEY", &"SECRETVALUE").unwrap();
        stash.delete("SECRETKEY7").unwrap();
        stash.sync().unwrap();
        look("while it is open");
        stash.close().unwrap();
        look("when it is closed");
    }
    assert_eq!(rows(&options().open(dir.path()).unwrap()), 400);
    let debug = format!("{:?}", Options::new().passphrase("a passphrase of some length").encryption_key(KEY));
    assert!(!debug.contains("passphrase of") && !debug.contains("7, 7"), "{debug}");
}

#[test]
fn a_wrong_key_changes_nothing() {
    let (dir, stash) = stash();
    stash.set("a", &1).unwrap();
    stash.close().unwrap();
    let before = files(dir.path());
    let wrong = [
        Options::new(),
        Options::new().encryption_key([8; 32]),
        Options::new().passphrase("a"),
        Options::new().read_only(true),
        Options::new().encryption_key([8; 32]).create(false),
    ];
    for options in wrong {
        check_kind(options.clone().open(dir.path()), ErrorKind::WrongKey);
        check_kind(repair_with(dir.path(), dir.path().join("new"), options), ErrorKind::WrongKey);
    }
    check_kind(repair(dir.path(), dir.path().join("new")), ErrorKind::WrongKey);
    check_kind(Options::new().encryption_key([8; 31]).open(dir.path()), ErrorKind::InvalidArgument);
    check_kind(Options::new().passphrase("").open(dir.path()), ErrorKind::InvalidArgument);
    check_kind(options().passphrase("a").open(dir.path()), ErrorKind::InvalidArgument);
    check_kind(options().memory(), ErrorKind::InvalidArgument);
    assert_eq!(files(dir.path()), before);
    assert_eq!(options().open(dir.path()).unwrap().get_as("a").unwrap(), Some(1));
}

#[test]
fn a_key_for_a_plain_stash_and_a_lost_keyring_start_nothing_new() {
    let dir = tempfile::tempdir().unwrap();
    let plain = LiteStash::open(dir.path()).unwrap();
    plain.set("a", &1).unwrap();
    plain.close().unwrap();
    let before = files(dir.path());
    check_kind(options().open(dir.path()), ErrorKind::WrongKey);
    assert_eq!(files(dir.path()), before);

    let (dir, stash) = self::stash();
    stash.set("a", &1).unwrap();
    stash.close().unwrap();
    std::fs::remove_file(dir.path().join("keyring")).unwrap();
    let before = files(dir.path());
    check_kind(options().open(dir.path()), ErrorKind::WrongKey);
    // Without a key it looks like a plain stash; its shards say that it is none.
    let plain = LiteStash::open(dir.path()).unwrap();
    check_kind(plain.items(ScanOptions::default()).next().unwrap(), ErrorKind::WrongKey);
    for n in 0..100 {
        let _ = plain.set(n, &n);
    }
    plain.close().unwrap();
    let after = files(dir.path());
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)));

    let empty = tempfile::tempdir().unwrap();
    check_kind(options().create(false).open(empty.path()), ErrorKind::NoStash);
    check_kind(options().read_only(true).open(empty.path()), ErrorKind::NoStash);
    assert!(files(empty.path()).is_empty());
    options().open(empty.path()).unwrap().close().unwrap();
    assert!(options().create(false).open(empty.path()).unwrap().is_empty().unwrap());
}

#[test]
fn a_plain_handle_adds_no_shard_to_a_stash_that_became_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let plain = LiteStash::open(dir.path()).unwrap();
    let stash = options().open(dir.path()).unwrap();
    check_kind(plain.set("a", &1), ErrorKind::WrongKey);
    stash.set("a", &2).unwrap();
    check_kind(plain.set("a", &1), ErrorKind::WrongKey);
    assert_eq!(stash.get_as("a").unwrap(), Some(2));
}

#[test]
fn every_operation_works_and_the_stash_is_sound() {
    let (dir, stash) = stash();
    for key in 0..300 {
        stash.set(format!("key:{key}"), &Value::Bytes(vec![key as u8; key as usize])).unwrap();
    }
    assert_eq!(stash.increment("n", 2).unwrap(), 2);
    assert_eq!(stash.increment("n", 3).unwrap(), 5);
    assert!(stash.compare_and_set("n", Some(&5), &6).unwrap());
    assert!(!stash.add("n", &1).unwrap());
    assert!(stash.expire("n", Deadline::In(Duration::from_secs(60))).unwrap());
    assert!(stash.ttl("n").unwrap().unwrap().is_some());
    assert_eq!(stash.take("n").unwrap(), Some(Value::Int(6)));
    stash.set_with("gone", &1, SetOptions { deadline: Some(Deadline::At(1)), ..Default::default() }).unwrap();
    assert_eq!(stash.get_or_set("made", SetOptions::default(), || Ok::<_, std::io::Error>(9)).unwrap(), 9);
    let ops: Vec<_> = (0..50).map(|n| Op::set(n, &n, SetOptions::default()).unwrap()).collect();
    assert!(stash.apply(&ops).unwrap().iter().all(Result::is_ok));
    let relaxed = stash.with_durability(Durability::Relaxed);
    relaxed.set("later", &1).unwrap();
    assert_eq!(relaxed.get_as("later").unwrap(), Some(1));
    stash.with_durability(Durability::Full).set("now", &1).unwrap();
    assert_eq!(stash.len().unwrap(), 353);
    assert_eq!(stash.keys(ScanOptions::prefix("key:")).count(), 300);
    assert!(stash.keys(ScanOptions::prefix("key:1")).all(|key| key.unwrap().as_text().is_some()));
    let verified = stash.verify().unwrap();
    assert!(verified.is_sound() && verified.rows == 354, "{verified:?}");
    assert_eq!(stash.stats().unwrap().rows, 353);

    let copy = dir.path().join("copy");
    stash.backup(&copy).unwrap();
    check_kind(LiteStash::open(&copy), ErrorKind::WrongKey);
    let copied = options().open(&copy).unwrap();
    assert_eq!(rows(&copied), 353);
    assert!(copied.verify().unwrap().is_sound());

    let mut lines = Vec::new();
    stash.export(&mut lines, ScanOptions::default()).unwrap();
    let other = Options::new().encryption_key([1; 32]).open(dir.path().join("other")).unwrap();
    assert_eq!(other.import(lines.as_slice(), ImportOptions::default()).unwrap().rows, 353);
    assert_eq!(rows(&other), 353);

    stash.close().unwrap();
    let repaired = repair_with(dir.path(), dir.path().join("repaired"), options()).unwrap();
    assert!(repaired.lost.is_empty() && repaired.rows == 354, "{repaired:?}");
    assert_eq!(rows(&options().open(dir.path().join("repaired")).unwrap()), 353);
    let cold = options().cache_bytes(0).open(dir.path()).unwrap();
    assert_eq!(cold.get_as("later").unwrap(), Some(1));
    cold.clear().unwrap();
    assert_eq!(cold.len().unwrap(), 0);
}

#[test]
fn a_passphrase_opens_what_it_made() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options::new().passphrase("correct horse");
    let stash = options().open(dir.path()).unwrap();
    stash.set("a", &1).unwrap();
    stash.close().unwrap();
    assert_eq!(options().open(dir.path()).unwrap().get_as("a").unwrap(), Some(1));
    check_kind(Options::new().passphrase("correct horsf").open(dir.path()), ErrorKind::WrongKey);
    check_kind(self::options().open(dir.path()), ErrorKind::WrongKey);
}

/// Files moved about between stashes and within one.
#[test]
fn moved_files_and_rows_are_refused() {
    let (dir, stash) = stash();
    let (other_dir, other) = self::stash();
    for key in 0..400 {
        stash.set(key, &key).unwrap();
        other.set(key, &(key + 1000)).unwrap();
    }
    stash.close().unwrap();
    other.close().unwrap();
    // A shard of another stash, of the same key.
    let own = std::fs::read(dir.path().join("shard-3.db")).unwrap();
    std::fs::copy(other_dir.path().join("shard-3.db"), dir.path().join("shard-3.db")).unwrap();
    let stash = options().open(dir.path()).unwrap();
    let kinds = |stash: &LiteStash| -> Vec<ErrorKind> {
        let read = (0..400).filter_map(|key| match stash.get_as::<i64>(key) {
            Ok(value) => {
                assert!(value.is_none_or(|value| value == key), "{value:?}");
                None
            }
            Err(error) => Some(error.kind()),
        });
        read.collect()
    };
    let refused = kinds(&stash);
    assert!(!refused.is_empty() && refused.iter().all(|kind| *kind == ErrorKind::NotAStash), "{refused:?}");
    assert!(stash.items(ScanOptions::default()).any(|row| row.is_err()));
    stash.close().unwrap();
    // A plain shard.
    let plain_dir = tempfile::tempdir().unwrap();
    let plain = LiteStash::open(plain_dir.path()).unwrap();
    (0..400).for_each(|key| assert!(plain.add(key, &0).unwrap()));
    plain.close().unwrap();
    std::fs::copy(plain_dir.path().join("shard-3.db"), dir.path().join("shard-3.db")).unwrap();
    let stash = options().open(dir.path()).unwrap();
    assert!(kinds(&stash).iter().all(|kind| *kind == ErrorKind::NotAStash));
    stash.close().unwrap();
    // The keyring of another stash.
    std::fs::write(dir.path().join("shard-3.db"), own).unwrap();
    let keyring = std::fs::read(dir.path().join("keyring")).unwrap();
    std::fs::copy(other_dir.path().join("keyring"), dir.path().join("keyring")).unwrap();
    let stash = options().open(dir.path()).unwrap();
    check_kind(stash.items(ScanOptions::default()).next().unwrap(), ErrorKind::NotAStash);
    stash.close().unwrap();
    std::fs::write(dir.path().join("keyring"), keyring).unwrap();

    // Rows, with everything that stands in the clear made to fit.
    let rows: i64 = {
        let file = rusqlite(dir.path(), "shard-3.db");
        file.execute_batch(
            "INSERT INTO slot_1 SELECT * FROM slot_0; DELETE FROM slot_0;
             UPDATE slot_2 SET timestamp = timestamp + 1;",
        )
        .unwrap();
        file.query_row("SELECT (SELECT count(*) FROM slot_1) + (SELECT count(*) FROM slot_2)", [], |row| {
            row.get(0)
        })
        .unwrap()
    };
    assert!(rows > 4);
    let stash = options().open(dir.path()).unwrap();
    assert!(kinds(&stash).iter().all(|kind| *kind == ErrorKind::Corrupt));
    let scanned: Vec<_> = stash.items(ScanOptions::default()).collect();
    for (key, value) in scanned.iter().flatten() {
        let Key::Int(number) = key else { panic!("a key that was never stored") };
        assert_eq!(*value, Value::Int(*number));
    }
    assert!(scanned.iter().filter(|row| row.is_err()).count() > 2);
    assert!(!stash.verify().unwrap().is_sound());
}

/// A row as it stands in a file.
#[derive(Clone)]
struct Raw {
    shard: usize,
    slot: usize,
    hash: Vec<u8>,
    key: Vec<u8>,
    record: Vec<u8>,
    time: (i64, i64),
}

impl Raw {
    fn all(dir: &Path) -> Vec<Self> {
        let mut rows = Vec::new();
        for (shard, slot) in (0..16).flat_map(|shard| (0..4).map(move |slot| (shard, slot))) {
            let file = rusqlite(dir, &format!("shard-{shard:x}.db"));
            let sql = format!("SELECT key_hash, key, value, timestamp, microsecond FROM slot_{slot}");
            let mut statement = file.prepare(&sql).unwrap();
            let row = |row: &rusqlite::Row<'_>| {
                let (hash, key, record) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Self { shard, slot, hash, key, record, time: (row.get(3)?, row.get(4)?) })
            };
            rows.extend(statement.query_map([], row).unwrap().map(Result::unwrap));
        }
        rows
    }

    /// Puts it into its place, over what is there, with a checksum that fits.
    fn put(&self, dir: &Path) {
        let (seconds, micros) = self.time;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.hash);
        crc.update(&seconds.to_be_bytes());
        crc.update(&u32::try_from(micros).unwrap().to_be_bytes());
        crc.update(&self.record[..1]);
        crc.update(&self.record[5..]);
        let record = [&self.record[..1], &crc.finalize().to_be_bytes(), &self.record[5..]].concat();
        let sql = format!("INSERT OR REPLACE INTO slot_{} VALUES (?, ?, ?, ?, ?)", self.slot);
        rusqlite(dir, &format!("shard-{:x}.db", self.shard))
            .execute(&sql, (&self.hash, &self.key, record, seconds, micros))
            .unwrap();
    }
}

/// Only the encryption can tell here: checksums, times and tables are made to fit.
#[test]
fn what_was_moved_never_opens() {
    const KEYS: i64 = 400;
    let (dir, stash) = stash();
    let (other_dir, other) = self::stash();
    let bucket = stash.bucket("b").unwrap();
    let ttl = SetOptions::ttl(Duration::from_secs(1_000_000));
    for key in 0..KEYS {
        stash.set_with(key, &key, ttl).unwrap();
        bucket.set_with(key, &(key + 1000), ttl).unwrap();
        other.set_with(key, &(key + 2000), ttl).unwrap();
    }
    stash.close().unwrap();
    other.close().unwrap();
    let before = files(dir.path());
    let rows = Raw::all(dir.path());
    let of_bucket = &Raw::all(&dir.path().join("buckets/b"))[0];
    let of_other = &Raw::all(other_dir.path())[0];
    // Where keys fall is another matter in each run; some table has two.
    let (row, beside) = rows
        .iter()
        .find_map(|row| {
            let is_beside =
                |other: &&Raw| (other.shard, other.slot) == (row.shard, row.slot) && other.hash != row.hash;
            Some((row, rows.iter().find(is_beside)?))
        })
        .unwrap();
    // What was changed, and how many keys and how many rows of a listing are refused.
    let later = (row.time.0 + 1, row.time.1);
    let mut longer = row.record.clone();
    longer[5 + 7] ^= 1;
    let as_it_was = |other: &Raw| Raw { record: other.record.clone(), time: other.time, ..row.clone() };
    let moves = [
        ("nothing", row.clone(), [0, 0]),
        ("the record of another row", as_it_was(beside), [1, 1]),
        ("the key of another row", Raw { key: beside.key.clone(), ..row.clone() }, [0, 1]),
        ("to another table", Raw { slot: (row.slot + 1) % 4, ..row.clone() }, [0, 1]),
        ("to another shard", Raw { shard: (row.shard + 1) % 16, ..row.clone() }, [0, 1]),
        ("to another time", Raw { time: later, ..row.clone() }, [1, 1]),
        ("another deadline", Raw { record: longer, ..row.clone() }, [1, 1]),
        ("the record of a row of a bucket", as_it_was(of_bucket), [1, 1]),
        ("a row of a bucket", Raw { shard: row.shard, slot: row.slot, ..of_bucket.clone() }, [0, 1]),
        ("the record of a row of another stash", as_it_was(of_other), [1, 1]),
        ("a row of another stash", Raw { shard: row.shard, slot: row.slot, ..of_other.clone() }, [0, 1]),
    ];
    for (what, moved, expected) in moves {
        moved.put(dir.path());
        let stash = options().open(dir.path()).unwrap();
        let mut refused = [0, 0];
        for key in 0..KEYS {
            match stash.get_as::<i64>(key) {
                Ok(value) => assert_eq!(value, Some(key), "{what}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
                    refused[0] += 1;
                }
            }
        }
        for item in stash.items(ScanOptions::default()) {
            match item {
                Ok((key, value)) => assert_eq!(Some(key), value.as_int().map(Key::from), "{what}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
                    refused[1] += 1;
                }
            }
        }
        assert_eq!(refused, expected, "{what}");
        assert_eq!(stash.verify().unwrap().is_sound(), expected == [0, 0], "{what}");
        stash.close().unwrap();
        for (name, content) in &before {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
    }
}

/// One process makes the stash, another one reads and writes it at the same time.
#[test]
fn two_processes_begin_one_stash() {
    const ROLE: &str = "LITESTASH_TEST_ENCRYPTED";
    if let Ok(dir) = std::env::var(ROLE) {
        let stash = options().open(dir).unwrap();
        (0..200).for_each(|_| assert!(stash.increment("shared", 1).unwrap() > 0));
        return;
    }
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let start = || {
            let test = "encryption::two_processes_begin_one_stash";
            again(test, ROLE, dir.path()).stdout(std::process::Stdio::null()).spawn().unwrap()
        };
        let mut children = [start(), start(), start()];
        children.iter_mut().for_each(|child| assert!(child.wait().unwrap().success()));
        let stash = options().open(dir.path()).unwrap();
        assert_eq!(stash.get_as("shared").unwrap(), Some(600));
        assert!(!files(dir.path()).keys().any(|name| name.contains("new")));
    }
}

#[test]
fn a_fixed_source_of_random_bytes_makes_equal_files() {
    let make = || {
        let dir = tempfile::tempdir().unwrap();
        let stash =
            options().random(CountingRandom::default()).clock(FixedClock::new(1)).open(dir.path()).unwrap();
        (0..50).for_each(|key| assert!(stash.add(key, &key).unwrap()));
        stash.close().unwrap();
        files(dir.path())
    };
    assert_eq!(make(), make());
}

#[test]
fn values_are_compressed_where_that_helps_and_read_without_the_option() {
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().compression(Compression::default()).open(dir.path()).unwrap();
    stash.set("long", &"abc".repeat(100_000)).unwrap();
    stash.set("short", &"abc").unwrap();
    assert!(stash.stats().unwrap().record_bytes < 2000);
    stash.close().unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    assert_eq!(stash.get_as("long").unwrap(), Some("abc".repeat(100_000)));
    assert_eq!(stash.entry("long").unwrap().unwrap().size_bytes(), 300_005);
    assert!(stash.verify().unwrap().is_sound());
    stash.close().unwrap();
    let small = Options::new().value_bytes_max(300_004).open(dir.path()).unwrap();
    check_kind(small.get("long"), ErrorKind::TooLarge);
    check_kind(
        Options::new().compression(Compression { level: 20, min_bytes: 0 }).open(dir.path()),
        ErrorKind::InvalidArgument,
    );
}

#[test]
fn a_row_that_is_prolonged_keeps_its_compressed_body() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(1_767_323_045_000_000);
    let open = |compression: Option<Compression>| {
        options().compression(compression).clock(clock.clone()).background(false).open(dir.path()).unwrap()
    };
    let stash = open(Some(Compression::default()));
    let text = "abc".repeat(10_000);
    stash.set_with("long", &text, SetOptions::idle(Duration::from_secs(80))).unwrap();
    let before = stash.stats().unwrap().record_bytes;
    assert!(before < 1000);
    stash.close().unwrap();
    // This handle compresses nothing of its own.
    let stash = open(None);
    clock.advance(20_000_000);
    assert!(stash.touch("long").unwrap());
    clock.advance(70_000_000);
    assert_eq!(stash.get_as("long").unwrap(), Some(text.clone()));
    assert_eq!(stash.stats().unwrap().record_bytes, before);
    // What was only noted is written by a sync.
    stash.sync().unwrap();
    clock.advance(70_000_000);
    assert_eq!(stash.get_as("long").unwrap(), Some(text));
    assert_eq!(stash.stats().unwrap().record_bytes, before);
    assert!(stash.verify().unwrap().is_sound());
}
