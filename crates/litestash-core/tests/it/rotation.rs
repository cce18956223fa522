//! Changing the keys of an encrypted stash while it is used.

use crate::support::{again, check_kind};
use litestash_core::{Durability, ErrorKind, LiteStash, Options, ScanOptions, Version};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const KEY: [u8; 32] = [7; 32];

fn open(dir: &Path) -> LiteStash {
    Options::new().encryption_key(KEY).open(dir).unwrap()
}

fn rows(stash: &LiteStash) -> BTreeMap<i64, (Version, i64)> {
    stash
        .keys(ScanOptions::default())
        .map(|key| {
            let litestash_core::Key::Int(key) = key.unwrap() else { panic!("a key that was never stored") };
            let entry = stash.entry(key).unwrap().unwrap();
            let litestash_core::Value::Int(value) = entry.value().unwrap() else { panic!("another value") };
            (key, (entry.version, value))
        })
        .collect()
}

/// Epochs of all rows: of their keys and of their records.
fn epochs(dir: &Path) -> Vec<u32> {
    let mut epochs = Vec::new();
    for shard in 0..16 {
        let path = dir.join(format!("shard-{shard:x}.db"));
        if !path.exists() {
            continue;
        }
        let file = rusqlite::Connection::open(path).unwrap();
        for slot in 0..4 {
            let mut rows = file.prepare(&format!("SELECT key, value FROM slot_{slot}")).unwrap();
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let (key, value): (Vec<u8>, Vec<u8>) = (row.get(0).unwrap(), row.get(1).unwrap());
                assert_eq!(value[0], 8);
                epochs.push(u32::from_be_bytes(key[..4].try_into().unwrap()));
                epochs.push(u32::from_be_bytes(value[5..9].try_into().unwrap()));
            }
        }
    }
    epochs.sort();
    epochs.dedup();
    epochs
}

#[test]
fn rows_keep_what_they_are_and_get_the_new_key() {
    let dir = tempfile::tempdir().unwrap();
    let stash = open(dir.path());
    let plain = LiteStash::memory().unwrap();
    check_kind(plain.rotate_key(|_| true), ErrorKind::InvalidArgument);
    for key in 0..3000 {
        stash.set(key, &key).unwrap();
    }
    let before = rows(&stash);
    let mut seen = 0;
    let report = stash
        .rotate_key(|report| {
            assert!(report.resealed >= seen);
            seen = report.resealed;
            true
        })
        .unwrap();
    assert_eq!((report.epoch, report.resealed, report.rows, report.damaged), (2, 3000, 3000, 0));
    assert!(report.finished && !report.resumed);
    assert_eq!(rows(&stash), before);
    stash.set(1, &-1).unwrap();
    stash.close().unwrap();
    assert_eq!(epochs(dir.path()), [2]);
    let stash = open(dir.path());
    assert_eq!(stash.get_as(1).unwrap(), Some(-1));
    assert_eq!(rows(&stash).len(), 3000);
    assert!(stash.verify().unwrap().is_sound());
    assert_eq!(stash.rotate_key(|_| true).unwrap().epoch, 3);
}

#[test]
fn a_rotation_that_was_stopped_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let stash = open(dir.path());
    (0..3000).for_each(|key| assert!(stash.add(key, &key).unwrap()));
    check_kind(stash.rotate_key(|report| report.resealed < 1000), ErrorKind::Cancelled);
    assert_eq!(epochs(dir.path()), [1, 2]);
    assert_eq!(rows(&stash).len(), 3000);
    stash.backup(dir.path().join("copy")).unwrap();
    assert_eq!(rows(&open(&dir.path().join("copy"))).len(), 3000);
    let report = stash.rotate_key(|_| true).unwrap();
    assert!(report.resumed && report.finished && report.epoch == 2, "{report:?}");
    assert!(report.resealed > 1000 && report.resealed < 2100, "{report:?}");
    assert_eq!(epochs(dir.path()), [2]);
}

