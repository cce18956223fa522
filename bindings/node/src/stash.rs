//! The handle that JavaScript holds, and operations that are done where they are called.

use crate::answer::{self, Scratch, Sink};
use crate::error::{Result, malformed, thrown};
use crate::frame::{self, Many, Reader, Request};
use crate::lanes::Lanes;
use litestash_core::{LiteStash, Op, Peek};
use napi::bindgen_prelude::{Buffer, External, Uint8ArraySlice};
use std::cell::RefCell;
use std::sync::Arc;

/// A stash, and what is to be done with it in the background.
#[derive(Clone)]
pub struct Handle {
    pub(crate) stash: LiteStash,
    pub(crate) lanes: Arc<Lanes>,
    #[cfg(feature = "testing")]
    pub(crate) clock: Option<litestash_core::FixedClock>,
}

impl Handle {
    pub(crate) fn new(stash: LiteStash) -> Self {
        let lanes = Arc::new(Lanes::new(stash.clone()));
        Self {
            stash,
            lanes,
            #[cfg(feature = "testing")]
            clock: None,
        }
    }
}

/// The answer did not fit the caller's buffer: `takeLarge` has it.
const LARGE: i32 = -1;

thread_local! {
    static LARGE_ANSWER: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Does the request that is the first `length` bytes of `scratch`, and answers with the length of the answer
/// that is there now.
#[napi_derive::napi(catch_unwind)]
pub fn perform(handle: &External<Handle>, mut scratch: Uint8ArraySlice<'_>, length: u32) -> Result<i32> {
    // The request is in the buffer that the answer goes to; what must outlive it is copied.
    #[expect(unsafe_code, reason = "napi gives a JavaScript buffer for writing by an unsafe function only")]
    // SAFETY: JavaScript's thread is in this call, so nothing else touches the buffer; it is not given on.
    let buffer = unsafe { scratch.as_mut() };
    if length as usize > buffer.len() {
        return Err(thrown(malformed()));
    }
    let (large, used) = perform_in(&handle.stash, buffer, length as usize).map_err(thrown)?;
    match large {
        None => Ok(used as i32),
        Some(large) => {
            LARGE_ANSWER.set(Some(large));
            Ok(LARGE)
        }
    }
}

/// The answer that did not fit.
#[napi_derive::napi(catch_unwind)]
pub fn take_large() -> Buffer {
    Buffer::from(LARGE_ANSWER.take().unwrap_or_default())
}

fn perform_in(
    stash: &LiteStash,
    buffer: &mut [u8],
    length: usize,
) -> litestash_core::Result<(Option<Vec<u8>>, usize)> {
    let answer = match buffer.first() {
        Some(&opcode @ (frame::GET | frame::PEEK)) => return read(stash, buffer, length, opcode),
        Some(&frame::SET) => {
            let mut reader = Reader(&buffer[1..length]);
            let key = reader.key()?;
            let options = reader.set_options()?;
            let version = stash.set_encoded(key, reader.sized()?.to_vec(), options)?;
            let mut out = Scratch::new(buffer);
            answer::version(&mut out, version.map(|version| version.micros()));
            return Ok((out.large.take(), out.used()));
        }
        Some(&frame::EXISTS) => {
            let found = stash.exists(Reader(&buffer[1..length]).key()?)?;
            let mut out = Scratch::new(buffer);
            answer::flag(&mut out, found);
            return Ok((out.large.take(), out.used()));
        }
        Some(&frame::MANY) => {
            let many = Many::read(Reader(&buffer[1..length]))?;
            perform_many(stash, many)?
        }
        Some(&frame::TRANSACTION) => {
            let (opcodes, ops, _) = sort_out(stash, Many::read(Reader(&buffer[1..length]))?)?;
            perform_transaction(stash, &opcodes, &ops)?
        }
        _ => {
            let Request { opcode, op } = Request::read(&buffer[..length])?;
            let outcome = stash.perform(&op)?;
            let mut out = Vec::new();
            answer::outcome(&mut out, opcode, &Ok(outcome));
            out
        }
    };
    let mut out = Scratch::new(buffer);
    out.put(&answer);
    Ok((out.large.take(), out.used()))
}

/// A value from memory, or from the files unless only a look was asked for.
fn read(
    stash: &LiteStash,
    buffer: &mut [u8],
    length: usize,
    opcode: u8,
) -> litestash_core::Result<(Option<Vec<u8>>, usize)> {
    let (head, tail) = buffer.split_at_mut(length);
    let key = Reader(&head[1..]).key()?;
    // A key and its value together rarely fill the buffer; the answer goes behind the request and is moved to
    // the front.
    let mut large = None;
    let mut copy = |encoded: &[u8]| match tail.get_mut(..encoded.len()) {
        Some(room) => {
            room.copy_from_slice(encoded);
            encoded.len()
        }
        None => {
            let mut answer = Vec::with_capacity(encoded.len() + 1);
            answer::value(&mut answer, encoded);
            large = Some(answer);
            0
        }
    };
    let found = match stash.peek_encoded(key, &mut copy)? {
        Peek::Found(size) => Some(size),
        Peek::Missing => None,
        Peek::Unknown if opcode == frame::PEEK => {
            let mut out = Scratch::new(buffer);
            answer::unknown(&mut out);
            return Ok((None, out.used()));
        }
        Peek::Unknown => stash.get_encoded(key)?.map(|encoded| copy(&encoded)),
    };
    if large.is_some() {
        return Ok((large, 0));
    }
    let Some(size) = found else {
        let mut out = Scratch::new(buffer);
        answer::missing(&mut out);
        return Ok((None, out.used()));
    };
    buffer.copy_within(length..length + size, 1);
    let mut out = Scratch::new(buffer);
    answer::value(&mut out, &[]);
    Ok((None, out.used() + size))
}

/// All operations or none.
pub(crate) fn perform_transaction(
    stash: &LiteStash,
    opcodes: &[u8],
    ops: &[Op],
) -> litestash_core::Result<Vec<u8>> {
    let mut out = Vec::new();
    answer::transaction(&mut out, opcodes, stash.transaction(ops)?);
    Ok(out)
}

/// Many operations, one transaction per shard, as a list of answers.
pub(crate) fn perform_many(stash: &LiteStash, many: Many) -> litestash_core::Result<Vec<u8>> {
    let (opcodes, ops, mut refused) = sort_out(stash, many)?;
    let mut done = stash.apply(&ops)?.into_iter().zip(opcodes);
    let mut answers = Vec::with_capacity(refused.len());
    for refusal in &mut refused {
        let mut answer = Vec::new();
        match (refusal.take(), &mut done) {
            (Some(error), _) => answer::error(&mut answer, &error),
            (None, done) => {
                let (outcome, opcode) = done.next().ok_or_else(malformed)?;
                answer::outcome(&mut answer, opcode, &outcome);
            }
        }
        answers.push(answer);
    }
    let mut out = Vec::new();
    answer::list(&mut out, answers.iter().map(Vec::as_slice));
    Ok(out)
}

type Sorted = (Vec<u8>, Vec<Op>, Vec<Option<litestash_core::Error>>);

/// The opcodes and operations that can be tried, and for each request the error if it cannot; just the first
/// error, if all are to be done or none.
pub(crate) fn sort_out(stash: &LiteStash, many: Many) -> litestash_core::Result<Sorted> {
    let mut refused = Vec::with_capacity(many.requests.len());
    let (mut opcodes, mut ops) = (Vec::new(), Vec::new());
    for request in many.requests {
        match request {
            Ok(Request { opcode, op }) => {
                opcodes.push(opcode);
                ops.push(op);
                refused.push(None);
            }
            Err(error) if many.whole => return Err(error),
            Err(error) => refused.push(Some(error)),
        }
    }
    if many.whole {
        stash.check(&ops)?;
    }
    Ok((opcodes, ops, refused))
}
