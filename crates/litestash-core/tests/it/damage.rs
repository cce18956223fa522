//! Damaged, foreign and newer files.

use crate::support::{check_kind, stash};
use litestash_core::{ErrorKind, LiteStash, ProblemKind, ScanOptions, repair};
use rusqlite::{Connection, params};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// `user:1001` lives in shard 2, slot 1.
const KEY: &str = "user:1001";

fn shard(dir: &Path) -> PathBuf {
    dir.join("shard-2.db")
}

/// A closed stash with 2000 numbered rows and the text key [`KEY`].
fn filled() -> tempfile::TempDir {
    let (dir, stash) = stash();
    stash.set_many((0..2000).map(|n| (n, format!("value {n}")))).unwrap();
    stash.set(KEY, "Ada").unwrap();
    stash.close().unwrap();
    dir
}

fn sql(dir: &Path, statement: &str) {
    let connection = Connection::open(shard(dir)).unwrap();
    connection.execute_batch(statement).unwrap();
}

#[test]
fn every_flipped_bit_of_a_value_is_reported_and_never_returned() {
    let dir = filled();
    let connection = Connection::open(shard(dir.path())).unwrap();
    let select = "SELECT value FROM slot_1 WHERE key = ?1";
    let sound: Vec<u8> = connection.query_row(select, [KEY], |row| row.get(0)).unwrap();
    let store = |value: &[u8]| {
        connection.execute("UPDATE slot_1 SET value = ?1 WHERE key = ?2", params![value, KEY]).unwrap();
    };
    let stash = LiteStash::open(dir.path()).unwrap();
    for bit in 0..sound.len() * 8 {
        let mut flipped = sound.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        store(&flipped);
        check_kind(stash.get(KEY), ErrorKind::Corrupt);
        check_kind(stash.entry(KEY), ErrorKind::Corrupt);
        check_kind(stash.get_many([KEY]), ErrorKind::Corrupt);
        check_kind(stash.increment(KEY, 1), ErrorKind::Corrupt);
        check_kind(stash.take(KEY), ErrorKind::Corrupt);
    }
    let report = stash.verify().unwrap();
    assert_eq!(report.problems.len(), 1);
    assert_eq!((report.problems[0].kind, report.problems[0].shard), (ProblemKind::Record, 2));
    assert_eq!(stash.items(ScanOptions::default()).filter(Result::is_err).count(), 1);
    assert_eq!(stash.items(ScanOptions::default()).filter(Result::is_ok).count(), 2000);
    // A damaged row can still be overwritten, or deleted.
    stash.set(KEY, "new").unwrap();
    assert_eq!(stash.get_as::<String>(KEY).unwrap().as_deref(), Some("new"));
    store(&[]);
    assert!(stash.delete(KEY).unwrap());
}

#[test]
fn verify_names_each_kind_of_damage() {
    for (statement, kind) in [
        ("UPDATE slot_1 SET key = 'other' WHERE key = 'user:1001'", ProblemKind::Hash),
        ("UPDATE slot_1 SET key = 1.0 WHERE key = 'user:1001'", ProblemKind::Key),
        ("UPDATE slot_1 SET microsecond = 1000000 WHERE key = 'user:1001'", ProblemKind::Version),
        ("UPDATE slot_1 SET timestamp = timestamp + 1 WHERE key = 'user:1001'", ProblemKind::Record),
        ("INSERT INTO slot_0 SELECT * FROM slot_1 WHERE key = 'user:1001'", ProblemKind::Routing),
        ("INSERT INTO expiry VALUES (1, 9, x'00')", ProblemKind::Expiry),
        ("UPDATE slot_1 SET key_hash = x'00' WHERE key = 'user:1001'", ProblemKind::Hash),
    ] {
        let dir = filled();
        sql(dir.path(), statement);
        let report = LiteStash::open(dir.path()).unwrap().verify().unwrap();
        assert!(!report.is_sound(), "{statement}");
        assert!(
            report.problems.iter().all(|problem| problem.kind == kind && problem.shard == 2),
            "{report:?}"
        );
    }
}

