//! Integration tests of the engine, one topic per file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod basics;
mod bindings;
mod bucket_drops;
mod buckets;
mod buckets_many;
mod cache;
mod coherence;
mod compute;
mod damage;
mod deadlines;
mod durability;
mod encoded;
mod encryption;
mod encryption_everywhere;
mod events;
mod failures;
mod fairness;
mod leases;
mod limits;
mod log;
mod model;
mod processes;
mod rotation;
mod support;
mod together;
mod transaction;
mod transfer;
mod watch;
