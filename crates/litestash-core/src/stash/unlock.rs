//! Which format the keys and records of a directory have, and the keys for it.

use super::options::Options;
use crate::contract::format::{Cipher, Format, Keeper};
use crate::error::{Error, Result};
use crate::storage::directory::Directory;
use crate::storage::keyring::{self, KeyringFile};
use std::sync::Arc;

/// The format of the stash in that directory, with its keyring if it is encrypted.
///
/// `WrongKey` if the key is not the stash's, or there is one and should be none, or none and should be one;
/// then nothing was changed.
pub(crate) fn format(
    directory: Option<&Directory>,
    options: &Options,
    create: bool,
) -> Result<(Format, Option<Arc<KeyringFile>>)> {
    let format = |cipher| Format::new(options.value_bytes_max, options.compression, cipher);
    match (directory, options.unlock()?) {
        (None, None) => Ok((format(None), None)),
        (None, Some(_)) => Err(Error::invalid_argument("a stash in memory is not encrypted")),
        (Some(directory), None) => {
            keyring::refuse(directory)?;
            Ok((format(None), None))
        }
        (Some(directory), Some(unlock)) => {
            let random = Arc::clone(&options.random);
            let (file, keyring) = KeyringFile::open(directory, &unlock, random, create)?;
            let keeper = Arc::clone(&file) as Arc<dyn Keeper>;
            // The stash itself; a bucket of it has its own name here.
            let cipher = Cipher::new(&keyring, "", keeper);
            Ok((format(Some(cipher)), Some(file)))
        }
    }
}

/// The format of a bucket of the stash with that format and keyring.
pub(crate) fn bucket_format(
    stash: &Format,
    keyring: Option<&Arc<KeyringFile>>,
    bucket: &str,
    value_bytes_max: usize,
) -> Result<Format> {
    let cipher = |file: &Arc<KeyringFile>| {
        let keeper = Arc::clone(file) as Arc<dyn Keeper>;
        Ok::<_, Error>(Cipher::new(&file.known()?, bucket, keeper))
    };
    Ok(Format::new(value_bytes_max, stash.compression(), keyring.map(cipher).transpose()?))
}
