//! Operations that JavaScript hands over: in order for each key, the shards side by side, none of them on
//! JavaScript's thread.
//!
//! One hand-over has everything of one turn of the event loop: per request its number (4), whether it keeps
//! its place among the writes (1), its length (4), and the request. It is taken apart by one thread at a
//! time. What writes goes to its shard's lane; a lane is worked on by one thread at a time, which does all
//! that waits as one transaction. A read that need not wait for a write goes by itself.

use crate::answer;
use crate::error::{Result, malformed, panicked, thrown};
use crate::frame::{self, Many, Reader, Request};
use crate::mailbox::Mailbox;
use crate::pool::{READS, WRITES};
use crate::stash::{Handle, perform_many, perform_one, sort_out};
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::route::Route;
use litestash_core::{Error, LiteStash, Op, Outcome, limits};
use napi::bindgen_prelude::{Buffer, External};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Things that are worked on by one thread at a time, in order.
struct Line<T> {
    waiting: VecDeque<T>,
    is_worked_on: bool,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), is_worked_on: false }
    }
}

impl<T> Line<T> {
    /// Whether somebody must be sent to work on it.
    fn push(&mut self, thing: T) -> bool {
        self.waiting.push_back(thing);
        !std::mem::replace(&mut self.is_worked_on, true)
    }

    /// What to work on next; who gets nothing has left.
    fn next(&mut self, fits: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut fits = fits;
        let count = self.waiting.iter().take_while(|thing| fits(thing)).count().max(1);
        let next: Vec<_> = self.waiting.drain(..count.min(self.waiting.len())).collect();
        self.is_worked_on = !next.is_empty();
        next
    }
}

/// One hand-over.
struct HandOver {
    mailbox: Arc<Mailbox>,
    bytes: Vec<u8>,
}

/// Operations of one request on one shard.
struct Job {
    opcodes: Vec<u8>,
    ops: Vec<Op>,
    reply: Reply,
}

impl Job {
    fn bytes(&self) -> usize {
        let size = |op: &Op| match op.action() {
            litestash_core::Action::Set { encoded, .. }
            | litestash_core::Action::CompareAndSet { encoded, .. } => encoded.len(),
            _ => 0,
        };
        self.ops.iter().map(|op| size(op) + limits::KEY_BYTES_MAX).sum()
    }
}

/// Who waits for a job.
enum Reply {
    One {
        mailbox: Arc<Mailbox>,
        id: u32,
    },
    /// A part of many: the places of this job's operations in the list.
    Part {
        list: Arc<Gathered>,
        places: Vec<usize>,
    },
}

impl Reply {
    fn send(&self, opcodes: &[u8], outcomes: Vec<litestash_core::Result<Outcome>>) {
        match self {
            Self::One { mailbox, id } => {
                let outcome = outcomes.into_iter().next().unwrap_or_else(|| Err(malformed()));
                mailbox
                    .post(*id, |out| answer::outcome(out, opcodes.first().copied().unwrap_or(0), &outcome));
            }
            Self::Part { list, places } => {
                for ((place, outcome), opcode) in places.iter().zip(outcomes).zip(opcodes) {
                    let mut answer = Vec::new();
                    answer::outcome(&mut answer, *opcode, &outcome);
                    list.set(*place, answer);
                }
            }
        }
    }

    fn refuse(&self, opcodes: &[u8], error: impl Fn() -> Error) {
        self.send(opcodes, opcodes.iter().map(|_| Err(error())).collect());
    }
}

/// The answers to many operations, sent when the last one is there.
struct Gathered {
    mailbox: Arc<Mailbox>,
    id: u32,
    answers: Mutex<(Vec<Vec<u8>>, usize)>,
}

impl Gathered {
    fn set(&self, place: usize, answer: Vec<u8>) {
        let mut answers = self.answers.lock();
        let (list, left) = &mut *answers;
        if let Some(slot) = list.get_mut(place) {
            *slot = answer;
        }
        *left -= 1;
        if *left == 0 {
            self.mailbox.post(self.id, |out| answer::list(out, list.iter().map(Vec::as_slice)));
        }
    }
}

