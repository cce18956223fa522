//! The native part of the Hex package `litestash`, as functions of the module `LiteStash.Native`.
//!
//! Elixir asks in requests of the sidecar's protocol, whose session runs here on a thread of its own and answers by
//! message (`handle`, `mailer`). `get` and `set` have functions of their own (`hot`). What may touch a file runs on a
//! dirty I/O scheduler; what runs on a normal one never waits and does a bounded amount of work (`encode`, `decode`).

mod atoms;
mod calendar;
mod decode;
mod encode;
mod handle;
mod hot;
mod key;
mod mailer;
#[cfg(feature = "testing")]
mod testing;

rustler::init!("Elixir.LiteStash.Native");
