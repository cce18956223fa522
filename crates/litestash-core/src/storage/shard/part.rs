//! A shard's part in a transaction over several shards: begun here, committed or rolled back together.

use super::commit::{Begun, must_reopen};
use super::{Counters, OpenWriter, Shard, Transaction, Writer};
use crate::contract::route::ShardId;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::connection::{self, Durability};
use crate::storage::directory::exists;
use crate::storage::effects::{Effects, Images};
use crate::storage::row::WriteTxn;
use crate::sync::MutexGuard;

/// An open transaction of one shard. Rolled back when dropped.
///
/// Whoever begins several does so in ascending order of the shards: nobody waits in a circle then, neither
/// threads for the writer's lock nor processes for SQLite's.
pub(crate) struct Part<'s> {
    shard: &'s Shard,
    open: Opened<'s>,
    level: Durability,
    begun: Begun,
    effects: Effects,
    ended: bool,
}

enum Opened<'s> {
    Shared(MutexGuard<'s, Writer>),
    /// Stands for a shard that does not exist: it shows what would be written.
    Apart(Box<OpenWriter>),
}

impl Opened<'_> {
    fn writer(&mut self) -> Result<&mut OpenWriter> {
        match self {
            Self::Apart(open) => Ok(open),
            Self::Shared(writer) => match &mut **writer {
                Writer::Open(open) => Ok(open),
                _ => Err(Error::new(ErrorKind::Internal, "a transaction lost its connection")),
            },
        }
    }
}

impl Shard {
    /// Begins a part, in the shard's file or, if there is none and it is not to be created, apart.
    pub(crate) fn begin_part(&self, level: Durability, create: bool) -> Result<Part<'_>> {
        let mut writer = self.writer_lock()?;
        let create = create || !self.pending.is_empty();
        let begun = match self.open_writer(&mut writer, create)? {
            Some(open) => self.flush_pending(open).and_then(|()| self.begin(open, level)),
            None => {
                drop(writer);
                let database = connection::open_in_memory(self.id, self.settings.format.stash_id())?;
                let mut open = Box::new(OpenWriter::new(database, true));
                let begun = self.begin(&mut open, Durability::Normal)?;
                return Ok(self.part(Opened::Apart(open), level, begun));
            }
        };
        match begun {
            Ok(begun) => Ok(self.part(Opened::Shared(writer), level, begun)),
            Err(error) => {
                if must_reopen(error.kind()) {
                    *writer = Writer::Idle;
                }
                Err(self.located(error))
            }
        }
    }

    fn part<'s>(&'s self, open: Opened<'s>, level: Durability, begun: Begun) -> Part<'s> {
        let effects = Effects { images: Some(Images::for_journal()), ..self.effects(&begun) };
        Part { shard: self, open, level, begun, effects, ended: false }
    }
}

impl Part<'_> {
    pub(crate) fn shard(&self) -> ShardId {
        self.shard.id
    }

    /// Rows that were added, less those that were removed. Zero where nobody counts.
    pub(crate) fn rows_added(&self) -> i64 {
        let rows = |counters: Option<Counters>| counters.map_or(0, |counters| counters.rows);
        rows(self.effects.marks.counters) - rows(self.begun.marks.counters)
    }

    /// Writes with `f`; the transaction's other parts have added `rows_beside`. After an error the part must not be
    /// committed.
    pub(crate) fn write<T>(
        &mut self,
        rows_beside: i64,
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T>,
    ) -> Result<T> {
        let database = &mut self.open.writer()?.database;
        let effects = std::mem::take(&mut self.effects);
        let mut txn = self.shard.txn(database, effects);
        txn.set_rows_beside(rows_beside);
        let result = f(&mut txn);
        self.effects = txn.into_effects();
        result
    }

    /// Whether something was written.
    pub(crate) fn has_written(&mut self) -> Result<bool> {
        let open = self.open.writer()?;
        Ok(self.begun.has_written(open))
    }

    /// Whether there was no file to begin in.
    pub(crate) fn is_apart(&self) -> bool {
        matches!(self.open, Opened::Apart(_))
    }

    /// Whether the shard has a file by now, which another process made.
    pub(crate) fn has_appeared(&self) -> Result<bool> {
        match (&self.open, &self.shard.path) {
            (Opened::Apart(_), Some(path)) => exists(path),
            _ => Ok(false),
        }
    }

    /// Whether everybody who writes the shard looks into the journal first.
    pub(crate) fn is_marked(&self) -> bool {
        self.begun.marks.journal
    }

    /// The last transaction of the journal that the shard has.
    pub(crate) fn applied(&self) -> i64 {
        self.begun.marks.applied
    }

    /// What was written, for the journal.
    pub(crate) fn take_images(&mut self) -> Vec<u8> {
        self.effects.images.take().and_then(Images::into_bytes).unwrap_or_default()
    }

    /// Notes that the shard has, with this commit, the journal's transaction of that number.
    pub(crate) fn set_applied(&mut self, id: i64) -> Result<()> {
        self.write(0, |txn| txn.set_applied(id))
    }

    /// Commits.
    pub(crate) fn commit(mut self) -> Result<()> {
        self.ended = true;
        let effects = std::mem::take(&mut self.effects);
        let open = self.open.writer()?;
        let ended = self.shard.end(open, self.level, &[], &self.begun, effects);
        if let Err(error) = &ended
            && must_reopen(error.kind())
            && let Opened::Shared(writer) = &mut self.open
        {
            **writer = Writer::Idle;
        }
        ended.map_err(|error| self.shard.located(error))
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if !self.ended
            && let Ok(open) = self.open.writer()
        {
            drop(Transaction(&mut open.database));
        }
    }
}
