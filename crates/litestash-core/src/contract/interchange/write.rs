//! Keys and values to JSON.

use super::tag;
use crate::contract::key::KeyRef;
use crate::contract::value::{Value, Vector, canonical_f32};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Appends `value` as JSON on one line.
pub fn value_to_json(value: &Value, out: &mut String) {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(int) => display(int, out),
        Value::Uint(int) => display(int, out),
        Value::Float(value) => float(*value, out),
        Value::Text(value) => text(value, out),
        Value::Bytes(bytes) => base64(tag::BYTES, bytes, out),
        Value::Timestamp(timestamp) => match tag::to_rfc3339(*timestamp) {
            Some(moment) => tagged(tag::TIMESTAMP, out, |out| text(&moment, out)),
            None => tagged(tag::TIMESTAMP, out, |out| {
                display(&format_args!("[{},{}]", timestamp.seconds(), timestamp.nanoseconds()), out);
            }),
        },
        Value::Vector(Vector(floats)) => {
            let payload: Vec<u8> = floats.iter().flat_map(|f| canonical_f32(*f).to_le_bytes()).collect();
            base64(tag::VECTOR, &payload, out);
        }
        Value::Array(array) => {
            out.push('[');
            for (index, element) in array.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                value_to_json(element, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            let escape = tag::is_tag(map);
            if escape {
                out.push_str("{\"$map\":");
            }
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                text(key, out);
                out.push(':');
                value_to_json(value, out);
            }
            out.push_str(if escape { "}}" } else { "}" });
        }
    }
}

/// Appends `key` as JSON.
pub fn key_to_json(key: KeyRef<'_>, out: &mut String) {
    match key {
        KeyRef::Text(key) => text(key, out),
        KeyRef::Int(int) => display(&int, out),
        KeyRef::Float(key) => float(key.get(), out),
        KeyRef::Bytes(bytes) => base64(tag::BYTES, bytes, out),
    }
}

fn display(value: &dyn std::fmt::Display, out: &mut String) {
    use std::fmt::Write;
    // Writing to a String does not fail.
    let _ = write!(out, "{value}");
}

fn text(value: &str, out: &mut String) {
    display(&serde_json::Value::from(value), out);
}

fn float(value: f64, out: &mut String) {
    let name = if value.is_nan() {
        "\"nan\""
    } else if value == f64::INFINITY {
        "\"inf\""
    } else if value == f64::NEG_INFINITY {
        "\"-inf\""
    } else {
        return display(&serde_json::Value::from(value), out);
    };
    tagged(tag::FLOAT, out, |out| out.push_str(name));
}

fn base64(tag: &str, bytes: &[u8], out: &mut String) {
    tagged(tag, out, |out| {
        out.push('"');
        STANDARD.encode_string(bytes, out);
        out.push('"');
    });
}

fn tagged(tag: &str, out: &mut String, content: impl FnOnce(&mut String)) {
    out.push_str("{\"");
    out.push_str(tag);
    out.push_str("\":");
    content(out);
    out.push('}');
}
