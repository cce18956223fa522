//! How a stash is opened, and how a value is stored.

use crate::error::{Result, invalid};
use litestash_core as core;
use std::time::Duration;

/// What an acknowledged write has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Durability {
    /// The memory of this process, which writes it within about ten milliseconds: for caches.
    Relaxed,
    /// The write-ahead log: survives the death of the process. A power cut may take the newest writes of each
    /// shard, never corrupt one.
    Normal,
    /// Stable storage: each commit is synced.
    Full,
}

impl From<Durability> for core::Durability {
    fn from(level: Durability) -> Self {
        match level {
            Durability::Relaxed => Self::Relaxed,
            Durability::Normal => Self::Normal,
            Durability::Full => Self::Full,
        }
    }
}

impl From<core::Durability> for Durability {
    fn from(level: core::Durability) -> Self {
        match level {
            core::Durability::Relaxed => Self::Relaxed,
            core::Durability::Normal => Self::Normal,
            core::Durability::Full => Self::Full,
        }
    }
}

/// Which rows go when a stash is full. Expired rows go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Eviction {
    /// None: a write that would pass a limit fails with `LimitReached`.
    None,
    /// Those written longest ago.
    LeastRecentlyStored,
    /// Those read or written longest ago.
    LeastRecentlyUsed,
    /// Those read least often.
    LeastFrequentlyUsed,
    /// Any.
    Random,
}

impl From<Eviction> for core::Eviction {
    fn from(eviction: Eviction) -> Self {
        match eviction {
            Eviction::None => Self::None,
            Eviction::LeastRecentlyStored => Self::LeastRecentlyStored,
            Eviction::LeastRecentlyUsed => Self::LeastRecentlyUsed,
            Eviction::LeastFrequentlyUsed => Self::LeastFrequentlyUsed,
            Eviction::Random => Self::Random,
        }
    }
}

/// What a stash may hold. What is left out is not limited.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Limits {
    /// Bytes that the directory may take on disk, at least 8 MiB.
    #[uniffi(default = None)]
    pub bytes: Option<u64>,
    /// Rows, at least 1.
    #[uniffi(default = None)]
    pub rows: Option<u64>,
    /// What happens when a limit is reached; `None` is as `Eviction.none`.
    #[uniffi(default = None)]
    pub eviction: Option<Eviction>,
}

impl From<&Limits> for core::Limits {
    fn from(limits: &Limits) -> Self {
        let eviction = limits.eviction.map(core::Eviction::from).unwrap_or_default();
        Self { bytes: limits.bytes, rows: limits.rows, eviction }
    }
}

/// How a stash is opened. What is left out has the engine's default.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct OpenOptions {
    /// Whether a missing stash is created. If false, that is `NoStash`.
    #[uniffi(default = true)]
    pub create: bool,
    /// Whether writes are refused with `ReadOnly`.
    #[uniffi(default = false)]
    pub read_only: bool,
    /// Read-only, and a promise that nobody is writing: no locks are taken.
    #[uniffi(default = false)]
    pub immutable: bool,
    /// Whether directories on network file systems are accepted.
    #[uniffi(default = false)]
    pub allow_network_file_system: bool,
    /// What an acknowledged write has reached. Default: normal.
    #[uniffi(default = None)]
    pub durability: Option<Durability>,
    /// Microseconds that an operation waits for a shard before it fails with `Busy`. Default: 30 seconds.
    #[uniffi(default = None)]
    pub busy_timeout_us: Option<u64>,
    /// Bytes of rows kept in memory. Default: 16 MiB; 0 keeps none.
    #[uniffi(default = None)]
    pub cache_bytes: Option<u64>,
    /// The longest encoded value in bytes. Default: 64 MiB.
    #[uniffi(default = None)]
    pub value_bytes_max: Option<u64>,
    /// The time to live, in microseconds, of rows that are made without saying a deadline. Default: they
    /// stay.
    #[uniffi(default = None)]
    pub default_ttl_us: Option<u64>,
    /// What the stash may hold. Default: no limits.
    #[uniffi(default = None)]
    pub limits: Option<Limits>,
    /// Whether work that nobody waits for is done by itself.
    #[uniffi(default = true)]
    pub background: bool,
    /// The key of an encrypted stash: 32 bytes that nobody can guess. Default: the stash is not encrypted.
    /// `WrongKey` if it is not the stash's.
    #[uniffi(default = None)]
    pub encryption_key: Option<Vec<u8>>,
    /// A passphrase instead of a key.
    #[uniffi(default = None)]
    pub passphrase: Option<String>,
    /// Whether values are compressed when they are written, and how. Default: not.
    #[uniffi(default = None)]
    pub compression: Option<Compression>,
}

/// How values are compressed. What is left out has the engine's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Compression {
    /// Shorter values are stored as they are. Default: 1024 bytes.
    #[uniffi(default = None)]
    pub min_bytes: Option<u64>,
    /// Zstandard's level, 1 to 19. Default: 3.
    #[uniffi(default = None)]
    pub level: Option<i32>,
}

