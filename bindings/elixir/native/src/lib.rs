//! The native part of the Hex package `litestash`, as functions of the module `LiteStash.Native`.
//!
//! Elixir asks in requests of the sidecar's protocol, whose session runs here on a thread of its own and answers by
//! message (`handle`, `mailer`); writes of one key have another thread (`writer`). `get` and `set` have functions of
//! their own (`hot`). What reads a file runs on a dirty I/O scheduler; what runs on a normal one does a bounded amount
//! of work (`encode`, `decode`) and waits for nothing but an answer that is some microseconds away (`glance`).

mod atoms;
mod calendar;
mod decode;
mod encode;
mod glance;
mod handle;
mod hot;
mod key;
mod mailer;
#[cfg(feature = "measure")]
mod measure;
#[cfg(feature = "testing")]
mod testing;
mod writer;

rustler::init!("Elixir.LiteStash.Native");
