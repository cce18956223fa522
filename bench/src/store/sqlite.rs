//! rusqlite without anything around it: one file, prepared statements, the engine's pragmas.

use super::{Handle, Level, Store, Use};
use anyhow::Result;
use parking_lot::Mutex;
use rusqlite::{CachedStatement, Connection, Statement, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS kv \
     (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, at INTEGER NOT NULL) STRICT";
pub(crate) const UPSERT: &str = "INSERT INTO kv (key, value, at) VALUES (?1, ?2, ?3) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, at = excluded.at";
const SELECT: &str = "SELECT value FROM kv WHERE key = ?1";
const DELETE: &str = "DELETE FROM kv WHERE key = ?1";

/// Opens a new file with the pragmas that the engine gives its own.
pub(crate) fn connect(path: &Path, level: Level) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL")?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    set_up(&connection, level)?;
    Ok(connection)
}

/// Opens a file that has the pragmas which last.
fn reconnect(path: &Path, level: Level) -> Result<Connection> {
    let connection = Connection::open(path)?;
    set_up(&connection, level)?;
    Ok(connection)
}

fn set_up(connection: &Connection, level: Level) -> Result<()> {
    connection.busy_timeout(Duration::from_secs(60))?;
    connection.pragma_update(
        None,
        "synchronous",
        if level == Level::FullSync { "FULL" } else { "NORMAL" },
    )?;
    Ok(connection.pragma_update(None, "wal_autocheckpoint", 1000)?)
}

pub(super) struct SqliteStore {
    path: PathBuf,
    level: Level,
    /// Threads take turns at this one for writing, which is faster than letting SQLite's connections wait for
    /// each other's locks. A thread alone has everything on a connection of its own.
    writer: Mutex<Connection>,
}

impl SqliteStore {
    pub(super) fn open(directory: &Path, level: Level) -> Result<Self> {
        let path = directory.join("raw.db");
        let writer = connect(&path, level)?;
        writer.execute(CREATE, [])?;
        Ok(Self { path, level, writer: Mutex::new(writer) })
    }
}

impl Store for SqliteStore {
    fn lend(&self, sharing: Use, work: &mut dyn FnMut(&mut dyn Handle) -> Result<()>) -> Result<()> {
        let connection = reconnect(&self.path, self.level)?;
        let select = connection.prepare(SELECT)?;
        match sharing {
            Use::Alone => work(&mut Alone {
                connection: &connection,
                select,
                upsert: connection.prepare(UPSERT)?,
                delete: connection.prepare(DELETE)?,
            }),
            Use::Shared => work(&mut Shared { select, writer: &self.writer }),
        }
    }

    fn sync(&self) -> Result<()> {
        self.writer.lock().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.writer.into_inner().close().map_err(|(_, error)| error.into())
    }
}

struct Alone<'c> {
    connection: &'c Connection,
    select: Statement<'c>,
    upsert: Statement<'c>,
    delete: Statement<'c>,
}

impl Handle for Alone<'_> {
    fn set(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.upsert.execute(params![key, value, 1])?;
        Ok(())
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        select(&mut self.select, key)
    }

    fn delete(&mut self, key: &str) -> Result<()> {
        self.delete.execute([key])?;
        Ok(())
    }

    fn set_batch(&mut self, rows: &[(String, Vec<u8>)]) -> Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        for (key, value) in rows {
            self.upsert.execute(params![key, value, 1])?;
        }
        Ok(transaction.commit()?)
    }
}

struct Shared<'s> {
    select: Statement<'s>,
    writer: &'s Mutex<Connection>,
}

impl Handle for Shared<'_> {
    fn set(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.writer.lock().prepare_cached(UPSERT)?.execute(params![key, value, 1])?;
        Ok(())
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        select(&mut self.select, key)
    }

    fn delete(&mut self, key: &str) -> Result<()> {
        self.writer.lock().prepare_cached(DELETE)?.execute([key])?;
        Ok(())
    }

    fn set_batch(&mut self, rows: &[(String, Vec<u8>)]) -> Result<()> {
        let writer = self.writer.lock();
        let transaction = writer.unchecked_transaction()?;
        let mut upsert: CachedStatement<'_> = transaction.prepare_cached(UPSERT)?;
        for (key, value) in rows {
            upsert.execute(params![key, value, 1])?;
        }
        drop(upsert);
        Ok(transaction.commit()?)
    }
}

fn select(statement: &mut Statement<'_>, key: &str) -> Result<Option<Vec<u8>>> {
    let mut rows = statement.query([key])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}
