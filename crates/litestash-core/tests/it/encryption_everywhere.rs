//! Encrypted stashes with all that is stored besides rows: buckets, the journal, the log of changes, leases.

use crate::support::check_kind;
use litestash_core::{
    Action, BucketOptions, Compression, ComputeOptions, Deadline, Durability, ErrorKind, EventKind, Eviction,
    Filter, FixedClock, ImportOptions, Key, Limits, LiteStash, Op, Options, ScanOptions, Scope, SetOptions,
    TransactionOutcome, Value, repair_with,
};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const KEY: [u8; 32] = [7; 32];
const SECRETS: [&str; 2] = ["SECRETKEY", "SECRETVALUE"];

fn options() -> Options {
    Options::new().encryption_key(KEY).background(false)
}

fn stash() -> (TempDir, LiteStash) {
    let dir = tempfile::tempdir().unwrap();
    let stash = options().open(dir.path()).unwrap();
    (dir, stash)
}

fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut all_files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Fails if a secret is in a file. Returns the names of the files.
fn look(dir: &Path, when: &str) -> Vec<String> {
    let names = all_files(dir).into_iter().map(|path| {
        // The background may have ended a log since the files were listed.
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.unwrap(),
        };
        for secret in SECRETS {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {} {when}", path.display());
        }
        path.file_name().unwrap().to_string_lossy().into_owned()
    });
    names.collect()
}

fn set(key: &str, value: &str) -> Op {
    Op::set(key, &value, SetOptions::default()).unwrap()
}

fn committed(stash: &LiteStash, ops: &[Op]) {
    assert!(matches!(stash.transaction(ops).unwrap(), TransactionOutcome::Committed(_)));
}

fn count(file: &Path, query: &str) -> i64 {
    Connection::open(file).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn nothing_that_is_stored_besides_rows_tells_a_key_or_a_value() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(1_767_323_045_000_000);
    let root = options().clock(clock.clone()).open(dir.path()).unwrap();
    let bucket = root.bucket("inner").unwrap();
    for stash in [&root, &bucket] {
        stash.log_changes(Duration::from_secs(60)).unwrap();
        for number in 0..64 {
            stash.set(format!("SECRETKEY{number}"), "SECRETVALUE").unwrap();
        }
        assert!(stash.delete("SECRETKEY5").unwrap());
        // A deadline that slides, with what was read.
        let idle = SetOptions::idle(Duration::from_secs(8));
        stash.set_with("SECRETKEYidle", "SECRETVALUE", idle).unwrap();
        clock.advance(4_000_000);
        assert!(stash.get("SECRETKEYidle").unwrap().is_some());
        let swept = stash.sweep().unwrap();
        assert_eq!((swept.rows, swept.unreadable), (0, 0));
        let deadline = stash.expires_at("SECRETKEYidle").unwrap().unwrap().unwrap();
        clock.advance(4_000_001);
        assert!(stash.touch("SECRETKEYidle").unwrap(), "it ends at {deadline}");
        // Transactions over several shards, of which the journal keeps what they do.
        let mut journalled = 0;
        while journalled == 0 {
            let ops: Vec<_> =
                (0..32).map(|number| set(&format!("SECRETKEY{number}"), "SECRETVALUE")).collect();
            committed(stash, &ops);
            let mut ops = ops;
            ops.push(Op::new("SECRETKEY40", Action::Delete).unwrap());
            committed(stash, &ops);
            let journal = stash.path().unwrap().join("journal.db");
            journalled = count(&journal, "SELECT count(*) FROM intents");
        }
        // A lease is there while the value is computed.
        let computing = ComputeOptions { across_processes: true, ..ComputeOptions::default() };
        let computed = stash.get_or_set_with("SECRETKEYcomputed", computing, || {
            look(dir.path(), "while a value is computed");
            let leases = (0..16).filter(|number| {
                let shard = stash.path().unwrap().join(format!("shard-{number:x}.db"));
                let has = "SELECT count(*) FROM sqlite_schema WHERE name = 'leases'";
                shard.exists() && count(&shard, has) > 0
            });
            assert_eq!(leases.count(), 1);
            Ok::<_, std::io::Error>("SECRETVALUE".to_owned())
        });
        assert_eq!(computed.unwrap(), "SECRETVALUE");
    }
    let names = look(dir.path(), "while it is open");
    for name in ["journal.db", "journal.db-wal", "shard-0.db-wal", "keyring"] {
        let expected = if name == "keyring" { 1 } else { 2 };
        assert_eq!(names.iter().filter(|found| *found == name).count(), expected, "{name}");
    }
    let shard = dir.path().join("shard-0.db");
    assert!(count(&shard, "SELECT count(*) FROM changes WHERE octet_length(key) > 20") > 0);
    assert!(root.verify().unwrap().is_sound());
    root.close().unwrap();
    look(dir.path(), "after it was closed");
    let root = options().clock(clock).open(dir.path()).unwrap();
    let bucket = root.bucket("inner").unwrap();
    // What slid in the root has ended meanwhile.
    for (stash, rows) in [(&root, 64), (&bucket, 65)] {
        assert_eq!(stash.get_as::<String>("SECRETKEY1").unwrap().as_deref(), Some("SECRETVALUE"));
        assert_eq!(stash.get("SECRETKEY40").unwrap(), None);
        assert_eq!(stash.len().unwrap(), rows);
    }
}

