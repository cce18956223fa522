//! The `expiry` table: finding rows whose deadline has passed, and giving rows another deadline.

use super::database::Database;
use super::row::{self, NewRow, Removal, WriteTxn};
use super::sql;
use crate::contract::hash::KeyHash;
use crate::contract::key::Key;
use crate::contract::route::Slot;
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};

/// A row of the `expiry` table, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) deadline: i64,
    slot: i64,
    hash: Vec<u8>,
}

impl Hint {
    /// Before every hint that is due later than that.
    pub(super) fn behind(deadline: i64) -> Self {
        Self { deadline, slot: i64::MAX, hash: Vec::new() }
    }

    /// Before every hint.
    pub(super) fn first() -> Self {
        Self { deadline: i64::MIN, slot: i64::MIN, hash: Vec::new() }
    }

    /// The place it names, if it names one.
    fn place(&self) -> Option<(Slot, KeyHash)> {
        Some((u8::try_from(self.slot).ok().and_then(Slot::new)?, KeyHash::from_slice(&self.hash)?))
    }
}

/// What became of a hint that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swept {
    /// Its row had expired and was removed.
    Row,
    /// There was no row, or one of another deadline.
    Stale,
    /// The row, or the hint itself, is damaged or of a newer format. Both are left alone.
    Unreadable,
}

/// The deadline of the earliest hint.
pub(super) fn first_deadline(database: &Database) -> Result<Option<i64>> {
    let mut first = database.connection().prepare_cached(sql::EXPIRY_FIRST)?;
    Ok(first.query_row([], |row| row.get(0))?)
}

/// The deadline of the earliest hint behind a time.
pub(super) fn next_deadline(database: &Database, after_us: i64) -> Result<Option<i64>> {
    let mut next = database.connection().prepare_cached(sql::EXPIRY_NEXT)?;
    Ok(next.query_row([after_us], |row| row.get(0))?)
}

/// What a row that may have expired says.
enum Found {
    Expired(Key),
    /// Its deadline has not passed, or is not to be acted upon yet.
    Stays {
        deadline: Option<i64>,
    },
}

impl WriteTxn<'_> {
    /// Hints behind `after` that are due at `until_us`, in the order of the table.
    pub(super) fn due_hints(&mut self, after: &Hint, until_us: i64, limit: usize) -> Result<Vec<Hint>> {
        let mut page = self.database.connection().prepare_cached(sql::EXPIRY_PAGE)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = page.query_map((until_us, after.deadline, after.slot, &after.hash, limit), |row| {
            Ok(Hint { deadline: row.get(0)?, slot: row.get(1)?, hash: row.get(2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The deadline of the earliest hint behind a time.
    pub(super) fn next_deadline(&self, after_us: i64) -> Result<Option<i64>> {
        next_deadline(self.database, after_us)
    }

    /// Removes the row that a hint names, if the row's own deadline is behind `from_us` and has passed at `now_us`;
    /// then removes the hint.
    pub(super) fn sweep(&mut self, hint: &Hint, from_us: i64, now_us: i64) -> Result<Swept> {
        let Some((slot, hash)) = hint.place() else { return Ok(Swept::Unreadable) };
        let place = self.place(slot, &hash);
        let found = row::find(self.database.connection(), self.format(), &place, |row| {
            // Decrypted and all: a deadline that somebody changed removes nothing.
            let deadline = row.record()?.expiry.expires_at;
            match deadline {
                Some(deadline) if from_us < deadline && deadline <= now_us => row.key().map(Found::Expired),
                _ => Ok(Found::Stays { deadline }),
            }
        });
        let swept = match found {
            Ok(Some(Found::Expired(key))) => {
                self.delete(slot, &hash, key.as_ref(), Removal::Expired)?;
                Swept::Row
            }
            // The hint of a row that is left for later is needed then.
            Ok(Some(Found::Stays { deadline })) if deadline == Some(hint.deadline) => {
                return Ok(Swept::Stale);
            }
            Ok(_) => Swept::Stale,
            Err(error) if error.is_from_sqlite() => return Err(error),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Corrupt | ErrorKind::UnsupportedFormat | ErrorKind::TooLarge
                ) =>
            {
                return Ok(Swept::Unreadable);
            }
            Err(error) => return Err(error),
        };
        let mut drop = self.database.connection().prepare_cached(sql::EXPIRY_DROP)?;
        drop.execute((hint.deadline, hint.slot, &hint.hash))?;
        Ok(swept)
    }

    /// Gives the row of that version the expiry that `row` says; all else of `row` must be what is stored.
    pub(crate) fn redate(&mut self, row: &NewRow<'_>, version: Version) -> Result<()> {
        let (format, place) = (self.format(), self.place(row.slot, row.hash));
        let mut record = std::mem::take(&mut self.record);
        let redated = self.get(row.slot, row.hash, |stored| {
            format.redate(&place, version, row.expiry, stored.stored, &mut record)
        })?;
        self.record = record;
        let connection = self.database.connection();
        if redated.is_none()
            || row::cached(connection, &sql::REDATE, row.slot)?.execute((row.hash, &self.record))? != 1
        {
            return Err(Error::new(ErrorKind::Internal, "a row to be prolonged is not there"));
        }
        self.effects.rows_changed += 1;
        if let Some(images) = &mut self.effects.images {
            let key = format.encode_key(&place, row.key)?;
            images.push(row.slot, row.hash, key.as_stored(), Some((version, &self.record)));
        }
        if let Some(deadline) = row.expiry.expires_at {
            self.hint(row.slot, row.hash, deadline)?;
        }
        self.changed(row.key, || Some(row.content(version)));
        Ok(())
    }
}
