//! Opening and closing.

use crate::answer;
use crate::error::{Result, panicked, thrown};
use crate::mailbox::{Made, Mailbox};
use crate::stash::Handle;
use crate::task::{background, span};
use litestash_core::{
    BucketOptions, Compression, Durability, Error, ErrorKind, Eviction, Limits, LiteStash, Options,
};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Buffer, External};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

/// How a stash is opened; what is left out has the engine's default.
#[derive(Default)]
#[napi_derive::napi(object)]
pub struct OpenOptions {
    /// Whether a missing stash is created.
    pub create: Option<bool>,
    /// Whether writes are refused.
    pub read_only: Option<bool>,
    /// Whether nobody writes.
    pub immutable: Option<bool>,
    /// Whether network file systems are accepted.
    pub allow_network_file_system: Option<bool>,
    /// `normal`, `full` or `relaxed`.
    pub durability: Option<String>,
    /// Milliseconds.
    pub busy_timeout: Option<f64>,
    /// Bytes.
    pub cache_bytes: Option<f64>,
    /// Bytes.
    pub value_bytes_max: Option<f64>,
    /// Microseconds that a row lives if nothing else was said.
    pub default_ttl: Option<BigInt>,
    /// Whether expired rows are removed, and so on, without being asked for.
    pub background: Option<bool>,
    /// What the stash may take.
    pub limits: Option<LimitOptions>,
    /// How values are compressed, if they are.
    pub compression: Option<CompressionGiven>,
    /// The key of an encrypted stash.
    pub encryption_key: Option<Buffer>,
    /// A passphrase instead.
    pub passphrase: Option<String>,
    /// The fixed clock of tests, in microseconds, as decimal text.
    pub clock: Option<String>,
}

/// How values are compressed; what is left out has the engine's default.
#[napi_derive::napi(object)]
pub struct CompressionGiven {
    /// Shorter values are stored as they are.
    pub min_bytes: Option<f64>,
    /// Zstandard's level.
    pub level: Option<i32>,
}

impl CompressionGiven {
    fn compression(&self) -> litestash_core::Result<Compression> {
        let default = Compression::default();
        Ok(Compression {
            min_bytes: self.min_bytes.map_or(Ok(default.min_bytes), bytes)?,
            level: self.level.unwrap_or(default.level),
        })
    }
}

/// What opens an encrypted stash.
pub(crate) fn unlock(mut options: Options, key: Option<&[u8]>, passphrase: Option<&str>) -> Options {
    if let Some(key) = key {
        options = options.encryption_key(key);
    }
    if let Some(passphrase) = passphrase {
        options = options.passphrase(passphrase);
    }
    options
}

/// What a stash or a bucket may take.
#[derive(Default)]
#[napi_derive::napi(object)]
pub struct LimitOptions {
    /// Bytes on disk.
    pub bytes: Option<f64>,
    /// Rows.
    pub rows: Option<f64>,
    /// `none`, or what goes first.
    pub eviction: Option<String>,
}

impl LimitOptions {
    fn limits(&self) -> litestash_core::Result<Limits> {
        let eviction = match self.eviction.as_deref() {
            None | Some("none") => Eviction::None,
            Some("leastRecentlyStored") => Eviction::LeastRecentlyStored,
            Some("leastRecentlyUsed") => Eviction::LeastRecentlyUsed,
            Some("leastFrequentlyUsed") => Eviction::LeastFrequentlyUsed,
            Some("random") => Eviction::Random,
            Some(_) => return Err(invalid("there is no eviction of this name")),
        };
        let whole = |number: Option<f64>| number.map(|number| bytes(number).map(|it| it as u64)).transpose();
        Ok(Limits { bytes: whole(self.bytes)?, rows: whole(self.rows)?, eviction })
    }
}

/// How a bucket is opened; what is left out is as the stash has it.
#[napi_derive::napi(object)]
pub struct BucketGiven {
    /// `normal`, `full` or `relaxed`.
    pub durability: Option<String>,
    /// Bytes.
    pub value_bytes_max: Option<f64>,
    /// Whether its rows are kept in memory.
    pub cache: Option<bool>,
    /// Microseconds that a row lives if nothing else was said.
    pub default_ttl: Option<BigInt>,
    /// Whether rows stay if nothing else was said, whatever the stash has.
    pub stays: Option<bool>,
    /// What the bucket may take.
    pub limits: Option<LimitOptions>,
}

