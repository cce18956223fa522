//! Versions, errors, and giving memory back.

use super::types::{litestash_buffer, litestash_status};
use crate::error;
use litestash_core::Retry;
use std::ffi::{CString, c_char};
use std::sync::LazyLock;

/// The same call gives the same error.
pub const LITESTASH_RETRY_NEVER: u32 = 0;
/// The same call may succeed later, with nothing changed.
pub const LITESTASH_RETRY_LATER: u32 = 1;
/// The outcome is unknown: read the key again before deciding.
pub const LITESTASH_RETRY_AFTER_READING: u32 = 2;
/// The same call succeeds once the surroundings were mended: space freed, permission given, a process stopped.
pub const LITESTASH_RETRY_AFTER_REPAIR: u32 = 3;

/// The version of the library that runs, such as "0.1.0". LITESTASH_VERSION is that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The same as a number, to compare with LITESTASH_VERSION_NUMBER.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_version_number() -> u32 {
    const NUMBER: u32 = {
        let (text, mut at, mut part, mut number) = (env!("CARGO_PKG_VERSION").as_bytes(), 0, 0, 0);
        while at < text.len() && text[at] != b'-' {
            if text[at] == b'.' {
                number = (number + part) * 1000;
                part = 0;
            } else {
                part = part * 10 + (text[at] - b'0') as u32;
            }
            at += 1;
        }
        number + part
    };
    NUMBER
}

/// The version of the SQLite inside the library. None of its symbols can be seen from outside, and a program may
/// use another SQLite besides.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_sqlite_version() -> *const c_char {
    static VERSION: LazyLock<CString> =
        LazyLock::new(|| CString::new(litestash_core::sqlite_version()).unwrap_or_default());
    VERSION.as_ptr()
}

/// The text of this thread's last error, for people; it never shows a key or a value. Valid until this thread's next
/// error. A call that goes well leaves it. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_error_message() -> *const c_char {
    error::last_text()
}

/// The number of this thread's last error; LITESTASH_OK if there was none.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_error_status() -> litestash_status {
    error::last_number()
}

/// The name of a status, the same in every language: "Ok", "Busy"; "Unknown" for other numbers. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_status_name(status: litestash_status) -> *const c_char {
    error::name(status).as_ptr()
}

/// What a status means, in a sentence. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_status_meaning(status: litestash_status) -> *const c_char {
    error::meaning(status).as_ptr()
}

/// What can be done about an error: LITESTASH_RETRY_NEVER, which also is the answer for other numbers,
/// LITESTASH_RETRY_LATER, LITESTASH_RETRY_AFTER_READING or LITESTASH_RETRY_AFTER_REPAIR.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_status_retry(status: litestash_status) -> u32 {
    match error::retry(status) {
        Some(Retry::Never) | None => LITESTASH_RETRY_NEVER,
        Some(Retry::Later) => LITESTASH_RETRY_LATER,
        Some(Retry::AfterReading) => LITESTASH_RETRY_AFTER_READING,
        Some(Retry::AfterRepair) => LITESTASH_RETRY_AFTER_REPAIR,
    }
}

/// Gives bytes back, and empties the buffer so that doing it again does nothing. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_buffer_free(buffer: *mut litestash_buffer) {
    if buffer.is_null() || !buffer.is_aligned() {
        return;
    }
    // SAFETY: the caller promises a buffer that this library filled or that is all zero; it is emptied, so its
    // memory is given back once. free takes null.
    unsafe {
        let given = buffer.replace(litestash_buffer::NONE);
        libc::free(given.data.cast());
    }
}
