//! Named buckets: stashes inside a stash, cheap when there are many.

use super::open::{Inner, LiteStash, Parts};
use super::options::check_default_ttl;
use super::unlock::bucket_format;
use crate::contract::bucket::directory_name;
use crate::contract::limits::VALUE_BYTES_MAX;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Durability;
use crate::storage::Limits;
use crate::storage::drops;
use crate::storage::events::Hub;
use crate::storage::shard::{Settings, Shard};
use crate::sync::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Buckets that may stay in memory although nobody has a handle of them.
const LINGERING: usize = 64;

/// What a bucket has of its own. Builder for [`LiteStash::bucket_with`]; each method states its default.
///
/// The clock, the time to wait for locks, and whether writes are refused are those of the stash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct BucketOptions {
    durability: Option<Durability>,
    value_bytes_max: Option<usize>,
    uncached: bool,
    default_ttl: Option<Option<Duration>>,
    limits: Limits,
}

impl BucketOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// What an acknowledged write through the handle has reached. Default: as through the handle that was
    /// asked for the bucket.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// The longest value in bytes of its canonical encoding. Default: the stash's; at most 950 MiB.
    pub fn value_bytes_max(mut self, bytes: usize) -> Self {
        self.value_bytes_max = Some(bytes);
        self
    }

    /// Whether the bucket's rows take part in the cache, whose bytes are bounded over the stash and all its
    /// buckets together. Default: true. What is read most stays, whichever bucket it is of; a bucket that is
    /// only walked through is better left out.
    pub fn cache(mut self, cache: bool) -> Self {
        self.uncached = !cache;
        self
    }

    /// The time to live of every row that is made without saying a deadline. Default: the stash's
    /// ([`Options::default_ttl`](super::Options::default_ttl)); `None` for rows that stay.
    pub fn default_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.default_ttl = Some(ttl);
        self
    }

    /// What the bucket may take on disk and how many rows it may have, and what happens then. Default: no limits
    /// of its own. As [`Options::limits`](super::Options::limits), and the stash's limits do not count its buckets.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn check(&self) -> Result<()> {
        self.limits.check()?;
        check_default_ttl(self.default_ttl.flatten())?;
        if self.value_bytes_max.is_some_and(|bytes| !(1..=VALUE_BYTES_MAX).contains(&bytes)) {
            return Err(Error::invalid_argument(format!("value_bytes_max is 1 to {VALUE_BYTES_MAX}")));
        }
        Ok(())
    }

    /// What is the same for all handles of a bucket.
    fn shared(&self) -> Self {
        Self { durability: None, ..self.clone() }
    }
}

/// The buckets of a stash that are open.
#[derive(Default)]
pub(super) struct Buckets(Mutex<Table>);

#[derive(Default)]
struct Table {
    open: HashMap<String, OpenBucket>,
    /// When there are so many, those that nobody uses are let go.
    swept_at: usize,
}

struct OpenBucket {
    inner: Arc<Inner>,
    /// Without what is each handle's own.
    options: BucketOptions,
}

impl OpenBucket {
    /// Whether somebody has a handle. Under the table's lock, so nobody gets the first one meanwhile.
    fn has_handles(&self) -> bool {
        Arc::strong_count(&self.inner) > 1
    }

    /// Whether nothing is lost with it, and nothing has to be closed.
    fn can_go(&self) -> bool {
        !self.has_handles() && self.inner.shards().all(Shard::is_at_rest)
    }
}

impl Buckets {
    /// All of them, out of the table.
    pub(super) fn take(&self) -> Vec<Arc<Inner>> {
        std::mem::take(&mut self.0.lock().open).into_values().map(|bucket| bucket.inner).collect()
    }
}

impl Table {
    /// Lets go of buckets without handles, once in a while, so that it costs little for each.
    fn sweep(&mut self) {
        if self.open.len() >= self.swept_at.max(LINGERING) {
            self.open.retain(|_, bucket| !bucket.can_go());
            self.swept_at = 2 * self.open.len();
        }
    }
}

impl LiteStash {
    /// The bucket of that name: a stash of its own inside this one, with every operation a stash has but buckets.
    ///
    /// The name is any text but the empty one, of up to 255 bytes as the name of a directory, in which every
    /// byte but ASCII letters, digits, `_` and `-` takes three: else `InvalidArgument`, and so it is if this
    /// already is a bucket. Nothing is created or opened by this call: a bucket comes into being with its first
    /// write, and files are opened by operations that need them and closed when they have not been used for some
    /// seconds, or when there are too many.
    ///
    /// Asking again gives another handle of the same bucket. When all are dropped it stays open for as long
    /// as its files are. Closing this stash closes its buckets; while a bucket has a handle, this stash is not
    /// closed by dropping its own.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use litestash_core::LiteStash;
    /// let stash = LiteStash::open(dir.path())?;
    /// let sessions = stash.bucket("sessions")?;
    /// sessions.set("user:1001", "signed in")?;
    /// assert_eq!(stash.get("user:1001")?, None);
    /// assert_eq!(stash.buckets()?, ["sessions"]);
    /// assert!(stash.drop_bucket("sessions")?);
    /// assert_eq!(sessions.get("user:1001")?, None);
    /// # Ok::<_, litestash_core::Error>(())
    /// ```
    pub fn bucket(&self, name: &str) -> Result<Self> {
        self.open_bucket(name, None)
    }

    /// [`LiteStash::bucket`] with options of its own. `InvalidArgument` if other handles of the bucket were
    /// opened with different ones; only the durability is each handle's.
    pub fn bucket_with(&self, name: &str, options: BucketOptions) -> Result<Self> {
        self.open_bucket(name, Some(options))
    }

