//! The keys of an encrypted stash.

use super::care::give;
use super::entry;
use super::options::{PASSPHRASE_BYTES_MAX, key};
use super::pointer::{Out, text};
use super::types::{litestash_buffer, litestash_stash, litestash_status};
use litestash_core::{ErrorKind, RotateReport};
use std::ffi::{c_char, c_void};

/// Hears how far a rotation is. Anything but 0 stops it, with LITESTASH_CANCELLED; the next one takes it up.
pub type litestash_rotate_progress =
    Option<unsafe extern "C" fn(context: *mut c_void, rows: u64, tables: u64) -> i32>;

/// Whether the stash is encrypted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_is_encrypted(
    stash: litestash_stash,
    is_encrypted: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        Out::new(is_encrypted)?.set(stash.is_encrypted())
    })
}

/// Gives the stash a new data key, encrypts every row with it, and drops the old one, while others go on reading and
/// writing. `progress`, which may be NULL, is called after each small transaction. A rotation that was stopped, or
/// whose process died, is taken up by the next call. LITESTASH_INVALID_ARGUMENT if the stash is not encrypted or
/// is a bucket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_rotate_key(
    stash: litestash_stash,
    progress: litestash_rotate_progress,
    context: *mut c_void,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::optional(report)?;
        let hear = |so_far: &RotateReport| match progress {
            // The function can be called with that context, as the header asks.
            Some(hear) => hear(context, so_far.rows, so_far.tables) == 0,
            None => true,
        };
        give(&stash.rotate_key(hear)?, out)
    })
}

/// Gives the stash another key of LITESTASH_ENCRYPTION_KEY_BYTES bytes instead of its key or passphrase; no row is
/// touched. From then on the old one opens nothing. Whoever had it and a copy of the files could read the data keys: to
/// shut them out of what is written later, rotate the key as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_change_key(
    stash: litestash_stash,
    encryption_key: *const u8,
    encryption_key_length: usize,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        stash.change_key(key(encryption_key, encryption_key_length)?)
    })
}

/// litestash_change_key to a passphrase, UTF-8 text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_change_passphrase(
    stash: litestash_stash,
    passphrase: *const c_char,
    passphrase_length: usize,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        stash.change_passphrase(text(
            passphrase,
            passphrase_length,
            PASSPHRASE_BYTES_MAX,
            ErrorKind::InvalidArgument,
        )?)
    })
}
