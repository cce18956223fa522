//! The native part of the npm package `litestash`, on Node-API.
//!
//! JavaScript encodes and decodes values and keeps promises; everything else is decided by the engine. Both
//! sides speak in `frame`s: bytes in, bytes out, one call each. What may wait runs on threads of its own
//! (`pool`, `lanes`, `task`) and answers through the `mailbox` of the JavaScript thread that asked.

mod answer;
pub mod compute;
pub mod error;
pub mod events;
mod frame;
pub mod lanes;
pub mod mailbox;
pub mod open;
mod pool;
pub mod scan;
pub mod stash;
pub mod task;
#[cfg(feature = "testing")]
pub mod testing;
