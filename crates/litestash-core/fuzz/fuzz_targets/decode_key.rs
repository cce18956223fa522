//! The key decoder: from a stored column and from JSON. What it accepts is in normal
//! form and within the limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::interchange::{EncodedLine, Line, key_from_json, key_to_json};
use litestash_core::contract::key::{Key, StoredKey};
use litestash_core::{Cursor, limits};

fuzz_target!(|input: (u8, &[u8])| {
    let (class, bytes) = input;
    let number = bytes.first_chunk().map_or(0, |chunk| u64::from_be_bytes(*chunk));
    let stored = match class % 4 {
        0 => StoredKey::Text(bytes),
        1 => StoredKey::Blob(bytes),
        2 => StoredKey::Integer(number as i64),
        _ => StoredKey::Real(f64::from_bits(number)),
    };
    if let Ok(key) = Key::from_stored(stored) {
        assert!(key.as_ref().size_bytes() <= limits::KEY_BYTES_MAX);
        let mut json = String::new();
        key_to_json(key.as_ref(), &mut json);
        let again = key_from_json(&json).expect("its JSON is read");
        assert_eq!(again, key);
        assert_eq!(KeyHash::from(&again), KeyHash::from(&key));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = key_from_json(text);
        let _ = text.parse::<Cursor>();
        assert_eq!(EncodedLine::from_json(text).is_ok(), Line::from_json(text).and_then(EncodedLine::try_from).is_ok());
    }
});
