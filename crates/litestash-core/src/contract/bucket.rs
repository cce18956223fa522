//! Names of buckets, and of their directories (`docs/CONTRACT.md` 1).

use crate::error::{Error, Result};
use std::fmt::Write;

/// The directory in a stash that holds its buckets.
pub const BUCKETS: &str = "buckets";

/// Longest name of a bucket's directory: what file systems take.
pub const DIRECTORY_NAME_BYTES_MAX: usize = 255;

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The name of a bucket's directory below [`BUCKETS`]: every byte but letters, digits, `_` and `-` as `%XX`.
///
/// `InvalidArgument` for the empty name, and for one whose encoding has more than
/// [`DIRECTORY_NAME_BYTES_MAX`] bytes.
pub fn directory_name(bucket: &str) -> Result<String> {
    if bucket.is_empty() {
        return Err(Error::invalid_argument("a bucket's name is not empty"));
    }
    let mut name = String::with_capacity(bucket.len());
    for byte in bucket.bytes() {
        if is_plain(byte) {
            name.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(name, "%{byte:02X}");
        }
        if name.len() > DIRECTORY_NAME_BYTES_MAX {
            return Err(Error::invalid_argument(format!(
                "the bucket's name takes more than {DIRECTORY_NAME_BYTES_MAX} bytes as the name of a directory"
            )));
        }
    }
    Ok(name)
}

/// The bucket whose directory has that name; `None` if no bucket's directory is called so.
pub fn bucket_name(directory: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(directory.len());
    let mut rest = directory.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(rest.next()?)? << 4 | digit(rest.next()?)?
            }
            plain => plain,
        });
    }
    let bucket = String::from_utf8(bytes).ok()?;
    // Other spellings of the same name are none.
    (directory_name(&bucket).ok()? == directory).then_some(bucket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    #[test]
    fn names_are_spelled_in_one_way() {
        for (bucket, directory) in [
            ("sessions", "sessions"),
            ("A-z_09", "A-z_09"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("a/b", "a%2Fb"),
            ("a b%", "a%20b%25"),
            ("\0", "%00"),
            ("é", "%C3%A9"),
            ("🦀", "%F0%9F%A6%80"),
        ] {
            assert_eq!(directory_name(bucket).unwrap(), directory);
            assert_eq!(bucket_name(directory).as_deref(), Some(bucket));
        }
        for other in ["", ".", "%2e", "%41", "a.b", "%C3", "%", "%2", "a%zz", "é", "a b", ".dropped-1-2"] {
            assert_eq!(bucket_name(other), None, "{other}");
        }
    }

    #[test]
    fn empty_and_overlong_names_are_refused() {
        let kind = |name: &str| directory_name(name).unwrap_err().kind();
        assert_eq!(kind(""), ErrorKind::InvalidArgument);
        assert_eq!(kind(&"a".repeat(256)), ErrorKind::InvalidArgument);
        assert_eq!(kind(&".".repeat(86)), ErrorKind::InvalidArgument);
        assert_eq!(directory_name(&"a".repeat(255)).unwrap().len(), 255);
        assert_eq!(directory_name(&".".repeat(85)).unwrap().len(), 255);
    }

    proptest! {
        #[test]
        fn every_name_comes_back(bucket in "\\PC{1,20}") {
            let directory = directory_name(&bucket).unwrap();
            prop_assert!(directory.bytes().all(|byte| is_plain(byte) || byte == b'%'));
            prop_assert_eq!(bucket_name(&directory), Some(bucket));
        }

        #[test]
        fn no_two_spellings_of_a_name(directory in "[%a-c0-9A-F]{0,8}") {
            if let Some(bucket) = bucket_name(&directory) {
                prop_assert_eq!(directory_name(&bucket).unwrap(), directory);
            }
        }
    }
}