/// Evicting, uses, expired rows, relaxed writes, uncompressed and compressed ones, rotation, copies.
#[test]
fn limits_deadlines_and_copies_tell_no_key_and_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(1_767_323_045_000_000);
    for compression in [None, Some(Compression { min_bytes: 16, level: 1 })] {
        // Uses are written by the background only.
        let options = Options::new().encryption_key(KEY).compression(compression);
        let limits = Limits { rows: Some(150), eviction: Eviction::LeastFrequentlyUsed, bytes: None };
        let root = options.clone().limits(limits).open(dir.path()).unwrap();
        let bucket = root.bucket_with("inner", BucketOptions::new().limits(limits)).unwrap();
        for stash in [&root, &bucket] {
            let watch = Filter::new().scope(Scope::AllProcesses);
            let heard = stash.subscribe(watch).unwrap();
            for number in 0..200 {
                let key = format!("SECRETKEY{number}");
                stash.set(&key, &"SECRETVALUE".repeat(number % 9 + 1)).unwrap();
                stash.get(&key).unwrap();
            }
            assert!(stash.len().unwrap() <= 150);
            let stats = stash.stats().unwrap();
            assert_eq!(stats.limits.counted_bytes, Some(stats.key_bytes + stats.record_bytes));
            let soon = SetOptions::ttl(Duration::from_millis(1));
            stash.set_with("SECRETKEYsoon", &"SECRETVALUE", soon).unwrap();
            let relaxed = stash.with_durability(Durability::Relaxed);
            relaxed.set("SECRETKEYrelaxed", &"SECRETVALUE").unwrap();
            std::thread::sleep(Duration::from_millis(5));
            stash.sync().unwrap();
            stash.sweep().unwrap();
            stash.expire_older_than(Duration::from_secs(600), Some("SECRETKEY")).unwrap();
            let evicted = std::iter::from_fn(|| heard.recv_timeout(Duration::from_secs(60)))
                .find(|event| event.kind == EventKind::Evict);
            let key = evicted.and_then(|event| event.key).unwrap();
            assert!(key.as_text().unwrap().starts_with("SECRETKEY"));
            look(dir.path(), "with limits, while it is open");
        }
        assert!(root.rotate_key(|_| true).unwrap().finished);
        root.backup(copies.path().join(format!("{}", compression.is_some()))).unwrap();
        assert!(root.verify().unwrap().is_sound());
        root.close().unwrap();
        let used = (0..16).filter(|number| {
            let shard = dir.path().join(format!("shard-{number:x}.db"));
            count(&shard, "SELECT count(*) FROM sqlite_schema WHERE name = 'access'") > 0
        });
        assert!(used.count() > 0, "no uses were written");
        look(dir.path(), "with limits, after it was closed");
    }
    look(copies.path(), "in a backup");
    let stash = options().clock(clock).open(dir.path()).unwrap();
    let other = options().open(copies.path().join("imported")).unwrap();
    let mut lines = Vec::new();
    stash.export(&mut lines, ScanOptions::default()).unwrap();
    assert!(other.import(lines.as_slice(), ImportOptions::default()).unwrap().rows > 100);
    other.compact().unwrap();
    look(copies.path(), "after an import");
    stash.clear().unwrap();
    stash.close().unwrap();
    look(dir.path(), "after clearing");
}

