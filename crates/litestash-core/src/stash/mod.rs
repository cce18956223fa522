//! The public handle and its operations.

mod batch;
mod bucket;
mod compute;
mod op;
mod open;
mod options;
mod read;
mod scan;
mod spread;
mod write;

pub use bucket::BucketOptions;
pub use op::{Action, Condition, Deadline, Entry, Op, Outcome, SetOptions};
pub use open::LiteStash;
pub use options::Options;
pub use scan::{Cursor, Items, Keys, ScanOptions, Values};

pub(crate) use op::damaged;
pub(crate) use open::{Inner, Place};
pub(crate) use scan::Scan;
pub(crate) use spread::{computing_threads, spread};
