//! Doing again what a power cut took from the shard and a sync log has.

use super::{OpenWriter, Shard, Transaction, Writer};
use crate::contract::intent;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::connection::Durability;
use crate::storage::database::Database;
use crate::storage::sync_log::Leftovers;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

impl Shard {
    /// Does what leftover sync logs have for the shard and its log lacks. Before anything else is done with the shard,
    /// also by the journal: what it lacks is told by the state of its log. A handle that only reads answers whether
    /// there is something.
    ///
    /// Where that is not done the log stays as it is, for whoever opens the stash next.
    pub(crate) fn restore(&self, leftovers: &Leftovers) -> Result<()> {
        if !self.settings.writable() {
            return self.refuse_to_lack(leftovers);
        }
        let restored = self.with_locked(false, |shard, open| {
            let restored = shard.restore_in(open, leftovers);
            if restored.is_err() {
                keep_log(open.database.connection())?;
            }
            restored
        });
        if restored.is_err() {
            *self.writer.lock() = Writer::Idle;
        }
        restored.map(drop)
    }

    fn restore_in(&self, open: &mut OpenWriter, leftovers: &Leftovers) -> Result<()> {
        let begun = self.begin_once(open, Durability::Full)?;
        let transaction = Transaction(&mut open.database);
        let lacking = begun.log_state().map_or_else(Vec::new, |state| leftovers.lacking(self.id, state));
        if lacking.is_empty() {
            return Ok(());
        }
        let mut txn = self.txn(transaction.0, self.effects(&begun));
        // What was committed already is done, whatever the limits say.
        txn.room = None;
        for record in &lacking {
            for change in intent::parse(&record.changes)? {
                txn.redo(&change)?;
            }
        }
        let effects = txn.into_effects();
        transaction.goes_on();
        tracing::info!(shard = %self.id, commits = lacking.len(), "restored what a power cut took");
        self.end(open, Durability::Full, &[], &begun, effects)
    }

    fn refuse_to_lack(&self, leftovers: &Leftovers) -> Result<()> {
        let lacks = |database: &mut Database| {
            database.end_kept()?;
            let state = database.header().map(|header| header.log_state());
            let lacks = state.is_some_and(|state| !leftovers.lacking(self.id, state).is_empty());
            if lacks {
                keep_log(database.connection())?;
            }
            Ok(lacks)
        };
        if self.read_with(lacks)? == Some(true) {
            return Err(Error::new(
                ErrorKind::ReadOnly,
                "synced writes that a power cut took have to be restored; open the stash for writing once",
            ));
        }
        Ok(())
    }
}

/// Closing the connection does not move the log into the file, which would end its state
/// (<https://www.sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfignockptonclose>).
fn keep_log(connection: &Connection) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}
