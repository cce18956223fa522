//! The comparer, tried on shard files with one thing changed.

use super::*;
use litestash_core::{FixedClock, Options};
use rusqlite::Connection;
use std::path::PathBuf;
use tempfile::TempDir;

/// A stash with the row of `docs/CONTRACT.md` 12, and the path of its shard file.
fn stash() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let stash = Options::new().clock(FixedClock::new(1_767_323_045_678_901)).open(folder.path()).unwrap();
    stash.set("user:1001", &36).unwrap();
    stash.close().unwrap();
    let file = folder.path().join("shard-2.db");
    (folder, file)
}

#[test]
fn equal_operations_leave_equal_files() {
    let ((a, file_a), (b, file_b)) = (stash(), stash());
    assert_eq!(files(&file_a, &file_b), "equal bytes");
    assert_eq!(rows::difference(a.path(), b.path()), None);
}

#[test]
fn a_flipped_byte_is_told_by_field_or_page() {
    let ((_a, file_a), (_b, file_b)) = (stash(), stash());
    let sound = std::fs::read(&file_b).unwrap();
    for (at, fragment) in
        [(27, "header change counter (bytes 24-27)"), (4096 * 2 + 9, "page 3 differs from byte 9 on")]
    {
        let mut flipped = sound.clone();
        flipped[at] ^= 1;
        std::fs::write(&file_b, flipped).unwrap();
        let told = files(&file_a, &file_b);
        assert!(told.starts_with(fragment), "{told}");
    }
}

#[test]
fn a_changed_row_is_named_with_its_columns() {
    let ((a, file_a), (b, file_b)) = (stash(), stash());
    let changed = Connection::open(&file_b).unwrap();
    changed.execute("UPDATE slot_1 SET microsecond = 7", []).unwrap();
    drop(changed);
    let told = files(&file_a, &file_b);
    assert!(
        told.contains("slot_1 x'24c580f6")
            && told.contains("= \"user:1001\": microsecond expected 678901, got 7")
    );
    assert!(rows::difference(a.path(), b.path()).unwrap().contains("shard-2.db slot_1 x'24c5"));
}

#[test]
fn missing_rows_hints_and_files_are_named() {
    let ((a, _), (b, file_b)) = (stash(), stash());
    let changed = Connection::open(&file_b).unwrap();
    changed.execute("DELETE FROM slot_1", []).unwrap();
    changed.execute("INSERT INTO expiry VALUES (9, 1, x'00')", []).unwrap();
    drop(changed);
    let told = rows::difference(a.path(), b.path()).unwrap();
    assert!(
        told.contains("the row is missing") && told.contains("expiry 9 1 x'00': the row should not be there")
    );
    std::fs::remove_file(file_b).unwrap();
    assert!(rows::difference(a.path(), b.path()).unwrap().contains("only one has shard-2.db"));
}
