//! Opening one SQLite connection to a shard: flags, pragmas, creation, and the checks that it is ours.

use super::armour::Begun;
use super::bounds::Budget;
use super::database::Database;
use super::sql;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
use super::{armour, file_methods};
use crate::contract::format::StashId;
use crate::contract::route::ShardId;
use crate::contract::schema::{
    APPLICATION_ID, AUTO_VACUUM, FORMAT, JOURNAL_APPLICATION_ID, JOURNAL_TABLES, META_FORMAT, META_LAST,
    META_SHARD, META_STASH, OPTIONAL_TABLES, PAGE_BYTES, TABLES,
};
use crate::error::{Error, ErrorKind, Result};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::fmt;
use std::path::Path;

/// SQLite before 3.51.3 can lose commits when a WAL is reset (<https://www.sqlite.org/wal.html#walresetbug>).
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// A backstop for the size of a WAL, in pages of 4096 bytes, should the background thread not keep up.
const WAL_CHECKPOINT_PAGES: i64 = 8000;

/// The WAL file is cut back to this many bytes when it restarts.
const WAL_KEEP_BYTES: i64 = 64 << 20;

/// Prepared statements kept per connection: every statement of `sql`, with room.
const STATEMENTS_KEPT: usize = 64;

/// What an acknowledged write has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Durability {
    /// The memory of this process, which writes it within about ten milliseconds: for caches. The death of
    /// the process may take the newest writes. Reads through the same handle see them at once, other handles
    /// and processes once they are written.
    ///
    /// The version that such a write returns is the one it gets, unless the row has that or a greater one by
    /// then, written by a clock ahead of this one: then it gets the next greater.
    ///
    /// Only writes that need not look at the row are acknowledged so early: sets without a condition that do
    /// not keep a deadline. Every other operation is done as at [`Durability::Normal`], after what waits.
    Relaxed,
    /// The shard's write-ahead log. Survives the death of the process (also `kill -9`). A power cut may take
    /// the newest writes of each shard, never corrupt one. The default.
    #[default]
    Normal,
    /// Stable storage: each commit is synced, together with those of other shards that come at the same time. Survives
    /// a power cut. After one the engine has to be the first to open the stash, not another program that knows
    /// SQLite alone: what it finds of the last moments in a `sync-0.log` is put back when it opens the stash.
    Full,
}

/// How a connection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads and writes.
    Write,
    /// Only reads, in a stash that may be written by this or another process.
    Read,
    /// Only reads, in a stash whose handle refuses to write.
    ReadOnly,
    /// Only reads, of a file that nobody can be writing: no locks, no shared memory.
    Immutable,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Shard(ShardId),
    /// What transactions over several shards are going to do.
    Journal,
}

impl From<ShardId> for Content {
    fn from(shard: ShardId) -> Self {
        Self::Shard(shard)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shard(shard) => write!(f, "shard {shard}"),
            Self::Journal => f.write_str("the journal"),
        }
    }
}

type Tables = &'static [(&'static str, &'static str)];

impl Content {
    fn application_id(self) -> i64 {
        match self {
            Self::Shard(_) => APPLICATION_ID,
            Self::Journal => JOURNAL_APPLICATION_ID,
        }
    }

    fn tables(self) -> Tables {
        match self {
            Self::Shard(_) => &TABLES,
            Self::Journal => &JOURNAL_TABLES,
        }
    }

    fn optional_tables(self) -> Tables {
        match self {
            Self::Shard(_) => &OPTIONAL_TABLES,
            Self::Journal => &[],
        }
    }

    /// The row of `meta` that a new file has besides its format.
    fn meta(self) -> (&'static str, i64) {
        match self {
            Self::Shard(shard) => (META_SHARD, i64::from(shard.number())),
            Self::Journal => (META_LAST, 0),
        }
    }
}

/// Refuses to work with a SQLite that may lose commits. Asked once per stash, of the
/// library that is really linked.
pub(crate) fn check_sqlite_version() -> Result<()> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(Error::new(
            ErrorKind::SqliteTooOld,
            format!("this program is linked with SQLite {}; 3.51.3 or newer is needed", rusqlite::version()),
        ));
    }
    Ok(())
}

/// Opens a file, which exists. `None` if its creation was cut short and `access` is not for writing.
///
/// `stash` identifies an encrypted stash; its files are of no other, and no other's are of it.
pub(crate) fn open(
    path: &Path,
    content: impl Into<Content>,
    stash: Option<&StashId>,
    access: Access,
) -> Result<Option<Database>> {
    open_guarded(path, content, stash, access, &mut None)
}

