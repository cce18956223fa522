//! An open stash as a resource, and requests to it.

use crate::atoms;
use crate::mailer::{Callers, Mailer};
use litestash_core::Error;
use litestash_engine::embedded::Embedded;
use rustler::{Binary, Encoder, Env, Resource, ResourceArc, Term};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What `LiteStash` holds of an open stash. The last reference to it, wherever it is collected, ends the session's
/// thread, which closes the stash; nobody waits for that.
pub(crate) struct Handle {
    pub(crate) engine: Embedded,
    callers: Arc<Callers>,
    turn: Turn,
}

impl std::panic::RefUnwindSafe for Handle {}

#[rustler::resource_impl]
impl Resource for Handle {}

/// Whether a writer is at it on a dirty scheduler. One at a time is: those who come meanwhile are handed to the
/// session, which does all that waits in one transaction, and so no more than one dirty scheduler stands still behind a
/// shard that somebody holds.
struct Turn {
    holder: AtomicU64,
    since: Instant,
}

const FREE: u64 = 0;
const RUNNING: u64 = u64::MAX;

/// A turn that was taken and not begun for so long belongs to a process that was killed.
const ABANDONED_US: u64 = 50_000;

impl Turn {
    fn new() -> Self {
        Self { holder: AtomicU64::new(FREE), since: Instant::now() }
    }

    /// A number to begin with, or `FREE` if another has the turn.
    fn take(&self) -> u64 {
        let now_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(RUNNING - 1) + 1;
        let held = self.holder.load(Ordering::Relaxed);
        if held == RUNNING || (held != FREE && now_us.saturating_sub(held) < ABANDONED_US) {
            return FREE;
        }
        match self.holder.compare_exchange(held, now_us, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => now_us,
            Err(_) => FREE,
        }
    }

    /// Does something in the turn of that number; also if it was given away meanwhile.
    fn run<T>(&self, number: u64, f: impl FnOnce() -> T) -> T {
        struct GiveBack<'a>(&'a AtomicU64);
        impl Drop for GiveBack<'_> {
            fn drop(&mut self) {
                self.0.store(FREE, Ordering::Relaxed);
            }
        }
        let begun = number != FREE
            && self.holder.compare_exchange(number, RUNNING, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        let _give_back = begun.then(|| GiveBack(&self.holder));
        f()
    }
}

impl Handle {
    /// Does something in the turn of that number.
    pub(crate) fn in_turn<T>(&self, number: u64, f: impl FnOnce() -> T) -> T {
        self.turn.run(number, f)
    }
}

/// `{error, {Number, Message}}`
pub(crate) fn failure<'a>(env: Env<'a>, error: &Error) -> Term<'a> {
    (atoms::error(), (u32::from(error.kind().number()), error.message())).encode(env)
}

/// Opens a stash by the payload of a hello: `{ok, Handle, Answer}` or `{error, Answer}`, where the answers are
/// payloads too.
#[rustler::nif(schedule = "DirtyIo")]
fn open<'a>(env: Env<'a>, hello: Binary<'a>) -> Term<'a> {
    let callers = Arc::new(Callers::default());
    match Embedded::open(&hello, Mailer(Arc::clone(&callers))) {
        Ok((engine, answer)) => {
            let handle = ResourceArc::new(Handle { engine, callers, turn: Turn::new() });
            (atoms::ok(), handle, crate::decode::binary(env, &answer)).encode(env)
        }
        Err(answer) => (atoms::error(), crate::decode::binary(env, &answer)).encode(env),
    }
}

/// Hands over the request of that number. Its answer comes as `{Reference, Payload}`, and what it subscribes to too.
/// `ended` if the stash is closed: then nothing comes.
#[rustler::nif]
fn submit<'a>(
    env: Env<'a>,
    handle: ResourceArc<Handle>,
    id: u64,
    reference: Term<'a>,
    payload: Binary<'a>,
    subscribes: bool,
) -> rustler::Atom {
    hand_over(env, &handle, id, reference, payload, subscribes)
}

/// `submit` of a payload that takes long to copy.
#[rustler::nif(schedule = "DirtyCpu")]
fn submit_large<'a>(
    env: Env<'a>,
    handle: ResourceArc<Handle>,
    id: u64,
    reference: Term<'a>,
    payload: Binary<'a>,
) -> rustler::Atom {
    hand_over(env, &handle, id, reference, payload, false)
}

fn hand_over<'a>(
    env: Env<'a>,
    handle: &Handle,
    id: u64,
    reference: Term<'a>,
    payload: Binary<'a>,
    subscribes: bool,
) -> rustler::Atom {
    handle.callers.add(id, env.pid(), reference, subscribes);
    if handle.engine.submit(payload.as_slice().to_vec()) {
        return atoms::ok();
    }
    handle.callers.remove(id);
    atoms::ended()
}

/// Forgets who subscribed by the request of that number.
#[rustler::nif]
fn forget(handle: ResourceArc<Handle>, id: u64) -> rustler::Atom {
    handle.callers.remove(id);
    atoms::ok()
}

/// The number of a turn to write in, or 0 if another process writes or the session does.
#[rustler::nif]
fn turn(handle: ResourceArc<Handle>) -> u64 {
    if handle.engine.is_busy() { FREE } else { handle.turn.take() }
}

/// Performs a request for an operation on one key, in a turn unless its number is 0; returns the answer's payload.
#[rustler::nif(schedule = "DirtyIo")]
fn perform<'a>(env: Env<'a>, handle: ResourceArc<Handle>, turn: u64, payload: Binary<'a>) -> Term<'a> {
    let answer = handle.in_turn(turn, || handle.engine.perform(&payload));
    crate::decode::binary(env, &answer)
}

/// The versions of the engine and of the SQLite in it.
#[rustler::nif]
fn versions() -> (String, String) {
    (env!("CARGO_PKG_VERSION").to_owned(), litestash_core::sqlite_version().to_owned())
}

/// Panics, so that a test can see what becomes of it.
#[cfg(feature = "testing")]
#[rustler::nif]
fn panic_now() -> u64 {
    panic!("on demand")
}
