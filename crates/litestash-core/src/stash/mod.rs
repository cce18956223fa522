//! The public handle and its operations.

mod batch;
mod bucket;
mod compute;
mod expiry;
mod lease;
mod op;
mod open;
mod options;
mod read;
mod scan;
mod secrets;
mod spread;
mod subscribe;
mod transaction;
mod unlock;
mod write;

pub use bucket::BucketOptions;
pub use compute::{Begun, Computation, ComputeOptions};
pub use expiry::SweepReport;
pub use op::{Action, Condition, Deadline, Entry, Op, Outcome, SetOptions};
pub use open::LiteStash;
pub use options::Options;
pub use read::Peek;
pub use scan::{Cursor, EncodedItems, Items, Keys, ScanOptions, Values};
pub use secrets::{parse_key, read_key_file, read_passphrase_file};
pub use subscribe::{Subscriber, Subscription};
pub use transaction::TransactionOutcome;

pub(crate) use op::damaged;
pub(crate) use open::Inner;
pub(crate) use scan::Scan;
pub(crate) use spread::{computing_threads, spread};
pub(crate) use unlock::{bucket_format, format as format_of};
