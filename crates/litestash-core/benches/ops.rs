//! Times of the contract's pure functions, by divan. Whole operations are measured by `cargo xtask bench`.

#![allow(missing_docs)]

use divan::{Bencher, black_box};
use litestash_core::Value;
use litestash_core::contract::{hash::KeyHash, key::KeyRef, msgpack, typed};

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
