//! The engine as objects, records and errors for [uniffi](https://mozilla.github.io/uniffi-rs/), which writes
//! the Swift side of them from their documentation here.
//!
//! Values are canonical MessagePack (`docs/CONTRACT.md` 8): a language brings its own types to bytes without
//! passing through a tree of objects. Times are Unix microseconds and spans are microseconds, in integers.
//! Every call blocks until it is done and may come from any thread; what is asynchronous in a language is
//! done in its own layer.
//!
//! `error`, `value` ← `options`, `operation` ← `stash`, `read`, `write`, `care`, `events`.

mod care;
mod computation;
mod contract;
mod error;
mod events;
mod operation;
mod options;
mod report;
mod scan;
mod stash;
mod testing;
#[cfg(test)]
mod tests;
mod value;

pub use care::{Cancellation, repair};
pub use computation::{Computation, ComputeOptions};
pub use contract::{
    ContractLimits, KeyPlace, RecordParts, checksum, key_from_json, key_place, key_to_json, limits,
    record_parts, sqlite_version, value_from_json, value_to_json,
};
pub use error::{Failure, RetryHint, StashError, failure};
pub use events::{Event, EventFilter, EventKind, EventListener, Subscription, ValueTest};
pub use operation::{Action, Operation, Outcome, TransactionResult};
pub use options::{
    BucketOptions, Compression, Condition, Deadline, Durability, Eviction, Limits, OpenOptions, SetOptions,
};
pub use report::*;
pub use scan::{ItemPage, KeyPage, ScanOptions};
pub use stash::LiteStash;
pub use testing::TestClock;
pub use value::{Entry, Item, Key, Peek, TimeToLive};

uniffi::setup_scaffolding!("litestash");
