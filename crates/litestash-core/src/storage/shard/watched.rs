//! Watching a shard: asking its writers to tell what they change, and reading it.

use super::Shard;
use crate::contract::format::Format;
use crate::contract::hash::KeyHash;
use crate::contract::key::Key;
use crate::contract::route::{Place, Route, ShardId};
use crate::contract::schema;
use crate::contract::version::Version;
use crate::error::{Error, Result};
use crate::storage::connection::Durability;
use crate::storage::database::Database;
use crate::storage::row::key_column;
use crate::storage::sql;
use crate::storage::wal_index::Header;
use crate::storage::worker::When;
use rusqlite::{OptionalExtension, Row};

/// A row of the table `changes`.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) number: i64,
    pub(crate) origin: i64,
    pub(crate) kind: i64,
    /// The key, checked against its hash; `Corrupt` if it is none.
    pub(crate) key: Result<Key>,
    pub(crate) version: Option<Version>,
}

impl Shard {
    /// Asks the shard's writers to log what they change, for `for_us` from now on. Creates the shard. Returns
    /// the number of the newest row of the log, and when the watch ends.
    pub(crate) fn watch(&self, for_us: i64) -> Result<(i64, i64)> {
        self.write(Durability::Normal, |txn| {
            let now_us = self.hub.clock.now_us();
            let newest = txn.watch(now_us, now_us.saturating_add(for_us), self.hub.origin)?;
            Ok((newest, txn.marks().watched_until.unwrap_or(now_us)))
        })
    }

    /// Until when the shard is watched.
    pub(in crate::storage) fn watched_until(&self) -> Result<Option<i64>> {
        let until = self.look(|database| {
            let mut mark = database.connection().prepare_cached(sql::META_GET)?;
            Ok(mark.query_row([schema::META_WATCHED_UNTIL], |row| row.get(0)).optional()?)
        })?;
        Ok(until.flatten())
    }

    /// The header of the WAL index, if it can be seen. Changes with every commit of every process.
    pub(in crate::storage) fn header(&self) -> Result<Option<Header>> {
        Ok(self.read_with(|database| Ok(database.header()))?.flatten())
    }

    /// The row of the log with that number and those behind it.
    pub(in crate::storage) fn changes_from(&self, number: i64, limit: usize) -> Result<Vec<Logged>> {
        let rows = self.look(|database| {
            let mut statement = database.connection().prepare_cached(sql::CHANGES_FROM)?;
            let mut rows = statement.query((number, limit as i64))?;
            let mut logged = Vec::new();
            while let Some(row) = rows.next()? {
                logged.push(Logged::read(row, self.format(), self.id)?);
            }
            Ok(logged)
        })?;
        Ok(rows.unwrap_or_default())
    }

    /// [`Shard::read`] of what this handle's own relaxed writes do not wait for.
    fn look<T>(&self, mut f: impl FnMut(&mut Database) -> Result<T>) -> Result<Option<T>> {
        self.read_with(|database| {
            let (result, keeps) = database.read_keeping(&mut f)?;
            if keeps {
                self.workers.idle.want(self, When::Later);
            }
            Ok(result)
        })
    }
}

impl Logged {
    fn read(row: &Row<'_>, format: &Format, shard: ShardId) -> Result<Self> {
        let version: i64 = row.get(5)?;
        let key = key_column(row.get_ref(3)?).and_then(|key| {
            let hash = row.get_ref(4)?.as_blob().ok().and_then(KeyHash::from_slice);
            let hash = hash.ok_or_else(|| Error::corrupt("a logged hash is not 64 bytes"))?;
            // Who changed the row wrote its key for the row's place in this shard.
            let Route { slot, .. } = Route::of(&hash);
            format.decode_key(&Place { hash, route: Route { shard, slot } }, key)
        });
        Ok(Self {
            number: row.get(0)?,
            origin: row.get(1)?,
            kind: row.get(2)?,
            key,
            version: (version != 0).then_some(Version::from_micros(version)),
        })
    }
}
