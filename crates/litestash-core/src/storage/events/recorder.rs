//! What a transaction changes, told after its commit, and written into the table `changes` by the same
//! transaction while somebody watches the shard (`docs/CONTRACT.md` 9).

use super::{Change, EventKind, Hub, Origin};
use crate::contract::format::KeyColumn;
use crate::contract::key::KeyRef;
use crate::contract::route::Place;
use crate::contract::schema;
use crate::contract::version::Version;
use crate::error::Result;
use crate::storage::row::WriteTxn;
use crate::storage::shard::Marks;
use crate::storage::sql;
use rusqlite::Connection;

/// How long a row of `changes` stays.
const KEPT_US: i64 = 60_000_000;

/// How many of the newest rows of `changes` stay.
const KEPT_ROWS: i64 = 32_768;

/// A mark further ahead was set by a clock that was wrong, and counts as past.
pub(crate) const AHEAD_US_MAX: i64 = 3_600_000_000;

/// Whether a mark says that somebody watches now.
pub(in crate::storage) fn is_ahead(until_us: i64, now_us: i64) -> bool {
    (1..=AHEAD_US_MAX).contains(&until_us.saturating_sub(now_us))
}

/// The kind of the row that says: what was changed before it is not all there.
pub(in crate::storage) const BEGIN: i64 = 0;

/// The row that was changed.
#[derive(Clone, Copy)]
pub(in crate::storage) struct Of<'a> {
    pub(in crate::storage) place: &'a Place,
    pub(in crate::storage) key: KeyRef<'a>,
    /// The key as the row has it.
    pub(in crate::storage) column: &'a KeyColumn<'a>,
}

/// What one transaction has to tell.
pub(crate) struct Recorder {
    /// For subscribers to this handle, if there are any.
    told: Option<Vec<Change>>,
    log: Option<Log>,
    /// How many changes there were.
    changes: i64,
}

/// The table `changes`, as this transaction found its mark.
struct Log {
    now_us: i64,
    origin: i64,
    /// Whether somebody watches.
    is_watched: bool,
}

impl Recorder {
    /// A recorder, if anybody wants to hear of the transaction. Costs a load and a comparison if not.
    #[inline]
    pub(in crate::storage) fn of(hub: &Hub, marks: &Marks) -> Option<Box<Self>> {
        (hub.wants_any() || marks.watched_until.is_some()).then(|| Self::new(hub, marks))
    }

    #[cold]
    fn new(hub: &Hub, marks: &Marks) -> Box<Self> {
        let log = marks.watched_until.map(|until| {
            let now_us = hub.clock.now_us();
            Log { now_us, origin: hub.origin, is_watched: is_ahead(until, now_us) }
        });
        Box::new(Self { told: hub.wants_any().then(Vec::new), log, changes: 0 })
    }

    /// What subscribers to this handle have to hear.
    pub(in crate::storage) fn told(&self) -> &[Change] {
        self.told.as_deref().unwrap_or_default()
    }

    #[cold]
    pub(in crate::storage) fn record(
        &mut self,
        connection: &Connection,
        kind: EventKind,
        of: Option<Of<'_>>,
        version: Option<Version>,
    ) -> Result<()> {
        self.changes += 1;
        if let Some(told) = &mut self.told {
            let key = of.map(|of| of.key.to_owned());
            told.push(Change { kind, key, version, origin: Origin::Local });
        }
        if let Some(log) = self.log.as_ref().filter(|log| log.is_watched) {
            log.add(connection, kind.number(), of, version)?;
        }
        Ok(())
    }

    /// Tells of a read inside the transaction.
    #[cold]
    pub(in crate::storage) fn accessed(&mut self, key: KeyRef<'_>, version: Version) {
        if let Some(told) = &mut self.told {
            let (key, version) = (Some(key.to_owned()), Some(version));
            told.push(Change { kind: EventKind::Access, key, version, origin: Origin::Local });
        }
    }

    /// The last thing before COMMIT: if the transaction changed something, keeps `changes` short, and ends
    /// the watch if nobody renewed it.
    #[cold]
    pub(in crate::storage) fn finish(&self, connection: &Connection, marks: &mut Marks) -> Result<()> {
        let (Some(log), Some(until)) = (&self.log, marks.watched_until) else { return Ok(()) };
        if self.changes == 0 {
            return Ok(());
        }
        if is_ahead(until, log.now_us) {
            return log.trim(connection, self.changes);
        }
        connection.prepare_cached(sql::CHANGES_DRAIN)?.execute([])?;
        let more: bool = connection.prepare_cached(sql::CHANGES_MORE)?.query_row([], |row| row.get(0))?;
        if more {
            connection.prepare_cached(sql::META_PUT)?.execute((schema::META_WATCHED_UNTIL, 0))?;
            marks.watched_until = Some(0);
        } else {
            connection.prepare_cached(sql::META_DELETE)?.execute([schema::META_WATCHED_UNTIL])?;
            marks.watched_until = None;
        }
        Ok(())
    }
}

impl Log {
    fn add(
        &self,
        connection: &Connection,
        kind: i64,
        of: Option<Of<'_>>,
        version: Option<Version>,
    ) -> Result<()> {
        let slot = of.map_or(0, |of| of.place.route.slot.number());
        let hash = of.map_or(&[][..], |of| of.place.hash.as_bytes());
        let key = of.map_or(&KeyColumn::Plain(KeyRef::Bytes(&[])), |of| of.column);
        let version = version.map_or(0, Version::micros);
        connection.prepare_cached(sql::CHANGE_ADD)?.execute((
            self.now_us,
            self.origin,
            kind,
            slot,
            hash,
            key,
            version,
        ))?;
        Ok(())
    }

    fn trim(&self, connection: &Connection, changes: i64) -> Result<()> {
        let step = 16 + 2 * changes;
        let (oldest, newest) = (self.now_us.saturating_sub(KEPT_US), self.now_us.saturating_add(KEPT_US));
        connection.prepare_cached(sql::CHANGES_TRIM)?.execute((step, oldest, newest, KEPT_ROWS))?;
        Ok(())
    }
}

impl WriteTxn<'_> {
    /// Asks everybody who writes the shard to write every change into `changes`, until `until_us` at least.
    /// Returns the number of the newest row there.
    pub(in crate::storage) fn watch(&mut self, now_us: i64, until_us: i64, origin: i64) -> Result<i64> {
        let connection = self.connection();
        let exists: bool = connection.query_row(sql::TABLE_EXISTS, [schema::CHANGES], |row| row.get(0))?;
        if !exists {
            for (_, text) in schema::OPTIONAL_TABLES.iter().filter(|(name, _)| *name == schema::CHANGES) {
                connection.execute(text, [])?;
            }
        }
        let watched = self.marks().watched_until.filter(|until| is_ahead(*until, now_us));
        if !exists || watched.is_none() {
            let log = Log { now_us, origin, is_watched: true };
            log.add(connection, BEGIN, None, None)?;
        }
        let until_us = watched.map_or(until_us, |watched| watched.max(until_us));
        connection.prepare_cached(sql::META_PUT)?.execute((schema::META_WATCHED_UNTIL, until_us))?;
        let newest = connection.query_row(sql::CHANGES_NEWEST, [], |row| row.get(0))?;
        self.marks_mut().watched_until = Some(until_us);
        Ok(newest)
    }
}