/// [`open`] a file that was begun to be guarded. Where it is not to be used, that ends before the connection does, so
/// that no log stays beside it.
pub(crate) fn open_guarded(
    path: &Path,
    content: impl Into<Content>,
    stash: Option<&StashId>,
    access: Access,
    begun: &mut Option<Begun>,
) -> Result<Option<Database>> {
    let content = content.into();
    let opened = || {
        let connection = Connection::open_with_flags(open_path(path, access), flags(access))?;
        let usable = prepare(&connection, content, stash, access);
        if !matches!(usable, Ok(true)) {
            *begun = None;
        }
        usable.and_then(|usable| usable.then(|| finish(connection, access)).transpose())
    };
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    let opened = || {
        let (opened, descriptors) = armour::noting_opened(opened);
        let opened = opened?;
        if let Some(database) = &opened
            && database.shares_index()
        {
            file_methods::install(database.connection(), descriptors, access == Access::Write);
        }
        Ok(opened)
    };
    opened().map_err(|error: Error| explain_open(error, path, access))
}

/// Opens a new shard, or another file, in memory.
pub(crate) fn open_in_memory(content: impl Into<Content>, stash: Option<&StashId>) -> Result<Database> {
    let connection = Connection::open_in_memory()?;
    if !prepare(&connection, content.into(), stash, Access::Write)? {
        return Err(Error::new(ErrorKind::Internal, "a shard in memory was not created"));
    }
    finish(connection, Access::Write)
}

fn flags(access: Access) -> OpenFlags {
    // No mutex: a connection is only ever used under a lock of ours or by the one thread
    // that took it from the pool.
    let common = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    match access {
        // A reader may write the lock page and the log's index, and the last one to close removes them; where
        // it may not, SQLite falls back to reading. That it changes no row is for `query_only`.
        Access::Write | Access::Read | Access::ReadOnly => common | OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Immutable => common | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
    }
}

/// The path, or for [`Access::Immutable`] the URI (<https://www.sqlite.org/uri.html>).
fn open_path(path: &Path, access: Access) -> std::path::PathBuf {
    if access != Access::Immutable {
        return path.to_owned();
    }
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(*byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri.into()
}

/// SQLite says "unable to open" for several things that a caller can tell apart.
fn explain_open(error: Error, path: &Path, access: Access) -> Error {
    if error.kind() != ErrorKind::Io {
        return error;
    }
    #[cfg(unix)]
    {
        use rustix::fs::{Access as Ask, access as may};
        let denied = |path: &Path, ask| may(path, ask) == Err(rustix::io::Errno::ACCESS);
        if denied(path, Ask::READ_OK) {
            return Error::new(ErrorKind::PermissionDenied, "no permission to read the shard file")
                .with_source(error);
        }
        let directory = path.parent().unwrap_or(path);
        if may(directory, Ask::WRITE_OK).is_err() || may(path, Ask::WRITE_OK).is_err() {
            let hint = if access == Access::ReadOnly {
                "the directory cannot be written and the shard's WAL index is not there; if nobody is writing, \
                 open the stash as immutable"
            } else {
                "the directory or the shard file cannot be written"
            };
            return Error::new(ErrorKind::ReadOnly, hint).with_source(error);
        }
    }
    error
}

/// Makes a connection what it is for, and the tables if they are missing. False if the creation of the file was cut
/// short and `access` is not for writing.
fn prepare(
    connection: &Connection,
    content: Content,
    stash: Option<&StashId>,
    access: Access,
) -> Result<bool> {
    // Waiting is done in `retry`, where it is fair and bounded.
    connection.busy_timeout(std::time::Duration::ZERO)?;
    harden(connection)?;
    if is_unborn(connection)? {
        if access != Access::Write {
            return Ok(false);
        }
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "auto_vacuum", AUTO_VACUUM)?;
    }
    if access == Access::Write {
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        set_synchronous(connection, false)?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", WAL_KEEP_BYTES)?;
        create(connection, content, stash)?;
    } else {
        connection.pragma_update(None, "query_only", true)?;
    }
    check(connection, content, stash)?;
    Ok(true)
}

/// The connection with what the hot path needs.
fn finish(connection: Connection, access: Access) -> Result<Database> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let shares_index = mode == "wal" && access != Access::Immutable;
    let database = Database::new(connection, shares_index);
    Ok(if access == Access::Write { database.with_ticket() } else { database })
}

/// Whether commits are synced. A checkpoint is in either case.
pub(super) fn set_synchronous(connection: &Connection, syncs: bool) -> Result<()> {
    connection.pragma_update(None, "synchronous", if syncs { "FULL" } else { "NORMAL" })?;
    #[cfg(target_vendor = "apple")]
    {
        // fsync alone does not reach the medium there (<https://www.sqlite.org/pragma.html#pragma_fullfsync>).
        connection.pragma_update(None, "fullfsync", syncs)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    Ok(())
}

/// Cuts the log's file when it is started anew, and checkpoints earlier should the background not keep up.
pub(super) fn limit_log(connection: &Connection, budget: &Budget) -> Result<()> {
    connection.pragma_update(None, "wal_autocheckpoint", i64::from(budget.frames) * 4)?;
    connection.pragma_update(None, "journal_size_limit", budget.log_bytes())?;
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    file_methods::limit_room(connection, budget.log_bytes());
    Ok(())
}

/// Settings that keep a hostile or damaged file from doing more than failing
/// (<https://www.sqlite.org/security.html>).
fn harden(connection: &Connection) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // A truncated file under a memory map is a SIGBUS, not an error.
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> Result<i64> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

/// Whether the file is a shard whose creation was cut short (`docs/CONTRACT.md` 2).
fn is_unborn(connection: &Connection) -> Result<bool> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0 && pragma(connection, "application_id")? == 0 && pragma(connection, "user_version")? == 0)
}

