//! fjall, with its default compression (LZ4, which finds nothing in the random values).

use super::{Handle, Level, Store, Use};
use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;

pub(super) struct FjallStore {
    database: Database,
    rows: Keyspace,
    level: Level,
}

impl FjallStore {
    pub(super) fn open(directory: &Path, level: Level) -> Result<Self> {
        let database = Database::builder(directory).open()?;
        let rows = database.keyspace("kv", KeyspaceCreateOptions::default)?;
        Ok(Self { database, rows, level })
    }

    fn acknowledge(&self) -> Result<()> {
        if self.level == Level::FullSync {
            self.database.persist(PersistMode::SyncAll)?;
        }
        Ok(())
    }
}

impl Store for FjallStore {
    fn lend(&self, _sharing: Use, work: &mut dyn FnMut(&mut dyn Handle) -> Result<()>) -> Result<()> {
        work(&mut &*self)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.sync()
    }
}

impl Handle for &FjallStore {
    fn set(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.rows.insert(key, value)?;
        self.acknowledge()
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.rows.get(key)?.map(|value| value.to_vec()))
    }

    fn delete(&mut self, key: &str) -> Result<()> {
        self.rows.remove(key)?;
        self.acknowledge()
    }

    fn set_batch(&mut self, rows: &[(String, Vec<u8>)]) -> Result<()> {
        let mut batch = self.database.batch();
        for (key, value) in rows {
            batch.insert(&self.rows, key.as_str(), value.as_slice());
        }
        batch.commit()?;
        self.acknowledge()
    }
}
