//! Opening and closing.

use super::compute::Flights;
use super::options::Options;
use super::spread::spread;
use super::unlock;
use crate::contract::format::Format;
use crate::contract::key::KeyRef;
use crate::contract::limits::SHARDS;
use crate::contract::route::{Place, ShardId};
use crate::env::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Durability;
use crate::storage::armour;
use crate::storage::cache::ReadCache;
use crate::storage::connection::{self, Access};
use crate::storage::directory::Directory;
use crate::storage::fork;
use crate::storage::keyring::{self, KeyringFile};
use crate::storage::permits::Permits;
use crate::storage::shard::{Common, SYNCS_MAX, Settings, Shard, Workers};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

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
    /// What writes through this handle have reached when they are acknowledged.
    pub(crate) level: Durability,
}

pub(crate) struct Inner {
    pub(crate) settings: Arc<Settings>,
    /// Of an encrypted stash.
    pub(crate) keyring: Option<Arc<KeyringFile>>,
    pub(crate) value_bytes_max: usize,
    pub(crate) cache: Arc<ReadCache>,
    pub(super) flights: Flights,
    shards: Arc<[Shard; SHARDS]>,
    workers: Workers,
    clock: Arc<dyn Clock>,
    /// The version of the last relaxed write.
    pub(super) relaxed_us: AtomicI64,
    closed: AtomicBool,
    generation: u64,
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
            && !keyring::is_there(directory)?
        {
            return Err(Error::new(ErrorKind::NoStash, "the directory holds no shard file"));
        }
        let (format, keyring) = unlock::format(directory.as_ref(), options, create)?;
        let busy_timeout = options.busy_timeout;
        let common = Common {
            settings: Arc::new(Settings { directory, read_access, busy_timeout, format }),
            cache: Arc::new(ReadCache::new(options.cache_bytes)),
            workers: Workers::new(),
            syncs: Arc::new(Permits::new(SYNCS_MAX)),
        };
        let shards: Vec<_> = ShardId::all().map(|id| Shard::new(id, &common)).collect();
        let Ok(shards) = <[Shard; SHARDS]>::try_from(shards) else {
            unreachable!("ShardId::all() has SHARDS members");
        };
        let shards = Arc::new(shards);
        let Common { settings, cache, workers, .. } = common;
        workers.all().iter().for_each(|worker| worker.watch(&shards));
        Ok(Self {
            level: options.durability,
            inner: Arc::new(Inner {
                settings,
                keyring,
                value_bytes_max: options.value_bytes_max,
                cache,
                flights: Flights::default(),
                shards,
                workers,
                clock: Arc::clone(&options.clock),
                relaxed_us: AtomicI64::new(i64::MIN),
                closed: AtomicBool::new(false),
                generation: fork::watched_generation(),
            }),
        })
    }

    /// The stash's directory as an absolute path, or `None` for a stash in memory.
    pub fn path(&self) -> Option<&Path> {
        self.inner.settings.directory.as_ref().map(Directory::path)
    }

    /// A handle of the same stash whose writes are acknowledged at that level. Costs as much as a clone.
    ///
    /// ```
    /// # let stash = litestash_core::LiteStash::memory()?;
    /// use litestash_core::Durability;
    /// stash.with_durability(Durability::Full).set("order:17", "paid")?;
    /// stash.with_durability(Durability::Relaxed).set("page:/", "<html>")?;
    /// # Ok::<_, litestash_core::Error>(())
    /// ```
    pub fn with_durability(&self, level: Durability) -> Self {
        Self { inner: Arc::clone(&self.inner), level }
    }

    /// What writes through this handle have reached when they are acknowledged.
    pub fn durability(&self) -> Durability {
        self.level
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        !self.inner.settings.writable()
    }

    /// Closes the stash for all its handles: waits for operations that run, moves the write-ahead logs into
    /// the shard files and closes them. Every later operation is `Closed`; closing again does nothing.
    ///
    /// The first error is returned, after every shard was closed. Nothing acknowledged is lost by an error
    /// here, but for writes at [`Durability::Relaxed`] that could not be written any more.
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

    /// The clock, for work that another thread may do.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
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

    /// How keys and records are stored.
    #[inline]
    pub(crate) fn format(&self) -> &Format {
        &self.settings.format
    }

    /// Where the row of a key is.
    #[inline]
    pub(crate) fn place(&self, key: KeyRef<'_>) -> Place {
        self.format().place(key)
    }

    pub(crate) fn shard(&self, id: ShardId) -> &Shard {
        &self.shards[id.index()]
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter()
    }

    fn close(&self) -> Result<()> {
        if fork::generation() != self.generation {
            // In a forked child nothing of SQLite may be called, not even to close, and the locks may be held by
            // threads that do not exist here: the shards stay as they are, for good.
            std::mem::forget(Arc::clone(&self.shards));
            return Ok(());
        }
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let drained = self.shards.iter().map(Shard::drain).fold(Ok(()), Result::and);
        self.workers.all().iter().for_each(|worker| worker.stop());
        self.cache.close();
        drained.and(self.close_shards())
    }

    fn close_shards(&self) -> Result<()> {
        // Closing waits for the disk, once or twice per shard that was written; the waits overlap.
        let written = self.shards.iter().filter(|shard| shard.is_written()).count();
        let threads = if written < 2 { 1 } else { CLOSING_THREADS };
        spread(self.shards.as_slice(), threads, Shard::close).into_iter().fold(Ok(()), Result::and)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "closing a stash failed; nothing is lost but relaxed writes");
        }
    }
}
