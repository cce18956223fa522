//! The exported functions, and the only place that follows foreign pointers.
//!
//! Every function is one [`entry!`]: it catches panics, turns an error into its number, and is the place where the
//! promises of its caller begin. Those are the header's: a pointer is null, or leads to as much valid memory as its
//! length or type says, which nobody changes meanwhile; text behind a `char` pointer without a length ends with a
//! zero byte. What can be checked is checked: null, alignment, lengths, kinds, flags, UTF-8, handles. Receiver and
//! inputs are looked at first, and outputs are written last and only on success.
#![allow(non_camel_case_types, reason = "the names are C's")]
#![allow(unsafe_code, reason = "this is the boundary; the functions that follow pointers stand in `pointer`")]
#![allow(clippy::missing_safety_doc, reason = "the header's first page says what is asked of every pointer")]

pub mod types;

pub mod status;

pub mod options;

pub mod open;

pub mod one;

pub mod time;

pub mod compute;

pub mod many;

pub mod transaction;

pub mod scan;

pub mod bucket;

pub mod events;

pub mod build;

pub mod read;

pub mod contract;

pub mod sealed;

pub mod care;

pub mod secrets;

mod pointer;
#[cfg(feature = "testing")]
pub mod testing;

use crate::error;
use litestash_core::{Error, ErrorKind, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The body of an exported function: an expression of type `Result<()>`.
macro_rules! entry {
    ($body:expr) => {
        $crate::ffi::catch(
            #[inline(always)]
            || {
                // SAFETY: what the functions of `pointer` ask for is what the header asks of the caller.
                unsafe { $body }
            },
        )
    };
}
use entry;

#[inline(always)]
fn catch(body: impl FnOnce() -> Result<()>) -> i32 {
    let caught = catch_unwind(AssertUnwindSafe(
        #[inline(always)]
        || {
            #[cfg(feature = "testing")]
            testing::trip();
            body()
        },
    ));
    match caught {
        Ok(Ok(())) => error::OK,
        Ok(Err(error)) => error::keep(&error),
        Err(panic) => error::keep_panic(panic),
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}
