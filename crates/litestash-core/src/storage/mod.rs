//! Shard files: opening, checking, reading and writing rows. Nothing here knows policy.
//!
//! What storage promises: a write is one `BEGIN IMMEDIATE … COMMIT` in one shard and is acknowledged only
//! after COMMIT returned; a read sees one committed state; a missing file is a miss; a file that is not ours
//! is refused and left alone.
//!
//! A shard file, its `-wal` or its `-shm` is **never** opened, read or copied by hand here: closing any
//! descriptor of it would drop every POSIX lock this process holds on it
//! (<https://www.sqlite.org/howtocorrupt.html>, 2.2).

pub(crate) mod armour;
mod birth;
pub(crate) mod bounds;
pub(crate) mod cache;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod counting;
pub(crate) mod database;
pub(crate) mod descriptors;
pub(crate) mod directory;
pub(crate) mod drops;
mod effects;
pub(crate) mod events;
pub(crate) mod expiring;
pub(crate) mod failure;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod file_methods;
pub(crate) mod fork;
mod futex;
mod handle;
mod hints;
pub(crate) mod journal;
pub(crate) mod keyring;
pub(crate) mod leases;
pub(crate) mod library;
mod names;
mod pending;
pub(crate) mod permits;
mod queue;
pub(crate) mod reseal;
mod retry;
pub(crate) mod row;
pub(crate) mod shard;
mod sql;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) mod sync_log;
pub(crate) mod ticket;
mod wal_index;
mod worker;

pub use bounds::{Eviction, LimitStats, Limits};
pub use cache::CacheStats;
pub use connection::Durability;
pub use events::{Event, EventKind, Filter, KeyFilter, Origin, Scope};
pub use expiring::ExpiryStats;
pub(crate) use retry::while_busy;
