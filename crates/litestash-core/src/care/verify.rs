//! Checking every rule of the contract on a stash.

use crate::contract::format::Format;
use crate::contract::hash::KeyHash;
use crate::contract::msgpack;
use crate::contract::route::{Route, ShardId, Slot};
use crate::contract::schema::{AUTO_VACUUM, PAGE_BYTES, slot_table};
use crate::error::{Error, ErrorKind, Result};
use crate::stash::LiteStash;
use crate::storage::counting::count_all;
use crate::storage::row;
use crate::storage::shard::{Counters, Marks};
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use std::ops::ControlFlow;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// The file is refused as a whole: foreign, newer, renamed, unreadable.
    File,
    /// SQLite's own check of the file found damage.
    Structure,
    /// A header value that the contract fixes has another value.
    Header,
    /// A `key_hash` is not 64 bytes, or not the hash of the row's key.
    Hash,
    /// A row stands in a shard or table where its hash does not belong.
    Routing,
    /// A key is not in normal form.
    Key,
    /// `timestamp` or `microsecond` is out of range.
    Version,
    /// A record fails its checksum or is malformed.
    Record,
    /// A body is not canonical.
    Value,
    /// A row with a deadline has no hint in the `expiry` table, or a hint is malformed.
    Expiry,
    /// The shard's counters are not what a count of its rows gives.
    Counters,
}

/// [`Problem::shard`] of a problem with the stash's journal.
const JOURNAL: u8 = u8::MAX;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The bucket's name; `None` if it is about the stash itself.
    pub bucket: Option<String>,
    /// The shard's number; 255 for the journal.
    pub shard: u8,
    /// The table's number, if it is about a row or table.
    pub slot: Option<u8>,
    /// The row's hash in hexadecimal, if it is about a row.
    pub key_hash: Option<String>,
    /// What kind.
    pub kind: ProblemKind,
    /// In words, without keys or values.
    pub message: String,
}

/// What [`LiteStash::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Shards that exist, those of buckets included.
    pub shards: u64,
    /// Rows looked at.
    pub rows: u64,
    /// What is wrong; empty if the stash is sound.
    pub problems: Vec<Problem>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

impl LiteStash {
    /// Checks every rule of the contract: SQLite's integrity check, header values, schema, and of each row
    /// its key, hash, routing, version, checksum, canonical form and expiry hint, and the counters of counted shards;
    /// and the same of its buckets. Damage is reported, not an error; others can write meanwhile.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_while(|| true)
    }

    /// [`LiteStash::verify`] for as long as `goes_on` says so, which is asked for each shard, table and page
    /// of a table; then it is `Cancelled`.
    pub fn verify_while(&self, goes_on: impl Fn() -> bool) -> Result<VerifyReport> {
        let mut report = self.verify_shards(&goes_on)?;
        self.for_each_bucket(|name, bucket| {
            let mut of_bucket = bucket.verify_shards(&goes_on)?;
            for problem in &mut of_bucket.problems {
                problem.bucket = Some(name.to_owned());
            }
            report.shards += of_bucket.shards;
            report.rows += of_bucket.rows;
            report.problems.append(&mut of_bucket.problems);
            Ok(())
        })?;
        Ok(report)
    }

    fn verify_shards(&self, goes_on: &impl Fn() -> bool) -> Result<VerifyReport> {
        self.inner.usable()?;
        let mut report = VerifyReport::default();
        match self.inner.finish_transactions() {
            Err(error) if is_damage(error.kind()) => report.problems.push(Problem {
                bucket: None,
                shard: JOURNAL,
                slot: None,
                key_hash: None,
                kind: ProblemKind::File,
                message: error.message().to_owned(),
            }),
            // Who only reads sees what is there; opening has waited for what was undone then.
            Err(error) if error.kind() == ErrorKind::ReadOnly => {}
            other => other?,
        }
        for shard in self.inner.shards() {
            asked(goes_on)?;
            let checked = shard.read_snapshot(|database| {
                let mut check = Check::new(shard.id(), self.inner.format());
                // A damaged file can be so that it has no counters to be read.
                let counters = Marks::read(database).ok().and_then(|marks| marks.counters);
                let connection = database.connection();
                check.file(connection)?;
                for slot in Slot::all() {
                    check.table(connection, slot, goes_on)?;
                }
                check.expiry(connection)?;
                if let Some(counters) = counters {
                    check.counters(connection, counters);
                }
                Ok(check)
            });
            match checked {
                Ok(None) => {}
                Ok(Some(check)) => {
                    report.shards += 1;
                    report.rows += check.rows;
                    report.problems.extend(check.problems);
                }
                Err(error) if is_damage(error.kind()) => {
                    report.shards += 1;
                    let mut check = Check::new(shard.id(), self.inner.format());
                    check.problem(None, None, ProblemKind::File, error.message().to_owned());
                    report.problems.extend(check.problems);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }
}

/// `Cancelled` if the caller does not want to go on.
pub(super) fn asked(goes_on: &dyn Fn() -> bool) -> Result<()> {
    if goes_on() { Ok(()) } else { Err(Error::new(ErrorKind::Cancelled, "the caller stopped the operation")) }
}

/// Errors that say something about the file; the others say that checking was not possible.
fn is_damage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Corrupt
            | ErrorKind::NotAStash
            | ErrorKind::UnsupportedFormat
            | ErrorKind::Io
            | ErrorKind::Internal
    )
}

