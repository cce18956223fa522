//! How a stash is opened.

use super::pointer::{array, optional_text};
use super::types::litestash_status;
use super::{entry, invalid};
use litestash_core::contract::format::Unlock;
use litestash_core::{
    Clock, Compression, Durability, Error, ErrorKind, Eviction, Limits, Options, Random, Result,
};
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// Acknowledged means written to the shard's log: a process that is killed loses nothing, a power cut may lose the
/// newest writes. The default.
pub const LITESTASH_DURABILITY_NORMAL: u32 = 0;
/// Acknowledged means synced to the disk.
pub const LITESTASH_DURABILITY_FULL: u32 = 1;
/// Acknowledged means in memory, written within about 10 ms: for caches.
pub const LITESTASH_DURABILITY_RELAXED: u32 = 2;

/// A write that would pass a limit fails with LITESTASH_LIMIT_REACHED. The default.
pub const LITESTASH_EVICTION_NONE: u32 = 0;
/// The rows go that were written longest ago; expired ones first, as with all that follow.
pub const LITESTASH_EVICTION_LEAST_RECENTLY_STORED: u32 = 1;
/// The rows go that were read or written longest ago.
pub const LITESTASH_EVICTION_LEAST_RECENTLY_USED: u32 = 2;
/// The rows go that are read least often. The count of a row that is not read halves with every hour.
pub const LITESTASH_EVICTION_LEAST_FREQUENTLY_USED: u32 = 3;
/// Any rows go.
pub const LITESTASH_EVICTION_RANDOM: u32 = 4;

/// A clock: Unix time in microseconds. It is called by any thread, also by those of the library, must not use the
/// stash, and must not leave but by returning.
pub type litestash_clock = Option<unsafe extern "C" fn(context: *mut c_void) -> i64>;

/// Bytes of an encryption key.
pub const LITESTASH_ENCRYPTION_KEY_BYTES: usize = 32;

/// Fills `length` bytes and returns 0; anything else is a failure. It is called by any thread, must not use the stash,
/// and must not leave but by returning.
pub type litestash_random =
    Option<unsafe extern "C" fn(context: *mut c_void, bytes: *mut u8, length: usize) -> i32>;

/// How a stash is opened. Begin with litestash_options_default, then change what is to be different: fields that a
/// newer version adds then have their defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_options {
    /// sizeof(litestash_options) where the program was compiled.
    pub size: usize,
    /// How long an operation waits for a shard that somebody else holds before it fails with LITESTASH_BUSY.
    /// Default: 30 000 ms.
    pub busy_timeout_ms: u64,
    /// The longest value in bytes of its encoding. Default: LITESTASH_VALUE_BYTES_DEFAULT; at most
    /// LITESTASH_VALUE_BYTES_MAX.
    pub value_bytes_max: u64,
    /// Bytes of rows kept in memory, over the whole stash. Default: 16 MiB; 0 keeps none.
    pub cache_bytes: u64,
    /// Where versions and deadlines are taken from. Default: NULL, the system's clock. For tests:
    /// with a clock of the program, nothing is done in the background, so that the files depend on the calls alone.
    pub clock: litestash_clock,
    /// Given to the clock as it is. The clock must be good until the stash was closed.
    pub clock_context: *mut c_void,
    /// LITESTASH_DURABILITY_NORMAL (default), LITESTASH_DURABILITY_FULL or LITESTASH_DURABILITY_RELAXED.
    pub durability: u32,
    /// Whether a missing stash is created. Default: 1. If 0, a directory without a shard file is
    /// LITESTASH_NO_STASH.
    pub create: u8,
    /// Whether every write is refused with LITESTASH_READ_ONLY. Default: 0. Others may write meanwhile.
    pub read_only: u8,
    /// Read-only, and a promise that nobody is writing: no locks are taken. For directories without write
    /// permission. Default: 0.
    pub immutable: u8,
    /// Whether network and pass-through file systems are accepted, where SQLite's locks may fail without an error.
    /// Default: 0; only for a single process on a single host.
    pub allow_network_file_system: u8,
    /// The time to live in microseconds of every row that is made without saying a deadline. Default: 0, such rows
    /// stay. It belongs to the handle and is not stored.
    pub default_ttl_us: u64,
    /// Bytes that the stash may take on disk, logs included: at least 8 MiB. Default: 0, no limit. Every process that
    /// writes a limited stash is to be given its limits; a handle without them makes no room.
    pub bytes_max: u64,
    /// Rows that the stash may have, expired ones included until they are removed. Default: 0, no limit.
    pub rows_max: u64,
    /// What tells the changes of this stash from those of others that hear of them. Default: 0, a random number.
    /// For tests.
    pub origin: i64,
    /// What happens when a limit is reached: LITESTASH_EVICTION_NONE (default) and so on.
    pub eviction: u32,
    /// Whether work that nobody waits for is done by itself: removing expired rows, prolonging sliding deadlines
    /// that were read, evicting ahead of need. Default: 1, but not with a clock of the program. If 0, litestash_sweep,
    /// litestash_sync and litestash_close do it.
    pub background: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The key of an encrypted stash: LITESTASH_ENCRYPTION_KEY_BYTES bytes that nobody can guess. Default: NULL, the
    /// stash is not encrypted. A directory without a stash becomes an encrypted one; a stash that is there stays as it
    /// is. LITESTASH_WRONG_KEY if the key is not the stash's.
    pub encryption_key: *const u8,
    /// Bytes of the key.
    pub encryption_key_length: usize,
    /// UTF-8 text instead of a key, of which one is made with 64 MiB of memory and about a tenth of a second. Default:
    /// NULL. Not beside a key.
    pub passphrase: *const c_char,
    /// Bytes of the passphrase.
    pub passphrase_length: usize,
    /// Where keys and nonces are taken from. Default: NULL, the system's source. For tests only.
    pub random: litestash_random,
    /// Given to `random` as it is, which must be good until the stash was closed.
    pub random_context: *mut c_void,
    /// Values whose encoding is shorter are stored as they are, if others are compressed. Default: 1024.
    pub compression_min_bytes: u64,
    /// The level of Zstandard with which values are compressed when they are written: 1 to 19. Default: 0, not at all.
    /// What is stored compressed is read whatever this says.
    pub compression_level: u32,
    /// Zero.
    pub reserved_level: u32,
}

