//! The stores that are compared, behind one trait.

mod fjall;
mod litestash;
mod lmdb;
mod redb;
mod sqlite;

use anyhow::Result;
use std::path::Path;

/// What an acknowledged write has reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// No write waits for the disk.
    NoSync,
    /// Each write is on stable storage before it is acknowledged.
    FullSync,
}

/// Whether several threads use the store at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Alone,
    Shared,
}

/// A key-value store with text keys.
pub(crate) trait Store: Send + Sync {
    /// Lends what one thread needs to work on the store. It is lent and not returned because prepared
    /// statements borrow their connection.
    fn lend(&self, sharing: Use, work: &mut dyn FnMut(&mut dyn Handle) -> Result<()>) -> Result<()>;

    /// Puts everything written so far on stable storage.
    fn sync(&self) -> Result<()>;

    fn close(self: Box<Self>) -> Result<()>;
}

/// One thread's view of a store.
pub(crate) trait Handle {
    fn set(&mut self, key: &str, value: &[u8]) -> Result<()>;

    /// The value, copied out.
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>>;

    fn delete(&mut self, key: &str) -> Result<()>;

    /// Many independent sets in as few transactions as the store can.
    fn set_batch(&mut self, rows: &[(String, Vec<u8>)]) -> Result<()>;
}

/// A store with the settings it is measured at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Peer {
    LiteStash,
    LiteStashUncached,
    LiteStashRelaxed,
    Rusqlite,
    Lmdb,
    Redb,
    Fjall,
}

impl Peer {
    /// One of each, with the default settings.
    pub(crate) const ALL: [Self; 5] = [Self::LiteStash, Self::Rusqlite, Self::Lmdb, Self::Redb, Self::Fjall];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LiteStash => "LiteStash",
            Self::LiteStashUncached => "LiteStash, no cache",
            Self::LiteStashRelaxed => "LiteStash, relaxed",
            Self::Rusqlite => "rusqlite",
            Self::Lmdb => "LMDB",
            Self::Redb => "redb",
            Self::Fjall => "fjall",
        }
    }

    /// The settings, and what an acknowledged write survives at them.
    pub(crate) const fn durability(self, level: Level) -> &'static str {
        match (self, level) {
            (Self::LiteStash | Self::LiteStashUncached, Level::NoSync) => {
                "`Durability::Normal`: survives `kill -9`; a power cut takes the newest writes, never corrupts"
            }
            (Self::LiteStashRelaxed, _) => {
                "`Durability::Relaxed`: in memory until the next group is written; `kill -9` may take the newest"
            }
            (Self::Rusqlite, Level::NoSync) => {
                "WAL, `synchronous = NORMAL`: survives `kill -9`; a power cut takes the newest writes, never \
                 corrupts"
            }
            (Self::Lmdb, Level::NoSync) => {
                "`MDB_NOSYNC`: survives `kill -9`; a power cut may corrupt the file"
            }
            (Self::Redb, Level::NoSync) => {
                "`Durability::None`: in memory until a later durable commit; `kill -9` takes everything since"
            }
            (Self::Fjall, Level::NoSync) => {
                "default: the journal is handed to the operating system after each write: survives `kill -9`; a \
                 power cut takes the newest writes"
            }
            (Self::LiteStash | Self::LiteStashUncached, Level::FullSync) => "`Durability::Full`",
            (Self::Rusqlite, Level::FullSync) => "WAL, `synchronous = FULL`",
            (Self::Lmdb, Level::FullSync) => "default: each commit is synced",
            (Self::Redb, Level::FullSync) => "`Durability::Immediate`",
            (Self::Fjall, Level::FullSync) => "`persist(SyncAll)` after each write",
        }
    }

    /// Opens a new or existing store in that directory.
    pub(crate) fn open(self, directory: &Path, level: Level) -> Result<Box<dyn Store>> {
        std::fs::create_dir_all(directory)?;
        Ok(match self {
            Self::LiteStash | Self::LiteStashUncached | Self::LiteStashRelaxed => {
                Box::new(litestash::LiteStashStore::open(self, directory, level)?)
            }
            Self::Rusqlite => Box::new(sqlite::SqliteStore::open(directory, level)?),
            Self::Lmdb => Box::new(lmdb::LmdbStore::open(directory, level)?),
            Self::Redb => Box::new(redb::RedbStore::open(directory, level)?),
            Self::Fjall => Box::new(fjall::FjallStore::open(directory, level)?),
        })
    }
}

pub(crate) use sqlite::{CREATE, UPSERT, connect as raw_connection};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_store_keeps_what_it_is_given() {
        for level in [Level::NoSync, Level::FullSync] {
            for peer in Peer::ALL.into_iter().chain([Peer::LiteStashUncached]) {
                let dir = tempfile::tempdir().unwrap();
                let store = peer.open(dir.path(), level).unwrap();
                // Text of one and of two characters, as MessagePack.
                let (one, two) = (b"\xa1x".to_vec(), b"\xa2yz".to_vec());
                for sharing in [Use::Alone, Use::Shared] {
                    store
                        .lend(sharing, &mut |handle| {
                            handle.set("a", &one)?;
                            handle.set("a", &two)?;
                            handle
                                .set_batch(&[("b".to_owned(), one.clone()), ("c".to_owned(), two.clone())])?;
                            handle.delete("b")?;
                            assert_eq!(handle.get("a")?, Some(two.clone()), "{peer:?}");
                            assert_eq!(handle.get("b")?, None, "{peer:?}");
                            Ok(())
                        })
                        .unwrap();
                }
                store.sync().unwrap();
                store.close().unwrap();
                let store = peer.open(dir.path(), level).unwrap();
                store
                    .lend(Use::Alone, &mut |handle| {
                        assert_eq!(handle.get("c")?, Some(two.clone()), "{peer:?}");
                        Ok(())
                    })
                    .unwrap();
            }
        }
    }
}
