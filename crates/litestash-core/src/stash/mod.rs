//! The public handle and its operations.

mod batch;
mod compute;
mod op;
mod open;
mod options;
mod read;
mod scan;
mod spread;
mod unlock;
mod write;

pub use op::{Action, Condition, Deadline, Entry, Op, Outcome, SetOptions};
pub use open::LiteStash;
pub use options::Options;
pub use scan::{Cursor, Items, Keys, ScanOptions, Values};

pub(crate) use op::damaged;
pub(crate) use open::Inner;
pub(crate) use scan::Scan;
pub(crate) use spread::{computing_threads, spread};
pub(crate) use unlock::format as format_of;