#[test]
fn expired_rows_are_swept_and_forged_deadlines_remove_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(1_767_323_045_000_000);
    let root = options().clock(clock.clone()).open(dir.path()).unwrap();
    let bucket = root.bucket("inner").unwrap();
    for number in 0..50 {
        bucket.set_with(number, &number, SetOptions::ttl(Duration::from_secs(1))).unwrap();
        bucket.set_with(number + 100, &number, SetOptions::ttl(Duration::from_secs(100))).unwrap();
    }
    root.close().unwrap();
    // The deadline stands in the clear, and the checksum is nobody's secret.
    let shards: Vec<_> = all_files(&dir.path().join("buckets")).into_iter().collect();
    let mut forged = 0;
    for shard in shards.iter().filter(|shard| shard.to_string_lossy().ends_with(".db")) {
        let file = Connection::open(shard).unwrap();
        for slot in 0..4 {
            forged += forge(&file, slot);
        }
    }
    assert_eq!(forged, 50);
    let root = options().clock(clock.clone()).open(dir.path()).unwrap();
    let bucket = root.bucket("inner").unwrap();
    clock.advance(2_000_000);
    let swept = bucket.sweep().unwrap();
    assert_eq!((swept.rows, swept.unreadable), (50, 50));
    let damaged = bucket.items(ScanOptions::default()).filter(|row| row.is_err()).count();
    assert_eq!(damaged, 50);
}

/// Makes every deadline but the earliest ones the earliest one. Returns how many.
fn forge(file: &Connection, slot: u8) -> usize {
    use litestash_core::contract::hash::KeyHash;
    use litestash_core::contract::version::Version;
    let deadline = 1_767_323_046_000_000_i64;
    let query = format!("SELECT key_hash, value, timestamp, microsecond FROM slot_{slot}");
    let mut statement = file.prepare(&query).unwrap();
    type Stored = (Vec<u8>, Vec<u8>, i64, i64);
    let rows: Vec<Stored> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut forged = 0;
    for (hash, mut value, timestamp, microsecond) in rows {
        let at: [u8; 8] = value[5..13].try_into().unwrap();
        if i64::from_be_bytes(at) == deadline {
            continue;
        }
        value[5..13].copy_from_slice(&deadline.to_be_bytes());
        let version = Version::from_columns(timestamp, microsecond).unwrap();
        let mut crc = crc32fast::Hasher::new();
        crc.update(KeyHash::from_slice(&hash).unwrap().as_bytes());
        crc.update(&version.timestamp().to_be_bytes());
        crc.update(&version.microsecond().to_be_bytes());
        crc.update(&value[..1]);
        crc.update(&value[5..]);
        value[1..5].copy_from_slice(&crc.finalize().to_be_bytes());
        let update = format!("UPDATE slot_{slot} SET value = ?2 WHERE key_hash = ?1");
        file.execute(&update, (&hash, value)).unwrap();
        let hint = "INSERT INTO expiry (expires_at, slot, key_hash) VALUES (?1, ?2, ?3)";
        file.execute(hint, (deadline, slot, &hash)).unwrap();
        forged += 1;
    }
    forged
}