#[test]
fn a_refused_shard_leaves_the_other_fifteen_usable() {
    for (statement, kind) in [
        ("PRAGMA user_version = 2", ErrorKind::UnsupportedFormat),
        ("PRAGMA application_id = 7", ErrorKind::NotAStash),
        ("CREATE TABLE more (x)", ErrorKind::NotAStash),
        ("DROP TABLE slot_3", ErrorKind::NotAStash),
        ("CREATE INDEX by_time ON slot_0 (timestamp)", ErrorKind::NotAStash),
        ("UPDATE meta SET value = 5 WHERE name = 'shard'", ErrorKind::NotAStash),
        ("DELETE FROM meta", ErrorKind::NotAStash),
    ] {
        let dir = filled();
        sql(dir.path(), statement);
        let before = std::fs::read(shard(dir.path())).unwrap();
        let stash = LiteStash::open(dir.path()).unwrap();
        check_kind(stash.get(KEY), kind);
        check_kind(stash.set(KEY, &1), kind);
        let readable = (0..2000).filter(|n| stash.get(n).is_ok()).count();
        assert!((1700..2000).contains(&readable), "{readable}");
        assert!(stash.set("user:1", &1).is_ok());
        let report = stash.verify().unwrap();
        assert_eq!(report.problems.len(), 1, "{statement}: {report:?}");
        assert_eq!(report.problems[0].kind, ProblemKind::File);
        stash.close().unwrap();
        assert_eq!(
            std::fs::read(shard(dir.path())).unwrap(),
            before,
            "a refused file was changed: {statement}"
        );
    }
}

#[test]
fn files_that_are_no_shard_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(shard(dir.path()), b"these are the days of our lives, not a database".repeat(20)).unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    check_kind(stash.set(KEY, &1), ErrorKind::NotAStash);
    check_kind(stash.get(KEY), ErrorKind::NotAStash);
    let dir = tempfile::tempdir().unwrap();
    Connection::open(shard(dir.path())).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    check_kind(LiteStash::open(dir.path()).unwrap().set(KEY, &1), ErrorKind::NotAStash);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(shard(dir.path()), b"").unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    assert_eq!(stash.get(KEY).unwrap(), None);
    stash.set(KEY, &1).unwrap();
    assert!(stash.verify().unwrap().is_sound());
}

#[test]
fn a_renamed_shard_is_refused() {
    let dir = filled();
    std::fs::rename(shard(dir.path()), dir.path().join("shard-9.db.away")).unwrap();
    std::fs::rename(dir.path().join("shard-3.db"), shard(dir.path())).unwrap();
    check_kind(LiteStash::open(dir.path()).unwrap().get(KEY), ErrorKind::NotAStash);
}

/// Overwrites pages of a shard with rubbish; page numbers count from 1.
fn ruin_pages(dir: &Path, pages: impl Iterator<Item = u64>) {
    let file = std::fs::OpenOptions::new().write(true).open(shard(dir)).unwrap();
    for page in pages {
        file.write_all_at(&[0xa5; 4096], (page - 1) * 4096).unwrap();
    }
}

#[test]
fn repair_salvages_what_is_readable_and_lists_the_rest() {
    let dir = filled();
    let pages = std::fs::metadata(shard(dir.path())).unwrap().len() / 4096;
    let whole = {
        let stash = LiteStash::open(dir.path()).unwrap();
        let whole: std::collections::BTreeMap<_, _> =
            stash.items(ScanOptions::default()).map(Result::unwrap).collect();
        whole
    };
    for ruined in 2..=pages {
        let copy = tempfile::tempdir().unwrap();
        for file in dir.path().read_dir().unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        ruin_pages(copy.path(), ruined..ruined + 1);
        let target = tempfile::tempdir().unwrap();
        let report = repair(copy.path(), target.path().join("new")).unwrap();
        let salvaged = LiteStash::open(target.path().join("new")).unwrap();
        assert!(salvaged.verify().unwrap().is_sound());
        assert_eq!(salvaged.len().unwrap(), report.rows);
        for item in salvaged.items(ScanOptions::default()) {
            let (key, value) = item.unwrap();
            assert_eq!(whole.get(&key), Some(&value));
        }
        assert!(report.rows > 1850, "page {ruined}: {} rows", report.rows);
        let missing = whole.len() as u64 - report.rows;
        assert_eq!(
            missing == 0,
            report.lost.iter().all(|lost| lost.key_hash.is_none()),
            "page {ruined}: {report:?}"
        );
    }
}

