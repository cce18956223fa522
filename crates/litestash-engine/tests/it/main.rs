//! The engine as its clients see it: a process with two pipes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod encryption;
mod ending;
mod hostile;
mod operations;
mod python;