impl Compression {
    fn to_core(self) -> Result<core::Compression> {
        let mut compression = core::Compression::default();
        if let Some(bytes) = self.min_bytes {
            compression.min_bytes = size(bytes)?;
        }
        compression.level = self.level.unwrap_or(compression.level);
        Ok(compression)
    }
}

impl OpenOptions {
    pub(crate) fn to_core(&self) -> Result<core::Options> {
        let mut options = core::Options::new()
            .create(self.create)
            .read_only(self.read_only)
            .immutable(self.immutable)
            .allow_network_file_system(self.allow_network_file_system)
            .default_ttl(self.default_ttl_us.map(Duration::from_micros))
            .background(self.background);
        if let Some(level) = self.durability {
            options = options.durability(level.into());
        }
        if let Some(us) = self.busy_timeout_us {
            options = options.busy_timeout(Duration::from_micros(us));
        }
        if let Some(bytes) = self.cache_bytes {
            options = options.cache_bytes(size(bytes)?);
        }
        if let Some(bytes) = self.value_bytes_max {
            options = options.value_bytes_max(size(bytes)?);
        }
        if let Some(limits) = &self.limits {
            options = options.limits(limits.into());
        }
        if let Some(key) = &self.encryption_key {
            options = options.encryption_key(key);
        }
        if let Some(passphrase) = &self.passphrase {
            options = options.passphrase(passphrase.as_str());
        }
        if let Some(compression) = self.compression {
            options = options.compression(compression.to_core()?);
        }
        Ok(options)
    }
}

fn size(bytes: u64) -> Result<usize> {
    usize::try_from(bytes).map_err(|_| invalid("a size is beyond this machine's memory"))
}

/// What a bucket has of its own. What is left out is as in its stash.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct BucketOptions {
    /// What an acknowledged write through the handle has reached.
    #[uniffi(default = None)]
    pub durability: Option<Durability>,
    /// The longest encoded value in bytes.
    #[uniffi(default = None)]
    pub value_bytes_max: Option<u64>,
    /// Whether its rows take part in the cache.
    #[uniffi(default = true)]
    pub cache: bool,
    /// The time to live, in microseconds, of rows that are made without saying a deadline; 0 for rows that
    /// stay.
    #[uniffi(default = None)]
    pub default_ttl_us: Option<u64>,
    /// What the bucket may hold. Default: no limits of its own.
    #[uniffi(default = None)]
    pub limits: Option<Limits>,
}

impl BucketOptions {
    pub(crate) fn to_core(&self) -> Result<core::BucketOptions> {
        let mut options = core::BucketOptions::new().cache(self.cache);
        if let Some(level) = self.durability {
            options = options.durability(level.into());
        }
        if let Some(bytes) = self.value_bytes_max {
            options = options.value_bytes_max(size(bytes)?);
        }
        if let Some(us) = self.default_ttl_us {
            options = options.default_ttl((us > 0).then(|| Duration::from_micros(us)));
        }
        if let Some(limits) = &self.limits {
            options = options.limits(limits.into());
        }
        Ok(options)
    }
}

/// When a value ends. Spans are in microseconds and at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Deadline {
    /// That long after the write.
    After {
        /// Microseconds.
        us: u64,
    },
    /// At that time. One that has passed makes the row expired at once.
    At {
        /// Unix microseconds.
        unix_us: i64,
    },
    /// That long after the last use of the row: each get, write and touch begins the time anew.
    Idle {
        /// Microseconds.
        us: u64,
    },
    /// Not at all, also where the stash has a default time to live.
    Never,
}

impl From<Deadline> for core::Deadline {
    fn from(deadline: Deadline) -> Self {
        match deadline {
            Deadline::After { us } => Self::In(Duration::from_micros(us)),
            Deadline::At { unix_us } => Self::At(unix_us),
            Deadline::Idle { us } => Self::Idle(Duration::from_micros(us)),
            Deadline::Never => Self::Never,
        }
    }
}

/// What must hold for a value to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Condition {
    /// Nothing.
    Always,
    /// The key is missing or expired.
    Absent,
    /// The key is there.
    Present,
    /// The key is there with that version.
    Version {
        /// The version, as an entry or a set gave it.
        version: i64,
    },
}

impl From<Condition> for core::Condition {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Always => Self::Always,
            Condition::Absent => Self::Absent,
            Condition::Present => Self::Present,
            Condition::Version { version } => Self::Version(core::Version::from_micros(version)),
        }
    }
}

/// How a value is stored. The default: always, with the stash's default time to live, if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct SetOptions {
    /// The deadline.
    #[uniffi(default = None)]
    pub deadline: Option<Deadline>,
    /// Keep the deadline that the row has now. Not together with `deadline`.
    #[uniffi(default = false)]
    pub keep_ttl: bool,
    /// What must hold; `None` is as `Condition.always`.
    #[uniffi(default = None)]
    pub condition: Option<Condition>,
}

impl From<SetOptions> for core::SetOptions {
    fn from(options: SetOptions) -> Self {
        Self {
            deadline: options.deadline.map(Into::into),
            keep_ttl: options.keep_ttl,
            condition: options.condition.map(core::Condition::from).unwrap_or_default(),
        }
    }
}
