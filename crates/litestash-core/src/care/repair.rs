//! Salvaging everything readable from a damaged stash into a new one.

use super::backup::refuse_occupied;
use super::transfer::Parsed;
use super::unfinished;
use super::verify::asked;
use crate::contract::format::Format;
use crate::contract::hash::KeyHash;
use crate::contract::interchange::{EncodedLine, key_to_json};
use crate::contract::key::Key;
use crate::contract::limits::VALUE_BYTES_MAX;
use crate::contract::msgpack;
use crate::contract::route::{Place, Route, ShardId, Slot};
use crate::contract::schema::slot_table;
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::stash::{LiteStash, Options, bucket_format, format_of};
use crate::storage::Durability;
use crate::storage::directory::{self, Directory};
use crate::storage::keyring;
use crate::storage::row::key_column;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Rows written to the new stash in one go.
const BATCH_ROWS: usize = 1000;

/// More row numbers than a page can hold rows: a row takes over 64 bytes for its hash alone.
const ROWS_PER_PAGE_MAX: u64 = 64;

/// Row numbers tried one by one where pages are damaged.
const PROBES_MAX: u64 = 1 << 20;

/// What [`repair`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// Shard files looked at.
    pub shards: u64,
    /// Rows written to the new stash.
    pub rows: u64,
    /// What could not be read.
    pub lost: Vec<Lost>,
}

/// A row, a table or a shard that could not be salvaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lost {
    /// The bucket's name; `None` if it was in the stash itself.
    pub bucket: Option<String>,
    /// The shard's number.
    pub shard: u8,
    /// The table's number; `None` if it is the whole shard.
    pub slot: Option<u8>,
    /// The row's hash in hexadecimal, where it is known.
    pub key_hash: Option<String>,
    /// The key as JSON, where it is readable and matches its hash.
    pub key: Option<String>,
    /// Why, in words.
    pub reason: String,
}

/// Reads the stash in `source`, damaged or not, and writes every row that proves sound into a new stash in
/// `destination`, and those of its buckets into buckets of the same names.
///
/// A row proves sound by its key's hash, its checksum and its canonical form; versions and deadlines are
/// kept. What transactions of its journal left undone is done in the new stash. The source is not changed.
/// It must not be open in this process: close it first. `destination` must not exist, or be an empty directory.
pub fn repair(source: impl AsRef<Path>, destination: impl AsRef<Path>) -> Result<RepairReport> {
    repair_with(source, destination, Options::new())
}

/// [`repair`] with options: the key of an encrypted stash, and how the new one is opened.
///
/// The new stash of an encrypted one has the same keyring. Without the right key, or without its keyring, nothing
/// of an encrypted stash can be read: `WrongKey`, and nothing is written.
pub fn repair_with(
    source: impl AsRef<Path>,
    destination: impl AsRef<Path>,
    options: Options,
) -> Result<RepairReport> {
    repair_while(source, destination, options, || true)
}

/// [`repair_with`] for as long as `goes_on` says so, which is asked for each table and batch of rows; then it is
/// `Cancelled`, and what was written so far is left in `destination`.
pub fn repair_while(
    source: impl AsRef<Path>,
    destination: impl AsRef<Path>,
    options: Options,
    goes_on: impl Fn() -> bool,
) -> Result<RepairReport> {
    let source = Directory::open(source.as_ref(), false, true)?;
    let destination = destination.as_ref();
    refuse_occupied(destination)?;
    let options = options.create(true).read_only(false).immutable(false).value_bytes_max(VALUE_BYTES_MAX);
    let (format, keyring) = format_of(Some(&source), &options, false)?;
    if let Some(keyring) = &keyring {
        directory::make(destination)?;
        keyring::write_copy(destination, &keyring.bytes()?)?;
    }
    let target = options.open(destination)?;
    let mut report = RepairReport::default();
    salvage(&source, &format, &target, None, &mut report, &goes_on)?;
    for name in source.bucket_names()? {
        let format = bucket_format(&format, keyring.as_ref(), &name, VALUE_BYTES_MAX)?;
        let (source, target) = (source.bucket(&name)?, target.bucket(&name)?);
        salvage(&source, &format, &target, Some(&name), &mut report, &goes_on)?;
    }
    target.close()?;
    Ok(report)
}

