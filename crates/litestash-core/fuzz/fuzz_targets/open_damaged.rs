//! A directory of damaged files: every operation answers, nothing is returned that was not stored.

#![no_main]

use libfuzzer_sys::fuzz_target;
use litestash_core::{LiteStash, ScanOptions, Value, repair};
use std::sync::OnceLock;

const KEYS: i64 = 40;
const FILES: [&str; 3] = ["shard-0.db", "shard-5.db", "shard-c.db"];

/// The files of a sound stash.
fn sound() -> &'static Vec<Vec<u8>> {
    static FILE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let stash = LiteStash::open(dir.path()).expect("a stash");
        for key in 0..KEYS {
            stash.set(key, &Value::Bytes(vec![key as u8; key as usize * 200])).expect("a write");
        }
        stash.close().expect("an orderly end");
        FILES.iter().map(|name| std::fs::read(dir.path().join(name)).expect("a shard")).collect()
    })
}

// The input is a list of changes: which file, where (3 bytes), and the byte to put
// there; the rest becomes a WAL.
fuzz_target!(|input: &[u8]| {
    let mut files = sound().clone();
    let (changes, wal) = input.split_at(input.len().min(5 * 24));
    for change in changes.as_chunks::<5>().0 {
        let file = &mut files[usize::from(change[0]) % FILES.len()];
        let at = u32::from_be_bytes([0, change[1], change[2], change[3]]) as usize % file.len();
        match change[0] >> 6 {
            0 => file.truncate(at.max(1)),
            _ => file[at] = change[4],
        }
    }
    let dir = tempfile::tempdir().expect("a directory");
    for (name, bytes) in FILES.iter().zip(&files) {
        std::fs::write(dir.path().join(name), bytes).expect("a file");
    }
    if !wal.is_empty() {
        std::fs::write(dir.path().join("shard-0.db-wal"), wal).expect("a file");
    }
    let stash = LiteStash::open(dir.path()).expect("opening touches no shard");
    for key in 0..KEYS {
        if let Ok(Some(value)) = stash.get(key) {
            assert_eq!(value, Value::Bytes(vec![key as u8; key as usize * 200]));
        }
    }
    for (key, value) in stash.items(ScanOptions::default()).take(1000).flatten() {
        let key = key.as_ref();
        let litestash_core::KeyRef::Int(number) = key else { panic!("a key that was never stored") };
        assert_eq!(value, Value::Bytes(vec![number as u8; number as usize * 200]));
    }
    let _ = stash.verify();
    let _ = stash.stats();
    let _ = stash.set(1, &1);
    let _ = stash.close();
    drop(stash);
    let _ = repair(dir.path(), dir.path().join("repaired"));
});