#[test]
fn buckets_are_encrypted_with_keys_of_their_own() {
    let (dir, root) = stash();
    let [a, b] = ["a", "b"].map(|name| root.bucket(name).unwrap());
    for stash in [&root, &a, &b] {
        (0..200).for_each(|key| assert!(stash.add(key, &key).unwrap()));
        assert!(stash.is_encrypted());
    }
    check_kind(a.rotate_key(|_| true), ErrorKind::InvalidArgument);
    check_kind(a.change_key([8; 32]), ErrorKind::InvalidArgument);
    check_kind(a.backup(dir.path().join("copy")), ErrorKind::InvalidArgument);
    root.close().unwrap();
    check_kind(LiteStash::open(dir.path()), ErrorKind::WrongKey);
    check_kind(options().encryption_key([8; 32]).open(dir.path()), ErrorKind::WrongKey);
    let root = options().open(dir.path()).unwrap();
    let values =
        |stash: &LiteStash| (0..200).filter(|key| stash.get_as::<i64>(*key).unwrap() == Some(*key)).count();
    assert_eq!(values(&root.bucket("a").unwrap()), 200);
    assert!(root.verify().unwrap().is_sound());
    assert!(root.drop_bucket("b").unwrap());
    assert_eq!(values(&root.bucket("b").unwrap()), 0);
    root.bucket("b").unwrap().set("again", &1).unwrap();
    root.close().unwrap();

    // A shard of the root under a bucket's name, and the other way round: nothing in it can be read.
    let of_root = dir.path().join("shard-3.db");
    let of_bucket = dir.path().join("buckets/a/shard-3.db");
    let (first, second) = (std::fs::read(&of_root).unwrap(), std::fs::read(&of_bucket).unwrap());
    std::fs::write(&of_root, &second).unwrap();
    std::fs::write(&of_bucket, &first).unwrap();
    let root = options().open(dir.path()).unwrap();
    let refused = root.verify().unwrap().problems;
    assert!(!refused.is_empty() && refused.iter().all(|problem| problem.shard == 3), "{refused:?}");
    for stash in [&root, &root.bucket("a").unwrap()] {
        let rows: Vec<_> = stash.items(ScanOptions::default()).collect();
        assert!(rows.iter().any(Result::is_err));
        // Moved rows have other hashes, so a look-up finds none of them.
        assert!((0..200).all(|key| stash.get_as::<i64>(key).unwrap().is_none_or(|value| value == key)));
    }
    root.close().unwrap();

    // A keyring that was lost is not replaced, whatever is left of the stash.
    std::fs::write(&of_root, first).unwrap();
    std::fs::write(&of_bucket, second).unwrap();
    let keyring = std::fs::read(dir.path().join("keyring")).unwrap();
    std::fs::remove_file(dir.path().join("keyring")).unwrap();
    check_kind(options().open(dir.path()), ErrorKind::WrongKey);
    let plain = LiteStash::open(dir.path()).unwrap();
    check_kind(plain.bucket("a").unwrap().get(1), ErrorKind::WrongKey);
    plain.close().unwrap();
    std::fs::write(dir.path().join("keyring"), keyring).unwrap();
}

