//! The engine as a process: MessagePack frames in, MessagePack frames out (`docs/ENGINE.md`).
//!
//! One direction of dependencies: `frame`, `loose`, `request`, `answer` (bytes) ← `single`, `many`, `whole`, `task`
//! (operations) ← `inline` (in the caller's process), `session` (order and state) ← `lookout`, `serve` (the streams
//! and signals) ← `args`; `embedded` is a session without streams, for bindings.

mod answer;
#[cfg(feature = "program")]
mod args;
#[cfg(feature = "sessions")]
mod buckets;
#[cfg(feature = "sessions")]
mod computations;
#[cfg(feature = "sessions")]
pub mod embedded;
mod events;
pub mod frame;
#[cfg(feature = "sessions")]
mod frames;
pub mod inline;
#[cfg(all(unix, feature = "program"))]
mod lookout;
pub mod loose;
mod many;
#[cfg(feature = "sessions")]
mod outlet;
pub mod request;
#[cfg(feature = "program")]
mod serve;
#[cfg(feature = "sessions")]
mod session;
mod settings;
mod single;
#[cfg(feature = "sessions")]
mod subscriptions;
mod task;
#[cfg(feature = "sessions")]
mod tasks;
mod whole;

#[cfg(feature = "program")]
pub use args::main;

/// The version of the protocol.
pub const PROTOCOL: u64 = 1;
