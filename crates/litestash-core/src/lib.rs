//! The LiteStash engine: an embedded key-value store over sharded SQLite files, with a
//! byte-exact data contract.
//!
//! A stash is a directory. Keys are text, integers, floats or bytes; values are anything that `serde` or
//! [`Value`] can express. Any number of threads and processes, in any of LiteStash's languages, use the same
//! directory at once.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! use litestash_core::{LiteStash, ScanOptions, Value};
//!
//! let stash = LiteStash::open(dir.path())?;
//! stash.set("user:1001", &("Ada", 36))?;
//! assert_eq!(stash.increment("visits", 1)?, 1);
//! assert_eq!(stash.get("missing")?, None);
//! for key in stash.keys(ScanOptions::prefix("user:")) {
//!     assert_eq!(key?.as_text(), Some("user:1001"));
//! }
//! stash.close()?;
//! # Ok::<_, litestash_core::Error>(())
//! ```
//!
//! One direction of dependencies: `error`, `env`, `sync` ← [`contract`] ← `storage` ← `stash`, `care` ← bindings,
//! command line. The normative description of every byte is `docs/CONTRACT.md`; the answers to every failure
//! are in [`ErrorKind`].

mod care;
pub mod contract;
mod env;
mod error;
mod stash;
mod storage;
mod sync;

pub use care::{
    BackupReport, BucketStats, CompactReport, ExportReport, ImportOptions, ImportReport, Lost, Problem,
    ProblemKind, Rejected, RepairReport, RotateReport, ShardStats, SlotStats, Stats, VerifyReport, repair,
    repair_while, repair_with,
};
pub use contract::format::Compression;
pub use contract::interchange::Line;
pub use contract::key::{Key, KeyRef, ToKey};
pub use contract::limits;
pub use contract::record::Expiry;
pub use contract::value::{Map, Timestamp, Value, Vector};
pub use contract::version::Version;
pub use env::{Clock, CountingRandom, FixedClock, Random, SystemClock, SystemRandom};
pub use error::{Error, ErrorKind, Result, Retry};
pub use stash::{
    Action, Begun, BucketOptions, Computation, ComputeOptions, Condition, Cursor, Deadline, EncodedItems,
    Entry, Items, Keys, LiteStash, Op, Options, Outcome, Peek, ScanOptions, SetOptions, Subscriber,
    Subscription, SweepReport, TransactionOutcome, Values, parse_key, read_key_file, read_passphrase_file,
};
pub use storage::{
    CacheStats, Durability, Event, EventKind, Eviction, ExpiryStats, Filter, KeyFilter, LimitStats, Limits,
    Origin, Scope,
};

/// What overwrites a key in memory when it is dropped.
pub use zeroize::Zeroizing;

/// Switches for measurements. No part of the interface.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing {
    pub use crate::storage::shard::testing::REST_MS;
    pub use crate::storage::ticket::testing::WITHOUT;
}

/// Points at which a process dies, for tests. No part of the interface.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use storage::journal::testing as journal_testing;

/// The version of the SQLite that is linked into this program, such as `3.54.1`.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// The README's examples are tests too.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
