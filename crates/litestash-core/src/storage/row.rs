//! Reading and writing single rows on a connection. A function that writes is a method of [`WriteTxn`], which
//! only exists inside a transaction.

use super::bounds::Room;
use super::cache::{Changes, Content, Entry};
use super::database::{Database, Hot};
use super::effects::Effects;
use super::events::EventKind;
use super::events::recorder::Of;
use super::shard::{Counters, Marks, Shard};
use super::sql::{self, PerSlot};
use crate::contract::format::{Format, KeyColumn};
use crate::contract::hash::KeyHash;
use crate::contract::intent;
use crate::contract::key::{Key, KeyRef, StoredKey};
use crate::contract::msgpack;
use crate::contract::record::{self, Expiry, Record};
use crate::contract::route::{Place, Route, Slot};
use crate::contract::schema;
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

impl Place {
    /// The row to write for the key of this place.
    pub(crate) fn row<'a>(&'a self, key: KeyRef<'a>, expiry: Expiry, body: &'a [u8]) -> NewRow<'a> {
        NewRow { slot: self.route.slot, hash: &self.hash, key, expiry, body }
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

/// Why a row is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// A caller deletes it.
    Deleted,
    /// Its deadline has passed.
    Expired,
    /// To make room.
    Evicted,
}

impl From<Removal> for EventKind {
    fn from(removal: Removal) -> Self {
        match removal {
            Removal::Deleted => Self::Delete,
            Removal::Expired => Self::Expire,
            Removal::Evicted => Self::Evict,
        }
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

/// Calls `f` with the row of that hash and its key, if it is there.
pub(super) fn find<T>(
    connection: &Connection,
    format: &Format,
    place: &Place,
    f: impl FnOnce(ScannedRow<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = cached(connection, &sql::ROW, place.route.slot)?;
    let mut rows = statement.query([place.hash])?;
    match rows.next()? {
        Some(row) => f(ScannedRow { place: *place, format, row }).map(Some),
        None => Ok(None),
    }
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

/// Writes a row that has no deadline as a transaction of its own: one statement in autocommit, which takes the
/// write lock with its first step as BEGIN IMMEDIATE would. `None`, and nothing written, if a row of the same
/// or a greater version is there.
pub(super) fn put_alone(
    database: &mut Database,
    format: &Format,
    row: &NewRow<'_>,
    place: &Place,
    version: Version,
) -> Result<Option<Version>> {
    let mut record = Vec::new();
    format.encode(place, version, row.expiry, row.body, &mut record)?;
    let changed = upsert(database, row, &format.encode_key(place, row.key)?, &record, version)?;
    Ok(changed.then_some(version))
}

/// Writes a row of that version, unless one of the same or a greater version is there. Returns whether it did.
fn upsert(
    database: &mut Database,
    row: &NewRow<'_>,
    key: &KeyColumn<'_>,
    record: &[u8],
    version: Version,
) -> Result<bool> {
    let columns = (row.hash, key, record, version.timestamp(), version.microsecond());
    database.with(Hot::Put(row.slot), |put| Ok(put.execute(columns)? > 0))
}

/// An open write transaction of one shard.
pub(crate) struct WriteTxn<'a> {
    pub(super) database: &'a mut Database,
    pub(super) record: Vec<u8>,
    pub(super) shard: &'a Shard,
    pub(super) effects: Effects,
    /// The limits that are to be kept.
    pub(super) room: Option<Room<'a>>,
}

impl<'a> WriteTxn<'a> {
    /// Only for `Shard::transact`, after BEGIN IMMEDIATE.
    pub(super) fn begun(database: &'a mut Database, shard: &'a Shard, effects: Effects) -> Self {
        let room = shard.bounds().map(|bounds| Room::new(bounds, shard.id()));
        Self { database, record: Vec::new(), shard, effects, room }
    }

    /// Says how many rows the same transaction has added in other shards.
    pub(super) fn set_rows_beside(&mut self, rows: i64) {
        if let Some(room) = &mut self.room {
            room.set_rows_beside(rows);
        }
    }

    /// How the stash's keys and records are stored.
    #[inline]
    pub(crate) fn format(&self) -> &'a Format {
        self.shard.format()
    }

    /// The place of a row in this shard.
    #[inline]
    pub(super) fn place(&self, slot: Slot, hash: &KeyHash) -> Place {
        self.shard.place(slot, hash)
    }

    /// Notes that a row was used.
    pub(crate) fn note_use(
        &self,
        key: KeyRef<'_>,
        place: (Slot, &KeyHash),
        version: Version,
        expiry: Expiry,
        now_us: i64,
    ) {
        self.shard.note_use(key, place, version, expiry, now_us);
    }

    /// Whether what was written before is not in these files.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.effects.elsewhere
    }

    /// What the shard asks of this transaction.
    pub(super) fn marks(&self) -> &Marks {
        &self.effects.marks
    }

    pub(super) fn marks_mut(&mut self) -> &mut Marks {
        &mut self.effects.marks
    }

    /// What it has done.
    pub(super) fn into_effects(self) -> Effects {
        let evicted = self.room.map_or(0, |room| room.evicted);
        Effects { evicted: self.effects.evicted + evicted, ..self.effects }
    }

    /// Tells subscribers of a value that was read by its key.
    pub(crate) fn accessed(&mut self, key: KeyRef<'_>, version: Version) {
        if let Some(recorder) = &mut self.effects.recorder {
            recorder.accessed(key, version);
        }
    }

    /// Lets the cache hear of a row's new content.
    pub(super) fn changed(&mut self, key: KeyRef<'_>, content: impl FnOnce() -> Option<Content>) {
        let shard = self.shard;
        if let Some(changes) = &mut self.effects.changes {
            changes.push(|| Entry { key: key.to_owned(), view: shard.shared_view(), content: content() });
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
        if self.format().is_encrypted() {
            // What is encrypted is stored: so the version is looked up first instead of tried.
            let old = self.get(row.slot, row.hash, |row| Ok(row.version))?;
            version = old.map_or(Ok(version), |old| old.next(now_us))?;
        }
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
        if self.effects.marks.counters.is_some() {
            self.make_room(row)?;
            return self.upsert_counted(row, version);
        }
        self.upsert_row(row, version)
    }

    pub(super) fn upsert_row(&mut self, row: &NewRow<'_>, version: Version) -> Result<bool> {
        let (format, place) = (self.format(), self.place(row.slot, row.hash));
        format.encode(&place, version, row.expiry, row.body, &mut self.record)?;
        let key = format.encode_key(&place, row.key)?;
        let written = upsert(self.database, row, &key, &self.record, version)?;
        self.effects.rows_changed += u64::from(written);
        if written && let Some(deadline) = row.expiry.expires_at {
            self.hint(row.slot, row.hash, deadline)?;
        }
        if written && let Some(recorder) = &mut self.effects.recorder {
            let of = Some(Of { place: &place, key: row.key, column: &key });
            recorder.record(self.database.connection(), EventKind::Set, of, Some(version))?;
        }
        if written && let Some(images) = &mut self.effects.images {
            images.push(row.slot, row.hash, key.as_stored(), Some((version, &self.record)));
        }
        Ok(written)
    }

    pub(super) fn hint(&mut self, slot: Slot, hash: &KeyHash, deadline: i64) -> Result<()> {
        let mut add = self.database.connection().prepare_cached(sql::EXPIRY_ADD)?;
        self.effects.rows_changed += add.execute((deadline, slot.number(), hash))? as u64;
        self.effects.earliest =
            Some(self.effects.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        Ok(())
    }

    /// Does what an intent says of a row, which may be in any older state.
    pub(super) fn redo(&mut self, change: &intent::Change<'_>) -> Result<()> {
        let intent::Change { slot, hash, key, after } = change;
        let (format, place) = (self.format(), self.place(*slot, hash));
        let key = format.decode_key(&place, *key)?;
        let Some((version, record)) = *after else {
            return self.delete(*slot, hash, key.as_ref(), Removal::Deleted).map(drop);
        };
        // Encrypted anew, with the key that new rows get.
        let Record { expiry, body, .. } = format.decode(&place, version, record)?;
        if msgpack::validate(&body).is_err() {
            // It is stored as it is, for its readers to refuse; the cache is to hold none of that.
            self.effects.changes = self.effects.changes.take().map(|_| Changes::All);
        }
        let row = NewRow { slot: *slot, hash, key: key.as_ref(), expiry, body: &body };
        if !self.put_if_newer(&row, version)? {
            // After a power cut the shard may be as it was before a deletion, when the clock was ahead.
            self.delete(*slot, hash, key.as_ref(), Removal::Deleted)?;
            self.put_if_newer(&row, version)?;
        }
        Ok(())
    }

    /// Notes that the shard has done what the journal has for it up to that number, and asks everybody from
    /// now on to look there.
    pub(super) fn set_applied(&mut self, id: i64) -> Result<()> {
        self.mark_journal()?;
        let connection = self.database.connection();
        connection.prepare_cached(sql::META_PUT)?.execute((schema::META_APPLIED, id))?;
        self.effects.marks.applied = id;
        Ok(())
    }

    /// Asks everybody from now on to look into the journal.
    pub(super) fn mark_journal(&mut self) -> Result<()> {
        if !self.effects.marks.journal {
            let connection = self.database.connection();
            connection.prepare_cached(sql::META_PUT)?.execute((schema::META_JOURNAL, 1))?;
            self.effects.marks.journal = true;
        }
        Ok(())
    }

    /// A connection for tables that are not the rows'.
    pub(crate) fn connection(&self) -> &Connection {
        self.database.connection()
    }

    /// Deletes the row of a key, and says why. Returns whether it was there.
    pub(crate) fn delete(
        &mut self,
        slot: Slot,
        hash: &KeyHash,
        key: KeyRef<'_>,
        removal: Removal,
    ) -> Result<bool> {
        let version = if self.effects.recorder.is_some() { self.version_of(slot, hash)? } else { None };
        let deleted = if self.effects.marks.counters.is_some() {
            self.delete_counted(slot, hash)?
        } else {
            self.delete_row(slot, hash)?
        };
        self.changed(key, || None);
        if self.effects.images.is_none() && self.effects.recorder.is_none() {
            return Ok(deleted);
        }
        let place = self.place(slot, hash);
        let column = self.format().encode_key(&place, key)?;
        if let Some(images) = &mut self.effects.images {
            images.push(slot, hash, column.as_stored(), None);
        }
        if deleted && let Some(recorder) = &mut self.effects.recorder {
            let of = Some(Of { place: &place, key, column: &column });
            recorder.record(self.database.connection(), removal.into(), of, version)?;
        }
        Ok(deleted)
    }

    /// The version of a row that is about to be removed, if it is whole.
    #[cold]
    fn version_of(&mut self, slot: Slot, hash: &KeyHash) -> Result<Option<Version>> {
        match self.get(slot, hash, |row| Ok(row.version)) {
            Err(error) if error.kind() == crate::ErrorKind::Corrupt && !error.is_from_sqlite() => Ok(None),
            version => version,
        }
    }

    pub(super) fn delete_row(&mut self, slot: Slot, hash: &KeyHash) -> Result<bool> {
        let deleted = self.database.with(Hot::Delete(slot), |delete| Ok(delete.execute([hash])? > 0))?;
        self.effects.rows_changed += u64::from(deleted);
        Ok(deleted)
    }

    /// Deletes every row.
    pub(crate) fn clear(&mut self) -> Result<()> {
        let mut rows = 0;
        for slot in Slot::all() {
            rows += cached(self.database.connection(), &sql::CLEAR, slot)?.execute([])?;
        }
        self.database.connection().prepare_cached(sql::EXPIRY_CLEAR)?.execute([])?;
        self.forget_all_uses()?;
        if self.effects.marks.counters.is_some() {
            self.effects.marks.counters = Some(Counters::default());
        }
        self.effects.changes = self.effects.changes.take().map(|_| Changes::All);
        if rows > 0
            && let Some(recorder) = &mut self.effects.recorder
        {
            recorder.record(self.database.connection(), EventKind::Clear, None, None)?;
        }
        Ok(())
    }
}
