//! Doing what the journal has for a shard, before anything newer is written or read.
//!
//! The mark `applied` of a shard is the number of the last transaction that it has. Numbers grow, and the write
//! lock of each shard is held from before a transaction's number is chosen until the shard's part is committed;
//! so what the journal has for a shard beyond that number was left undone, and nothing newer was written since.

use super::commit::Begun;
use super::{OpenWriter, Shard, Transaction};
use crate::contract::intent;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::connect;
use crate::storage::connection::Durability;
use crate::storage::database::Database;
use crate::storage::journal::{self, step};
use crate::storage::names::Names;
use crate::storage::sync_log::sync_log_of;
use crate::storage::worker::When;
use std::time::Duration;

impl Shard {
    /// Does what is left undone, inside a transaction that was begun, and commits it. Returns false, with the
    /// transaction still open, if there is nothing.
    pub(super) fn redo(&self, open: &mut OpenWriter, begun: &Begun) -> Result<bool> {
        let transaction = Transaction(&mut open.database);
        let intents = self.pending_here(begun.marks.applied)?;
        let Some(last) = intents.last() else {
            transaction.goes_on();
            return Ok(false);
        };
        let mut txn = self.txn(transaction.0, self.effects(begun));
        // What was committed already is done, whatever the limits say.
        txn.room = None;
        for journal::Intent { id, changes } in &intents {
            for change in intent::decode(*id, self.id, changes)? {
                txn.redo(&change)?;
            }
        }
        txn.set_applied(last.id)?;
        step(5);
        let effects = txn.into_effects();
        transaction.goes_on();
        tracing::debug!(shard = %self.id, applied = last.id, "finished a transaction that was left undone");
        self.end(open, Durability::Normal, &[], begun, effects)?;
        Ok(true)
    }

    /// What the journal beside the shard's file has for it. Only for who holds the shard's write lock: a bucket
    /// cannot be dropped then.
    fn pending_here(&self, applied: i64) -> Result<Vec<journal::Intent>> {
        self.open_journal(true)?;
        let intents = self.journal.pending(self.id, applied)?;
        if intents.is_empty() || !self.is_in_bucket() || self.journal.is_in_place() {
            return Ok(intents);
        }
        // They are those of a bucket that had the name before.
        self.leave_replaced_journal();
        self.open_journal(true)?;
        self.journal.pending(self.id, applied)
    }

    /// Lets go of the journal of a bucket that was dropped.
    pub(super) fn leave_replaced_journal(&self) {
        if self.is_in_bucket() {
            self.journal.leave_if_replaced(&self.cache);
        }
    }

    /// Opens the journal, if there is one or it is to be made.
    fn open_journal(&self, create: bool) -> Result<()> {
        let opened = if create { self.journal.attach_or_create()? } else { self.journal.attach()? };
        if opened {
            // Of all of the stash's shards, because the journal is everybody's.
            for shard in self.members.upgrade().iter().flat_map(|group| group.iter()) {
                self.workers.journal.want(shard, When::Later);
            }
        }
        Ok(())
    }

    /// Notices a journal that others have made. Reading goes on without it if it cannot be opened.
    pub(super) fn find_journal(&self) {
        if let Err(error) = self.open_journal(false) {
            tracing::warn!(%error, "the journal cannot be opened");
        }
    }

    /// Before a read: waits for a transaction that is being committed, and does what was left undone, so that
    /// what was read of another shard is not newer. Reading goes on if that cannot be done.
    #[inline]
    pub(super) fn catch_up(&self) {
        if self.journal.has_news(self.id)
            && let Err(error) = self.finish()
        {
            tracing::debug!(%error, "a transaction could not be finished before a read");
        }
    }

