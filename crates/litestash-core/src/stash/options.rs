//! How a stash is opened.

use super::op::Deadline;
use super::open::LiteStash;
use crate::contract::format::{Compression, Unlock};
use crate::contract::limits::{VALUE_BYTES_DEFAULT, VALUE_BYTES_MAX};
use crate::env::{Clock, Random, SystemClock, SystemRandom};
use crate::error::{Error, Result};
use crate::storage::{Durability, Limits};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Builder for opening a [`LiteStash`]. Each method states its default.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// use litestash_core::{Durability, Options};
/// let stash = Options::new().durability(Durability::Full).open(dir.path())?;
/// # Ok::<_, litestash_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Options {
    pub(super) create: bool,
    pub(super) read_only: bool,
    pub(super) immutable: bool,
    pub(super) allow_network_file_system: bool,
    pub(super) durability: Durability,
    pub(super) busy_timeout: Duration,
    pub(super) value_bytes_max: usize,
    pub(super) cache_bytes: usize,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) default_ttl: Option<Duration>,
    pub(super) background: bool,
    pub(super) origin: Option<i64>,
    pub(super) compression: Option<Compression>,
    pub(super) random: Arc<dyn Random>,
    key: Option<Zeroizing<Vec<u8>>>,
    passphrase: Option<Zeroizing<String>>,
    pub(super) limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            read_only: false,
            immutable: false,
            allow_network_file_system: false,
            durability: Durability::Normal,
            busy_timeout: Self::BUSY_TIMEOUT_DEFAULT,
            value_bytes_max: VALUE_BYTES_DEFAULT,
            cache_bytes: Self::CACHE_BYTES_DEFAULT,
            clock: Arc::new(SystemClock),
            default_ttl: None,
            background: true,
            origin: None,
            compression: None,
            random: Arc::new(SystemRandom),
            key: None,
            passphrase: None,
            limits: Limits::default(),
        }
    }
}

impl Options {
    /// [`Options::busy_timeout`] unless it is set.
    pub const BUSY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

    /// [`Options::cache_bytes`] unless it is set.
    pub const CACHE_BYTES_DEFAULT: usize = 16 << 20;

    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a missing stash is created. Default: true. If false, opening a directory without any shard
    /// file or bucket is `NoStash`.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Whether every write is refused with `ReadOnly`. Default: false. A read-only stash is never created,
    /// and no row of it is changed; other processes may write it at the same time. (As any reader of a SQLite
    /// file in WAL mode, it takes part in the locking, and the last one to close moves what a writer left in
    /// the log into the file.)
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Read-only, and a promise that **nobody** is writing: no locks are taken and no `-shm` file is
    /// needed. For stashes in a directory without write permission. Default: only on file systems
    /// that are mounted read-only.
    pub fn immutable(mut self, immutable: bool) -> Self {
        self.immutable = immutable;
        self
    }

