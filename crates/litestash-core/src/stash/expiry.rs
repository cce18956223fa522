//! Deadlines: touching rows, and removing those whose time is over.

use super::op::Action;
use super::open::{Inner, LiteStash};
use super::scan::{Scan, ScanOptions};
use crate::contract::key::{KeyRef, ToKey};
use crate::contract::record::Expiry;
use crate::contract::route::{Place, ShardId};
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::ExpiryStats;
use crate::storage::shard::OldRow;
use serde::Serialize;
use std::time::Duration;

/// Rows removed in one transaction.
const STEP_ROWS: usize = 200;

/// What [`LiteStash::sweep`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct SweepReport {
    /// Expired rows removed.
    pub rows: u64,
    /// Rows of the `expiry` table removed; there may be several for a row.
    pub hints: u64,
    /// Rows that may have expired but are damaged, encrypted with an unknown key or of a newer format, and
    /// were left alone.
    pub unreadable: u64,
    /// Whether nothing was removed, because the wall clock was set by more than a minute, less than a minute
    /// ago.
    pub postponed: bool,
}

impl LiteStash {
    /// Begins a key's sliding deadline anew, as a get does, but at once: the row keeps its version. Returns whether
    /// the key was there. A row without a sliding deadline is not changed.
    pub fn touch(&self, key: impl ToKey) -> Result<bool> {
        self.flag(key, &Action::Touch)
    }

    /// Removes expired rows now. Nobody ever sees an expired row, swept or not; what a sweep gives is room, and the
    /// background does it by itself while the stash is open for writing, unless that is turned
    /// off ([`Options::background`](super::Options::background)).
    ///
    /// Works in transactions of at most 200 rows, between which others write. A row is removed only if its own
    /// deadline has passed by then, whatever it was when it was found. Sliding deadlines that follow from reads so
    /// far are written first. If the wall clock was set by more than a minute, nothing is removed
    /// for a minute, and the report says so.
    pub fn sweep(&self) -> Result<SweepReport> {
        self.inner.usable()?;
        self.inner.writable()?;
        let mut report = SweepReport::default();
        for shard in self.inner.shards() {
            shard.write_accesses()?;
            let Some(now_us) = self.inner.expiring.believed_us() else {
                report.postponed = true;
                continue;
            };
            let counts = shard.sweep(now_us)?;
            report.rows += counts.rows;
            report.hints += counts.hints;
            report.unreadable += counts.unreadable;
        }
        Ok(report)
    }

    /// What this process did about deadlines since it opened the stash. Costs nothing.
    pub fn expiry_stats(&self) -> ExpiryStats {
        self.inner.expiring.stats()
    }

    /// Removes rows that were last written more than `age` ago, and returns how many there were. With a prefix
    /// only text keys that begin with it.
    ///
    /// Reads, touches and prolonged deadlines do not count as writes. Works in transactions of at most 200 rows;
    /// a row that is written meanwhile stays. Damaged rows are left alone.
    pub fn expire_older_than(&self, age: Duration, prefix: Option<&str>) -> Result<u64> {
        self.inner.usable()?;
        self.inner.writable()?;
        let now_us = self.inner.now_us();
        let age_us = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let Some(before) = now_us.checked_sub(age_us).map(Version::from_micros) else { return Ok(0) };
        let options = ScanOptions { prefix: prefix.map(str::to_owned), ..ScanOptions::default() };
        let (mut removed, mut step) = (0, Vec::new());
        let mut at = None;
        for row in Scan::keys(self, options) {
            let row = match row {
                Ok(row) => row,
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnsupportedFormat) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            if row.version >= before {
                continue;
            }
            let place = self.inner.place(row.key.as_ref());
            if at != Some(place.route.shard) || step.len() == STEP_ROWS {
                removed += self.expire_rows(at, &mut step, before)?;
                at = Some(place.route.shard);
            }
            step.push(OldRow { key: row.key, slot: place.route.slot, hash: place.hash });
        }
        Ok(removed + self.expire_rows(at, &mut step, before)?)
    }

    fn expire_rows(&self, shard: Option<ShardId>, rows: &mut Vec<OldRow>, before: Version) -> Result<u64> {
        let Some(shard) = shard.filter(|_| !rows.is_empty()) else { return Ok(0) };
        let now_us = || self.inner.now_us();
        let removed = self.inner.shard(shard).expire_rows(self.level, rows, before, &now_us)?;
        rows.clear();
        Ok(removed)
    }
}

impl Inner {
    /// Notes that the row of a key was used.
    #[cold]
    pub(super) fn was_used(&self, key: KeyRef<'_>, place: Option<&Place>, version: Version, expiry: Expiry) {
        // Most uses of such a row are not to be written, and need no hash then.
        let now_us = self.now_us();
        if expiry.prolonged(now_us).is_some() {
            let Place { hash, route } = place.copied().unwrap_or_else(|| self.place(key));
            self.shard(route.shard).note_use(key, (route.slot, &hash), version, expiry, now_us);
        }
    }

    /// Refuses a stash that was opened read-only.
    fn writable(&self) -> Result<()> {
        if self.settings.writable() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ReadOnly, "the stash was opened read-only"))
    }
}