    /// Does what the journal has for the shard. A handle that only reads answers whether there is something.
    #[cold]
    pub(crate) fn finish(&self) -> Result<()> {
        // What the journal of a bucket that was dropped has is not for the one that is there now.
        self.leave_replaced_journal();
        if !self.has_unfinished()? || !self.make_if_still_unfinished()? {
            return Ok(());
        }
        if !self.settings.writable() {
            return Err(Error::new(
                ErrorKind::ReadOnly,
                "a transaction of a process that ended has to be finished; open the stash for writing once",
            ));
        }
        #[cfg(feature = "testing")]
        let _finishes = journal::testing::finishing();
        self.with_open(!self.is_in_bucket(), Self::finish_in)?;
        Ok(())
    }

    /// Does it in the file that is open. What a bucket had to do that was dropped meanwhile is gone with it.
    fn finish_in(&self, open: &mut OpenWriter) -> Result<()> {
        let Some(begun) = self.begin_here(open, Durability::Normal)? else { return Ok(()) };
        // Also without the mark, which a power cut may have taken: it is set again with what is done.
        if !self.redo(open, &begun)? {
            drop(Transaction(&mut open.database));
        }
        Ok(())
    }

    /// Whether the journal has something for the shard that it does not have.
    pub(crate) fn has_unfinished(&self) -> Result<bool> {
        Ok(self.journal.is_attached() && self.journal.unapplied(self.id, || self.applied())?.is_some())
    }

    /// Makes a bucket's shard if it is missing, unless that was seen because the bucket was being dropped: its shards
    /// are gone before its journal is. Then the answer is false.
    fn make_if_still_unfinished(&self) -> Result<bool> {
        let Some(directory) = &self.settings.directory else { return Ok(true) };
        let Some(buckets) = directory.buckets() else { return Ok(true) };
        // Who drops a bucket holds the names from before the shards are gone until the directory has lost its own.
        // Nobody waits for that: what is left undone is seen again.
        let names = match Names::hold(buckets, Duration::ZERO) {
            Err(error) if error.kind() == ErrorKind::Busy => return Ok(false),
            names => names?,
        };
        if names.is_none() || !self.journal.is_in_place() {
            return Ok(false);
        }
        if self.settings.writable() {
            connect::make_missing(
                directory,
                self.id,
                self.settings.format.stash_id(),
                self.bounds.is_some(),
            )?;
        }
        Ok(true)
    }

    /// Asks everybody to look into the journal before they write this shard, which is created if it is missing.
    pub(crate) fn mark_journal(&self) -> Result<()> {
        // Whether the transaction's rows fit is for the transaction to say.
        let marked = self.with_locked(true, |shard, open| {
            shard.transact(open, Durability::Normal, &[], |txn| {
                // A bucket cannot be dropped now, so this is the journal that is beside the shard.
                shard.leave_replaced_journal();
                shard.open_journal(true)?;
                txn.mark_journal()
            })
        });
        marked.map(drop)
    }

    /// The last transaction of the journal that the shard has.
    fn applied(&self) -> Result<i64> {
        let read = |database: &mut Database| {
            database.end_kept()?;
            journal::applied(database.connection())
        };
        Ok(self.read_with(read)?.unwrap_or(0))
    }

    /// Makes what the shard has done durable, and forgets it in the journal.
    pub(crate) fn settle_journal(&self) -> Result<()> {
        if !self.journal.is_outstanding(self.id) || !self.settings.writable() {
            return Ok(());
        }
        let applied = self.applied()?;
        let Some(directory) = &self.settings.directory else { return Ok(()) };
        sync_log_of(&directory.shard_path(self.id)).map_err(|error| self.located(error))?;
        directory.sync()?;
        step(4);
        self.journal.forget(self.id, applied)
    }

    /// The worker's part. Returns whether to come back.
    pub(super) fn tend_journal(&self) -> bool {
        self.catch_up();
        if let Err(error) = self.settle_journal()
            && error.kind() != ErrorKind::Closed
        {
            tracing::warn!(%error, "the journal could not be emptied yet");
        }
        self.journal.is_attached()
    }
}
