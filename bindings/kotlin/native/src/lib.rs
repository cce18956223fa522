//! The native part of the Maven artifact `litestash`: a few functions for what is done most, and one that
//! takes requests in the engine's vocabulary (`docs/ENGINE.md`) for everything else.
//!
//! A handle is the address of a `stash::Held`. Java frees it when nobody can reach its owner any more, and
//! each function is a method of that owner, so that none runs on a handle that was freed. A closed stash is
//! still a handle: the engine answers with `Closed`.

#![expect(unsafe_code, reason = "JNI passes addresses, and functions are found by their unmangled names")]

mod callback;
mod error;
mod events;
mod key;
mod stash;
#[cfg(feature = "testing")]
mod testing;
