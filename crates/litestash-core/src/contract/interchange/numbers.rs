//! Numbers that a JSON parser built on binary64 gets wrong.

use crate::error::{Error, Result};
use std::borrow::Cow;

/// JSON text in which integers beyond 64 bits are refused and the integer `-0` is `0`.
///
/// The parser turns the former into floats and the latter into -0.0, so text with either is
/// looked through once more.
pub(super) fn settle_integers(json: &str) -> Result<Cow<'_, str>> {
    let mut settled = Cow::Borrowed(json);
    let mut removed = 0;
    for (start, token) in number_tokens(json) {
        if token.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            continue;
        }
        if token == "-0" {
            settled.to_mut().remove(start - removed);
            removed += 1;
        } else if token.parse::<i64>().is_err() && token.parse::<u64>().is_err() {
            return Err(Error::invalid_value("an integer is outside -2^63 ... 2^64-1"));
        }
    }
    Ok(settled)
}

/// The number tokens outside strings, with their byte offsets. The text is valid JSON.
fn number_tokens(json: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = json.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            match bytes[at] {
                b'"' => {
                    at += 1;
                    while at < bytes.len() && bytes[at] != b'"' {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                    at += 1;
                }
                b'-' | b'0'..=b'9' => {
                    let start = at;
                    while at < bytes.len()
                        && matches!(bytes[at], b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
                    {
                        at += 1;
                    }
                    return Some((start, &json[start..at]));
                }
                _ => at += 1,
            }
        }
        None
    })
}
