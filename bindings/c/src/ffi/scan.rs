//! Iterating.

use super::pointer::{Out, optional, optional_text};
use super::types::{litestash_buffer, litestash_iterator, litestash_key, litestash_stash, litestash_status};
use super::{catch, entry, invalid};
use crate::handle::{ITERATIONS, Iteration, Rows, Single};
use litestash_core::limits::KEY_BYTES_MAX;
use litestash_core::{Cursor, KeyRef, Result, ScanOptions};
use std::ffi::c_char;

/// Digits of a cursor, and some to spare for a clear refusal.
const CURSOR_BYTES_MAX: usize = 256;

/// What an iteration goes over. All zero, or NULL instead: everything.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_scan_options {
    /// Only text keys that begin with this UTF-8 text; an empty one is of every text key. NULL: every key, of any
    /// kind.
    pub prefix: *const c_char,
    /// Bytes of the prefix.
    pub prefix_length: usize,
    /// The text of a cursor: begin behind its place. NULL: at the beginning.
    pub cursor: *const c_char,
    /// Bytes of the cursor's text.
    pub cursor_length: usize,
    /// At most so many rows, if `limited` is not 0.
    pub limit: u64,
    /// Whether there is a limit.
    pub limited: u32,
    /// Zero.
    pub reserved: u32,
}

/// A row of an iteration. What it points at stays until the next call with the iterator.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_item {
    /// The key in normal form.
    pub key: litestash_key,
    /// The value's encoding; NULL when iterating over keys.
    pub value: *const u8,
    /// Bytes of the value.
    pub value_length: usize,
    /// Whether there is a row. False at the end.
    pub present: bool,
}

impl litestash_scan_options {
    /// # Safety
    ///
    /// `options` is as every pointer of the exported functions.
    pub(super) unsafe fn given(options: *const Self) -> Result<ScanOptions> {
        // SAFETY: the caller promises it, here and below.
        let Some(options) = unsafe { optional(options) }? else { return Ok(ScanOptions::default()) };
        if options.reserved != 0 {
            return Err(invalid("a reserved field is not zero"));
        }
        // SAFETY: as above.
        let prefix = unsafe { optional_text(options.prefix, options.prefix_length, KEY_BYTES_MAX) }?;
        // SAFETY: as above.
        let cursor = unsafe { optional_text(options.cursor, options.cursor_length, CURSOR_BYTES_MAX) }?;
        let limit = (options.limited != 0).then(|| usize::try_from(options.limit).unwrap_or(usize::MAX));
        let prefix = prefix.map(str::to_owned);
        Ok(ScanOptions { prefix, limit, cursor: cursor.unwrap_or_default().parse::<Cursor>()? })
    }
}

fn started(rows: Rows) -> Result<litestash_iterator> {
    Ok(litestash_iterator { id: ITERATIONS.insert(Single::new(Iteration::new(rows)))? })
}

/// Begins an iteration over keys. Rows come in the order of shard, slot and hash, each at most once, in pages of
/// short read transactions; rows written meanwhile are seen if they lie ahead. Give the iterator back with
/// litestash_iterator_free. LITESTASH_OUT_OF_MEMORY if 16384 are there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_keys(
    stash: litestash_stash,
    options: *const litestash_scan_options,
    iterator: *mut litestash_iterator,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let options = litestash_scan_options::given(options)?;
        let out = Out::new(iterator)?;
        out.set(started(Rows::Keys(stash.keys(options)))?)
    })
}

/// Begins an iteration over keys and values; else as litestash_keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_items(
    stash: litestash_stash,
    options: *const litestash_scan_options,
    iterator: *mut litestash_iterator,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let options = litestash_scan_options::given(options)?;
        let out = Out::new(iterator)?;
        out.set(started(Rows::Items(stash.items_encoded(options)))?)
    })
}

/// Moves to the next row; at the end `item->present` is false. An error stands for one damaged row, or for the rest
/// of a shard that cannot be read: the next call goes on behind it. LITESTASH_BUSY if another thread uses the
/// iterator right now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_next(
    iterator: litestash_iterator,
    item: *mut litestash_item,
) -> litestash_status {
    entry!({
        let iteration = iterator.enter()?;
        let out = Out::new(item)?;
        let mut iteration = iteration.claim()?;
        let with_values = iteration.has_values();
        let row = iteration.advance()?;
        out.set(match row {
            Some((key, value)) => litestash_item {
                key: litestash_key::of(key.as_ref()),
                value: if with_values { value.as_ptr() } else { std::ptr::null() },
                value_length: value.len(),
                present: true,
            },
            None => litestash_item {
                key: litestash_key::of(KeyRef::Int(0)),
                value: std::ptr::null(),
                value_length: 0,
                present: false,
            },
        })
    })
}

/// The place behind the last row, as text to go on from later: for litestash_scan_options. It is valid for as long as
/// the stash lives, in every process. Give it back with litestash_buffer_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_iterator_cursor(
    iterator: litestash_iterator,
    cursor: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let iteration = iterator.enter()?;
        let out = Out::new(cursor)?;
        let cursor = iteration.claim()?.cursor().to_string();
        out.set(litestash_buffer::copy(Some(cursor.as_bytes()))?)
    })
}

/// Gives an iterator back, wherever it stands, also after its stash was closed. One that is all zero does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_iterator_free(iterator: litestash_iterator) -> litestash_status {
    catch(|| match iterator.id {
        0 => Ok(()),
        id => ITERATIONS.retire(id).map(drop),
    })
}
