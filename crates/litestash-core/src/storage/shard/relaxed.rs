//! Writes of the level `relaxed`: acknowledged once they wait in memory.

use super::{Shard, closed};
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::cache::Entry;
use crate::storage::pending::PendingRow;
use crate::storage::row::NewRow;
use crate::storage::worker::When;
use std::sync::Arc;

impl Shard {
    /// Lets a row wait to be written within some milliseconds. Reads of this process see it at once.
    ///
    /// When too many wait, the caller writes them first: that slows callers down to what the disk takes, and
    /// tells them if it takes nothing.
    pub(crate) fn put_later(&self, row: &NewRow<'_>, version: Version) -> Result<()> {
        if !self.settings.writable() {
            return Err(Error::new(ErrorKind::ReadOnly, "the stash was opened read-only"));
        }
        if self.pending.is_full() {
            self.flush()?;
        }
        let content = Some(row.content(version));
        let entry = Arc::new(Entry { key: row.key.to_owned(), view: Arc::clone(&self.view), content });
        let pending = PendingRow { hash: *row.hash, slot: row.slot, entry };
        if !self.pending.push(&self.cache, pending) {
            return Err(closed());
        }
        self.workers.flushes.want(self, When::Later);
        Ok(())
    }

    /// The worker's part.
    pub(crate) fn flush_in_background(&self) -> bool {
        match self.flush() {
            Ok(()) => false,
            Err(error) => {
                tracing::warn!(%error, "relaxed writes could not be written yet");
                // Unless the stash was closed, which reports it.
                error.kind() != ErrorKind::Closed
            }
        }
    }
}
