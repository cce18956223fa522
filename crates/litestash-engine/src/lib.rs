//! The engine as a process: MessagePack frames in, MessagePack frames out (`docs/ENGINE.md`).
//!
//! One direction of dependencies: `frame`, `loose`, `request`, `answer` (bytes) ← `single`, `many`, `whole`, `task`
//! (operations) ← `inline` (in the caller's process), `session` (order and state) ← `lookout`, `serve` (the streams
//! and signals) ← `args`; `embedded` is a session without streams, for bindings.

mod answer;
#[cfg(feature = "program")]
mod args;
#[cfg(feature = "program")]
mod buckets;
#[cfg(feature = "program")]
mod computations;
#[cfg(feature = "program")]
pub mod embedded;
mod events;
pub mod frame;
#[cfg(feature = "program")]
mod frames;
pub mod inline;
#[cfg(all(unix, feature = "program"))]
mod lookout;
pub mod loose;
mod many;
#[cfg(feature = "program")]
mod outlet;
pub mod request;
#[cfg(feature = "program")]
mod serve;
#[cfg(feature = "program")]
mod session;
mod settings;
mod single;
#[cfg(feature = "program")]
mod subscriptions;
mod task;
#[cfg(feature = "program")]
mod tasks;
mod whole;

#[cfg(feature = "program")]
pub use args::main;

/// The version of the protocol.
pub const PROTOCOL: u64 = 1;
