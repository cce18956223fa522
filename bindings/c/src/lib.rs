//! LiteStash for C: `liblitestash` and, generated from this source, `include/litestash.h`.
//!
//! The header is the documentation. Everything that touches a foreign pointer is in [`ffi`]; handles are numbers
//! that a [`table`] checks, so that misuse is an error and not a crash; the rest is safe code over the engine.

mod buffer;
mod builder;
mod error;
pub mod ffi;
mod handle;
mod table;
