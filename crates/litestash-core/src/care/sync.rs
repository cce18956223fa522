//! A durable barrier.

use crate::contract::route::ShardId;
use crate::error::{Error, Result};
use crate::stash::LiteStash;
use std::fs::File;
use std::io::ErrorKind as Io;

impl LiteStash {
    /// Makes everything acknowledged so far durable against a power cut, by any process and in every shard.
    ///
    /// A commit is in a shard's write-ahead log or, after a checkpoint, in its file, which SQLite syncs
    /// before it reuses the log (<https://www.sqlite.org/wal.html>). So syncing the logs, and the directory
    /// for their names, is enough.
    pub fn sync(&self) -> Result<()> {
        self.inner.usable()?;
        let Some(directory) = &self.inner.settings.directory else { return Ok(()) };
        for shard in self.inner.shards() {
            shard.flush()?;
        }
        for shard in ShardId::all() {
            let log = directory.path().join(shard.file_name() + "-wal");
            // SQLite keeps no POSIX lock on a `-wal` file (its locks are on the database and the `-shm`), so
            // this one of the three may be opened and closed by hand.
            match File::open(&log).and_then(|log| log.sync_data()) {
                Err(error) if error.kind() != Io::NotFound => {
                    return Err(Error::from(error).context(format_args!("syncing shard {shard}")));
                }
                _ => {}
            }
        }
        directory.sync()
    }
}
