//! The engine itself.

use super::{Handle, Level, Peer, Store, Use};
use anyhow::Result;
use litestash_core::{Durability, LiteStash, Op, SetOptions};
use std::path::Path;

pub(super) struct LiteStashStore(LiteStash);

impl LiteStashStore {
    pub(super) fn open(peer: Peer, directory: &Path, level: Level) -> Result<Self> {
        let mut options = LiteStash::options().durability(durability(peer, level));
        if peer == Peer::LiteStashUncached {
            options = options.cache_bytes(0);
        }
        Ok(Self(options.open(directory)?))
    }
}

impl Store for LiteStashStore {
    fn lend(&self, _sharing: Use, work: &mut dyn FnMut(&mut dyn Handle) -> Result<()>) -> Result<()> {
        work(&mut self.0.clone())
    }

    fn sync(&self) -> Result<()> {
        Ok(self.0.sync()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.0.close()?)
    }
}

impl Handle for LiteStash {
    fn set(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.set_encoded(key, value.to_vec(), SetOptions::default())?;
        Ok(())
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get_encoded(key)?)
    }

    fn delete(&mut self, key: &str) -> Result<()> {
        Self::delete(self, key)?;
        Ok(())
    }

    fn set_batch(&mut self, rows: &[(String, Vec<u8>)]) -> Result<()> {
        for answer in self.apply(&ops(rows)?)? {
            answer?;
        }
        Ok(())
    }
}

/// The rows as operations of [`LiteStash::apply`].
fn ops(rows: &[(String, Vec<u8>)]) -> Result<Vec<Op>> {
    let set = |(key, value): &(String, Vec<u8>)| {
        let action = litestash_core::Action::Set { encoded: value.clone(), options: SetOptions::default() };
        Op::new(key.as_str(), action)
    };
    Ok(rows.iter().map(set).collect::<litestash_core::Result<_>>()?)
}

fn durability(peer: Peer, level: Level) -> Durability {
    match (peer, level) {
        (Peer::LiteStashRelaxed, _) => Durability::Relaxed,
        (_, Level::NoSync) => Durability::Normal,
        (_, Level::FullSync) => Durability::Full,
    }
}
