//! Encrypting rows anew with the key that new rows get. Their versions stay.

use super::row::{self, StoredRow, WriteTxn};
use super::sql;
use crate::contract::format::Format;
use crate::contract::hash::KeyHash;
use crate::contract::route::{Place, Route, ShardId};
use crate::contract::schema;
use crate::error::{Error, ErrorKind, Result};
use rusqlite::Connection;
use std::ops::ControlFlow;

/// Rows looked at in one short read transaction.
const PAGE_ROWS: usize = 256;

/// Bytes of records after which a page ends early, so that writers wait for milliseconds only.
const PAGE_BYTES: usize = 1 << 20;

/// What was done with some rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Resealed {
    pub(crate) rows: u64,
    /// Rows that cannot be decrypted.
    pub(crate) damaged: u64,
}

/// A page of a table.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Rows looked at.
    pub(crate) rows: u64,
    /// Those that are encrypted with an older key.
    pub(crate) stale: Vec<KeyHash>,
    pub(crate) damaged: u64,
    /// Where the next page begins, if there is one.
    pub(crate) last: Option<KeyHash>,
}

/// Looks for rows behind the hash `after` that are encrypted with an older key.
pub(crate) fn look(connection: &Connection, format: &Format, route: Route, after: &[u8]) -> Result<Page> {
    let mut page = Page::default();
    let mut bytes = 0;
    let last = row::scan(connection, format, route, after, PAGE_ROWS, |row| {
        page.rows += 1;
        let current = row.stored().and_then(|stored| {
            bytes += stored.stored.len();
            format.is_current(&row.place, stored.version, row.stored_key()?, stored.stored)
        });
        if tolerated(current, &mut page.damaged)? == Some(false) {
            page.stale.push(row.place.hash);
        }
        Ok(if bytes > PAGE_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    page.last = last;
    Ok(page)
}

/// Encrypts those rows anew that still need it.
pub(crate) fn reseal(txn: &mut WriteTxn<'_>, route: Route, hashes: &[KeyHash]) -> Result<Resealed> {
    let format = txn.format();
    let connection = txn.connection();
    let mut done = Resealed::default();
    let mut record = Vec::new();
    let mut get = connection.prepare_cached(sql::RESEAL_GET[route.slot.index()])?;
    let mut put = connection.prepare_cached(sql::RESEAL_PUT[route.slot.index()])?;
    for hash in hashes {
        let place = Place { hash: *hash, route };
        let key = {
            let mut rows = get.query([hash])?;
            let Some(row) = rows.next()? else { continue };
            let key = row::key_column(row.get_ref(0)?)?;
            let resealed = StoredRow::read(row, 1).and_then(|StoredRow { version, stored }| {
                if format.is_current(&place, version, key, stored)? {
                    return Ok(None);
                }
                format.reseal(&place, version, key, stored, &mut record).map(Some)
            });
            let Some(Some(key)) = tolerated(resealed, &mut done.damaged)? else { continue };
            key
        };
        put.execute((hash, &key, &record))?;
        done.rows += 1;
    }
    Ok(done)
}

/// Encrypts the keys of the log of changes anew, a page behind the number `after`. Returns where the next page
/// begins, if there is one. A key that cannot be decrypted stays as it is: whoever watches has missed it.
pub(crate) fn reseal_changes(txn: &mut WriteTxn<'_>, shard: ShardId, after: i64) -> Result<Option<i64>> {
    let (format, connection) = (txn.format(), txn.connection());
    let exists: bool = connection.query_row(sql::TABLE_EXISTS, [schema::CHANGES], |row| row.get(0))?;
    if !exists {
        return Ok(None);
    }
    let (mut seen, mut last, mut stale) = (0, after, Vec::new());
    let mut page = connection.prepare_cached(sql::CHANGES_KEYS)?;
    let mut rows = page.query((after, PAGE_ROWS as i64))?;
    while let Some(row) = rows.next()? {
        (seen, last) = (seen + 1, row.get(0)?);
        let Some(hash) = row.get_ref(1)?.as_blob().ok().and_then(KeyHash::from_slice) else { continue };
        let place = Place { hash, route: Route { shard, slot: Route::of(&hash).slot } };
        let resealed = row::key_column(row.get_ref(2)?).and_then(|key| format.reseal_key(&place, key));
        if let Some(Some(key)) = tolerated(resealed, &mut 0)? {
            stale.push((last, key));
        }
    }
    let mut put = connection.prepare_cached(sql::CHANGES_RESEAL)?;
    for (number, key) in &stale {
        put.execute((number, key))?;
    }
    Ok((seen == PAGE_ROWS).then_some(last))
}

/// A damaged row is counted and does not stop the others.
fn tolerated<T>(result: Result<T>, damaged: &mut u64) -> Result<Option<T>> {
    match result {
        Err(error) if is_damage(&error) => {
            *damaged += 1;
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnsupportedFormat) && !error.is_from_sqlite()
}
