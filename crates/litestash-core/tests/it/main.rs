//! Integration tests of the engine, one topic per file.

mod basics;
mod support;
