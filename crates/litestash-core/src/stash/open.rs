//! Opening and closing.

use super::bucket::Buckets;
use super::compute::Flights;
use super::lease::Keeper;
use super::options::Options;
use super::spread::spread;
use super::unlock;
use crate::contract::format::Format;
use crate::contract::key::KeyRef;
use crate::contract::route::{Place, ShardId};
use crate::env::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Durability;
use crate::storage::armour;
use crate::storage::bounds::{Bounds, Limits};
use crate::storage::cache::{Group, ReadCache};
use crate::storage::connection::{self, Access};
use crate::storage::descriptors::Descriptors;
use crate::storage::directory::Directory;
use crate::storage::events::{Hub, Watcher};
use crate::storage::expiring::Expiring;
use crate::storage::fork;
use crate::storage::journal::Journal;
use crate::storage::keyring::{self, KeyringFile};
use crate::storage::library;
use crate::storage::permits::Permits;
use crate::storage::shard::{Common, Member, SYNCS_MAX, Settings, Shard, ShardGroup, Workers};
use crate::storage::sync_log::{Leftovers, SyncLog};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

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
    /// Of a bucket: the stash that it is in, which stays open for as long as its buckets are used.
    pub(super) root: Option<Arc<Inner>>,
}

pub(crate) struct Inner {
    pub(crate) settings: Arc<Settings>,
    /// Of an encrypted stash, but not of its buckets.
    pub(crate) keyring: Option<Arc<KeyringFile>>,
    pub(crate) value_bytes_max: usize,
    pub(crate) cache: Arc<ReadCache>,
    pub(crate) journal: Arc<Journal>,
    /// Whose rows those of these shards are in the cache.
    pub(super) group: Group,
    pub(super) flights: Flights,
    /// `None` of a bucket.
    pub(super) buckets: Option<Buckets>,
    pub(super) common: Common,
    pub(super) keeper: Arc<Keeper>,
    shards: Arc<ShardGroup>,
    pub(super) hub: Arc<Hub>,
    pub(super) watcher: Arc<Watcher>,
    clock: Arc<dyn Clock>,
    pub(crate) expiring: Arc<Expiring>,
    /// For rows that are made without saying a deadline.
    pub(super) default_ttl: Option<Duration>,
    /// The limits, if there are any.
    pub(crate) bounds: Option<Arc<Bounds>>,
    pub(crate) sync_log: Option<Arc<SyncLog>>,
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
        library::settle();
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
            && directory.bucket_names()?.is_empty()
            && !keyring::is_there(directory)?
        {
            return Err(Error::new(ErrorKind::NoStash, "the directory holds no shard file"));
        }
        let (format, keyring) = unlock::format(directory.as_ref(), options, create)?;
        let busy_timeout = options.busy_timeout;
        let common = Common {
            cache: Arc::new(ReadCache::new(options.cache_bytes)),
            workers: Arc::new(Workers::new()),
            syncs: Arc::new(Permits::new(SYNCS_MAX)),
            descriptors: Arc::new(Descriptors::new()),
            expiring: Arc::new(Expiring::new(Arc::clone(&options.clock), options.background)),
        };
        let inner = Inner::new(Parts {
            settings: Settings { directory, read_access, busy_timeout, format },
            keyring,
            value_bytes_max: options.value_bytes_max,
            cached: true,
            default_ttl: options.default_ttl,
            limits: if read_only { Limits::default() } else { options.limits },
            background: options.background,
            hub: Hub::new(Arc::clone(&options.clock), options.origin, None),
            clock: Arc::clone(&options.clock),
            buckets: Some(Buckets::default()),
            common,
        });
        inner.restore_at_open()?;
        inner.finish_transactions_at_open()?;
        Ok(Self { level: options.durability, inner: Arc::new(inner), root: None })
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
        Self { level, ..self.clone() }
    }

    /// What writes through this handle have reached when they are acknowledged.
    pub fn durability(&self) -> Durability {
        self.level
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        !self.inner.settings.writable()
    }

    /// Closes the stash for all its handles, and its buckets: waits for operations that run, moves the
    /// write-ahead logs into the shard files and closes them. Every later operation is `Closed`; closing again
    /// does nothing.
    ///
    /// The first error is returned, after every shard was closed. Nothing acknowledged is lost by an error
    /// here, but for writes at [`Durability::Relaxed`] that could not be written any more.
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }

    /// Whether the stash was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
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

/// What an [`Inner`] is made of.
pub(super) struct Parts {
    pub(super) settings: Settings,
    /// Of an encrypted stash, but not of its buckets.
    pub(super) keyring: Option<Arc<KeyringFile>>,
    pub(super) value_bytes_max: usize,
    /// Whether rows are kept in the cache.
    pub(super) cached: bool,
    pub(super) default_ttl: Option<Duration>,
    pub(super) limits: Limits,
    pub(super) background: bool,
    pub(super) hub: Hub,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) buckets: Option<Buckets>,
    pub(super) common: Common,
}

