//! The value decoder: what it accepts is canonical, and every way to read it agrees.

#![no_main]

use libfuzzer_sys::fuzz_target;
use litestash_core::Value;
use litestash_core::contract::interchange::{value_from_json, value_to_json};
use litestash_core::contract::{msgpack, typed};

fuzz_target!(|bytes: &[u8]| {
    let decoded = msgpack::decode(bytes);
    assert_eq!(decoded.is_ok(), msgpack::validate(bytes).is_ok());
    if let Ok(value) = decoded {
        let mut again = Vec::new();
        msgpack::encode(&value, &mut again).expect("a decoded value encodes");
        assert_eq!(again, bytes);
        assert_eq!(typed::from_bytes::<Value>(bytes).expect("serde reads it"), value);
        let mut json = String::new();
        value_to_json(&value, &mut json);
        assert_eq!(value_from_json(&json).expect("its JSON is read"), value);
    }
    if let Ok(json) = std::str::from_utf8(bytes) {
        // Any text: an error or a value, never a panic.
        let _ = value_from_json(json);
    }
});