/// What waits for one stash.
pub(crate) struct Lanes {
    stash: LiteStash,
    intake: Mutex<Line<HandOver>>,
    shards: [Mutex<Line<Job>>; limits::SHARDS],
}

impl Lanes {
    pub(crate) fn new(stash: LiteStash) -> Self {
        Self { stash, intake: Mutex::default(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    fn hand_over(self: &Arc<Self>, mailbox: &Arc<Mailbox>, bytes: Vec<u8>) {
        if self.intake.lock().push(HandOver { mailbox: Arc::clone(mailbox), bytes }) {
            let lanes = Arc::clone(self);
            WRITES.run(move || lanes.take_in());
        }
    }

    fn take_in(self: &Arc<Self>) {
        loop {
            // The lock is not held while they are taken apart.
            let next = self.intake.lock().next(|_| true);
            if next.is_empty() {
                return;
            }
            for HandOver { mailbox, bytes } in next {
                self.take_apart(&mailbox, &bytes);
            }
        }
    }

    fn take_apart(self: &Arc<Self>, mailbox: &Arc<Mailbox>, bytes: &[u8]) {
        let mut reader = Reader(bytes);
        let mut started = Vec::new();
        let mut reads = Vec::new();
        while let (Ok(id), Ok(in_order), Ok(request)) = (reader.u32(), reader.u8(), reader.sized()) {
            let parted = catch_unwind(AssertUnwindSafe(|| match request.split_first() {
                Some((&frame::MANY, rest)) => {
                    self.part(mailbox, id, Many::read(Reader(rest))?, in_order != 0, &mut started)
                }
                _ => {
                    let request = Request::read(request)?;
                    if request.only_reads() && in_order == 0 {
                        reads.push((id, request));
                        return Ok(());
                    }
                    let reply = Reply::One { mailbox: Arc::clone(mailbox), id };
                    let Request { opcode, op } = request;
                    self.enqueue(
                        shard_of(&op),
                        Job { opcodes: vec![opcode], ops: vec![op], reply },
                        &mut started,
                    );
                    Ok(())
                }
            }));
            if let Err(error) = parted.unwrap_or_else(|_| Err(panicked())) {
                mailbox.refuse(id, &error);
            }
        }
        for shard in started {
            let lanes = Arc::clone(self);
            WRITES.run(move || lanes.work(shard));
        }
        if !reads.is_empty() {
            let (stash, mailbox) = (self.stash.clone(), Arc::clone(mailbox));
            READS.run(move || {
                for (id, Request { opcode, op }) in reads {
                    read(&stash, &mailbox, id, opcode, op);
                }
            });
        }
    }

    fn enqueue(&self, shard: usize, job: Job, started: &mut Vec<usize>) {
        if self.shards[shard].lock().push(job) {
            started.push(shard);
        }
    }

    /// Gives each shard its part of many operations.
    fn part(
        &self,
        mailbox: &Arc<Mailbox>,
        id: u32,
        many: Many,
        in_order: bool,
        started: &mut Vec<usize>,
    ) -> litestash_core::Result<()> {
        let only_reads = many.requests.iter().all(|request| request.as_ref().is_ok_and(Request::only_reads));
        if only_reads && !in_order {
            let (stash, mailbox) = (self.stash.clone(), Arc::clone(mailbox));
            READS.run(move || {
                let done = catch_unwind(AssertUnwindSafe(|| perform_many(&stash, many)));
                match done.unwrap_or_else(|_| Err(panicked())) {
                    Ok(answer) => mailbox.post(id, |out| out.extend_from_slice(&answer)),
                    Err(error) => mailbox.refuse(id, &error),
                }
            });
            return Ok(());
        }
        let (opcodes, ops, refused) = sort_out(&self.stash, many)?;
        if ops.len() > limits::BATCH_OPERATIONS_MAX {
            self.stash.check(&ops)?;
        }
        let mut answers = vec![Vec::new(); refused.len()];
        let mut left = ops.len();
        for (answer, error) in answers.iter_mut().zip(&refused) {
            if let Some(error) = error {
                answer::error(answer, error);
            }
        }
        let mailbox = Arc::clone(mailbox);
        if left == 0 {
            mailbox.post(id, |out| answer::list(out, answers.iter().map(Vec::as_slice)));
            return Ok(());
        }
        let mut parts: [(Vec<u8>, Vec<Op>, Vec<usize>); limits::SHARDS] = Default::default();
        let places = refused.iter().enumerate().filter(|(_, error)| error.is_none());
        for (((place, _), op), opcode) in places.zip(ops).zip(opcodes) {
            let (opcodes, ops, places) = &mut parts[shard_of(&op)];
            opcodes.push(opcode);
            ops.push(op);
            places.push(place);
        }
        left = parts.iter().map(|(_, ops, _)| ops.len()).sum();
        let list = Arc::new(Gathered { mailbox, id, answers: Mutex::new((answers, left)) });
        for (shard, (opcodes, ops, places)) in parts.into_iter().enumerate() {
            if !ops.is_empty() {
                let reply = Reply::Part { list: Arc::clone(&list), places };
                self.enqueue(shard, Job { opcodes, ops, reply }, started);
            }
        }
        Ok(())
    }

    /// Does all that waits for a shard.
    fn work(&self, shard: usize) {
        loop {
            let (mut operations, mut bytes) = (0, 0);
            let jobs = self.shards[shard].lock().next(|job| {
                operations += job.ops.len();
                bytes += job.bytes();
                operations <= limits::BATCH_OPERATIONS_MAX && bytes <= limits::BATCH_BYTES_MAX
            });
            if jobs.is_empty() {
                return;
            }
            self.commit(jobs);
        }
    }

    fn commit(&self, mut jobs: Vec<Job>) {
        let counts: Vec<_> = jobs.iter().map(|job| job.ops.len()).collect();
        let mut ops: Vec<_> = jobs.iter_mut().flat_map(|job| std::mem::take(&mut job.ops)).collect();
        let done = catch_unwind(AssertUnwindSafe(|| match ops.len() {
            1 => Ok(vec![perform_one(&self.stash, ops.remove(0))]),
            _ => self.stash.apply(&ops),
        }));
        match done.unwrap_or_else(|_| Err(panicked())) {
            Ok(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                for (job, count) in jobs.iter().zip(counts) {
                    job.reply.send(&job.opcodes, outcomes.by_ref().take(count).collect());
                }
            }
            Err(error) => {
                for job in &jobs {
                    job.reply.refuse(&job.opcodes, || Error::new(error.kind(), error.message().to_owned()));
                }
            }
        }
    }
}

fn shard_of(op: &Op) -> usize {
    Route::of(&KeyHash::from(op.key())).shard.index()
}

/// A read by itself, which puts the row into the cache.
fn read(stash: &LiteStash, mailbox: &Mailbox, id: u32, opcode: u8, op: Op) {
    let done = catch_unwind(AssertUnwindSafe(|| match opcode {
        frame::GET => stash.get_encoded(op.key()).map(Outcome::Value),
        _ => perform_one(stash, op),
    }));
    let outcome = done.unwrap_or_else(|_| Err(panicked()));
    mailbox.post(id, |out| answer::outcome(out, opcode, &outcome));
}

/// Hands requests over; each is answered through the mailbox.
#[napi_derive::napi(catch_unwind)]
pub fn hand_over(
    handle: &External<Handle>,
    mailbox: &External<Arc<Mailbox>>,
    requests: Buffer,
    length: u32,
) -> Result<()> {
    let bytes = requests.get(..length as usize).ok_or_else(|| thrown(malformed()))?;
    handle.lanes.hand_over(mailbox, bytes.to_vec());
    Ok(())
}
