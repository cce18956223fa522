//! Opening and closing.

use super::pointer::{Out, path};
use super::types::{litestash_buffer, litestash_stash, litestash_status};
use super::{catch, entry, invalid};
use crate::handle::{self, STASHES, Stash};
use litestash_core::{Clock, Durability, LiteStash, Options, Result};
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// Acknowledged means written to the shard's log: a process that is killed loses nothing, a power cut may lose the
/// newest writes. The default.
pub const LITESTASH_DURABILITY_NORMAL: u32 = 0;
/// Acknowledged means synced to the disk.
pub const LITESTASH_DURABILITY_FULL: u32 = 1;
/// Acknowledged means in memory, written within about 10 ms: for caches.
pub const LITESTASH_DURABILITY_RELAXED: u32 = 2;

/// A clock: Unix time in microseconds. It is called by any thread, also by those of the library, must not use the
/// stash, and must not leave but by returning.
pub type litestash_clock = Option<unsafe extern "C" fn(context: *mut c_void) -> i64>;

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

fn durability(level: u32) -> Result<Durability> {
    match level {
        LITESTASH_DURABILITY_NORMAL => Ok(Durability::Normal),
        LITESTASH_DURABILITY_FULL => Ok(Durability::Full),
        LITESTASH_DURABILITY_RELAXED => Ok(Durability::Relaxed),
        _ => Err(invalid("the level of durability is not known")),
    }
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
        }
    }

    /// The options behind a pointer: as many bytes as their first field says, the defaults for the rest.
    ///
    /// # Safety
    ///
    /// `options` is null or leads to a size and as many bytes.
    unsafe fn given(options: *const Self) -> Result<Self> {
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

    fn checked(self) -> Result<Options> {
        // What does not fit is too much, also for the engine.
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let options = Options::new()
            .busy_timeout(Duration::from_millis(self.busy_timeout_ms))
            .value_bytes_max(bytes(self.value_bytes_max))
            .cache_bytes(bytes(self.cache_bytes))
            .durability(durability(self.durability)?)
            .create(self.create != 0)
            .read_only(self.read_only != 0)
            .immutable(self.immutable != 0)
            .allow_network_file_system(self.allow_network_file_system != 0);
        Ok(match self.clock {
            Some(now) => options.clock(ForeignClock { now, context: self.clock_context }).background(false),
            None => options,
        })
    }
}

fn opened(engine: LiteStash) -> Result<litestash_stash> {
    Ok(litestash_stash { id: STASHES.insert(Stash::opened(engine))? })
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

/// Opens the stash in that directory, which is a path that ends with a zero byte. `options` may be NULL: the
/// defaults. Shard files are opened by the first operation that needs them.
///
/// Errors: LITESTASH_NO_STASH, LITESTASH_NOT_A_STASH, LITESTASH_NETWORK_FILE_SYSTEM, LITESTASH_PERMISSION_DENIED,
/// LITESTASH_READ_ONLY, LITESTASH_INVALID_ARGUMENT, LITESTASH_IO; LITESTASH_OUT_OF_MEMORY if 4096 stashes are open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_open(
    directory: *const c_char,
    options: *const litestash_options,
    stash: *mut litestash_stash,
) -> litestash_status {
    entry!({
        let directory = path(directory)?;
        let options = litestash_options::given(options)?.checked()?;
        let out = Out::new(stash)?;
        out.set(opened(options.open(directory)?)?)
    })
}

/// Opens a stash in memory, which ends when it is closed. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_open_memory(
    options: *const litestash_options,
    stash: *mut litestash_stash,
) -> litestash_status {
    entry!({
        let options = litestash_options::given(options)?.checked()?;
        let out = Out::new(stash)?;
        out.set(opened(options.memory()?)?)
    })
}

/// A further handle of the same stash, whose writes are acknowledged at that level. Closing the stash by any handle
/// gives back all of them; litestash_release gives back one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_with_durability(
    stash: litestash_stash,
    level: u32,
    other: *mut litestash_stash,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let engine = stash.with_durability(durability(level)?);
        let out = Out::new(other)?;
        out.set(litestash_stash { id: STASHES.insert(stash.relative(engine))? })
    })
}

/// Closes the stash: waits for calls that run in other threads, moves the logs into the shard files, closes them, and
/// gives back every handle of the stash. It is closed also if there is an error, which says that relaxed writes were
/// lost, or that something is left for the next opening. A handle that was given back is LITESTASH_CLOSED.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_close(stash: litestash_stash) -> litestash_status {
    catch(|| handle::close(stash.id))
}

/// Gives back this handle only. The stash is closed with its last handle.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_release(stash: litestash_stash) -> litestash_status {
    catch(|| STASHES.retire(stash.id).map(drop))
}

/// LITESTASH_OK if the handle can be used, else why not: LITESTASH_CLOSED, or LITESTASH_INVALID_ARGUMENT for what
/// never was one.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_check(stash: litestash_stash) -> litestash_status {
    catch(|| stash.enter().map(drop))
}

/// The stash's directory as an absolute path; no bytes for a stash in memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_path(
    stash: litestash_stash,
    directory: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::new(directory)?;
        out.set(litestash_buffer::copy(stash.path().map(|path| path.as_os_str().as_encoded_bytes()))?)
    })
}

/// Whether writes are refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_is_read_only(
    stash: litestash_stash,
    read_only: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        Out::new(read_only)?.set(stash.is_read_only())
    })
}