impl Inner {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            settings,
            keyring,
            value_bytes_max,
            cached,
            default_ttl,
            limits,
            background,
            hub,
            clock,
            buckets,
            common,
        } = parts;
        let directory = settings.directory.as_ref().map(Directory::path);
        let bounds = Bounds::new(limits, directory, Arc::clone(&clock), background).map(Arc::new);
        let settings = Arc::new(settings);
        let group = common.cache.new_group();
        let (journal, hub) = (Arc::new(Journal::new(&settings)), Arc::new(hub));
        // A bucket can be dropped and made anew, and limits say how long files may be.
        let has_log = settings.writable() && buckets.is_some() && bounds.is_none();
        let sync_log = settings.directory.as_ref().filter(|_| has_log).and_then(SyncLog::new);
        let member = Member {
            sync_log: sync_log.clone(),
            settings: Arc::clone(&settings),
            journal: Arc::clone(&journal),
            hub: Arc::clone(&hub),
            bounds: bounds.clone(),
            group,
            cached,
        };
        let shards = Shard::group_of(&member, &common);
        if let Some(bounds) = &bounds {
            bounds.watch(&shards);
        }
        let watcher = Arc::new(Watcher::new(&shards, &hub));
        Self {
            journal,
            keeper: Arc::default(),
            hub,
            watcher,
            expiring: Arc::clone(&common.expiring),
            default_ttl,
            bounds,
            sync_log,
            settings,
            keyring,
            value_bytes_max,
            cache: Arc::clone(&common.cache),
            group,
            flights: Flights::default(),
            buckets,
            shards,
            common,
            clock,
            relaxed_us: AtomicI64::new(i64::MIN),
            closed: AtomicBool::new(false),
            generation: fork::watched_generation(),
        }
    }

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
            return Err(Error::closed());
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

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) -> Result<()> {
        if fork::generation() != self.generation {
            // In a forked child nothing of SQLite may be called, not even to close, and the locks may be held by
            // threads that do not exist here: the shards stay as they are, for good.
            std::mem::forget(Arc::clone(&self.shards));
            std::mem::forget(Arc::clone(&self.watcher));
            std::mem::forget(Arc::clone(&self.journal));
            return Ok(());
        }
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let mut buckets = self.buckets.as_ref().map_or_else(Vec::new, Buckets::take);
        buckets.retain(|bucket| !bucket.closed.swap(true, Ordering::AcqRel));
        let all: Vec<&Self> = buckets.iter().map(Arc::as_ref).chain(std::iter::once(self)).collect();
        all.iter().for_each(|inner| inner.keeper.stop());
        let shards: Vec<&Shard> = all.iter().flat_map(|inner| inner.shards()).collect();
        let drained = shards.iter().map(|shard| shard.drain()).fold(Ok(()), Result::and);
        if self.buckets.is_some() {
            self.common.workers.all().iter().for_each(|worker| worker.stop());
        }
        for inner in &all {
            inner.write_uses();
            inner.watcher.stop();
            if inner.journal.is_attached()
                && let Err(error) = inner.shards().try_for_each(Shard::settle_journal)
            {
                // What it still has is done, and is forgotten by whoever opens the stash next.
                tracing::warn!(%error, "the journal could not be emptied");
            }
        }
        self.cache.close(shards.iter().map(|shard| shard.view()));
        let closed = close_all(&shards);
        let logs = self.sync_log.as_ref().map_or(Ok(()), |log| log.close());
        let journals = all.iter().map(|inner| inner.journal.close()).fold(Ok(()), Result::and);
        all.iter().for_each(|inner| inner.hub.close());
        drained.and(closed).and(logs).and(journals)
    }

    /// Does what sync logs have that processes left which ended without closing them.
    fn restore_at_open(&self) -> Result<()> {
        let Some(directory) = &self.settings.directory else { return Ok(()) };
        if self.settings.read_access == Access::Immutable {
            return Ok(());
        }
        let writable = self.settings.writable();
        match self.restore(directory, writable) {
            // It may be what a living process has just synced and not yet shown.
            Err(error) if error.kind() == ErrorKind::ReadOnly && !writable => {
                self.wait_for_others(error, |inner| inner.restore(directory, false))
            }
            // What is sound stays usable, and the sync logs stay for who mends the rest.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Corrupt | ErrorKind::NotAStash | ErrorKind::UnsupportedFormat
                ) =>
            {
                tracing::error!(%error, "what a power cut took cannot be restored");
                Ok(())
            }
            other => other,
        }
    }

    fn restore(&self, directory: &Directory, writable: bool) -> Result<()> {
        let found = Leftovers::find(directory, self.settings.busy_timeout, writable)?;
        let Some(leftovers) = found else { return Ok(()) };
        leftovers.shards().try_for_each(|shard| self.shard(shard).restore(&leftovers))?;
        if writable { leftovers.remove(directory) } else { Ok(()) }
    }

    /// What others can know of this process's reads.
    fn write_uses(&self) {
        let Some(bounds) = self.bounds.as_ref().filter(|bounds| bounds.works_in_background()) else { return };
        for shard in self.shards() {
            if let Err(error) = shard.write_uses(bounds, true) {
                tracing::debug!(%error, "writing uses at close");
            }
        }
    }

    /// Notes that a key was used, if anybody asks for that.
    #[inline]
    pub(super) fn note_use(&self, key: KeyRef<'_>, place: Option<&Place>) {
        if let Some(bounds) = &self.bounds
            && let Some(uses) = bounds.uses()
        {
            let place = || place.copied().unwrap_or_else(|| self.place(key));
            let shard = uses.note(key, self.now_us(), || place().hash);
            if bounds.works_in_background() {
                self.shard(shard).ask_for_upkeep();
            }
        }
    }
}

fn close_all(shards: &[&Shard]) -> Result<()> {
    // Closing waits for the disk, once or twice per shard that was written; the waits overlap.
    let written = shards.iter().filter(|shard| shard.is_written()).count();
    let threads = if written < 2 { 1 } else { CLOSING_THREADS };
    spread(shards, threads, |shard| shard.close()).into_iter().fold(Ok(()), Result::and)
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "closing a stash failed; nothing is lost but relaxed writes");
        }
    }
}
