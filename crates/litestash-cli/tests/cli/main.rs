//! The command line as a process: what it prints, where, and how it exits. One topic for each file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apply;
mod arguments;
mod buckets;
mod care;
mod completions;
mod csv;
mod deadlines;
mod demo;
mod encryption;
mod foreign;
mod jsonl;
mod keys;
mod list;
mod pipes;
mod scripts;
mod support;
mod values;
mod watch;