#[test]
fn repair_of_a_sound_stash_is_a_copy_and_a_lost_shard_is_listed() {
    let dir = filled();
    let target = tempfile::tempdir().unwrap();
    let report = repair(dir.path(), target.path().join("copy")).unwrap();
    assert_eq!((report.rows, report.shards, report.lost.len()), (2001, 16, 0));
    ruin_pages(dir.path(), 1..2);
    let report = repair(dir.path(), target.path().join("rest")).unwrap();
    assert_eq!(report.lost.len(), 1);
    assert_eq!((report.lost[0].shard, report.lost[0].slot), (2, None));
    check_kind(repair(dir.path(), target.path().join("rest")), ErrorKind::InvalidArgument);
    check_kind(repair(dir.path().join("nowhere"), target.path().join("x")), ErrorKind::NoStash);
}

/// The fuzzer found a repair that tried a million row numbers in each table of a file of twelve pages.
#[test]
fn repair_of_tables_and_indexes_that_are_both_damaged_ends_and_says_what_may_be_missing() {
    let dir = filled();
    let pages = std::fs::metadata(shard(dir.path())).unwrap().len() / 4096;
    ruin_pages(dir.path(), 3..pages + 1);
    let target = tempfile::tempdir().unwrap();
    let report = repair(dir.path(), target.path().join("new")).unwrap();
    assert!((1700..2001).contains(&report.rows), "{}", report.rows);
    let lost: Vec<_> = report.lost.iter().map(|lost| (lost.shard, lost.slot)).collect();
    assert_eq!(lost, [(2, Some(0)), (2, Some(1)), (2, Some(2)), (2, Some(3))], "{report:?}");
}

#[test]
fn repair_reads_what_only_the_log_has() {
    let (dir, stash) = stash();
    stash.set_many((0..5000).map(|n| (n, n))).unwrap();
    let copy = tempfile::tempdir().unwrap();
    for file in dir.path().read_dir().unwrap().map(Result::unwrap) {
        if !file.path().to_string_lossy().ends_with("-shm") {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    let target = tempfile::tempdir().unwrap();
    let report = repair(copy.path(), target.path().join("new")).unwrap();
    assert_eq!((report.rows, report.lost.len()), (5000, 0));
}

#[test]
fn an_index_out_of_order_leads_no_scan_in_circles() {
    let dir = filled();
    let file = shard(dir.path());
    let sound = std::fs::read(&file).unwrap();
    /// The page type of an index leaf.
    const INDEX_LEAF: u8 = 0x0a;
    let leaves: Vec<_> = (1..sound.len() / 4096).filter(|page| sound[page * 4096] == INDEX_LEAF).collect();
    let mut tried = 0;
    for (at, first) in leaves.iter().enumerate() {
        for second in &leaves[at + 1..] {
            let mut swapped = sound.clone();
            swapped[first * 4096..][..4096].copy_from_slice(&sound[second * 4096..][..4096]);
            swapped[second * 4096..][..4096].copy_from_slice(&sound[first * 4096..][..4096]);
            std::fs::write(&file, &swapped).unwrap();
            let stash = LiteStash::open(dir.path()).unwrap();
            assert!(stash.items(ScanOptions::default()).count() < 10_000);
            stash.verify().unwrap();
            stash.close().unwrap();
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn random_damage_never_panics_and_never_lies() {
    let dir = filled();
    let sound: std::collections::BTreeMap<_, _> =
        LiteStash::open(dir.path()).unwrap().items(ScanOptions::default()).map(Result::unwrap).collect();
    let original = std::fs::read(shard(dir.path())).unwrap();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..200 {
        let mut bytes = original.clone();
        for _ in 0..1 + round % 40 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = random as usize % bytes.len();
            bytes[at] ^= 1 << (random >> 61);
        }
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(shard(copy.path()), &bytes).unwrap();
        let stash = LiteStash::open(copy.path()).unwrap();
        for item in stash.items(ScanOptions::default()).flatten() {
            assert_eq!(sound.get(&item.0), Some(&item.1));
        }
        for key in sound.keys().take(300) {
            if let Ok(Some(value)) = stash.get(key) {
                assert_eq!(sound.get(key), Some(&value));
            }
        }
        let _ = stash.verify();
        let _ = stash.set(KEY, &1);
        let _ = stash.close();
    }
}
