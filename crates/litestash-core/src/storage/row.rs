//! Reading and writing single rows on a connection. A function that writes is a method of [`WriteTxn`], which
//! only exists inside a transaction.

use super::bounds::{Bounds, Room};
use super::cache::{Changes, Content, Entry};
use super::database::{Database, Hot};
use super::shard::{Counters, Marks};
use super::sql::{self, PerSlot};
use crate::contract::hash::KeyHash;
use crate::contract::key::{Key, KeyRef, StoredKey};
use crate::contract::record::{self, Expiry, Record};
use crate::contract::route::{ShardId, Slot};
use crate::contract::version::Version;
use crate::error::{Error, Result};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, Statement, ToSql};
use std::ops::ControlFlow;

/// A stored row, not yet checked against its CRC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredRow<'a> {
    pub(crate) version: Version,
    pub(crate) stored: &'a [u8],
}

impl<'a> StoredRow<'a> {
    fn read(row: &'a Row<'_>, value: usize) -> Result<Self> {
        let stored = row.get_ref(value)?.as_blob().map_err(|_| wrong_type("value"))?;
        let int = |index, name| row.get_ref(index)?.as_i64().map_err(|_| wrong_type(name));
        let version = Version::from_columns(int(value + 1, "timestamp")?, int(value + 2, "microsecond")?)?;
        Ok(Self { version, stored })
    }

    /// The record, with its CRC checked.
    pub(crate) fn record(&self, hash: &KeyHash) -> Result<Record<'a>> {
        record::decode(hash, self.version, self.stored)
    }
}

/// A row that is to be written: its place, its key, and what it holds but for the version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRow<'a> {
    pub(crate) slot: Slot,
    pub(crate) hash: &'a KeyHash,
    pub(crate) key: KeyRef<'a>,
    pub(crate) expiry: Expiry,
    pub(crate) body: &'a [u8],
}

impl NewRow<'_> {
    /// What the cache holds of it once it is written.
    pub(super) fn content(&self, version: Version) -> Content {
        Content { version, expiry: self.expiry, body: self.body.into() }
    }
}

fn wrong_type(column: &str) -> Error {
    Error::corrupt(format!("the {column} column has the wrong type"))
}

impl ToSql for KeyRef<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Float(float) => ValueRef::Real(float.get()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl ToSql for KeyHash {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

/// The key that a `key` column holds; `Corrupt` if it is none in normal form.
pub(crate) fn key_from_column(column: ValueRef<'_>) -> Result<Key> {
    Key::from_stored(match column {
        ValueRef::Text(text) => StoredKey::Text(text),
        ValueRef::Integer(int) => StoredKey::Integer(int),
        ValueRef::Real(float) => StoredKey::Real(float),
        ValueRef::Blob(bytes) => StoredKey::Blob(bytes),
        ValueRef::Null => return Err(wrong_type("key")),
    })
}

/// Calls `f` with the row of that hash, if it is there.
pub(crate) fn get<T>(
    database: &mut Database,
    slot: Slot,
    hash: &KeyHash,
    f: impl FnOnce(StoredRow<'_>) -> Result<T>,
) -> Result<Option<T>> {
    database.with(Hot::Get(slot), |statement| first(statement, hash, f))
}

pub(super) fn first<T>(
    statement: &mut Statement<'_>,
    hash: &KeyHash,
    f: impl FnOnce(StoredRow<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut rows = statement.query([hash])?;
    match rows.next()? {
        Some(row) => f(StoredRow::read(row, 0)?).map(Some),
        None => Ok(None),
    }
}

pub(super) fn cached<'c>(
    connection: &'c Connection,
    sql: &PerSlot,
    slot: Slot,
) -> Result<CachedStatement<'c>> {
    Ok(connection.prepare_cached(sql[slot.index()])?)
}

/// A row met by a scan, its key checked against its hash by whoever needs it.
pub(crate) struct ScannedRow<'a> {
    pub(crate) hash: KeyHash,
    row: &'a Row<'a>,
}

impl ScannedRow<'_> {
    /// The key, checked against its hash.
    pub(crate) fn key(&self) -> Result<Key> {
        let key = key_from_column(self.row.get_ref(1)?)?;
        if KeyHash::from(&key) != self.hash {
            return Err(Error::corrupt("the key column does not match the row's hash"));
        }
        Ok(key)
    }

    /// Whether the key column is text that begins with these bytes. Asks for nothing else of the row.
    pub(crate) fn has_text_prefix(&self, prefix: &str) -> Result<bool> {
        Ok(matches!(self.row.get_ref(1)?, ValueRef::Text(text) if text.starts_with(prefix.as_bytes())))
    }

    /// Version and record, unchecked.
    pub(crate) fn stored(&self) -> Result<StoredRow<'_>> {
        StoredRow::read(self.row, 2)
    }
}