/// The clock of a C program.
struct ForeignClock {
    now: unsafe extern "C" fn(*mut c_void) -> i64,
    context: *mut c_void,
}

// SAFETY: the header asks for a clock that any thread may call.
unsafe impl Send for ForeignClock {}
// SAFETY: as above.
unsafe impl Sync for ForeignClock {}

impl Clock for ForeignClock {
    fn now_us(&self) -> i64 {
        // SAFETY: the header asks for a function that can be called until the stash was closed.
        unsafe { (self.now)(self.context) }
    }
}

/// The source of random bytes of a C program.
struct ForeignRandom {
    fill: unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> i32,
    context: *mut c_void,
}

// SAFETY: the header asks for a source that any thread may call.
unsafe impl Send for ForeignRandom {}
// SAFETY: as above.
unsafe impl Sync for ForeignRandom {}

impl Random for ForeignRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        // SAFETY: the header asks for a function that can be called until the stash was closed; the bytes are there.
        if unsafe { (self.fill)(self.context, bytes.as_mut_ptr(), bytes.len()) } == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Io, "the source of random bytes failed"))
    }
}

pub(super) fn durability(level: u32) -> Result<Durability> {
    match level {
        LITESTASH_DURABILITY_NORMAL => Ok(Durability::Normal),
        LITESTASH_DURABILITY_FULL => Ok(Durability::Full),
        LITESTASH_DURABILITY_RELAXED => Ok(Durability::Relaxed),
        _ => Err(invalid("the level of durability is not known")),
    }
}

/// Limits, of which 0 is none.
pub(super) fn limits(bytes: u64, rows: u64, eviction: u32) -> Result<Limits> {
    let some = |limit: u64| (limit > 0).then_some(limit);
    let eviction = match eviction {
        LITESTASH_EVICTION_NONE => Eviction::None,
        LITESTASH_EVICTION_LEAST_RECENTLY_STORED => Eviction::LeastRecentlyStored,
        LITESTASH_EVICTION_LEAST_RECENTLY_USED => Eviction::LeastRecentlyUsed,
        LITESTASH_EVICTION_LEAST_FREQUENTLY_USED => Eviction::LeastFrequentlyUsed,
        LITESTASH_EVICTION_RANDOM => Eviction::Random,
        _ => return Err(invalid("the eviction is of no known kind")),
    };
    Ok(Limits { bytes: some(bytes), rows: some(rows), eviction })
}

/// The longest passphrase.
pub(super) const PASSPHRASE_BYTES_MAX: usize = 1 << 20;

/// The bytes of a key, whose number is for the engine to judge; null is none.
///
/// # Safety
///
/// As [`array`].
pub(super) unsafe fn key<'a>(data: *const u8, length: usize) -> Result<&'a [u8]> {
    if data.is_null() {
        return Err(invalid("the encryption key is null"));
    }
    // SAFETY: the caller promises it.
    unsafe { array(data, length, PASSPHRASE_BYTES_MAX) }
}

