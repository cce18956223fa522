//! Instructions of the hot paths, counted by valgrind: the same on a busy machine. `cargo xtask instructions`
//! runs this and compares with the counts in `bench/instructions/counts.json`.
//!
//! Only what the benchmarked function calls in its own thread is counted; work in the engine's background
//! threads is not. Every function does its operation [`TIMES`] times, so that what happens once in a while
//! weighs little.

#![allow(missing_docs)]

use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::key::KeyRef;
use litestash_core::contract::record::{self, Expiry};
use litestash_core::contract::route::Route;
use litestash_core::contract::version::Version;
use litestash_core::contract::{msgpack, typed};
use litestash_core::{LiteStash, Op, SetOptions, Value};
use std::hint::black_box;
use tempfile::TempDir;

const TIMES: usize = 100;

fn user() -> Value {
    typed::to_value(&[("name", "Ada Lovelace"), ("email", "ada@example.org"), ("field", "engines")])
        .expect("a value")
}

fn encoded() -> Vec<u8> {
    typed::to_bytes(&user()).expect("an encoded value")
}

fn keys(prefix: &str) -> Vec<String> {
    (0..TIMES).map(|number| format!("{prefix}:{number}")).collect()
}

/// A stash with rows in which everything has been opened and prepared.
struct Warm {
    stash: LiteStash,
    keys: Vec<String>,
    _dir: TempDir,
}

fn warm() -> Warm {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let stash = LiteStash::open(dir.path()).expect("a stash");
    let keys = keys("user");
    for key in &keys {
        stash.set_encoded(key, encoded(), SetOptions::default()).expect("a write");
    }
    for prefix in ["user", "none"] {
        for key in self::keys(prefix) {
            stash.get_encoded(key).expect("a read");
        }
    }
    Warm { stash, keys, _dir: dir }
}

fn absent() -> Warm {
    Warm { keys: keys("none"), ..warm() }
}

// What a function was given it gives back, so that dropping it, and closing a stash, is not counted.
#[library_benchmark]
#[bench::of(warm())]
fn hot_get(warm: Warm) -> Warm {
    for key in &warm.keys {
        black_box(warm.stash.get_encoded(key).expect("a read"));
    }
    warm
}

#[library_benchmark]
#[bench::of(absent())]
fn miss(absent: Warm) -> Warm {
    for key in &absent.keys {
        black_box(absent.stash.get_encoded(key).expect("a read"));
    }
    absent
}

#[library_benchmark]
#[bench::of(warm(), vec![encoded(); TIMES])]
fn set(warm: Warm, values: Vec<Vec<u8>>) -> Warm {
    for (key, value) in warm.keys.iter().zip(values) {
        warm.stash.set_encoded(key, value, SetOptions::default()).expect("a write");
    }
    warm
}

#[library_benchmark]
#[bench::of(warm())]
fn delete(warm: Warm) -> Warm {
    for key in &warm.keys {
        warm.stash.delete(key).expect("a write");
    }
    warm
}

fn ops() -> Vec<Op> {
    let set = |key| Op::set(key, &user(), SetOptions::default()).expect("an operation");
    keys("user").into_iter().map(set).collect()
}

#[library_benchmark]
#[bench::of(warm(), ops())]
fn apply_sets(warm: Warm, ops: Vec<Op>) -> (Warm, Vec<Op>) {
    black_box(warm.stash.apply(&ops).expect("a batch"));
    (warm, ops)
}

#[library_benchmark]
#[bench::of(keys("user"))]
fn hash_and_route(keys: Vec<String>) -> Vec<String> {
    for key in &keys {
        black_box(Route::of(&KeyHash::of(black_box(KeyRef::Text(key)))));
    }
    keys
}

#[library_benchmark]
#[bench::of(user())]
fn encode_value(value: Value) -> Value {
    for _ in 0..TIMES {
        let mut out = Vec::with_capacity(128);
        msgpack::encode(black_box(&value), &mut out).expect("an encoded value");
        black_box(out);
    }
    value
}

#[library_benchmark]
#[bench::of(encoded())]
fn decode_value(encoded: Vec<u8>) -> Vec<u8> {
    for _ in 0..TIMES {
        black_box(msgpack::decode(black_box(&encoded)).expect("a value"));
    }
    encoded
}

const VERSION: Version = Version::from_micros(1_700_000_000_000_000);

fn record() -> (KeyHash, Vec<u8>, Vec<u8>) {
    let (hash, body) = (KeyHash::of(KeyRef::Text("user:1001")), encoded());
    let mut record = Vec::with_capacity(256);
    record::encode(&hash, VERSION, Expiry::NEVER, &body, &mut record);
    (hash, body, record)
}

#[library_benchmark]
#[bench::of(record())]
fn encode_record((hash, body, mut out): (KeyHash, Vec<u8>, Vec<u8>)) -> Vec<u8> {
    for _ in 0..TIMES {
        record::encode(black_box(&hash), VERSION, Expiry::NEVER, black_box(&body), &mut out);
    }
    out
}

#[library_benchmark]
#[bench::of(record())]
fn decode_record((hash, _, record): (KeyHash, Vec<u8>, Vec<u8>)) -> Vec<u8> {
    for _ in 0..TIMES {
        let _ = black_box(record::decode(black_box(&hash), VERSION, black_box(&record)).expect("a record"));
    }
    record
}

library_benchmark_group!(
    name = hot_paths,
    benchmarks = [
        hot_get,
        miss,
        set,
        delete,
        apply_sets,
        hash_and_route,
        encode_value,
        decode_value,
        encode_record,
        decode_record
    ]
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = hot_paths
);
