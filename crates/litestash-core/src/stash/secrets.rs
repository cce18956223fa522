//! Keys and passphrases as people keep them: in files and in text.

use crate::error::{Error, Result};
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// The key that text says: 64 hexadecimal digits, with white space around them. `InvalidArgument` for anything else.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use litestash_core::{Options, parse_key};
/// let key = parse_key("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
/// let stash = Options::new().encryption_key(&*key).open(dir.path())?;
/// # Ok::<_, litestash_core::Error>(())
/// ```
pub fn parse_key(text: &str) -> Result<Zeroizing<Vec<u8>>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    let mut key = Zeroizing::new(Vec::with_capacity(KEY_BYTES));
    for pair in text.trim().as_bytes().chunks(2) {
        match pair {
            [high, low] if key.len() < KEY_BYTES => {
                let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return Err(no_key()) };
                key.push(high << 4 | low);
            }
            _ => return Err(no_key()),
        }
    }
    if key.len() == KEY_BYTES { Ok(key) } else { Err(no_key()) }
}

/// The key in a file: its 32 bytes, or 64 hexadecimal digits. `InvalidArgument` if it holds anything else, and the
/// errors of reading a file.
pub fn read_key_file(path: impl AsRef<Path>) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = read(path.as_ref())?;
    if bytes.len() == KEY_BYTES {
        return Ok(bytes);
    }
    parse_key(std::str::from_utf8(&bytes).map_err(|_| no_key())?)
}

/// The passphrase in a file: its first line, without what ends the line. `InvalidArgument` if the file is not UTF-8,
/// and the errors of reading a file.
pub fn read_passphrase_file(path: impl AsRef<Path>) -> Result<Zeroizing<String>> {
    let bytes = read(path.as_ref())?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Error::invalid_argument("the file of the passphrase is not UTF-8"))?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = std::fs::read(path).map_err(|error| Error::from(error).context(path.display()))?;
    Ok(Zeroizing::new(bytes))
}

fn no_key() -> Error {
    Error::invalid_argument("a key is 32 bytes, or 64 hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1b1c1d1e1f";

    #[test]
    fn a_key_is_32_bytes_or_their_digits() {
        let key: Vec<u8> = (0..32).collect();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let text = format!("{DIGITS}\r\n");
        for content in [&key[..], DIGITS.as_bytes(), text.as_bytes()] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(*read_key_file(&file).unwrap(), key);
        }
        let many = DIGITS.repeat(2);
        for wrong in ["", "00", &DIGITS[1..], &DIGITS[2..], &many, &DIGITS.replace('0', "g")] {
            std::fs::write(&file, wrong).unwrap();
            assert_eq!(read_key_file(&file).unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong}");
            assert_eq!(parse_key(wrong).unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
        assert!(read_key_file(dir.path().join("none")).is_err());
    }

    #[test]
    fn a_passphrase_is_the_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("passphrase");
        for (content, passphrase) in [("a b\n", "a b"), ("a b\r\nmore\n", "a b"), ("  ü ", "  ü "), ("", "")]
        {
            std::fs::write(&file, content).unwrap();
            assert_eq!(*read_passphrase_file(&file).unwrap(), passphrase);
        }
        std::fs::write(&file, [0xff]).unwrap();
        assert_eq!(read_passphrase_file(&file).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
