//! LMDB, by heed.

use super::{Handle, Level, Store, Use};
use anyhow::Result;
use heed::types::{Bytes, Str};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions};
use std::path::Path;

/// Address space and not memory; the file grows as it is needed.
const MAP_BYTES: usize = 8 << 30;

/// Every thread that reads holds a slot.
const READERS_MAX: u32 = 512;

pub(super) struct LmdbStore {
    env: Env,
    database: Database<'static, Str, Bytes>,
}

impl LmdbStore {
    pub(super) fn open(directory: &Path, level: Level) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_readers(READERS_MAX);
        // SAFETY: the directory is this run's own, so nothing else changes the mapped file; and it is written
        // anew by each run, so that a file broken by a power cut without syncs is never read.
        #[expect(unsafe_code, reason = "LMDB maps its file and cannot know who else writes to it")]
        let env = unsafe {
            if level == Level::NoSync {
                options.flags(EnvFlags::NO_SYNC);
            }
            options.open(directory)?
        };
        let database = env
            .create_databases_and_commit(env.write_txn()?, |opener, txn| {
                opener.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
            })?
            .unwrap_commit();
        Ok(Self { env, database })
    }
}

impl Store for LmdbStore {
    fn lend(&self, _sharing: Use, work: &mut dyn FnMut(&mut dyn Handle) -> Result<()>) -> Result<()> {
        work(&mut &*self)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

impl Handle for &LmdbStore {
    fn set(&mut self, key: &str, value: &[u8]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        self.database.put(&mut txn, key, value)?;
        Ok(txn.commit()?)
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        let txn = self.env.read_txn()?;
        Ok(self.database.get(&txn, key)?.map(<[u8]>::to_vec))
    }

    fn delete(&mut self, key: &str) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        self.database.delete(&mut txn, key)?;
        Ok(txn.commit()?)
    }

    fn set_batch(&mut self, rows: &[(String, Vec<u8>)]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        for (key, value) in rows {
            self.database.put(&mut txn, key, value)?;
        }
        Ok(txn.commit()?)
    }
}
