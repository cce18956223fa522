//! Opening and closing.

use crate::answer;
use crate::error::{Result, panicked, thrown};
use crate::mailbox::Mailbox;
use crate::stash::Handle;
use crate::task::background;
use litestash_core::{Durability, Error, ErrorKind, LiteStash, Options};
use napi::Env;
use napi::bindgen_prelude::External;
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
    /// The fixed clock of tests, in microseconds, as decimal text.
    pub clock: Option<String>,
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
    if whole { Ok(number as usize) } else { Err(invalid("a number of bytes is a whole number, 0 or more")) }
}

fn open_handle(directory: Option<String>, given: OpenOptions) -> litestash_core::Result<Handle> {
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
    #[cfg(feature = "testing")]
    let clock = crate::testing::clock(given.clock.as_deref())?;
    #[cfg(feature = "testing")]
    if let Some(clock) = &clock {
        // What the background removes, and when, would make the files depend on more than the calls.
        options = options.clock(clock.clone()).background(false);
    }
    #[cfg(not(feature = "testing"))]
    if given.clock.is_some() {
        return Err(invalid("this build has no other clock than the system's"));
    }
    let stash = match directory {
        Some(directory) => options.open(directory)?,
        None => options.memory()?,
    };
    let handle = Handle::new(stash);
    #[cfg(feature = "testing")]
    let handle = Handle { clock, ..handle };
    Ok(handle)
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
    watch(env, open_handle(directory, options).map_err(thrown)?)
}

/// Opens a stash in the background; `takeOpened` has it when `id` was answered.
#[napi_derive::napi(catch_unwind)]
pub fn start_opening(
    mailbox: &External<Arc<Mailbox>>,
    id: u32,
    directory: Option<String>,
    options: OpenOptions,
) {
    let opened = Arc::clone(mailbox);
    background(mailbox, id, move || {
        opened.opened.lock().insert(id, open_handle(directory, options)?);
        let mut out = Vec::new();
        answer::done(&mut out);
        Ok(out)
    });
}

/// The stash that was opened by that request.
#[napi_derive::napi(catch_unwind)]
pub fn take_opened(env: Env, mailbox: &External<Arc<Mailbox>>, id: u32) -> Result<External<Handle>> {
    let opened = mailbox.opened.lock().remove(&id);
    watch(env, opened.ok_or_else(|| thrown(crate::error::malformed()))?)
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
    }
}
