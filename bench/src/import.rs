//! Import of a JSON Lines file, against raw rusqlite inserting the same encoded bytes.

use crate::rounds::{Effort, alternate, timed};
use crate::store::{self, Level};
use crate::table::{Table, time};
use anyhow::Result;
use litestash_core::contract::{hash::KeyHash, route::Route};
use litestash_core::{ImportOptions, LiteStash, ScanOptions, limits};
use rusqlite::params;
use std::path::Path;

/// rusqlite has one transaction for each of as many files, and nothing to parse.
pub(crate) fn run(scratch: &Path, effort: Effort, file: &Path) -> Result<Table> {
    eprintln!("import of a file");
    let text = std::fs::read(file)?;
    let memory = LiteStash::memory()?;
    let rows = memory.import(text.as_slice(), ImportOptions::default())?.rows;
    let mut shards: Vec<Vec<(String, Vec<u8>)>> = vec![Vec::new(); limits::SHARDS];
    for key in memory.keys(ScanOptions::default()) {
        let key = key?;
        let shard = Route::of(&KeyHash::from(&key)).shard;
        let encoded = memory.get_encoded(&key)?.unwrap_or_default();
        shards[shard.index()].push((key.as_text().unwrap_or_default().to_owned(), encoded));
    }
    let series = alternate(effort.rounds, 2, |subject| {
        let dir = tempfile::tempdir_in(scratch)?;
        timed(|| {
            if subject == 0 {
                let stash = LiteStash::open(dir.path())?;
                stash.import(text.as_slice(), ImportOptions::default())?;
                stash.close()?;
            } else {
                for (number, rows) in shards.iter().enumerate() {
                    insert(&dir.path().join(format!("{number}.db")), rows)?;
                }
            }
            Ok(rows)
        })
    })?;
    let mut table = Table::new(
        format!("Import of a file of {:.1} MB, {rows} rows", text.len() as f64 / 1e6),
        ["per row", "LiteStash, parsing included", "rusqlite, the same encoded bytes", "ratio"],
    );
    table.row([
        "import".to_owned(),
        time(series[0].cost()),
        time(series[1].cost()),
        format!("{:.2}×", series[0].ratio(&series[1])),
    ]);
    Ok(table)
}

fn insert(path: &Path, rows: &[(String, Vec<u8>)]) -> Result<()> {
    let mut connection = store::raw_connection(path, Level::NoSync)?;
    connection.execute(store::CREATE, [])?;
    let transaction = connection.transaction()?;
    let mut upsert = transaction.prepare(store::UPSERT)?;
    for (key, encoded) in rows {
        upsert.execute(params![key, encoded, 0])?;
    }
    drop(upsert);
    Ok(transaction.commit()?)
}