/// The part of [`repair`] that is about one stash, or one of its buckets.
fn salvage(
    source: &Directory,
    format: &Format,
    target: &LiteStash,
    bucket: Option<&str>,
    report: &mut RepairReport,
    goes_on: &dyn Fn() -> bool,
) -> Result<()> {
    for shard in source.existing()? {
        let path = source.shard_path(shard);
        report.shards += 1;
        let (batch, report) = (Vec::new(), &mut *report);
        let mut salvage = Salvage { bucket, shard, format, target, batch, report, goes_on };
        if let Err(error) = salvage.shard(&path) {
            // What goes wrong on the target's side ends the repair; the rest is damage of the source.
            if !error.damage {
                return Err(error.error);
            }
            let reason = format!("the shard cannot be read: {}", error.error.message());
            salvage.report.lost.push(Lost {
                bucket: bucket.map(str::to_owned),
                shard: shard.number(),
                slot: None,
                key_hash: None,
                key: None,
                reason,
            });
        }
    }
    unfinished::finish(source, format, target, bucket, report)
}

struct Failure {
    error: Error,
    damage: bool,
}

fn damage(error: rusqlite::Error) -> Failure {
    Failure { error: error.into(), damage: true }
}

fn target_failed(error: Error) -> Failure {
    Failure { error, damage: false }
}

struct Salvage<'a> {
    bucket: Option<&'a str>,
    shard: ShardId,
    format: &'a Format,
    target: &'a LiteStash,
    batch: Vec<Parsed>,
    report: &'a mut RepairReport,
    goes_on: &'a dyn Fn() -> bool,
}

/// What is known of a row number: the hash that the index gives it, and whether the table has it for certain.
struct Expected {
    hash: Option<KeyHash>,
    certain: bool,
}

/// Which way a walk goes.
#[derive(Clone, Copy)]
enum Walk {
    Up,
    Down,
}

impl Salvage<'_> {
    fn shard(&mut self, path: &Path) -> std::result::Result<(), Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(damage)?;
        // The schema of a foreign or newer file means nothing here.
        for (name, expected) in [
            ("application_id", crate::contract::schema::APPLICATION_ID),
            ("user_version", crate::contract::schema::FORMAT),
        ] {
            let found: i64 = connection.pragma_query_value(None, name, |row| row.get(0)).map_err(damage)?;
            if found != expected {
                let error =
                    Error::new(ErrorKind::NotAStash, format!("its {name} is {found}, not {expected}"));
                return Err(Failure { error, damage: true });
            }
        }
        // Damage can make a tree of pages seem endless; the file's size tells how many rows there can be.
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let bytes = |path: &Path| path.metadata().map_or(0, |file| file.len());
        let pages =
            (bytes(path) + bytes(Path::new(&log))) / crate::contract::schema::PAGE_BYTES.unsigned_abs();
        for slot in Slot::all() {
            self.table(&connection, slot, (pages + 1) * ROWS_PER_PAGE_MAX)?;
        }
        self.flush()
    }

    fn table(
        &mut self,
        connection: &Connection,
        slot: Slot,
        rows_max: u64,
    ) -> std::result::Result<(), Failure> {
        asked(self.goes_on).map_err(target_failed)?;
        let table = slot_table(slot);
        // Row numbers, with the hash where the index gives it. The table and its index
        // are walked from both ends.
        let mut found: BTreeMap<i64, Option<KeyHash>> = BTreeMap::new();
        let index = format!(
            "SELECT rowid, key_hash FROM {table} INDEXED BY sqlite_autoindex_{table}_1 ORDER BY key_hash"
        );
        let index_whole = [Walk::Up, Walk::Down].into_iter().any(|way| {
            walk(connection, &index, way, rows_max, |row| {
                let hash = row.get_ref(1)?.as_blob().ok().and_then(KeyHash::from_slice);
                found.insert(row.get(0)?, hash);
                Ok(())
            })
        });
        let rows = format!("SELECT rowid FROM {table} NOT INDEXED ORDER BY rowid");
        let (mut low, mut high) = (0, i64::MAX);
        let up = walk(connection, &rows, Walk::Up, rows_max, |row| {
            low = row.get(0)?;
            found.entry(low).or_default();
            Ok(())
        });
        let table_whole = up
            || walk(connection, &rows, Walk::Down, rows_max, |row| {
                high = row.get(0)?;
                found.entry(high).or_default();
                Ok(())
            });
        let one = format!(
            "SELECT key_hash, key, value, timestamp, microsecond FROM {table} NOT INDEXED WHERE rowid = ?1"
        );
        for (number, hash) in &found {
            self.row(connection, &one, slot, *number, Expected { hash: *hash, certain: table_whole })?;
        }
        if !table_whole && !index_whole {
            let probes = usize::try_from(rows_max.min(PROBES_MAX)).unwrap_or(usize::MAX);
            for number in
                (low.saturating_add(1)..high).take(probes).filter(|number| !found.contains_key(number))
            {
                self.row(connection, &one, slot, number, Expected { hash: None, certain: false })?;
            }
            let reason = "pages of the table and of its index are damaged; rows in them may be missing";
            self.lose(slot, None, None, reason.into());
        }
        Ok(())
    }

    /// Keeps the row of that number, or lists it as lost.
    fn row(
        &mut self,
        connection: &Connection,
        query: &str,
        slot: Slot,
        number: i64,
        expected: Expected,
    ) -> std::result::Result<(), Failure> {
        let here = Route { shard: self.shard, slot };
        let sound = |row: &Row<'_>| sound_row(self.format, here, row);
        let fetched = connection
            .prepare_cached(query)
            .and_then(|mut fetch| fetch.query_row([number], |row| Ok(sound(row))).optional());
        let Expected { hash, certain } = expected;
        match fetched {
            Ok(Some(Ok(row))) => self.keep(row)?,
            Ok(Some(Err(lost))) => self.lose(slot, lost.hash.or(hash), lost.key, lost.reason),
            Ok(None) if hash.is_some() => {
                self.lose(slot, hash, None, "the index knows the row, the table does not".into());
            }
            // A number that was only a guess is no loss of its own.
            Err(error) if hash.is_some() || certain => self.lose(slot, hash, None, error.to_string()),
            Ok(None) | Err(_) => {}
        }
        Ok(())
    }

    fn keep(&mut self, row: Parsed) -> std::result::Result<(), Failure> {
        self.batch.push(row);
        if self.batch.len() >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> std::result::Result<(), Failure> {
        asked(self.goes_on).map_err(target_failed)?;
        let rows = std::mem::take(&mut self.batch);
        let (written, _) = self.target.inner.store(Durability::Normal, rows, true).map_err(target_failed)?;
        self.report.rows += written;
        Ok(())
    }

    fn lose(&mut self, slot: Slot, hash: Option<KeyHash>, key: Option<Key>, reason: String) {
        let key = key.map(|key| {
            let mut json = String::new();
            key_to_json(key.as_ref(), &mut json);
            json
        });
        self.report.lost.push(Lost {
            bucket: self.bucket.map(str::to_owned),
            shard: self.shard.number(),
            slot: Some(slot.number()),
            key_hash: hash.map(|hash| hash.to_string()),
            key,
            reason,
        });
    }
}

