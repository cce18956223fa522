//! Rows of encrypted stashes, without a stash.

use super::contract::{RECORD_HEAD_MAX, kept, litestash_record};
use super::options::{litestash_options, size};
use super::pointer::{Out, array, optional_text, required};
use super::status::litestash_buffer_free;
use super::types::{litestash_buffer, litestash_bytes, litestash_key, litestash_status};
use super::{entry, invalid};
use litestash_core::contract::format::SealedRow;
use litestash_core::contract::hash::KeyHash;
use litestash_core::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use std::ffi::c_char;

/// The longest keyring, and the longest name of a bucket, that is looked at. What they may be is for the engine to say.
const KEYRING_BYTES_MAX: usize = 1 << 20;

/// A row of an encrypted stash as it lies in its file: table slot_`slot` of shard-`shard`.db.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_sealed_row {
    /// The column key_hash: 64 bytes.
    pub key_hash: *const u8,
    /// The column key.
    pub key: litestash_bytes,
    /// The column value.
    pub record: litestash_bytes,
    /// The column timestamp.
    pub timestamp: i64,
    /// The column microsecond.
    pub microsecond: i64,
    /// The bucket's name, UTF-8; NULL for the stash itself.
    pub bucket: *const c_char,
    /// Bytes of the name.
    pub bucket_length: usize,
    /// The shard that it was found in, 0 to 15.
    pub shard: u8,
    /// The table that it was found in, 0 to 3.
    pub slot: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// Decrypts a row of a closed stash after checking that it is whole, at its place and of its time. `keyring` is what
/// the file of that name holds; of the options only the key or passphrase and `value_bytes_max` are looked at. What the
/// key points at is in `memory`, and what `parts` points at in `parts->memory`: give both back with
/// litestash_buffer_free. LITESTASH_WRONG_KEY if the keyring is another key's, LITESTASH_CORRUPT if the row is damaged
/// or not encrypted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_sealed_read(
    row: *const litestash_sealed_row,
    keyring: *const u8,
    keyring_length: usize,
    options: *const litestash_options,
    key: *mut litestash_key,
    memory: *mut litestash_buffer,
    parts: *mut litestash_record,
) -> litestash_status {
    entry!({
        let row = required(row)?;
        if row.reserved != [0; 6] {
            return Err(invalid("a reserved field is not zero"));
        }
        let key_hash = required(row.key_hash.cast::<[u8; KeyHash::LEN]>())?;
        // Encryption adds less to a key than to a record.
        let column = array(row.key.data, row.key.length, KEY_BYTES_MAX + RECORD_HEAD_MAX)?;
        let stored = array(row.record.data, row.record.length, VALUE_BYTES_MAX + RECORD_HEAD_MAX)?;
        let bucket = optional_text(row.bucket, row.bucket_length, KEYRING_BYTES_MAX)?.unwrap_or("");
        let keyring = array(keyring, keyring_length, KEYRING_BYTES_MAX)?;
        let options = litestash_options::given(options)?;
        let unlock = options.unlock()?;
        let (out, memory, parts) = (Out::new(key)?, Out::new(memory)?, Out::new(parts)?);

        let row = SealedRow {
            bucket,
            shard: row.shard,
            slot: row.slot,
            key_hash: &key_hash,
            key: column,
            timestamp: row.timestamp,
            microsecond: row.microsecond,
            record: stored,
        };
        let (plain, record) = row.open(keyring, &unlock, size(options.value_bytes_max))?;
        let mut record = litestash_record::of(&record)?;
        let (key, text) =
            kept(plain.as_ref()).inspect_err(|_| litestash_buffer_free(&raw mut record.memory))?;
        parts.set(record)?;
        memory.set(text)?;
        out.set(key)
    })
}
