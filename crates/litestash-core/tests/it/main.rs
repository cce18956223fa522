//! Integration tests of the engine, one topic per file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod basics;
mod cache;
mod coherence;
mod compute;
mod damage;
mod durability;
mod failures;
mod fairness;
mod limits;
mod log;
mod model;
mod processes;
mod support;
mod together;
mod transfer;
