//! Integration tests of the engine, one topic per file.

mod backup;
mod basics;
mod compute;
mod damage;
mod failures;
mod model;
mod processes;
mod support;
mod transfer;