/// Calls `f` with up to `limit` rows behind the hash `after`, in the order of their hashes, until it answers
/// `Break`. Returns the last hash seen, or `None` if the table ended.
pub(crate) fn scan(
    connection: &Connection,
    slot: Slot,
    after: &[u8],
    limit: usize,
    mut f: impl FnMut(ScannedRow<'_>) -> Result<ControlFlow<()>>,
) -> Result<Option<KeyHash>> {
    let mut statement = cached(connection, &sql::SCAN, slot)?;
    let mut rows = statement.query((after, limit as i64))?;
    let (mut seen, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        let hash = row.get_ref(0)?.as_blob().ok().and_then(KeyHash::from_slice);
        let hash = hash.ok_or_else(|| Error::corrupt("the key_hash column is not 64 bytes"))?;
        // SQLite trusts the order of its index. A damaged one could lead a scan round in circles.
        if hash.as_bytes().as_slice() <= last.as_ref().map_or(after, |last: &KeyHash| last.as_bytes()) {
            return Err(Error::corrupt("the table's index is not in order"));
        }
        seen += 1;
        last = Some(hash);
        if f(ScannedRow { hash, row })?.is_break() {
            return Ok(last);
        }
    }
    Ok(last.filter(|_| seen == limit))
}

/// Stored rows of a table, expired ones included.
pub(crate) fn count(connection: &Connection, slot: Slot) -> Result<u64> {
    let count: i64 = cached(connection, &sql::COUNT, slot)?.query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Bytes of the keys and of the records of a table.
pub(crate) fn size(connection: &Connection, slot: Slot) -> Result<(u64, u64)> {
    let (keys, records): (i64, i64) =
        cached(connection, &sql::SIZE, slot)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((keys.unsigned_abs(), records.unsigned_abs()))
}

/// Stored rows of each table whose deadline has passed at `now_us`.
pub(crate) fn count_expired(
    connection: &Connection,
    now_us: i64,
) -> Result<[u64; crate::contract::limits::SLOTS]> {
    let mut expired = [0; crate::contract::limits::SLOTS];
    let mut statement = connection.prepare_cached(sql::EXPIRY_DUE)?;
    let mut rows = statement.query([now_us])?;
    while let Some(row) = rows.next()? {
        let deadline: i64 = row.get(0)?;
        let slot = u8::try_from(row.get::<_, i64>(1)?).ok().and_then(Slot::new);
        let hash = row.get_ref(2)?.as_blob().ok().and_then(KeyHash::from_slice);
        let (Some(slot), Some(hash)) = (slot, hash) else {
            return Err(Error::corrupt("a row of the expiry table names no place"));
        };
        // A row has one deadline, so only one of its hints can agree with it.
        let due = first(&mut *cached(connection, &sql::GET, slot)?, &hash, |row| {
            Ok(row.record(&hash)?.expiry.expires_at == Some(deadline))
        })?;
        if due == Some(true) {
            expired[slot.index()] += 1;
        }
    }
    Ok(expired)
}

/// Writes a row that has no deadline as a transaction of its own: one statement in autocommit, which takes the
/// write lock with its first step as BEGIN IMMEDIATE would. `None`, and nothing written, if a row of the same
/// or a greater version is there.
pub(super) fn put_alone(
    database: &mut Database,
    row: &NewRow<'_>,
    version: Version,
) -> Result<Option<Version>> {
    let changed = upsert(database, row, version, &mut Vec::new())?;
    Ok(changed.then_some(version))
}

/// Writes a row of that version, unless one of the same or a greater version is there. Returns whether it did.
/// `record` is room to work in.
fn upsert(database: &mut Database, row: &NewRow<'_>, version: Version, record: &mut Vec<u8>) -> Result<bool> {
    record::encode(row.hash, version, row.expiry, row.body, record);
    let columns = (row.hash, row.key, record.as_slice(), version.timestamp(), version.microsecond());
    database.with(Hot::Put(row.slot), |put| Ok(put.execute(columns)? > 0))
}

/// Why a row is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Somebody asked for it.
    Deleted,
    /// Its deadline has passed.
    Expired,
    /// To keep a limit.
    Evicted,
}

/// An open write transaction of one shard.
pub(crate) struct WriteTxn<'a> {
    pub(super) database: &'a mut Database,
    pub(super) record: Vec<u8>,
    pub(super) shard: ShardId,
    pub(super) marks: Marks,
    /// The counters as the file has them.
    pub(super) counted: Option<Counters>,
    /// What the cache has to hear of, if there is one.
    changes: Option<Changes>,
    /// The limits that are to be kept.
    pub(super) room: Option<Room<'a>>,
}

