//! Integration tests of the engine, one topic per file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod basics;
mod cache;
mod coherence;
mod compute;
mod damage;
mod durability;
mod encryption;
mod failures;
mod fairness;
mod log;
mod model;
mod processes;
mod rotation;
mod support;
mod together;
mod transfer;
