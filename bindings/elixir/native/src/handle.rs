//! An open stash as a resource, and requests to it.

use crate::atoms;
use crate::mailer::{Callers, Mailer};
use crate::writer::Writer;
use litestash_core::Error;
use litestash_engine::embedded::{Embedded, Taken, take_apart};
use rustler::{Binary, Encoder, Env, Resource, ResourceArc, Term};
use std::sync::Arc;

/// What `LiteStash` holds of an open stash. The last reference to it, wherever it is collected, ends the threads of
/// the stash, which close it; nobody waits for that.
pub(crate) struct Handle {
    pub(crate) engine: Arc<Embedded>,
    pub(crate) writer: Arc<Writer>,
    callers: Arc<Callers>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.writer.end();
    }
}

impl std::panic::RefUnwindSafe for Handle {}

#[rustler::resource_impl]
impl Resource for Handle {}

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
            let engine = Arc::new(engine);
            let writer = Writer::new(&engine);
            let handle = ResourceArc::new(Handle { engine, writer, callers });
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

/// Performs a request for an operation on one key that only reads; returns the answer's payload.
#[rustler::nif(schedule = "DirtyIo")]
fn perform<'a>(env: Env<'a>, handle: ResourceArc<Handle>, payload: Binary<'a>) -> Term<'a> {
    crate::decode::binary(env, &handle.engine.perform(&payload))
}

/// Performs a request for a write of one key, short enough for a normal scheduler to read: the payload of its answer,
/// or `ok` if that comes as `{Reference, Payload}`, or an error.
#[rustler::nif]
fn write<'a>(
    env: Env<'a>,
    handle: ResourceArc<Handle>,
    reference: Term<'a>,
    payload: Binary<'a>,
) -> Term<'a> {
    let Taken { bucket, op, teller } = match take_apart(&payload) {
        Ok(taken) => taken,
        Err(answer) => return crate::decode::binary(env, &answer),
    };
    match handle.writer.leave(env, reference, bucket, op, Some(teller)) {
        Ok(None) => atoms::ok().to_term(env),
        Ok(Some(answer)) => answer.into_term(env),
        Err(error) => failure(env, &error),
    }
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
