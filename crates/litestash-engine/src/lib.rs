//! The engine as a process: MessagePack frames in, MessagePack frames out (`docs/ENGINE.md`).
//!
//! One direction of dependencies: `frame`, `loose`, `request`, `answer` (bytes) ← `single`, `many`, `whole`, `task`
//! (operations) ← `session` (order and state) ← `serve` (the streams and signals) ← `args`; `embedded` is the engine
//! without streams, for bindings.

mod answer;
mod args;
pub mod embedded;
mod events;
pub mod frame;
pub mod loose;
mod many;
mod outlet;
pub mod request;
mod serve;
mod session;
mod settings;
mod single;
mod task;
mod whole;

pub use args::main;

/// The version of the protocol.
pub const PROTOCOL: u64 = 1;
