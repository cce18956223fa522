//! The rows of two shard files, read straight from their tables.

use super::shown;
use anyhow::{Context, Result};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every table with its columns; the first `key_columns` of them identify a row.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    key_columns: usize,
}

const SLOT: &[&str] = &["key_hash", "key", "value", "timestamp", "microsecond"];

const TABLES: &[Table] = &[
    Table { name: "slot_0", columns: SLOT, key_columns: 1 },
    Table { name: "slot_1", columns: SLOT, key_columns: 1 },
    Table { name: "slot_2", columns: SLOT, key_columns: 1 },
    Table { name: "slot_3", columns: SLOT, key_columns: 1 },
    Table { name: "expiry", columns: &["expires_at", "slot", "key_hash"], key_columns: 3 },
    Table { name: "meta", columns: &["name", "value"], key_columns: 1 },
    Table {
        name: "changes",
        columns: &["number", "at", "origin", "kind", "slot", "key_hash", "key", "version"],
        key_columns: 1,
    },
];

type Rows = BTreeMap<Vec<String>, Vec<String>>;

/// How the rows of two stashes differ, over all shard files.
pub(crate) fn difference(expected: &Path, got: &Path) -> Option<String> {
    let (old, new) = (files(expected), files(got));
    let mut lines: Vec<_> =
        old.symmetric_difference(&new).map(|name| format!("only one has {name}")).collect();
    for name in old.intersection(&new) {
        match in_file(&expected.join(name), &got.join(name)) {
            Ok(rows) => lines.extend(rows.into_iter().map(|row| format!("{name} {row}"))),
            Err(error) => lines.push(format!("{name}: {error:#}")),
        }
    }
    let lines = shown(lines);
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The paths of all shard files in the directory of a stash, its buckets included.
fn files(directory: &Path) -> BTreeSet<String> {
    let names = |directory: &Path| -> Vec<String> {
        let entries = directory.read_dir().into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let buckets = directory.join("buckets");
    let within = names(&buckets).into_iter().flat_map(|bucket| {
        let files = names(&buckets.join(&bucket));
        files.into_iter().map(move |name| format!("buckets/{bucket}/{name}"))
    });
    names(directory)
        .into_iter()
        .chain(within)
        .filter(|name| {
            // The journal is no shard.
            let file = name.rsplit('/').next().unwrap_or(name);
            file.starts_with("shard-") && file.ends_with(".db")
        })
        .collect()
}

/// How the rows of two shard files differ.
pub(crate) fn in_file(expected: &Path, got: &Path) -> Result<Vec<String>> {
    let (old, new) = (open(expected)?, open(got)?);
    let mut lines = Vec::new();
    for table in TABLES {
        let (old, new) = (table.rows(&old)?, table.rows(&new)?);
        let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for key in keys {
            lines.extend(table.row_difference(key, old.get(key), new.get(key)));
        }
    }
    Ok(lines)
}

/// Immutable: neither locks nor `-wal` and `-shm` files are made beside a stash that is being judged.
fn open(path: &Path) -> Result<Connection> {
    let path = std::path::absolute(path)?;
    // Names of buckets are escaped themselves.
    let address = format!("file:{}?immutable=1", path.display().to_string().replace('%', "%25"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(address, flags).with_context(|| path.display().to_string())
}

impl Table {
    fn rows(&self, connection: &Connection) -> Result<Rows> {
        // Some tables are there only where they are needed. To have none differs from having one without
        // rows.
        let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)";
        if !connection.query_row(exists, [self.name], |row| row.get::<_, bool>(0))? {
            return Ok(Rows::from([(vec!["no table".to_owned()], Vec::new())]));
        }
        let sql = format!("SELECT {} FROM {}", self.columns.join(", "), self.name);
        let mut statement = connection.prepare(&sql)?;
        let mut cursor = statement.query([])?;
        let mut rows = Rows::new();
        while let Some(row) = cursor.next()? {
            let cell = |column: usize| anyhow::Ok(text(row.get_ref(column)?));
            let mut cells = (0..self.columns.len()).map(cell).collect::<Result<Vec<_>>>()?;
            let others = cells.split_off(self.key_columns);
            rows.insert(cells, others);
        }
        Ok(rows)
    }

    fn row_difference(
        &self,
        key: &[String],
        old: Option<&Vec<String>>,
        new: Option<&Vec<String>>,
    ) -> Option<String> {
        let key = key.iter().map(|cell| cut(cell)).collect::<Vec<_>>().join(" ");
        let name = |row: &[String]| row.first().map_or_else(String::new, |key| format!(" = {}", cut(key)));
        match (old, new) {
            (Some(old), None) => Some(format!("{} {key}{}: the row is missing", self.name, name(old))),
            (None, Some(new)) => {
                Some(format!("{} {key}{}: the row should not be there", self.name, name(new)))
            }
            (Some(old), Some(new)) if old != new => {
                let columns = self.columns[self.key_columns..].iter().zip(old.iter().zip(new));
                let changed = columns.filter(|(_, (old, new))| old != new);
                let told: Vec<_> = changed
                    .map(|(column, (old, new))| format!("{column} expected {}, got {}", cut(old), cut(new)))
                    .collect();
                Some(format!("{} {key}{}: {}", self.name, name(old), told.join("; ")))
            }
            _ => None,
        }
    }
}

/// A cell with its storage class; two cells have equal texts only if they are equal.
fn text(cell: ValueRef<'_>) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match cell {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(int) => int.to_string(),
        ValueRef::Real(real) => format!("real {real:?}"),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("text x'{}'", hex(bytes)),
        },
        ValueRef::Blob(bytes) => format!("x'{}'", hex(bytes)),
    }
}

/// A cell for people.
fn cut(cell: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    if cell.chars().count() <= CHARACTERS_MAX {
        return cell.to_owned();
    }
    let head: String = cell.chars().take(CHARACTERS_MAX / 2).collect();
    format!("{head}…")
}