    fn open_bucket(&self, name: &str, options: Option<BucketOptions>) -> Result<Self> {
        let buckets = self.own_buckets()?;
        directory_name(name)?;
        let wanted = options.unwrap_or_default();
        let asked = (wanted != BucketOptions::default()).then(|| wanted.shared());
        wanted.check()?;
        let mut table = buckets.0.lock();
        // Whoever closes the stash takes the table's content once after that.
        self.inner.usable()?;
        let inner = self.inner_bucket(&mut table, name, asked)?;
        Ok(Self {
            inner,
            level: wanted.durability.unwrap_or(self.level),
            root: Some(Arc::clone(&self.inner)),
        })
    }

    fn inner_bucket(
        &self,
        table: &mut Table,
        name: &str,
        asked: Option<BucketOptions>,
    ) -> Result<Arc<Inner>> {
        if let Some(open) = table.open.get(name)
            && !open.inner.is_closed()
        {
            if asked.as_ref().is_none_or(|asked| *asked == open.options) {
                return Ok(Arc::clone(&open.inner));
            }
            if open.has_handles() || self.path().is_none() {
                return Err(Error::invalid_argument("the bucket is open with other options"));
            }
            open.inner.close()?;
        }
        table.sweep();
        let options = asked.unwrap_or_default();
        let root = &self.inner;
        let directory = root.settings.directory.as_ref().map(|root| root.bucket(name)).transpose()?;
        let value_bytes_max = options.value_bytes_max.unwrap_or(root.value_bytes_max);
        let format = bucket_format(root.format(), root.keyring.as_ref(), name, value_bytes_max)?;
        let inner = Arc::new(Inner::new(Parts {
            settings: Settings {
                directory,
                read_access: root.settings.read_access,
                busy_timeout: root.settings.busy_timeout,
                format,
            },
            keyring: None,
            value_bytes_max,
            cached: !options.uncached,
            default_ttl: options.default_ttl.unwrap_or(root.default_ttl),
            limits: if root.settings.writable() { options.limits } else { Limits::default() },
            background: root.common.expiring.in_background,
            hub: Hub::new(root.clock(), Some(root.hub.origin()), Some(name.into())),
            clock: root.clock(),
            buckets: None,
            common: root.common.clone(),
        }));
        let open = OpenBucket { inner: Arc::clone(&inner), options };
        table.open.insert(name.to_owned(), open);
        Ok(inner)
    }

    /// Refuses a handle that is a bucket's.
    fn own_buckets(&self) -> Result<&Buckets> {
        self.inner.usable()?;
        let none = || Error::invalid_argument("a bucket has no buckets of its own");
        self.inner.buckets.as_ref().ok_or_else(none)
    }

    /// Whether the handle is that of a bucket.
    pub fn is_bucket(&self) -> bool {
        self.root.is_some()
    }

    /// The names of all buckets, in ascending order of their UTF-8 bytes. A bucket is there from its first
    /// write on until it is dropped.
    pub fn buckets(&self) -> Result<Vec<String>> {
        let buckets = self.own_buckets()?;
        if let Some(directory) = &self.inner.settings.directory {
            if !self.is_read_only() {
                drops::remove_leftovers(&directory.buckets_path());
            }
            return directory.bucket_names();
        }
        let table = buckets.0.lock();
        let written = |bucket: &OpenBucket| bucket.inner.shards().any(Shard::is_written);
        let mut names: Vec<_> =
            table.open.iter().filter(|(_, bucket)| written(bucket)).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Deletes a bucket with all that is in it. Returns whether there was one.
    ///
    /// Others can be using it, also in other processes: a write that was acknowledged before is gone, one
    /// that begins afterwards makes the bucket anew, and one that runs meanwhile does either. Handles stay
    /// usable. (Relaxed writes that wait in another process are written when their time comes.) A process killed
    /// in between leaves the bucket as it was, or dropped by whoever opens it next.
    ///
    /// Errors: those of writes, `InvalidArgument` for a name that no bucket can have. After `Indeterminate` or
    /// `Io` it may have been dropped.
    pub fn drop_bucket(&self, name: &str) -> Result<bool> {
        let buckets = self.own_buckets()?;
        directory_name(name)?;
        if self.is_read_only() {
            return Err(Error::new(ErrorKind::ReadOnly, "the stash was opened read-only"));
        }
        let open = buckets.0.lock().open.get(name).map(|bucket| Arc::clone(&bucket.inner));
        let Some(directory) = &self.inner.settings.directory else {
            return Ok(open.is_some_and(|bucket| bucket.forget_memory()));
        };
        if let Some(open) = &open {
            // Acknowledged before; later they would be found in the bucket made anew.
            open.shards().try_for_each(|shard| shard.flush())?;
            if open.hub.wants_changes() {
                open.shards().try_for_each(Shard::open_to_tell)?;
            }
        }
        let syncs = self.level == Durability::Full;
        let dropped = drops::drop_bucket(
            &directory.bucket(name)?,
            self.inner.format().stash_id(),
            syncs,
            self.inner.settings.busy_timeout,
        )?;
        drops::remove_leftovers(&directory.buckets_path());
        if let Some(open) = &open {
            open.shards().for_each(Shard::leave_moved);
        }
        Ok(dropped)
    }

    /// Calls `f` with every bucket that there is, one after another. A bucket has none.
    pub(crate) fn for_each_bucket(&self, mut f: impl FnMut(&str, &Self) -> Result<()>) -> Result<()> {
        if self.is_bucket() {
            return Ok(());
        }
        self.buckets()?.iter().try_for_each(|name| f(name, &self.bucket(name)?))
    }
}

impl Inner {
    /// Ends what a bucket in memory holds. Returns whether there was anything.
    fn forget_memory(&self) -> bool {
        let _waker = self.hub.waker();
        Shard::forget_memory(self.shards())
    }
}
