//! `getOrSet`: JavaScript computes, and no thread waits for it.

use crate::answer;
use crate::error::{Result, malformed, panicked, thrown};
use crate::frame::Reader;
use crate::mailbox::{Made, Mailbox};
use crate::pool::WRITES;
use crate::stash::Handle;
use litestash_core::{Begun, Computation, Error, ErrorKind, LiteStash};
use napi::bindgen_prelude::{Buffer, External};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A turn to compute that JavaScript has.
pub struct Turn(Mutex<Option<Box<Computation>>>);

thread_local! {
    static TURN: RefCell<Option<Box<Computation>>> = const { RefCell::new(None) };
}

/// The key and the options that a request has.
fn begin(stash: &LiteStash, request: &[u8], waits: bool) -> litestash_core::Result<Begun> {
    let mut reader = Reader(request);
    let key = reader.key()?;
    stash.begin_get_or_set(key, reader.compute_options()?, waits)
}

/// Does that on a thread of the pool; its answer or its panic is the answer to `id`.
fn in_pool(
    mailbox: &Arc<Mailbox>,
    id: u32,
    work: impl FnOnce(&Mailbox, &mut Vec<u8>) -> litestash_core::Result<()> + Send + 'static,
) {
    let post = Arc::clone(mailbox);
    WRITES.run(move || {
        let mut out = Vec::new();
        let done = catch_unwind(AssertUnwindSafe(|| work(&post, &mut out)));
        match done.unwrap_or_else(|_| Err(panicked())) {
            Ok(()) => post.post(id, |box_| box_.extend_from_slice(&out)),
            Err(error) => post.refuse(id, &error),
        }
    });
}

/// Looks for a value in the background. The answer is the value, that somebody else computes, or that `takeTurn`
/// has the turn.
#[napi_derive::napi(catch_unwind)]
pub fn start_get_or_set(
    handle: &External<Handle>,
    mailbox: &External<Arc<Mailbox>>,
    id: u32,
    request: Buffer,
    length: u32,
) -> Result<()> {
    let request = request.get(..length as usize).ok_or_else(|| thrown(malformed()))?.to_vec();
    let stash = handle.stash.clone();
    in_pool(mailbox, id, move |post, out| {
        match begin(&stash, &request, false)? {
            Begun::Found(found) => answer::value(out, &found),
            Begun::Elsewhere => answer::elsewhere(out),
            Begun::Mine(computation) => {
                post.keep(id, Made::Turn(computation));
                answer::mine(out);
            }
        }
        Ok(())
    });
    Ok(())
}

/// The turn that was come to by that request.
#[napi_derive::napi(catch_unwind)]
pub fn take_turn(mailbox: &External<Arc<Mailbox>>, id: u32) -> Result<External<Turn>> {
    match mailbox.take(id) {
        Some(Made::Turn(computation)) => Ok(External::new(Turn(Mutex::new(Some(computation))))),
        _ => Err(thrown(malformed())),
    }
}

/// Looks for a value here and now, and waits while others compute it. Without a value it is the caller's turn, which
/// `takeTurnNow` has.
#[napi_derive::napi(catch_unwind)]
pub fn get_or_set_now(handle: &External<Handle>, request: Buffer, length: u32) -> Result<Option<Buffer>> {
    let request = request.get(..length as usize).ok_or_else(|| thrown(malformed()))?;
    match begin(&handle.stash, request, true).map_err(thrown)? {
        Begun::Found(found) => Ok(Some(Buffer::from(found.to_vec()))),
        Begun::Mine(computation) => {
            TURN.set(Some(computation));
            Ok(None)
        }
        Begun::Elsewhere => Err(thrown(malformed())),
    }
}

/// The turn of the call before.
#[napi_derive::napi(catch_unwind)]
pub fn take_turn_now() -> External<Turn> {
    External::new(Turn(Mutex::new(TURN.take())))
}

impl Turn {
    fn take(&self) -> litestash_core::Result<Box<Computation>> {
        self.0.lock().take().ok_or_else(malformed)
    }
}

/// Stores what was computed, in the background; the answer is what is stored.
#[napi_derive::napi(catch_unwind)]
pub fn finish_turn(
    turn: &External<Turn>,
    mailbox: &External<Arc<Mailbox>>,
    id: u32,
    encoded: Buffer,
    length: u32,
) -> Result<()> {
    let encoded = encoded.get(..length as usize).ok_or_else(|| thrown(malformed()))?.to_vec();
    let computation = turn.take().map_err(thrown)?;
    in_pool(mailbox, id, move |_, out| {
        answer::value(out, &computation.finish(Ok(encoded))?);
        Ok(())
    });
    Ok(())
}

/// Stores what was computed, here and now, and returns what is stored.
#[napi_derive::napi(catch_unwind)]
pub fn finish_turn_now(turn: &External<Turn>, encoded: Buffer, length: u32) -> Result<Buffer> {
    let encoded = encoded.get(..length as usize).ok_or_else(|| thrown(malformed()))?.to_vec();
    let stored = turn.take().and_then(|computation| computation.finish(Ok(encoded))).map_err(thrown)?;
    Ok(Buffer::from(stored.to_vec()))
}

/// Tells those of this process who wait that the computation failed. JavaScript has its own error.
fn fail(computation: Box<Computation>) {
    let error = Error::new(ErrorKind::ComputeFailed, "the computation of the value failed");
    let _ = computation.finish(Err(error));
}

/// Gives a turn back whose computation failed, in the background; answered when that is done.
#[napi_derive::napi(catch_unwind)]
pub fn fail_turn(turn: &External<Turn>, mailbox: &External<Arc<Mailbox>>, id: u32) -> Result<()> {
    let computation = turn.take().map_err(thrown)?;
    in_pool(mailbox, id, move |_, out| {
        fail(computation);
        answer::done(out);
        Ok(())
    });
    Ok(())
}

/// Gives a turn back whose computation failed, here and now.
#[napi_derive::napi(catch_unwind)]
pub fn fail_turn_now(turn: &External<Turn>) -> Result<()> {
    turn.take().map(fail).map_err(thrown)
}
