//! How other threads answer a JavaScript thread: bytes in a box, and one call that wakes it.

use crate::answer;
use crate::events::Watch;
use crate::stash::Handle;
use litestash_core::{Computation, Error};
use napi::bindgen_prelude::{Buffer, External};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Calls JavaScript without arguments, and holds no process open: JavaScript does that while it waits for
/// answers.
pub type Wake = ThreadsafeFunction<(), (), (), napi::Status, false, true>;

/// The answers for one JavaScript thread: number of the request (4), length of the answer (4), answer.
pub struct Mailbox {
    answers: Mutex<Vec<u8>>,
    is_called: AtomicBool,
    wake: Wake,
    /// What requests made, by their numbers.
    made: Mutex<HashMap<u32, Made>>,
}

/// What JavaScript fetches once it was told that it is there.
pub(crate) enum Made {
    Stash(Handle),
    Watch(Arc<Watch>),
    Turn(Box<Computation>),
}

impl Mailbox {
    /// Answers a request. Once the JavaScript thread has ended, nobody hears it.
    pub(crate) fn post(&self, id: u32, write: impl FnOnce(&mut Vec<u8>)) {
        add(&mut self.answers.lock(), id, write);
        self.call();
    }

    /// Answers many requests at once: `write` writes the answer to each.
    pub(crate) fn post_all<T>(
        &self,
        answers: impl Iterator<Item = (u32, T)>,
        write: impl Fn(&mut Vec<u8>, &T),
    ) {
        {
            let mut posted = self.answers.lock();
            for (id, answer) in answers {
                add(&mut posted, id, |out| write(out, &answer));
            }
        }
        self.call();
    }

    fn call(&self) {
        if !self.is_called.swap(true, Ordering::AcqRel) {
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Keeps what a request made until JavaScript fetches it.
    pub(crate) fn keep(&self, id: u32, made: Made) {
        self.made.lock().insert(id, made);
    }

    pub(crate) fn take(&self, id: u32) -> Option<Made> {
        self.made.lock().remove(&id)
    }

    pub(crate) fn refuse(&self, id: u32, error: &Error) {
        self.post(id, |out| answer::error(out, error));
    }
}

fn add(answers: &mut Vec<u8>, id: u32, write: impl FnOnce(&mut Vec<u8>)) {
    answers.extend_from_slice(&id.to_le_bytes());
    let length_at = answers.len();
    answers.extend_from_slice(&[0; 4]);
    write(answers);
    let length = (answers.len() - length_at - 4) as u32;
    answers[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
}

/// The mailbox of this JavaScript thread; `wake` is called, without arguments, when there is something in it.
#[napi_derive::napi(catch_unwind)]
pub fn mailbox(wake: Wake) -> External<Arc<Mailbox>> {
    External::new(Arc::new(Mailbox {
        answers: Mutex::default(),
        is_called: AtomicBool::new(false),
        wake,
        made: Mutex::default(),
    }))
}

/// Takes everything out of the mailbox.
#[napi_derive::napi(catch_unwind)]
pub fn drain(mailbox: &External<Arc<Mailbox>>) -> Buffer {
    mailbox.is_called.store(false, Ordering::Release);
    Buffer::from(std::mem::take(&mut *mailbox.answers.lock()))
}
