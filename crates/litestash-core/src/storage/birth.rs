//! How a shard file comes into being: whole, synced, and under its name in one step.
//!
//! The image of an empty shard is made in memory, written to a file of another name and linked to its own. So
//! no process ever sees half a shard, two creators cannot meet, and it costs one sync instead of the eight
//! of the same statements on the file. See `docs/adr/0004-birth-of-a-shard.md`.

use super::connection::{self, Content};
use super::counting::begin_counting;
use super::directory::create_shard_file;
use super::shard::Counters;
use crate::contract::format::StashId;
use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as Io, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Header fields that a database in memory leaves empty or cannot have
/// (<https://www.sqlite.org/fileformat2.html>, 1.3).
mod header {
    use std::ops::Range;

    /// Write and read version of the file format; 2 means WAL.
    pub(super) const FORMAT_VERSIONS: Range<usize> = 18..20;
    pub(super) const CHANGE_COUNTER: Range<usize> = 24..28;
    pub(super) const VERSION_VALID_FOR: Range<usize> = 92..96;
    /// The version of the SQLite that wrote the page.
    pub(super) const SQLITE_VERSION: Range<usize> = 96..100;
}

/// Creates the file of a shard or of the journal, empty but for its tables, if there is none of that name.
/// Mode 0600. `counted`: a shard whose rows are counted.
pub(super) fn create(
    path: &Path,
    content: impl Into<Content>,
    stash: Option<&StashId>,
    counted: bool,
) -> Result<()> {
    let content = content.into();
    let failed =
        |error: std::io::Error| Error::from(error).context(format_args!("creating the file of {content}"));
    let newborn = Newborn::write(path, &image(content, stash, counted)?).map_err(failed)?;
    match std::fs::hard_link(newborn.path(), path) {
        Err(error) if error.kind() == Io::AlreadyExists => Ok(()),
        // A file system without hard links: SQLite creates the tables in place.
        Err(_) => create_shard_file(path),
        Ok(()) => Ok(()),
    }
}

/// The pages of an empty shard, in the WAL format, which a database in memory cannot have itself.
fn image(content: Content, stash: Option<&StashId>, counted: bool) -> Result<Vec<u8>> {
    let mut connection = connection::open_in_memory(content, stash)?.into_connection();
    if counted {
        begin_counting(&connection, Counters::default())?;
    }
    let mut image = connection.serialize(c"main")?.to_vec();
    image[header::FORMAT_VERSIONS].fill(2);
    image[header::CHANGE_COUNTER].copy_from_slice(&1u32.to_be_bytes());
    image[header::VERSION_VALID_FOR].copy_from_slice(&1u32.to_be_bytes());
    image[header::SQLITE_VERSION].copy_from_slice(&rusqlite::version_number().to_be_bytes());
    Ok(image)
}

/// A file that nobody knows yet; its name ends with it.
pub(super) struct Newborn(PathBuf);

impl Newborn {
    /// Writes a file that is to become `path`, and syncs it. Mode 0600.
    pub(super) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<Self> {
        let newborn = Self(newborn_path(path));
        write_synced(&newborn.0, bytes)?;
        Ok(newborn)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Newborn {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != Io::NotFound
        {
            tracing::warn!(%error, "the temporary name of a new shard could not be removed");
        }
    }
}

/// A name of its own for every creator.
fn newborn_path(path: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}-{number}", std::process::id()));
    name.into()
}

fn write_synced(path: &Path, image: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    file.write_all(image)?;
    file.sync_all()
}
