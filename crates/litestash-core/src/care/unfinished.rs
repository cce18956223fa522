//! What a damaged stash's journal and sync logs still have to do, done in the stash that its rows were salvaged into.

use super::repair::{Lost, RepairReport};
use super::transfer::Parsed;
use crate::contract::format::Format;
use crate::contract::intent;
use crate::contract::interchange::EncodedLine;
use crate::contract::route::{Place, Route, ShardId};
use crate::contract::schema::META_APPLIED;
use crate::error::Result;
use crate::stash::LiteStash;
use crate::storage::Durability;
use crate::storage::directory::Directory;
use crate::storage::sync_log::Leftovers;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::Path;
use std::time::Duration;

/// Does the intents of shards that lack them. What cannot be read is listed as lost.
pub(super) fn finish(
    source: &Directory,
    format: &Format,
    target: &LiteStash,
    bucket: Option<&str>,
    report: &mut RepairReport,
) -> Result<()> {
    if bucket.is_none() {
        restore(source, format, target, report)?;
    }
    let path = source.journal_path();
    if !path.try_exists()? {
        return Ok(());
    }
    for shard in ShardId::all() {
        let applied = applied(&source.shard_path(shard));
        match intents(&path, shard, applied) {
            Ok(intents) => {
                for (id, changes) in intents {
                    if let Err(error) = finish_one(format, target, (shard, id), &changes, report) {
                        report.lost.push(lost(bucket, shard, UNFINISHED, error.message()));
                    }
                }
            }
            Err(error) => report.lost.push(lost(bucket, shard, UNFINISHED, &error.to_string())),
        }
    }
    Ok(())
}

/// Stores what sync logs have, where it is newer than what was salvaged. What they removed may be there again.
fn restore(source: &Directory, format: &Format, target: &LiteStash, report: &mut RepairReport) -> Result<()> {
    let Some(leftovers) = Leftovers::find(source, Duration::ZERO, false)? else { return Ok(()) };
    for shard in leftovers.shards() {
        for changes in leftovers.changes(shard) {
            let stored = intent::parse(changes).and_then(|changes| {
                changes.iter().try_for_each(|change| store(format, target, shard, change, report))
            });
            if let Err(error) = stored {
                report.lost.push(lost(
                    None,
                    shard,
                    "a commit in a sync log cannot be restored",
                    error.message(),
                ));
            }
        }
    }
    Ok(())
}

/// In the journal.
const UNFINISHED: &str = "a transaction in the journal cannot be finished";

fn lost(bucket: Option<&str>, shard: ShardId, what: &str, reason: &str) -> Lost {
    let reason = format!("{what}: {reason}");
    Lost {
        bucket: bucket.map(str::to_owned),
        shard: shard.number(),
        slot: None,
        key_hash: None,
        key: None,
        reason,
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

/// How far a shard is. One that cannot be read has nothing.
fn applied(path: &Path) -> i64 {
    let read = open(path).and_then(|shard| {
        let query = "SELECT value FROM meta WHERE name = ?1";
        shard.query_row(query, [META_APPLIED], |row| row.get(0)).optional()
    });
    read.ok().flatten().unwrap_or(0)
}

fn intents(path: &Path, shard: ShardId, applied: i64) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let journal = open(path)?;
    let mut statement =
        journal.prepare("SELECT id, changes FROM intents WHERE shard = ?1 AND id > ?2 ORDER BY id")?;
    let rows = statement.query_map((shard.number(), applied), |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn finish_one(
    format: &Format,
    target: &LiteStash,
    (shard, id): (ShardId, i64),
    changes: &[u8],
    report: &mut RepairReport,
) -> Result<()> {
    for change in intent::decode(id, shard, changes)? {
        let found = Place { hash: change.hash, route: Route { shard, slot: change.slot } };
        // Nothing in the salvaged rows is newer, whatever the versions say.
        target.delete(&format.decode_key(&found, change.key)?)?;
        store(format, target, shard, &change, report)?;
    }
    Ok(())
}

/// Stores the row that a change stores, unless a newer one is there.
fn store(
    format: &Format,
    target: &LiteStash,
    shard: ShardId,
    change: &intent::Change<'_>,
    report: &mut RepairReport,
) -> Result<()> {
    let Some((version, stored)) = change.after else { return Ok(()) };
    let found = Place { hash: change.hash, route: Route { shard, slot: change.slot } };
    let key = format.decode_key(&found, change.key)?;
    let record = format.decode(&found, version, stored)?;
    let (expiry, body) = (record.expiry, record.body.into_owned());
    let place = target.inner.place(key.as_ref());
    let row = Parsed { place, row: EncodedLine { key, body, expiry, version: Some(version) } };
    report.rows += target.inner.store(Durability::Normal, vec![row], true)?.0;
    Ok(())
}
