//! Looking after a stash: figures, checking, salvaging, copying, shrinking, exchanging.

mod backup;
mod compact;
mod repair;
mod rotate;
mod stats;
mod sync;
mod transfer;
mod unfinished;
mod verify;

pub use backup::BackupReport;
pub use compact::CompactReport;
pub use repair::{Lost, RepairReport, repair, repair_while, repair_with};
pub use rotate::RotateReport;
pub use stats::{BucketStats, ShardStats, SlotStats, Stats};
pub use transfer::{ExportReport, ImportOptions, ImportReport, Rejected};
pub use verify::{Problem, ProblemKind, VerifyReport};