/// Creates the tables of an unborn file; does nothing in any other.
fn create(connection: &Connection, content: Content, stash: Option<&StashId>) -> Result<()> {
    if !is_unborn(connection)? {
        return Ok(());
    }
    connection.execute_batch(sql::BEGIN)?;
    let created = (|| {
        // Another process may have been faster while this one waited for the lock.
        if is_unborn(connection)? {
            connection.pragma_update(None, "application_id", content.application_id())?;
            connection.pragma_update(None, "user_version", FORMAT)?;
            for (_, table) in content.tables() {
                connection.execute(table, [])?;
            }
            connection.execute(sql::META_ADD, (META_FORMAT, FORMAT))?;
            connection.execute(sql::META_ADD, content.meta())?;
            if let Some(stash) = stash {
                connection.execute(sql::META_ADD, (META_STASH, stash))?;
            }
        }
        connection.execute_batch(sql::COMMIT)?;
        Ok(())
    })();
    if created.is_err() && !connection.is_autocommit() {
        // The first error is the one to report.
        let _ = connection.execute_batch(sql::ROLLBACK);
    }
    created
}

/// Refuses whatever is not that file, such as shard number 3, of format 1, and of that stash if it is encrypted.
fn check(connection: &Connection, content: Content, stash: Option<&StashId>) -> Result<()> {
    let not_ours = |what: String| Error::new(ErrorKind::NotAStash, what);
    let application_id = pragma(connection, "application_id")?;
    if application_id != content.application_id() {
        return Err(not_ours(format!(
            "{content} is another program's database (application id {application_id:#x})"
        )));
    }
    let version = pragma(connection, "user_version")?;
    if version > FORMAT {
        return Err(Error::new(
            ErrorKind::UnsupportedFormat,
            format!("{content} has format {version}; this build reads format {FORMAT}"),
        ));
    }
    if version != FORMAT {
        return Err(not_ours(format!("{content} has the impossible format {version}")));
    }
    let mut statement = connection.prepare(sql::SCHEMA)?;
    let mut rows = statement.query([])?;
    for (name, text) in content.tables() {
        let same = rows.next()?.is_some_and(|row| {
            row.get_ref(0).is_ok_and(|found| found.as_str() == Ok(*name))
                && row.get_ref(1).is_ok_and(|found| found.as_str() == Ok(text))
        });
        if !same {
            return Err(not_ours(format!("{content} lacks the contract's table {name}")));
        }
    }
    while let Some(row) = rows.next()? {
        let is = |index, text| row.get_ref(index).is_ok_and(|found| found.as_str() == Ok(text));
        if !content.optional_tables().iter().any(|(name, text)| is(0, name) && is(1, text)) {
            return Err(not_ours(format!(
                "{content} has tables, views or triggers that are not the contract's"
            )));
        }
    }
    let number = |name| connection.query_row(sql::META_GET, [name], |row| row.get::<_, i64>(0)).optional();
    if number(META_FORMAT)? != Some(FORMAT) {
        return Err(not_ours(format!("{content} has no or another format in its meta table")));
    }
    if let Content::Shard(shard) = content {
        match number(META_SHARD)? {
            Some(found) if found == i64::from(shard.number()) => {}
            Some(found) => {
                return Err(not_ours(format!("the file of shard {shard} is shard {found:x}, renamed")));
            }
            None => return Err(not_ours(format!("{content} has no number in its meta table"))),
        }
    }
    let found = connection
        .query_row(sql::META_GET, [META_STASH], |row| {
            Ok(row.get_ref(0)?.as_blob().map_or_else(|_| Vec::new(), <[u8]>::to_vec))
        })
        .optional()?;
    match (stash, found) {
        (None, None) => Ok(()),
        (Some(stash), Some(found)) if found == stash => Ok(()),
        (Some(_), Some(_)) => Err(not_ours(format!("{content} is that of another encrypted stash"))),
        (Some(_), None) => Err(not_ours(format!("{content} is not encrypted, and the stash is"))),
        (None, Some(_)) => Err(Error::new(
            ErrorKind::WrongKey,
            format!("{content} is encrypted, and the stash was opened without a key or has lost its keyring"),
        )),
    }
}