#[test]
fn a_damaged_row_keeps_the_old_key() {
    let dir = tempfile::tempdir().unwrap();
    let stash = open(dir.path());
    (0..2000).for_each(|key| assert!(stash.add(key, &key).unwrap()));
    stash.close().unwrap();
    let file = rusqlite::Connection::open(dir.path().join("shard-5.db")).unwrap();
    let changed = file
        .execute(
            "UPDATE slot_1 SET value = CAST(value || x'00' AS BLOB) \
             WHERE rowid = (SELECT min(rowid) FROM slot_1)",
            [],
        )
        .unwrap();
    assert_eq!(changed, 1);
    drop(file);
    let stash = open(dir.path());
    let report = stash.rotate_key(|_| true).unwrap();
    assert_eq!((report.damaged, report.resealed, report.finished), (1, 1999, false));
    assert_eq!(epochs(dir.path()), [1, 2]);
}

#[test]
fn another_key_opens_the_stash_and_the_old_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let stash = open(dir.path());
    let other = open(dir.path());
    stash.set(1, &1).unwrap();
    other.set(2, &2).unwrap();
    stash.change_passphrase("correct horse").unwrap();
    stash.set(3, &3).unwrap();
    assert_eq!(other.get_as(3).unwrap(), Some(3));
    check_kind(other.set(4, &4), ErrorKind::WrongKey);
    check_kind(other.rotate_key(|_| true), ErrorKind::WrongKey);
    check_kind(Options::new().encryption_key(KEY).open(dir.path()), ErrorKind::WrongKey);
    let again = Options::new().passphrase("correct horse").open(dir.path()).unwrap();
    assert_eq!(rows(&again).len(), 3);
    again.change_key([9; 32]).unwrap();
    check_kind(again.change_key([9; 31]), ErrorKind::InvalidArgument);
    let last = Options::new().encryption_key([9; 32]).open(dir.path()).unwrap();
    assert_eq!(last.rotate_key(|_| true).unwrap().resealed, 3);
    again.set(5, &5).unwrap();
    assert_eq!(rows(&last).len(), 4);
    check_kind(Options::new().passphrase("correct horse").open(dir.path()), ErrorKind::WrongKey);
}

/// Other processes write all the time, at every level; the process that rotates is killed again and again.
#[test]
fn a_rotation_under_writers_loses_nothing_whoever_is_killed() {
    const ROLE: &str = "LITESTASH_TEST_ROTATION";
    const TEST: &str = "rotation::a_rotation_under_writers_loses_nothing_whoever_is_killed";
    if let Ok(role) = std::env::var(ROLE) {
        let (role, dir) = role.split_once(' ').unwrap();
        let stash = open(dir.as_ref());
        match role {
            "rotate" => loop {
                stash.rotate_key(|_| true).unwrap();
            },
            _ => {
                let first: i64 = role.parse().unwrap();
                for round in 0.. {
                    for key in first..first + 300 {
                        let level = match key % 3 {
                            0 => Durability::Relaxed,
                            _ => Durability::Normal,
                        };
                        stash.with_durability(level).set(key, &round).unwrap();
                    }
                    stash.set(-first, &round).unwrap();
                    if Path::new(dir).join("stop.lock").exists() {
                        stash.close().unwrap();
                        return;
                    }
                }
            }
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let start = |role: &str| {
        let value = format!("{role} {}", dir.path().display());
        again(TEST, ROLE, value).stdout(Stdio::null()).spawn().unwrap()
    };
    let stash = open(dir.path());
    let mut writers = [start("1000"), start("2000")];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Whatever is read meanwhile can be read.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for row in stash.items(ScanOptions::default()) {
                    row.unwrap();
                }
                stash.set(1, &1).unwrap();
            }
        });
        for round in 0..12 {
            let mut rotator = start("rotate");
            std::thread::sleep(Duration::from_millis(150 + 37 * round));
            rotator.kill().unwrap();
            assert!(!rotator.wait().unwrap().success());
        }
        stop.store(true, Ordering::Relaxed);
    });
    std::fs::write(dir.path().join("stop.lock"), "").unwrap();
    for writer in &mut writers {
        assert!(writer.wait().unwrap().success());
    }
    let found = rows(&stash);
    for first in [1000, 2000] {
        let last = found[&-first].1;
        for key in first..first + 300 {
            assert_eq!(found[&key].1, last, "key {key}");
        }
    }
    let report = stash.rotate_key(|_| true).unwrap();
    assert!(report.finished && report.epoch > 2, "{report:?}");
    assert_eq!(rows(&stash), found);
    assert!(stash.verify().unwrap().is_sound());
    stash.close().unwrap();
    assert_eq!(epochs(dir.path()), [report.epoch]);
}