impl BucketGiven {
    fn options(&self) -> litestash_core::Result<BucketOptions> {
        let mut options = BucketOptions::new();
        if let Some(name) = &self.durability {
            options = options.durability(level(name)?);
        }
        if let Some(number) = self.value_bytes_max {
            options = options.value_bytes_max(bytes(number)?);
        }
        if let Some(cache) = self.cache {
            options = options.cache(cache);
        }
        if self.stays == Some(true) {
            options = options.default_ttl(None);
        }
        if let Some(us) = &self.default_ttl {
            options = options.default_ttl(Some(span(us)?));
        }
        if let Some(limits) = &self.limits {
            options = options.limits(limits.limits()?);
        }
        Ok(options)
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

fn level(name: &str) -> litestash_core::Result<Durability> {
    match name {
        "normal" => Ok(Durability::Normal),
        "full" => Ok(Durability::Full),
        "relaxed" => Ok(Durability::Relaxed),
        _ => Err(invalid("durability is 'normal', 'full' or 'relaxed'")),
    }
}

fn bytes(number: f64) -> litestash_core::Result<usize> {
    let whole = number.trunc() == number && (0.0..=9_007_199_254_740_991.0).contains(&number);
    if whole {
        Ok(number as usize)
    } else {
        Err(invalid("a number of bytes or rows is a whole number, 0 or more"))
    }
}

/// What a stash is opened with.
struct Opening {
    directory: Option<String>,
    options: Options,
    #[cfg(feature = "testing")]
    clock: Option<litestash_core::FixedClock>,
}

/// Reads options on JavaScript's thread, whose buffers do not leave it.
fn opening(directory: Option<String>, given: &OpenOptions) -> litestash_core::Result<Opening> {
    let mut options = Options::new()
        .create(given.create.unwrap_or(true))
        .read_only(given.read_only.unwrap_or(false))
        .immutable(given.immutable.unwrap_or(false))
        .allow_network_file_system(given.allow_network_file_system.unwrap_or(false));
    if let Some(name) = &given.durability {
        options = options.durability(level(name)?);
    }
    if let Some(ms) = given.busy_timeout {
        let timeout = Duration::try_from_secs_f64(ms / 1000.0)
            .map_err(|_| invalid("busyTimeout is a number of milliseconds, 0 or more"))?;
        options = options.busy_timeout(timeout);
    }
    if let Some(number) = given.cache_bytes {
        options = options.cache_bytes(bytes(number)?);
    }
    if let Some(number) = given.value_bytes_max {
        options = options.value_bytes_max(bytes(number)?);
    }
    if let Some(us) = &given.default_ttl {
        options = options.default_ttl(Some(span(us)?));
    }
    if let Some(background) = given.background {
        options = options.background(background);
    }
    if let Some(limits) = &given.limits {
        options = options.limits(limits.limits()?);
    }
    if let Some(compression) = &given.compression {
        options = options.compression(compression.compression()?);
    }
    options = unlock(options, given.encryption_key.as_deref(), given.passphrase.as_deref());
    #[cfg(feature = "testing")]
    let clock = crate::testing::clock(given.clock.as_deref())?;
    #[cfg(feature = "testing")]
    if let Some(clock) = &clock {
        // What the background removes, and when, would make the files depend on more than the calls.
        options = options.clock(clock.clone()).background(false).origin(1).random(crate::testing::random());
    }
    #[cfg(not(feature = "testing"))]
    if given.clock.is_some() {
        return Err(invalid("this build has no other clock than the system's"));
    }
    Ok(Opening {
        directory,
        options,
        #[cfg(feature = "testing")]
        clock,
    })
}

impl Opening {
    fn open(self) -> litestash_core::Result<Handle> {
        let stash = match self.directory {
            Some(directory) => self.options.open(directory)?,
            None => self.options.memory()?,
        };
        let handle = Handle::new(stash);
        #[cfg(feature = "testing")]
        let handle = Handle { clock: self.clock, ..handle };
        Ok(handle)
    }
}

thread_local! {
    /// The stashes of this JavaScript thread, to be closed when it ends.
    static OPEN: RefCell<Option<Vec<LiteStash>>> = const { RefCell::new(None) };
}

/// Remembers a stash for the end of its JavaScript thread, when nothing else may get to close it.
fn watch(env: Env, handle: Handle) -> Result<External<Handle>> {
    let is_first = OPEN.with_borrow(Option::is_none);
    if is_first {
        env.add_env_cleanup_hook((), |()| {
            for stash in OPEN.take().unwrap_or_default() {
                // Nobody is left to hear of it; the write-ahead log keeps what was acknowledged.
                let _ = stash.close();
            }
        })
        .map_err(|_| thrown(panicked()))?;
    }
    OPEN.with_borrow_mut(|open| {
        let open = open.get_or_insert_default();
        open.retain(|stash| !stash.is_closed());
        open.push(handle.stash.clone());
    });
    Ok(External::new(handle))
}

/// Opens a stash, in memory if there is no directory.
#[napi_derive::napi(catch_unwind)]
pub fn open_stash(env: Env, directory: Option<String>, options: OpenOptions) -> Result<External<Handle>> {
    watch(env, opening(directory, &options).and_then(Opening::open).map_err(thrown)?)
}

/// Opens a stash in the background; `takeOpened` has it when `id` was answered.
#[napi_derive::napi(catch_unwind)]
pub fn start_opening(
    mailbox: &External<Arc<Mailbox>>,
    id: u32,
    directory: Option<String>,
    options: OpenOptions,
) -> Result<()> {
    let opening = opening(directory, &options).map_err(thrown)?;
    let opened = Arc::clone(mailbox);
    background(mailbox, id, move || {
        opened.keep(id, Made::Stash(opening.open()?));
        let mut out = Vec::new();
        answer::done(&mut out);
        Ok(out)
    });
    Ok(())
}

/// The stash that was opened by that request.
#[napi_derive::napi(catch_unwind)]
pub fn take_opened(env: Env, mailbox: &External<Arc<Mailbox>>, id: u32) -> Result<External<Handle>> {
    match mailbox.take(id) {
        Some(Made::Stash(opened)) => watch(env, opened),
        _ => Err(thrown(crate::error::malformed())),
    }
}

/// A handle of a bucket. No file is opened.
#[napi_derive::napi(catch_unwind)]
pub fn open_bucket(
    handle: &External<Handle>,
    name: String,
    given: Option<BucketGiven>,
) -> Result<External<Handle>> {
    let open = || match given {
        Some(given) => handle.stash.bucket_with(&name, given.options()?),
        None => handle.stash.bucket(&name),
    };
    let bucket = Handle::new(open().map_err(thrown)?);
    #[cfg(feature = "testing")]
    let bucket = Handle { clock: handle.clock.clone(), ..bucket };
    Ok(External::new(bucket))
}

/// A handle of the same stash whose writes are acknowledged at another level.
#[napi_derive::napi(catch_unwind)]
pub fn with_durability(handle: &External<Handle>, name: String) -> Result<External<Handle>> {
    let level = level(&name).map_err(thrown)?;
    let other = Handle::new(handle.stash.with_durability(level));
    #[cfg(feature = "testing")]
    let other = Handle { clock: handle.clock.clone(), ..other };
    Ok(External::new(other))
}

/// What is known of a handle.
#[napi_derive::napi(object)]
pub struct Facts {
    /// The directory; nothing for a stash in memory.
    pub path: Option<String>,
    /// `normal`, `full` or `relaxed`.
    pub durability: String,
    /// Whether writes are refused.
    pub read_only: bool,
    /// Whether the stash was closed.
    pub closed: bool,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// What is known of a handle.
#[napi_derive::napi(catch_unwind)]
pub fn facts(handle: &External<Handle>) -> Facts {
    let stash = &handle.stash;
    let durability = match stash.durability() {
        Durability::Normal => "normal",
        Durability::Full => "full",
        Durability::Relaxed => "relaxed",
    };
    Facts {
        path: stash.path().map(|path| path.to_string_lossy().into_owned()),
        durability: durability.to_owned(),
        read_only: stash.is_read_only(),
        closed: stash.is_closed(),
        encrypted: stash.is_encrypted(),
    }
}