#[test]
fn copies_and_repairs_include_encrypted_buckets() {
    let (dir, root) = stash();
    let bucket = root.bucket("b").unwrap();
    (0..100).for_each(|key| assert!(root.add(key, &key).unwrap() && bucket.add(key, &-key).unwrap()));
    let copy = dir.path().with_extension("copy");
    root.backup(&copy).unwrap();
    root.close().unwrap();
    let repaired = dir.path().with_extension("repaired");
    let report = repair_with(dir.path(), &repaired, options()).unwrap();
    assert_eq!((report.rows, report.lost.len()), (200, 0), "{:?}", report.lost);
    for dir in [&copy, &repaired] {
        let root = options().open(dir).unwrap();
        assert!(root.verify().unwrap().is_sound());
        let bucket = root.bucket("b").unwrap();
        assert!((0..100).all(|key| bucket.get_as(key).unwrap() == Some(-key)));
        root.close().unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn a_rotation_reaches_buckets_that_others_have_open_and_the_log_of_changes() {
    let (dir, root) = stash();
    let elsewhere = options().open(dir.path()).unwrap();
    let other = elsewhere.bucket("b").unwrap();
    (0..100).for_each(|key| assert!(root.add(key, &key).unwrap() && other.add(key, &-key).unwrap()));
    // Not open here.
    elsewhere.bucket("c").unwrap().set("k", "v").unwrap();
    other.log_changes(Duration::from_secs(60)).unwrap();
    let filter = Filter::new().kinds([EventKind::Set]).scope(Scope::AllProcesses);
    let watcher = root.bucket("b").unwrap().subscribe(filter).unwrap();
    other.set("seen", &1).unwrap();
    let report = root.rotate_key(|_| true).unwrap();
    assert_eq!((report.resealed, report.damaged, report.finished), (201 + 1, 0, true));
    // Whoever had the old key only writes with the new one, in each of its stashes.
    elsewhere.set("later", &1).unwrap();
    other.set("later", &2).unwrap();
    let again = root.rotate_key(|_| true).unwrap();
    assert_eq!((again.epoch, again.resealed, again.finished), (3, 204, true));
    let mut keys = Vec::new();
    while keys.len() < 2 {
        let event = watcher.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(event.missed, 0);
        keys.push(event.key.unwrap());
    }
    assert_eq!(keys, [Key::from("seen"), Key::from("later")]);
    assert!((0..100).all(|key| other.get_as(key).unwrap() == Some(-key)));
    assert_eq!(elsewhere.get_as("later").unwrap(), Some(1));
    assert!(elsewhere.verify().unwrap().is_sound());
    drop(watcher);
    elsewhere.close().unwrap();
    root.close().unwrap();
    let root = options().open(dir.path()).unwrap();
    assert_eq!(root.bucket("c").unwrap().get("k").unwrap(), Some(Value::from("v")));
}

/// What the journal has of a transaction is done with what is encrypted there, also after a rotation began.
#[test]
fn what_a_transaction_left_undone_is_done_from_ciphertext() {
    let (dir, root) = stash();
    let bucket = root.bucket("b").unwrap();
    let journal = dir.path().join("buckets/b/journal.db");
    type Intent = (i64, i64, Vec<u8>);
    let mut intents: Vec<Intent> = Vec::new();
    let ops: Vec<_> = (0..40).map(|number| set(&format!("k{number}"), "done")).collect();
    while intents.is_empty() {
        committed(&bucket, &ops);
        let file = Connection::open(&journal).unwrap();
        let mut all = file.prepare("SELECT shard, id, changes FROM intents").unwrap();
        let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        intents = rows.map(Result::unwrap).collect();
    }
    let last = intents.iter().map(|(_, id, _)| *id).max().unwrap();
    intents.retain(|(_, id, _)| *id == last);
    root.close().unwrap();
    let undo = |folder: &Path| {
        let file = Connection::open(folder.join("journal.db")).unwrap();
        for intent in &intents {
            file.execute("INSERT INTO intents (shard, id, changes) VALUES (?1, ?2, ?3)", intent.clone())
                .unwrap();
        }
        for (shard, _, _) in &intents {
            let file = Connection::open(folder.join(format!("shard-{shard:x}.db"))).unwrap();
            for slot in 0..4 {
                file.execute(&format!("DELETE FROM slot_{slot}"), []).unwrap();
            }
            let earlier = "UPDATE meta SET value = value - 1 WHERE name = 'applied'";
            assert_eq!(file.execute(earlier, []).unwrap(), 1);
        }
    };
    undo(&dir.path().join("buckets/b"));
    let root = options().open(dir.path()).unwrap();
    let report = root.rotate_key(|_| true).unwrap();
    assert!(report.finished && report.damaged == 0);
    let bucket = root.bucket("b").unwrap();
    let done = |stash: &LiteStash| stash.items(ScanOptions::default()).filter(|row| row.is_ok()).count();
    assert_eq!(done(&bucket), 40);
    assert!(root.verify().unwrap().is_sound());
    assert!(bucket.expires_at("k0").unwrap().is_some_and(|deadline| deadline.is_none()));
    bucket.expire("k0", Deadline::Never).unwrap();
    root.close().unwrap();
}
