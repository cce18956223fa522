//! Reading and writing single rows on a connection. A function that writes is a method of [`WriteTxn`], which
//! only exists inside a transaction.

use super::cache::{Changes, Content, Entry};
use super::database::{Database, Hot};
use super::sql::{self, PerSlot};
use crate::contract::format::{Format, KeyColumn};
use crate::contract::hash::KeyHash;
use crate::contract::key::{Key, KeyRef, StoredKey};
use crate::contract::record::{self, Expiry, Record};
use crate::contract::route::{Place, Route, ShardId, Slot};
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
    pub(super) fn read(row: &'a Row<'_>, value: usize) -> Result<Self> {
        let stored = row.get_ref(value)?.as_blob().map_err(|_| wrong_type("value"))?;
        let int = |index, name| row.get_ref(index)?.as_i64().map_err(|_| wrong_type(name));
        let version = Version::from_columns(int(value + 1, "timestamp")?, int(value + 2, "microsecond")?)?;
        Ok(Self { version, stored })
    }

    /// The record of the row at that place, checked, decrypted and decompressed.
    pub(crate) fn record(&self, format: &Format, place: &Place) -> Result<Record<'a>> {
        format.decode(place, self.version, self.stored)
    }

    /// When the row ends, with the record's CRC checked, but not decrypted: a forged deadline passes.
    fn expiry(&self, hash: &KeyHash) -> Result<Expiry> {
        Ok(record::decode(hash, self.version, self.stored)?.expiry)
    }
}

fn wrong_type(column: &str) -> Error {
    Error::corrupt(format!("the {column} column has the wrong type"))
}

impl ToSql for KeyColumn<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.as_stored() {
            StoredKey::Text(text) => ValueRef::Text(text),
            StoredKey::Integer(int) => ValueRef::Integer(int),
            StoredKey::Real(float) => ValueRef::Real(float),
            StoredKey::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl ToSql for KeyHash {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

/// What a `key` column holds.
pub(crate) fn key_column(column: ValueRef<'_>) -> Result<StoredKey<'_>> {
    Ok(match column {
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

fn first<T>(
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

fn cached<'c>(connection: &'c Connection, sql: &PerSlot, slot: Slot) -> Result<CachedStatement<'c>> {
    Ok(connection.prepare_cached(sql[slot.index()])?)
}

/// A row met by a scan, its key checked against its hash by whoever needs it.
pub(crate) struct ScannedRow<'a> {
    /// Where it was met, which is not where it belongs if the file is damaged.
    pub(crate) place: Place,
    format: &'a Format,
    row: &'a Row<'a>,
}

impl ScannedRow<'_> {
    /// The key, checked against its hash.
    pub(crate) fn key(&self) -> Result<Key> {
        self.format.decode_key(&self.place, self.stored_key()?)
    }

    /// The key as it is stored.
    pub(crate) fn stored_key(&self) -> Result<StoredKey<'_>> {
        key_column(self.row.get_ref(1)?)
    }

    /// Whether the key is text that begins with these bytes. Asks for nothing else of the row.
    pub(crate) fn has_text_prefix(&self, prefix: &str) -> Result<bool> {
        if self.format.is_encrypted() {
            return Ok(self.key()?.as_text().is_some_and(|text| text.starts_with(prefix)));
        }
        Ok(matches!(self.row.get_ref(1)?, ValueRef::Text(text) if text.starts_with(prefix.as_bytes())))
    }

    /// Version and record, unchecked.
    pub(crate) fn stored(&self) -> Result<StoredRow<'_>> {
        StoredRow::read(self.row, 2)
    }

    /// The record, checked.
    pub(crate) fn record(&self) -> Result<Record<'_>> {
        self.stored()?.record(self.format, &self.place)
    }
}

/// Calls `f` with up to `limit` rows behind the hash `after`, in the order of their hashes, until it answers
/// `Break`. Returns the last hash seen, or `None` if the table ended.
pub(crate) fn scan(
    connection: &Connection,
    format: &Format,
    route: Route,
    after: &[u8],
    limit: usize,
    mut f: impl FnMut(ScannedRow<'_>) -> Result<ControlFlow<()>>,
) -> Result<Option<KeyHash>> {
    let mut statement = cached(connection, &sql::SCAN, route.slot)?;
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
        if f(ScannedRow { place: Place { hash, route }, format, row })?.is_break() {
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
            Ok(row.expiry(&hash)?.expires_at == Some(deadline))
        })?;
        if due == Some(true) {
            expired[slot.index()] += 1;
        }
    }
    Ok(expired)
}

/// Writes a row without a deadline as a transaction of its own: one statement in autocommit, which takes the
/// write lock with its first step as BEGIN IMMEDIATE would. `None`, and nothing written, if a row of the same
/// or a greater version is there.
pub(super) fn put_alone(
    database: &mut Database,
    format: &Format,
    place: &Place,
    key: KeyRef<'_>,
    body: &[u8],
    version: Version,
) -> Result<Option<Version>> {
    let mut record = Vec::new();
    format.encode(place, version, Expiry::NEVER, body, &mut record)?;
    let key = format.encode_key(place, key)?;
    let changed = upsert(database, place, &key, &record, version)?;
    Ok((changed > 0).then_some(version))
}

