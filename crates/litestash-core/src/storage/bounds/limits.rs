//! What a stash may take, and what goes when it is full.

use crate::contract::limits::SHARDS;
use crate::contract::schema::PAGE_BYTES;
use crate::error::{Error, Result};
use serde::Serialize;

/// Which rows go when a stash is full. Expired rows go first, whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Eviction {
    /// None: a write that would pass a limit fails with `LimitReached`. The default.
    #[default]
    None,
    /// Those written longest ago.
    LeastRecentlyStored,
    /// Those read or written longest ago.
    LeastRecentlyUsed,
    /// Those read least often. The count of a row that is not read halves with every hour.
    LeastFrequentlyUsed,
    /// Any.
    Random,
}

impl Eviction {
    /// Whether it asks which rows are read.
    pub(crate) fn needs_uses(self) -> bool {
        matches!(self, Self::LeastRecentlyUsed | Self::LeastFrequentlyUsed)
    }
}

/// Limits of a stash. The default: none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Limits {
    /// Bytes that the stash's directory may take on disk: shard files, write-ahead logs with their indexes, and the
    /// reserve for a full disk. At least 8 MiB, because sixteen empty shards with their logs take three. A row of
    /// more than a 32nd of it does not fit.
    pub bytes: Option<u64>,
    /// Rows, expired ones included until they are removed. At least 1.
    pub rows: Option<u64>,
    /// What happens when a limit is reached.
    pub eviction: Eviction,
}

impl Limits {
    /// The smallest limit of bytes.
    pub const BYTES_MIN: u64 = 8 << 20;

    /// Whether anything is limited.
    pub(crate) fn is_any(&self) -> bool {
        self.bytes.is_some() || self.rows.is_some()
    }

    /// `InvalidArgument` for limits that no stash can keep.
    pub(crate) fn check(&self) -> Result<()> {
        if self.bytes.is_some_and(|bytes| bytes < Self::BYTES_MIN) {
            let least = format!("a limit of bytes is at least {}", Self::BYTES_MIN);
            return Err(Error::invalid_argument(least));
        }
        if self.rows == Some(0) {
            return Err(Error::invalid_argument("a limit of rows is at least 1"));
        }
        Ok(())
    }
}

/// Bytes of a frame of the log, and of the part of its index that one shard has.
const FRAME_BYTES: u64 = 24 + PAGE_BYTES.unsigned_abs();
const INDEX_BYTES: u64 = 32 << 10;

/// How a limit of bytes is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Pages that all shard files together may have.
    pub(super) pages: u64,
    /// Frames that each log may have.
    pub(crate) frames: u32,
    /// Bytes of the reserve.
    pub(super) reserve_bytes: u64,
    /// The largest row.
    pub(super) row_bytes_max: u64,
}

impl Budget {
    pub(crate) fn new(bytes: u64, eviction: Eviction) -> Self {
        let shards = SHARDS as u64;
        // An eighth for the logs. Beyond the usual step of a checkpoint they gain nothing by more.
        let frames = (bytes / 8 / shards / FRAME_BYTES).clamp(16, 1000);
        let log_bytes = frames * FRAME_BYTES;
        // The logs and files of some shards that are made smaller, and every shard's index, which is made anew by who
        // opens a stash on a full disk.
        let reserve_bytes = if eviction == Eviction::None { 0 } else { 4 * log_bytes + shards * INDEX_BYTES };
        // A large row is in a log as well as in the file for a while.
        let row_bytes_max = bytes / 32;
        let beside = shards * (log_bytes + INDEX_BYTES) + reserve_bytes + row_bytes_max;
        Self {
            pages: bytes.saturating_sub(beside) / PAGE_BYTES.unsigned_abs(),
            frames: u32::try_from(frames).unwrap_or(u32::MAX),
            reserve_bytes,
            row_bytes_max,
        }
    }

    /// Bytes to which a log's file is cut.
    pub(crate) fn log_bytes(&self) -> i64 {
        i64::from(self.frames) * FRAME_BYTES.cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_budget_are_the_whole_and_leave_room_for_rows() {
        for bytes in [Limits::BYTES_MIN, 16 << 20, 64 << 20, 1 << 30, 1 << 40] {
            for eviction in [Eviction::None, Eviction::Random] {
                let budget = Budget::new(bytes, eviction);
                let logs = SHARDS as u64 * (budget.log_bytes().unsigned_abs() + INDEX_BYTES);
                let sum = budget.pages * 4096 + logs + budget.reserve_bytes + budget.row_bytes_max;
                assert!(sum <= bytes && sum + 4096 > bytes, "{bytes}: {budget:?}");
                assert!(budget.pages * 4096 > bytes / 2, "{bytes}: {budget:?}");
            }
        }
    }

    #[test]
    fn limits_that_cannot_be_kept_are_refused() {
        assert!(Limits { bytes: Some(Limits::BYTES_MIN - 1), ..Limits::default() }.check().is_err());
        assert!(Limits { rows: Some(0), ..Limits::default() }.check().is_err());
        assert!(
            Limits { bytes: Some(Limits::BYTES_MIN), rows: Some(1), ..Limits::default() }.check().is_ok()
        );
        assert!(!Limits::default().is_any());
    }
}
