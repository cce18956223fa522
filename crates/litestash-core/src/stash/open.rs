//! Opening and closing.

use super::compute::Flights;
use super::options::Options;
use crate::contract::hash::KeyHash;
use crate::contract::key::KeyRef;
use crate::contract::limits::SHARDS;
use crate::contract::route::{Route, ShardId};
use crate::env::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::armour;
use crate::storage::connection::{self, Access};
use crate::storage::directory::Directory;
use crate::storage::fork;
use crate::storage::idle::IdleWatch;
use crate::storage::shard::{Settings, Shard};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Threads that close the shards of a stash.
const CLOSING_THREADS: usize = 4;

/// A stash: an embedded key-value store in a directory of SQLite files.
///
/// The handle is cheap to clone and can be used from any thread; all clones are one stash. Several processes
/// can have the same directory open. The last handle closes the stash when dropped; [`LiteStash::close`] does
/// it with an answer.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use litestash_core::LiteStash;
/// let stash = LiteStash::open(dir.path())?;
/// stash.set("user:1001", &("Ada", 36))?;
/// assert_eq!(stash.get_as("user:1001")?, Some(("Ada".to_owned(), 36)));
/// stash.close()?;
/// # Ok::<_, litestash_core::Error>(())
/// ```
#[derive(Clone)]
pub struct LiteStash {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) value_bytes_max: usize,
    pub(super) flights: Flights,
    shards: Arc<[Shard; SHARDS]>,
    idle: Arc<IdleWatch>,
    clock: Arc<dyn Clock>,
    closed: AtomicBool,
    generation: u64,
}

/// A key with what follows from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) hash: KeyHash,
    pub(crate) route: Route,
}

impl Place {
    pub(crate) fn of(key: KeyRef<'_>) -> Self {
        let hash = KeyHash::of(key);
        Self { hash, route: Route::of(&hash) }
    }
}

impl LiteStash {
    /// Opens the stash in that directory with the default [`Options`], creating it if it is missing.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(directory)
    }

    /// Opens a stash in memory, which ends with its last handle.
    pub fn memory() -> Result<Self> {
        Options::new().memory()
    }

    /// The [`Options`] builder.
    pub fn options() -> Options {
        Options::new()
    }

    pub(super) fn open_with(path: Option<&Path>, options: &Options) -> Result<Self> {
        connection::check_sqlite_version()?;
        armour::install();
        let read_only = options.read_only || options.immutable;
        let create = options.create && !read_only;
        let directory =
            path.map(|path| Directory::open(path, create, options.allow_network_file_system)).transpose()?;
        let read_access = match &directory {
            Some(_) if options.immutable => Access::Immutable,
            Some(directory) if read_only && directory.is_on_read_only_media() => Access::Immutable,
            _ if read_only => Access::ReadOnly,
            _ => Access::Read,
        };
        if let Some(directory) = &directory
            && !options.create
            && directory.existing()?.is_empty()
        {
            return Err(Error::new(ErrorKind::NoStash, "the directory holds no shard file"));
        }
        let settings = Settings {
            directory,
            read_access,
            durability: options.durability,
            busy_timeout: options.busy_timeout,
        };
        let idle = Arc::new(IdleWatch::default());
        let shards: Vec<_> = ShardId::all().map(|id| Shard::new(id, &settings, Arc::clone(&idle))).collect();
        let Ok(shards) = <[Shard; SHARDS]>::try_from(shards) else {
            unreachable!("ShardId::all() has SHARDS members");
        };
        let shards = Arc::new(shards);
        idle.watch(&shards);
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                value_bytes_max: options.value_bytes_max,
                flights: Flights::default(),
                shards,
                idle,
                clock: Arc::clone(&options.clock),
                closed: AtomicBool::new(false),
                generation: fork::watched_generation(),
            }),
        })
    }

    /// The stash's directory as an absolute path, or `None` for a stash in memory.
    pub fn path(&self) -> Option<&Path> {
        self.inner.settings.directory.as_ref().map(Directory::path)
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        !self.inner.settings.writable()
    }

    /// Closes the stash for all its handles: waits for operations that run, moves the write-ahead logs into
    /// the shard files and closes them. Every later operation is `Closed`; closing again does nothing.
    ///
    /// The first error is returned, after every shard was closed. Nothing acknowledged
    /// is lost by an error here.
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }

    /// Whether the stash was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for LiteStash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiteStash")
            .field("path", &self.path())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    /// Refuses a handle that was closed or came through a fork. The first thing every operation does.
    #[inline]
    pub(crate) fn usable(&self) -> Result<()> {
        if fork::generation() != self.generation {
            return Err(Error::new(
                ErrorKind::Forked,
                "the stash was opened before fork(); open it again in this process",
            ));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the stash is closed"));
        }
        Ok(())
    }

    pub(crate) fn shard(&self, id: ShardId) -> &Shard {
        &self.shards[id.index()]
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter()
    }

    fn close(&self) -> Result<()> {
        if fork::generation() != self.generation {
            self.shards.iter().for_each(Shard::abandon);
            return Ok(());
        }
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.idle.stop();
        let close_all = |shards: &[Shard]| shards.iter().map(Shard::close).fold(Ok(()), Result::and);
        if self.shards.iter().filter(|shard| shard.is_written()).count() < 2 {
            return close_all(self.shards.as_slice());
        }
        // Closing waits for the disk, once or twice per shard that was written; the waits overlap.
        std::thread::scope(|scope| {
            let parts = self.shards.chunks(SHARDS / CLOSING_THREADS);
            let closing: Vec<_> = parts.map(|shards| scope.spawn(move || close_all(shards))).collect();
            let crashed = |_| Err(Error::new(ErrorKind::Internal, "closing a shard panicked"));
            closing.into_iter().map(|thread| thread.join().unwrap_or_else(crashed)).fold(Ok(()), Result::and)
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "closing a stash failed; nothing acknowledged is lost");
        }
    }
}