fn upsert(
    database: &mut Database,
    place: &Place,
    key: &KeyColumn<'_>,
    record: &[u8],
    version: Version,
) -> Result<usize> {
    let row = (&place.hash, key, record, version.timestamp(), version.microsecond());
    database.with(Hot::Put(place.route.slot), |put| Ok(put.execute(row)?))
}

/// An open write transaction of one shard.
pub(crate) struct WriteTxn<'a> {
    database: &'a mut Database,
    format: &'a Format,
    record: Vec<u8>,
    shard: ShardId,
    /// What the cache has to hear of, if there is one.
    changes: Option<Changes>,
}

impl<'a> WriteTxn<'a> {
    /// Only for `Shard::write`, after BEGIN IMMEDIATE.
    pub(super) fn begun(
        database: &'a mut Database,
        format: &'a Format,
        shard: ShardId,
        changes: Option<Changes>,
    ) -> Self {
        Self { database, format, record: Vec::new(), shard, changes }
    }

    /// How the stash's keys and records are stored.
    pub(crate) fn format(&self) -> &'a Format {
        self.format
    }

    /// The connection, for what leaves the content of rows as it is.
    pub(super) fn connection(&self) -> &Connection {
        self.database.connection()
    }

    /// What was changed.
    pub(super) fn into_changes(self) -> Option<Changes> {
        self.changes
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
    pub(crate) fn put(
        &mut self,
        slot: Slot,
        hash: &KeyHash,
        key: KeyRef<'_>,
        expiry: Expiry,
        body: &[u8],
        now_us: i64,
    ) -> Result<Version> {
        let version = self.put_unrecorded(slot, hash, key, expiry, body, now_us)?;
        self.changed(key, || Some(Content { version, expiry, body: body.into() }));
        Ok(version)
    }

    /// [`WriteTxn::put`] of a row that the cache knows.
    pub(super) fn put_unrecorded(
        &mut self,
        slot: Slot,
        hash: &KeyHash,
        key: KeyRef<'_>,
        expiry: Expiry,
        body: &[u8],
        now_us: i64,
    ) -> Result<Version> {
        let mut version = Version::from_micros(now_us);
        if self.format.is_encrypted() {
            // What is encrypted is stored: so the version is looked up first instead of tried.
            let old = self.get(slot, hash, |row| Ok(row.version))?;
            version = old.map_or(Ok(version), |old| old.next(now_us))?;
        }
        if !self.upsert(slot, hash, key, expiry, body, version)? {
            let old = self.get(slot, hash, |row| Ok(row.version))?;
            version = old.map_or(Ok(version), |old| old.next(now_us))?;
            if !self.upsert(slot, hash, key, expiry, body, version)? {
                return Err(Error::new(crate::ErrorKind::Internal, "a row refused a version above its own"));
            }
        }
        Ok(version)
    }

    /// Writes a row of that very version, if no row of the same or a greater version is there. Returns
    /// whether it did.
    pub(crate) fn put_if_newer(
        &mut self,
        slot: Slot,
        hash: &KeyHash,
        key: KeyRef<'_>,
        expiry: Expiry,
        body: &[u8],
        version: Version,
    ) -> Result<bool> {
        let written = self.upsert(slot, hash, key, expiry, body, version)?;
        if written {
            self.changed(key, || Some(Content { version, expiry, body: body.into() }));
        }
        Ok(written)
    }

    fn upsert(
        &mut self,
        slot: Slot,
        hash: &KeyHash,
        key: KeyRef<'_>,
        expiry: Expiry,
        body: &[u8],
        version: Version,
    ) -> Result<bool> {
        let place = Place { hash: *hash, route: Route { shard: self.shard, slot } };
        self.format.encode(&place, version, expiry, body, &mut self.record)?;
        let key = self.format.encode_key(&place, key)?;
        let changed = upsert(self.database, &place, &key, &self.record, version)?;
        if changed > 0
            && let Some(deadline) = expiry.expires_at
        {
            self.database.connection().prepare_cached(sql::EXPIRY_ADD)?.execute((
                deadline,
                slot.number(),
                hash,
            ))?;
        }
        Ok(changed > 0)
    }

    /// Deletes the row of a key. Returns whether it was there.
    pub(crate) fn delete(&mut self, slot: Slot, hash: &KeyHash, key: KeyRef<'_>) -> Result<bool> {
        let deleted = self.database.with(Hot::Delete(slot), |delete| Ok(delete.execute([hash])? > 0))?;
        self.changed(key, || None);
        Ok(deleted)
    }

    /// Deletes every row.
    pub(crate) fn clear(&mut self) -> Result<()> {
        for slot in Slot::all() {
            cached(self.database.connection(), &sql::CLEAR, slot)?.execute([])?;
        }
        self.database.connection().prepare_cached(sql::EXPIRY_CLEAR)?.execute([])?;
        self.changes = self.changes.take().map(|_| Changes::All);
        Ok(())
    }
}
