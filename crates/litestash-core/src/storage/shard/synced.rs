//! Commits that are to survive a power cut.

use super::{OpenWriter, Shard};
use crate::error::Result;
use crate::storage::connection::Durability;
use crate::storage::wal_index::{Header, LogState};
use crate::storage::worker::When;

impl Shard {
    /// Calls `commit`, whose sync may be shared if it is one. `upon`: the state of the shard's log before it, if
    /// everything in it is durable or in the sync log; `changes`: all that is changed, if that is known.
    pub(super) fn sharing<T>(
        &self,
        level: Durability,
        upon: Option<LogState>,
        changes: Option<Vec<u8>>,
        commit: impl FnOnce() -> T,
    ) -> T {
        match (&self.sync_log, upon, changes) {
            (Some(log), Some(before), Some(changes)) if level == Durability::Full => {
                log.sharing(self.id, before, &changes, commit)
            }
            _ => commit(),
        }
    }

    /// What follows a commit that was synced. `undisturbed`: the header with it, if nobody else committed since
    /// it began.
    pub(super) fn synced(&self, open: &mut OpenWriter, undisturbed: Option<Header>) -> Result<()> {
        open.durable = undisturbed.map(|header| header.log_state());
        if self.sync_log.is_some() {
            self.workers.settling.want(self, When::Later);
        }
        if !open.names_synced
            && let Some(directory) = &self.settings.directory
        {
            // A power cut must not take the names of the file and its log. Once for each connection that
            // writes: while it is open, both names stay.
            directory.sync()?;
            open.names_synced = true;
        }
        Ok(())
    }

    /// The worker's part: makes what the sync log has durable in the shard's own. Returns whether to come back.
    pub(super) fn settle_in_background(&self) -> bool {
        let Some(log) = &self.sync_log else { return false };
        if let Err(error) = log.settle(self.id) {
            tracing::warn!(%error, shard = %self.id, "a log could not be synced in the background");
        }
        log.has(self.id)
    }
}
