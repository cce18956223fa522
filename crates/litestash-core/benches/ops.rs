//! Single operations of the engine, by divan.

#![allow(missing_docs)]

use divan::{Bencher, black_box};
use litestash_core::contract::{hash::KeyHash, key::KeyRef, msgpack, typed};
use litestash_core::{LiteStash, Value};

fn main() {
    divan::main();
}

fn user() -> Value {
    typed::to_value(&serde_json::json!({
        "name": "Ada Lovelace", "age": 36, "email": "ada@example.org", "score": 0.75,
        "tags": ["mathematics", "engines"],
    }))
    .unwrap_or_default()
}

#[divan::bench]
fn hash_a_text_key(bencher: Bencher) {
    bencher.bench(|| KeyHash::of(black_box(KeyRef::Text("user:1001"))));
}

#[divan::bench]
fn encode_a_small_map(bencher: Bencher) {
    let value = user();
    bencher.bench(|| {
        let mut out = Vec::with_capacity(128);
        msgpack::encode(black_box(&value), &mut out).map(|()| out)
    });
}

#[divan::bench]
fn decode_a_small_map(bencher: Bencher) {
    let encoded = typed::to_bytes(&user()).unwrap_or_default();
    bencher.bench(|| msgpack::decode(black_box(&encoded)));
}

#[divan::bench]
fn validate_a_small_map(bencher: Bencher) {
    let encoded = typed::to_bytes(&user()).unwrap_or_default();
    bencher.bench(|| msgpack::validate(black_box(&encoded)));
}

#[divan::bench]
fn get_a_small_map(bencher: Bencher) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let stash = LiteStash::open(dir.path()).expect("a stash");
    stash.set("user:1001", &user()).expect("a write");
    bencher.bench(|| stash.get(black_box("user:1001")));
}

#[divan::bench]
fn set_a_small_map(bencher: Bencher) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let stash = LiteStash::open(dir.path()).expect("a stash");
    let value = user();
    bencher.bench(|| stash.set(black_box("user:1001"), &value));
}

/// The peer: the same select and upsert by raw rusqlite, prepared, on one file.
fn raw(dir: &std::path::Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(dir.join("raw.db")).expect("a database");
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).expect("WAL mode");
    connection
        .execute_batch(
            "PRAGMA synchronous = NORMAL;
             CREATE TABLE kv (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, at INTEGER NOT NULL) STRICT;",
        )
        .expect("a table");
    connection
}

const UPSERT: &str = "INSERT INTO kv (key, value, at) VALUES (?1, ?2, ?3) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, at = excluded.at";

#[divan::bench]
fn raw_rusqlite_select(bencher: Bencher) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let connection = raw(dir.path());
    let encoded = typed::to_bytes(&user()).unwrap_or_default();
    connection.execute(UPSERT, ("user:1001", &encoded, 1)).expect("a write");
    let mut select = connection.prepare("SELECT value FROM kv WHERE key = ?1").expect("a statement");
    bencher.bench_local(|| select.query_row([black_box("user:1001")], |row| row.get::<_, Vec<u8>>(0)));
}

#[divan::bench]
fn raw_rusqlite_upsert(bencher: Bencher) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let connection = raw(dir.path());
    let encoded = typed::to_bytes(&user()).unwrap_or_default();
    let mut upsert = connection.prepare(UPSERT).expect("a statement");
    let mut at = 0;
    bencher.bench_local(|| {
        at += 1;
        upsert.execute((black_box("user:1001"), &encoded, at))
    });
}