struct Check<'a> {
    shard: ShardId,
    format: &'a Format,
    rows: u64,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn new(shard: ShardId, format: &'a Format) -> Self {
        Self { shard, format, rows: 0, problems: Vec::new() }
    }

    fn problem(&mut self, slot: Option<Slot>, hash: Option<&KeyHash>, kind: ProblemKind, message: String) {
        self.problems.push(Problem {
            bucket: None,
            shard: self.shard.number(),
            slot: slot.map(Slot::number),
            key_hash: hash.map(KeyHash::to_string),
            kind,
            message,
        });
    }

    fn file(&mut self, connection: &Connection) -> Result<()> {
        let mut statement = connection.prepare("PRAGMA integrity_check")?;
        let mut lines = statement.query([])?;
        loop {
            match lines.next() {
                Ok(Some(line)) => {
                    let line: String = line.get(0)?;
                    if line != "ok" {
                        self.problem(None, None, ProblemKind::Structure, line);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.problem(None, None, ProblemKind::Structure, error.to_string());
                    break;
                }
            }
        }
        for (name, expected) in [("page_size", PAGE_BYTES), ("auto_vacuum", AUTO_VACUUM)] {
            let found: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
            if found != expected {
                self.problem(None, None, ProblemKind::Header, format!("{name} is {found}, not {expected}"));
            }
        }
        let encoding: String = connection.pragma_query_value(None, "encoding", |row| row.get(0))?;
        if encoding != "UTF-8" {
            self.problem(
                None,
                None,
                ProblemKind::Header,
                format!("the text encoding is {encoding}, not UTF-8"),
            );
        }
        Ok(())
    }

    fn table(&mut self, connection: &Connection, slot: Slot, goes_on: &dyn Fn() -> bool) -> Result<()> {
        let mut after = Vec::new();
        loop {
            asked(goes_on)?;
            let here = Route { shard: self.shard, slot };
            let page = row::scan(connection, self.format, here, &after, 1024, |row| {
                self.rows += 1;
                let hash = row.place.hash;
                let route = Route::of(&hash);
                if route != here {
                    let home = format!("the row belongs to shard {}, slot {}", route.shard, route.slot);
                    self.problem(Some(slot), Some(&hash), ProblemKind::Routing, home);
                }
                if let Err((kind, error)) = check_row(connection, slot, &row) {
                    self.problem(Some(slot), Some(&hash), kind, error.message().to_owned());
                }
                Ok(ControlFlow::Continue(()))
            });
            match page {
                Ok(Some(last)) => after = last.0.to_vec(),
                Ok(None) => break,
                // The rest of this table cannot be walked through; the other tables can.
                Err(error) if is_damage(error.kind()) => {
                    let kind = if error.message().contains("key_hash") {
                        ProblemKind::Hash
                    } else {
                        ProblemKind::Structure
                    };
                    self.problem(Some(slot), None, kind, error.message().to_owned());
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        // The walk goes over the index; rows that the index does not have are counted by the table.
        let unindexed = format!("SELECT count(*) FROM {} NOT INDEXED", slot_table(slot));
        if let Err(error) = connection.query_row(&unindexed, [], |row| row.get::<_, i64>(0)) {
            self.problem(Some(slot), None, ProblemKind::Structure, error.to_string());
        }
        Ok(())
    }

    fn counters(&mut self, connection: &Connection, stored: Counters) {
        match count_all(connection) {
            Ok(counted) if counted == stored => {}
            Ok(Counters { rows, bytes }) => {
                let message = format!(
                    "counted are {rows} rows and {bytes} bytes; the shard says {} and {}",
                    stored.rows, stored.bytes
                );
                self.problem(None, None, ProblemKind::Counters, message);
            }
            Err(error) => self.problem(None, None, ProblemKind::Structure, error.message().to_owned()),
        }
    }

    fn expiry(&mut self, connection: &Connection) -> Result<()> {
        let malformed =
            "SELECT count(*) FROM expiry WHERE slot NOT BETWEEN 0 AND 3 OR octet_length(key_hash) <> 64";
        match connection.query_row(malformed, [], |row| row.get::<_, i64>(0)) {
            Ok(0) => {}
            Ok(count) => {
                self.problem(None, None, ProblemKind::Expiry, format!("{count} hints are malformed"))
            }
            Err(error) => self.problem(None, None, ProblemKind::Structure, error.to_string()),
        }
        Ok(())
    }
}

fn check_row(
    connection: &Connection,
    slot: Slot,
    row: &row::ScannedRow<'_>,
) -> std::result::Result<(), (ProblemKind, Error)> {
    row.key().map_err(|error| {
        let kind = if error.message().contains("hash") { ProblemKind::Hash } else { ProblemKind::Key };
        (kind, error)
    })?;
    row.stored().map_err(|error| (ProblemKind::Version, error))?;
    let record = row.record().map_err(|error| (ProblemKind::Record, error))?;
    msgpack::validate(&record.body).map_err(|error| (ProblemKind::Value, error))?;
    if let Some(deadline) = record.expiry.expires_at {
        let hint = connection
            .prepare_cached("SELECT 1 FROM expiry WHERE expires_at = ?1 AND slot = ?2 AND key_hash = ?3")
            .and_then(|mut find| {
                find.query_row((deadline, slot.number(), row.place.hash), |_| Ok(())).optional()
            })
            .map_err(|error| (ProblemKind::Structure, Error::from(error)))?;
        if hint.is_none() {
            return Err((
                ProblemKind::Expiry,
                Error::corrupt("the row has a deadline and no hint in the expiry table"),
            ));
        }
    }
    Ok(())
}
