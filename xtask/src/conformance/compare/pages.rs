//! The pages of two files.

use super::{header, shown};

const PAGE_BYTES: usize = 4096;

/// The pages that differ, the header left out, with the first differing byte of each.
pub(super) fn differences(expected: &[u8], got: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    if expected.len() != got.len() {
        lines.push(format!("expected {} bytes, got {}", expected.len(), got.len()));
    }
    let pages = expected.chunks(PAGE_BYTES).zip(got.chunks(PAGE_BYTES)).zip(1..);
    let differing = pages.filter_map(|((old, new), number)| {
        let skipped = if number == 1 { header::BYTES } else { 0 };
        let at = old.iter().zip(new).skip(skipped).position(|(old, new)| old != new)? + skipped;
        let (old, new) = (old[at], new[at]);
        Some(format!("page {number} differs from byte {at} on: expected {old:02x}, got {new:02x}"))
    });
    lines.extend(shown(differing.collect()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_pages_are_numbered_from_one() {
        let old = vec![0; 3 * PAGE_BYTES];
        let mut new = old.clone();
        new[50] = 1;
        assert!(differences(&old, &new).is_empty(), "the header is told by its fields");
        new[2 * PAGE_BYTES + 7] = 0xab;
        assert_eq!(differences(&old, &new), ["page 3 differs from byte 7 on: expected 00, got ab"]);
        assert_eq!(differences(&old, &old[..PAGE_BYTES]), ["expected 12288 bytes, got 4096"]);
    }
}