impl<'a> WriteTxn<'a> {
    /// Only for `Shard::transact`, after BEGIN IMMEDIATE.
    pub(super) fn begun(
        database: &'a mut Database,
        shard: ShardId,
        marks: Marks,
        changes: Option<Changes>,
        bounds: Option<&'a Bounds>,
    ) -> Self {
        let (counted, room) = (marks.counters, bounds.map(|bounds| Room::new(bounds, shard)));
        Self { database, record: Vec::new(), shard, marks, counted, changes, room }
    }

    /// What the shard asks of this transaction.
    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The marks as the transaction leaves them, and what it changed.
    pub(super) fn into_parts(self) -> (Marks, Option<Changes>) {
        (self.marks, self.changes)
    }

    /// Lets the cache hear of a row's new content.
    pub(super) fn changed(&mut self, key: KeyRef<'_>, content: impl FnOnce() -> Option<Content>) {
        let shard = self.shard;
        if let Some(changes) = &mut self.changes {
            changes.push(|| Entry { key: key.to_owned(), shard, content: content() });
        }
    }

    /// Calls `f` with the row of that hash, if it is there.
    pub(crate) fn get<T>(
        &mut self,
        slot: Slot,
        hash: &KeyHash,
        f: impl FnOnce(StoredRow<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        get(self.database, slot, hash, f)
    }

    /// Writes a row at `now_us`; the version is `max(now, version of the row there + 1)`.
    pub(crate) fn put(&mut self, row: &NewRow<'_>, now_us: i64) -> Result<Version> {
        let version = self.put_unrecorded(row, now_us)?;
        self.changed(row.key, || Some(row.content(version)));
        Ok(version)
    }

    /// [`WriteTxn::put`] of a row that the cache knows.
    pub(super) fn put_unrecorded(&mut self, row: &NewRow<'_>, now_us: i64) -> Result<Version> {
        let mut version = Version::from_micros(now_us);
        if !self.upsert(row, version)? {
            let old = self.get(row.slot, row.hash, |row| Ok(row.version))?;
            version = old.map_or(Ok(version), |old| old.next(now_us))?;
            if !self.upsert(row, version)? {
                return Err(Error::new(crate::ErrorKind::Internal, "a row refused a version above its own"));
            }
        }
        Ok(version)
    }

    /// Writes a row of that very version, if no row of the same or a greater version is there. Returns
    /// whether it did.
    pub(crate) fn put_if_newer(&mut self, row: &NewRow<'_>, version: Version) -> Result<bool> {
        let written = self.upsert(row, version)?;
        if written {
            self.changed(row.key, || Some(row.content(version)));
        }
        Ok(written)
    }

    fn upsert(&mut self, row: &NewRow<'_>, version: Version) -> Result<bool> {
        if self.marks.counters.is_some() {
            self.make_room(row)?;
            return self.upsert_counted(row, version);
        }
        self.upsert_row(row, version)
    }

    pub(super) fn upsert_row(&mut self, row: &NewRow<'_>, version: Version) -> Result<bool> {
        let written = upsert(self.database, row, version, &mut self.record)?;
        if written && let Some(deadline) = row.expiry.expires_at {
            self.database.connection().prepare_cached(sql::EXPIRY_ADD)?.execute((
                deadline,
                row.slot.number(),
                row.hash,
            ))?;
        }
        Ok(written)
    }

    /// Deletes the row of a key, and says why. Returns whether it was there.
    pub(crate) fn delete(
        &mut self,
        slot: Slot,
        hash: &KeyHash,
        key: KeyRef<'_>,
        _removal: Removal,
    ) -> Result<bool> {
        let deleted = if self.marks.counters.is_some() {
            self.delete_counted(slot, hash)?
        } else {
            self.delete_row(slot, hash)?
        };
        self.changed(key, || None);
        Ok(deleted)
    }

    pub(super) fn delete_row(&mut self, slot: Slot, hash: &KeyHash) -> Result<bool> {
        self.database.with(Hot::Delete(slot), |delete| Ok(delete.execute([hash])? > 0))
    }

    /// Deletes every row.
    pub(crate) fn clear(&mut self) -> Result<()> {
        for slot in Slot::all() {
            cached(self.database.connection(), &sql::CLEAR, slot)?.execute([])?;
        }
        self.database.connection().prepare_cached(sql::EXPIRY_CLEAR)?.execute([])?;
        self.forget_all_uses()?;
        if self.marks.counters.is_some() {
            self.marks.counters = Some(Counters::default());
        }
        self.changes = self.changes.take().map(|_| Changes::All);
        Ok(())
    }
}