/// Walks over a query until it ends (true), or fails on damage or gives more rows than there can be (false).
fn walk(
    connection: &Connection,
    query: &str,
    way: Walk,
    rows_max: u64,
    mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> bool {
    let query = match way {
        Walk::Up => query.to_owned(),
        Walk::Down => format!("{query} DESC"),
    };
    let walked = (|| {
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        for _ in 0..=rows_max {
            match rows.next()? {
                Some(row) => visit(row)?,
                None => return Ok(true),
            }
        }
        Ok::<_, rusqlite::Error>(false)
    })();
    walked.unwrap_or(false)
}

/// A row that proves nothing, with what is known of it.
struct Unsound {
    hash: Option<KeyHash>,
    key: Option<Key>,
    reason: String,
}

/// The row, if its key, checksum and value agree.
fn sound_row(format: &Format, here: Route, row: &Row<'_>) -> std::result::Result<Parsed, Box<Unsound>> {
    let unsound =
        |hash, key, error: Error| Box::new(Unsound { hash, key, reason: error.message().to_owned() });
    let column = |index| row.get_ref(index).map_err(|error| unsound(None, None, error.into()));
    let hash = column(0)?.as_blob().ok().and_then(KeyHash::from_slice);
    let Some(known) = hash else {
        return Err(unsound(None, None, Error::corrupt("the row's hash is not 64 bytes")));
    };
    let found = Place { hash: known, route: here };
    let key = key_column(column(1)?)
        .and_then(|key| format.decode_key(&found, key))
        .map_err(|error| unsound(hash, None, error))?;
    let int = |index| column(index).map(|value| value.as_i64().unwrap_or(i64::MAX));
    let read = Version::from_columns(int(3)?, int(4)?).and_then(|version| {
        let column = row.get_ref(2)?;
        let stored = column.as_blob().map_err(|_| Error::corrupt("the value column has the wrong type"))?;
        let record = format.decode(&found, version, stored)?;
        msgpack::validate(&record.body)?;
        Ok((version, record.expiry, record.body.into_owned()))
    });
    match read {
        Ok((version, expiry, body)) => {
            let place = Place::of(known);
            Ok(Parsed { place, row: EncodedLine { key, body, expiry, version: Some(version) } })
        }
        Err(error) => Err(unsound(hash, Some(key), error)),
    }
}