    /// Whether directories on network and pass-through file systems are accepted. Default: false, because
    /// SQLite's locks and shared memory can fail there without an error; use it only if a single process on a
    /// single host uses the stash.
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.allow_network_file_system = allow;
        self
    }

    /// What an acknowledged write has reached. Default: [`Durability::Normal`].
    /// [`LiteStash::with_durability`] gives handles with another level.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long an operation waits for a shard that another thread or process holds before it fails with
    /// `Busy`. Default: 30 s.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// The longest value in bytes of its canonical encoding. Default: 64 MiB; at most 950 MiB
    /// (`InvalidArgument` beyond).
    pub fn value_bytes_max(mut self, bytes: usize) -> Self {
        self.value_bytes_max = bytes;
        self
    }

    /// How many bytes of rows are kept in memory, over the whole stash and its buckets. Default: 16 MiB; 0 keeps
    /// none.
    ///
    /// A row counts as its key and value and 192 bytes more; rows of more than a 128th of the limit are not
    /// kept. What is kept is never older than the files, whichever process writes them: before a row is used
    /// its shard's WAL index is looked at. Nothing is kept of a stash in memory, nor where the index cannot
    /// be seen. (SQLite's own page caches come on top: at most 2 MiB for each connection, of which a
    /// shard has one that writes and up to four that read.)
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// The clock that versions and deadlines are taken from. Default: the system's. For
    /// tests and conformance.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The time to live of every row that is made without saying a deadline: by a set, an add, a batch or an
    /// increment of a missing key. Default: `None`, such rows stay. At least one microsecond (`InvalidArgument`).
    ///
    /// [`Deadline::Never`](super::Deadline::Never) makes a row that stays nevertheless. An import keeps
    /// what its lines say. It belongs to the handle and is not stored.
    pub fn default_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.default_ttl = ttl;
        self
    }

    /// Whether work that nobody waits for is done by itself, such as removing expired rows, prolonging
    /// sliding deadlines that were read, and evicting ahead of need. Default: true. If false, it is done by explicit
    /// calls: [`LiteStash::sweep`]; `sync` and `close` prolong too. What changes no row is done all the same: moving
    /// logs into their files, closing what nobody uses, and forgetting transactions in the journal that their
    /// shards have.
    pub fn background(mut self, background: bool) -> Self {
        self.background = background;
        self
    }

    /// The number that tells the changes of this handle from those of others, for whoever watches
    /// ([`crate::Scope::AllProcesses`]). Default: random. For tests and conformance.
    pub fn origin(mut self, origin: i64) -> Self {
        self.origin = Some(origin);
        self
    }

    /// What the stash may take on disk and how many rows it may have, and what happens then. Default: no limits.
    ///
    /// Limits belong to the handle, not to the files: every process that writes a limited stash should be given them.
    /// A write by a handle without limits makes no room, but keeps the counts. A read-only stash ignores them.
    ///
    /// Bytes are kept at every moment but for what is in flight: a transaction of many rows is in its log, beside the
    /// files, until it is moved. Rows are kept after every write; while several processes write different shards in the
    /// same instant, each may be one row over. Evicting is done by the write that finds no room, for which it removes
    /// as much as it needs, and ahead of need in the background.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use litestash_core::{Eviction, Limits, Options};
    /// let limits =
    ///     Limits { bytes: Some(64 << 20), eviction: Eviction::LeastRecentlyUsed, ..Limits::default() };
    /// let stash = Options::new().limits(limits).open(dir.path())?;
    /// # Ok::<_, litestash_core::Error>(())
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether values are compressed when they are written, and how. Default: not. What is stored compressed
    /// is read whatever this says. Of an encrypted stash, the sizes of compressed values tell something of
    /// what is in them (`docs/SECURITY.md`).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use litestash_core::{Compression, Options};
    /// let stash = Options::new().compression(Compression { level: 9, ..Compression::default() }).open(dir.path())?;
    /// # Ok::<_, litestash_core::Error>(())
    /// ```
    pub fn compression(mut self, compression: impl Into<Option<Compression>>) -> Self {
        self.compression = compression.into();
        self
    }

    /// The key of an encrypted stash: 32 bytes that nobody can guess (`InvalidArgument` for another length).
    /// Default: the stash is not encrypted.
    ///
    /// A directory without a stash becomes an encrypted one. A stash that is not encrypted is never turned into
    /// one: export it and import it into a new directory. `WrongKey` if the key is not the stash's, and if a
    /// key is given for a stash that is not encrypted or the other way round; nothing is changed then.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let key = [7; 32];
    /// use litestash_core::{ErrorKind, Options};
    /// let stash = Options::new().encryption_key(key).open(dir.path())?;
    /// stash.set("user:1001", "Ada")?;
    /// stash.close()?;
    /// let refused = Options::new().encryption_key([0; 32]).open(dir.path());
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::WrongKey);
    /// # Ok::<_, litestash_core::Error>(())
    /// ```
    pub fn encryption_key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(Zeroizing::new(key.as_ref().to_vec()));
        self
    }

    /// A passphrase instead of [`Options::encryption_key`]: Argon2id makes a key of it, with 64 MiB of memory
    /// and about a tenth of a second for each opening. Not empty, and not beside a key (`InvalidArgument`). Its
    /// UTF-8 bytes count as they are, without normalisation.
    pub fn passphrase(mut self, passphrase: impl Into<String>) -> Self {
        self.passphrase = Some(Zeroizing::new(passphrase.into()));
        self
    }

    /// The source of keys and nonces. Default: the operating system's. For tests and conformance.
    pub fn random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// What opens the stash, if it is encrypted.
    pub(super) fn unlock(&self) -> Result<Option<Unlock>> {
        match (&self.key, &self.passphrase) {
            (None, None) => Ok(None),
            (Some(key), None) => Unlock::key(key).map(Some),
            (None, Some(passphrase)) => Unlock::passphrase(passphrase).map(Some),
            (Some(_), Some(_)) => {
                Err(Error::invalid_argument("an encryption key and a passphrase exclude each other"))
            }
        }
    }

    /// Opens the stash in that directory.
    ///
    /// Nothing is opened or created but the directory, and the keyring of an encrypted stash: shard files are
    /// opened by the first operation that needs them. Errors: `NoStash`, `NotAStash`, `NetworkFileSystem`,
    /// `PermissionDenied`, `ReadOnly`, `InvalidArgument`, `SqliteTooOld`, `WrongKey`, `Io`.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<LiteStash> {
        LiteStash::open_with(Some(directory.as_ref()), &self.checked()?)
    }

    /// Opens a stash in memory, which ends with its last handle.
    pub fn memory(self) -> Result<LiteStash> {
        if self.read_only || self.immutable {
            return Err(Error::invalid_argument("a stash in memory cannot be read-only"));
        }
        LiteStash::open_with(None, &self.checked()?)
    }

    fn checked(self) -> Result<Self> {
        if !(1..=VALUE_BYTES_MAX).contains(&self.value_bytes_max) {
            return Err(Error::invalid_argument(format!("value_bytes_max is 1 to {VALUE_BYTES_MAX}")));
        }
        check_default_ttl(self.default_ttl)?;
        self.compression.map_or(Ok(()), Compression::check)?;
        self.unlock()?;
        self.limits.check()?;
        Ok(self)
    }
}

/// Refuses a time to live that no row can have.
pub(super) fn check_default_ttl(ttl: Option<Duration>) -> Result<()> {
    ttl.map_or(Ok(()), |ttl| Deadline::In(ttl).resolve(0).map(drop))
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("create", &self.create)
            .field("read_only", &self.read_only)
            .field("immutable", &self.immutable)
            .field("allow_network_file_system", &self.allow_network_file_system)
            .field("durability", &self.durability)
            .field("busy_timeout", &self.busy_timeout)
            .field("value_bytes_max", &self.value_bytes_max)
            .field("cache_bytes", &self.cache_bytes)
            .field("default_ttl", &self.default_ttl)
            .field("background", &self.background)
            .field("compression", &self.compression)
            .field("encrypted", &(self.key.is_some() || self.passphrase.is_some()))
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
