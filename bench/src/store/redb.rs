//! redb.

use super::{Handle, Level, Store, Use};
use anyhow::Result;
use redb::{Database, Durability, ReadableDatabase, TableDefinition, WriteTransaction};
use std::path::Path;

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("kv");

pub(super) struct RedbStore {
    database: Database,
    durability: Durability,
}

impl RedbStore {
    pub(super) fn open(directory: &Path, level: Level) -> Result<Self> {
        let database = Database::create(directory.join("kv.redb"))?;
        let txn = database.begin_write()?;
        txn.open_table(TABLE)?;
        txn.commit()?;
        let durability = if level == Level::NoSync { Durability::None } else { Durability::Immediate };
        Ok(Self { database, durability })
    }

    fn write(&self) -> Result<WriteTransaction> {
        let mut txn = self.database.begin_write()?;
        txn.set_durability(self.durability)?;
        Ok(txn)
    }
}

impl Store for RedbStore {
    fn lend(&self, _sharing: Use, work: &mut dyn FnMut(&mut dyn Handle) -> Result<()>) -> Result<()> {
        work(&mut &*self)
    }

    fn sync(&self) -> Result<()> {
        // A commit with the default durability persists all that went before it.
        Ok(self.database.begin_write()?.commit()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.close()?)
    }
}

impl Handle for &RedbStore {
    fn set(&mut self, key: &str, value: &[u8]) -> Result<()> {
        let txn = self.write()?;
        txn.open_table(TABLE)?.insert(key, value)?;
        Ok(txn.commit()?)
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }

    fn delete(&mut self, key: &str) -> Result<()> {
        let txn = self.write()?;
        txn.open_table(TABLE)?.remove(key)?;
        Ok(txn.commit()?)
    }

    fn set_batch(&mut self, rows: &[(String, Vec<u8>)]) -> Result<()> {
        let txn = self.write()?;
        let mut table = txn.open_table(TABLE)?;
        for (key, value) in rows {
            table.insert(key.as_str(), value.as_slice())?;
        }
        drop(table);
        Ok(txn.commit()?)
    }
}