/// What does not fit is too much, also for the engine.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl litestash_options {
    fn defaults() -> Self {
        Self {
            size: size_of::<Self>(),
            busy_timeout_ms: Options::BUSY_TIMEOUT_DEFAULT.as_millis() as u64,
            value_bytes_max: litestash_core::limits::VALUE_BYTES_DEFAULT as u64,
            cache_bytes: Options::CACHE_BYTES_DEFAULT as u64,
            clock: None,
            clock_context: std::ptr::null_mut(),
            durability: LITESTASH_DURABILITY_NORMAL,
            create: 1,
            read_only: 0,
            immutable: 0,
            allow_network_file_system: 0,
            default_ttl_us: 0,
            bytes_max: 0,
            rows_max: 0,
            origin: 0,
            eviction: LITESTASH_EVICTION_NONE,
            background: 1,
            reserved: [0; 3],
            encryption_key: std::ptr::null(),
            encryption_key_length: 0,
            passphrase: std::ptr::null(),
            passphrase_length: 0,
            random: None,
            random_context: std::ptr::null_mut(),
            compression_min_bytes: Compression::default().min_bytes as u64,
            compression_level: 0,
            reserved_level: 0,
        }
    }

    /// The options behind a pointer: as many bytes as their first field says, the defaults for the rest.
    ///
    /// # Safety
    ///
    /// `options` is null or leads to a size and as many bytes.
    pub(super) unsafe fn given(options: *const Self) -> Result<Self> {
        let mut given = Self::defaults();
        if options.is_null() {
            return Ok(given);
        }
        if !options.is_aligned() {
            return Err(invalid("the options are not aligned"));
        }
        // SAFETY: the size is there, by the caller's promise.
        let size = unsafe { (&raw const (*options).size).read() };
        // Larger ones are of a newer header, whose new fields this library could only ignore.
        if !(size_of::<usize>()..=size_of::<Self>()).contains(&size) {
            return Err(invalid("the options have a size that this version does not know"));
        }
        // SAFETY: as many bytes are there, and not more than there is room for. Any bytes are numbers; a clock
        // that is not null is a function by the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(options.cast::<u8>(), (&raw mut given).cast::<u8>(), size) };
        Ok(given)
    }

    /// The key or the passphrase alone; `WrongKey` if there is none.
    ///
    /// # Safety
    ///
    /// As every exported function.
    pub(super) unsafe fn unlock(&self) -> Result<Unlock> {
        let has_key = !self.encryption_key.is_null() || self.encryption_key_length != 0;
        // SAFETY: the caller promises it, here and below.
        let passphrase =
            unsafe { optional_text(self.passphrase, self.passphrase_length, PASSPHRASE_BYTES_MAX) }?;
        match passphrase {
            Some(_) if has_key => Err(invalid("a key and a passphrase were given")),
            Some(passphrase) => Unlock::passphrase(passphrase),
            // SAFETY: as above.
            None if has_key => Unlock::key(unsafe { key(self.encryption_key, self.encryption_key_length) }?),
            None => Err(Error::new(ErrorKind::WrongKey, "no key was given")),
        }
    }

    /// # Safety
    ///
    /// As every exported function.
    pub(super) unsafe fn checked(self) -> Result<Options> {
        if (self.reserved, self.reserved_level) != ([0; 3], 0) {
            return Err(invalid("a reserved field is not zero"));
        }
        let default_ttl = (self.default_ttl_us > 0).then(|| Duration::from_micros(self.default_ttl_us));
        let mut options = Options::new()
            .busy_timeout(Duration::from_millis(self.busy_timeout_ms))
            .value_bytes_max(size(self.value_bytes_max))
            .cache_bytes(size(self.cache_bytes))
            .durability(durability(self.durability)?)
            .create(self.create != 0)
            .read_only(self.read_only != 0)
            .immutable(self.immutable != 0)
            .allow_network_file_system(self.allow_network_file_system != 0)
            .default_ttl(default_ttl)
            .limits(limits(self.bytes_max, self.rows_max, self.eviction)?)
            .background(self.background != 0);
        if self.origin != 0 {
            options = options.origin(self.origin);
        }
        if self.compression_level != 0 {
            // A level that does not fit is out of range as well.
            let level = i32::try_from(self.compression_level).unwrap_or(i32::MAX);
            options = options.compression(Compression { min_bytes: size(self.compression_min_bytes), level });
        }
        if !self.encryption_key.is_null() || self.encryption_key_length != 0 {
            // SAFETY: the caller promises it, here and below.
            options =
                options.encryption_key(unsafe { key(self.encryption_key, self.encryption_key_length) }?);
        }
        // SAFETY: as above.
        let passphrase =
            unsafe { optional_text(self.passphrase, self.passphrase_length, PASSPHRASE_BYTES_MAX) }?;
        if let Some(passphrase) = passphrase {
            options = options.passphrase(passphrase);
        }
        if let Some(fill) = self.random {
            options = options.random(ForeignRandom { fill, context: self.random_context });
        }
        Ok(match self.clock {
            Some(now) => options.clock(ForeignClock { now, context: self.clock_context }).background(false),
            None => options,
        })
    }
}

/// Fills the first `size` bytes of the options with their defaults. litestash_options_default does it with the right
/// size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_options_init(
    options: *mut litestash_options,
    size: usize,
) -> litestash_status {
    entry!({
        if options.is_null() || !options.is_aligned() || size < size_of::<usize>() {
            return Err(invalid("the options are null, not aligned or too small"));
        }
        let defaults = litestash_options { size, ..litestash_options::defaults() };
        let known = size.min(size_of::<litestash_options>());
        std::ptr::copy_nonoverlapping((&raw const defaults).cast::<u8>(), options.cast::<u8>(), known);
        Ok(())
    })
}
