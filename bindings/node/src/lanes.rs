//! Operations that JavaScript hands over: in order for each key, the shards side by side, none of them on
//! JavaScript's thread.
//!
//! One hand-over has everything of one turn of the event loop: per request its number (4), whether it keeps
//! its place among the writes (1), its length (4), and the request. It is taken apart by one thread at a
//! time. What writes goes to its shard's lane; a lane is worked on by one thread at a time, which does all
//! that waits as one transaction. A read that need not wait for a write goes by itself. A transaction over
//! several shards is in all their lanes: each stands still when it comes to it, and the last one does it.

use crate::answer;
use crate::error::{Result, malformed, panicked, thrown};
use crate::frame::{self, Many, Reader, Request};
use crate::mailbox::Mailbox;
use crate::pool::{READS, WRITES};
use crate::stash::{Handle, perform_many, perform_transaction, sort_out};
use litestash_core::{Error, LiteStash, Op, Outcome, limits};
use napi::bindgen_prelude::{Buffer, External};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// What waits in a lane.
enum Job {
    One(One),
    Part(Part),
    Crossing(Arc<Crossing>),
}

/// A request on one key.
struct One {
    mailbox: Arc<Mailbox>,
    id: u32,
    opcode: u8,
    op: Op,
}

/// A transaction, which is in several lanes.
struct Crossing {
    mailbox: Arc<Mailbox>,
    id: u32,
    opcodes: Vec<u8>,
    ops: Vec<Op>,
    lanes: Vec<usize>,
    /// Lanes that have not come to it.
    left: AtomicUsize,
}

/// Operations of one request on one shard, and their places in the list of its answers.
struct Part {
    opcodes: Vec<u8>,
    ops: Vec<Op>,
    list: Arc<Gathered>,
    places: Vec<usize>,
}

impl Job {
    /// Operations, and bytes as in a batch. What is alone in its batch has too many.
    fn size(&self) -> (usize, usize) {
        let bytes = |op: &Op| match op.action() {
            litestash_core::Action::Set { encoded, .. }
            | litestash_core::Action::CompareAndSet { encoded, .. } => encoded.len() + limits::KEY_BYTES_MAX,
            _ => limits::KEY_BYTES_MAX,
        };
        match self {
            Self::One(one) => (1, bytes(&one.op)),
            Self::Part(part) => (part.ops.len(), part.ops.iter().map(bytes).sum()),
            Self::Crossing(_) => (limits::BATCH_OPERATIONS_MAX + 1, 0),
        }
    }
}

/// Who waits for a job.
enum Reply {
    One { mailbox: Arc<Mailbox>, id: u32, opcode: u8 },
    Part { list: Arc<Gathered>, places: Vec<usize>, opcodes: Vec<u8> },
}

/// Tells everybody who waits what came of the operations, in their order. Who shares a mailbox is told at once.
fn tell(replies: Vec<Reply>, mut outcomes: impl Iterator<Item = litestash_core::Result<Outcome>>) {
    let write = |out: &mut Vec<u8>, (opcode, outcome): &_| answer::outcome(out, *opcode, outcome);
    let mut letters = Vec::with_capacity(replies.len());
    let mut to: Option<Arc<Mailbox>> = None;
    let mut next = || outcomes.next().unwrap_or_else(|| Err(malformed()));
    for reply in replies {
        match reply {
            Reply::One { mailbox, id, opcode } => {
                if let Some(other) = to.filter(|to| !Arc::ptr_eq(to, &mailbox)) {
                    other.post_all(letters.drain(..), write);
                }
                letters.push((id, (opcode, next())));
                to = Some(mailbox);
            }
            Reply::Part { list, places, opcodes } => {
                for (place, opcode) in places.into_iter().zip(opcodes) {
                    let mut answer = Vec::new();
                    answer::outcome(&mut answer, opcode, &next());
                    list.set(place, answer);
                }
            }
        }
    }
    if let Some(to) = to {
        to.post_all(letters.into_iter(), write);
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

    fn shard_of(&self, op: &Op) -> litestash_core::Result<usize> {
        self.stash.shard_of(op.key())
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
                Some((&frame::TRANSACTION, rest)) => {
                    self.cross_lanes(mailbox, id, Many::read(Reader(rest))?, &mut started)
                }
                Some((&frame::MANY, rest)) => {
                    self.part(mailbox, id, Many::read(Reader(rest))?, in_order != 0, &mut started)
                }
                _ => {
                    let request = Request::read(request)?;
                    if request.only_reads() && in_order == 0 {
                        reads.push((id, request));
                        return Ok(());
                    }
                    let Request { opcode, op } = request;
                    self.enqueue(
                        self.shard_of(&op)?,
                        Job::One(One { mailbox: Arc::clone(mailbox), id, opcode, op }),
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
            let (opcodes, ops, places) = &mut parts[self.shard_of(&op)?];
            opcodes.push(opcode);
            ops.push(op);
            places.push(place);
        }
        left = parts.iter().map(|(_, ops, _)| ops.len()).sum();
        let list = Arc::new(Gathered { mailbox, id, answers: Mutex::new((answers, left)) });
        for (shard, (opcodes, ops, places)) in parts.into_iter().enumerate() {
            if !ops.is_empty() {
                let list = Arc::clone(&list);
                self.enqueue(shard, Job::Part(Part { opcodes, ops, list, places }), started);
            }
        }
        Ok(())
    }

    /// Puts a transaction into the lanes of its shards.
    fn cross_lanes(
        &self,
        mailbox: &Arc<Mailbox>,
        id: u32,
        many: Many,
        started: &mut Vec<usize>,
    ) -> litestash_core::Result<()> {
        let (opcodes, ops, _) = sort_out(&self.stash, many)?;
        let mut lanes = ops.iter().map(|op| self.shard_of(op)).collect::<litestash_core::Result<Vec<_>>>()?;
        lanes.sort_unstable();
        lanes.dedup();
        if lanes.is_empty() {
            // It has to be tried all the same.
            lanes.push(0);
        }
        let left = AtomicUsize::new(lanes.len());
        let crossing = Crossing { mailbox: Arc::clone(mailbox), id, opcodes, ops, lanes, left };
        let crossing = Arc::new(crossing);
        for lane in &crossing.lanes {
            self.enqueue(*lane, Job::Crossing(Arc::clone(&crossing)), started);
        }
        Ok(())
    }

    /// Does all that waits for a shard.
    fn work(self: &Arc<Self>, shard: usize) {
        loop {
            let (mut operations, mut bytes) = (0, 0);
            let mut jobs = self.shards[shard].lock().next(|job| {
                let size = job.size();
                (operations, bytes) = (operations + size.0, bytes + size.1);
                operations <= limits::BATCH_OPERATIONS_MAX && bytes <= limits::BATCH_BYTES_MAX
            });
            match jobs.pop() {
                None => return,
                // It is alone.
                Some(Job::Crossing(crossing)) => {
                    if !self.cross(shard, &crossing) {
                        return;
                    }
                }
                Some(last) => {
                    jobs.push(last);
                    self.commit(jobs);
                }
            }
        }
    }

    /// Whether the transaction was done and the lane goes on. If not, who comes to it last sets the lane going again.
    fn cross(self: &Arc<Self>, shard: usize, crossing: &Crossing) -> bool {
        if crossing.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return false;
        }
        let Crossing { mailbox, id, opcodes, ops, lanes, .. } = crossing;
        let done = catch_unwind(AssertUnwindSafe(|| perform_transaction(&self.stash, opcodes, ops)));
        match done.unwrap_or_else(|_| Err(panicked())) {
            Ok(answer) => mailbox.post(*id, |out| out.extend_from_slice(&answer)),
            Err(error) => mailbox.refuse(*id, &error),
        }
        for other in lanes.iter().copied().filter(|lane| *lane != shard) {
            let lanes = Arc::clone(self);
            WRITES.run(move || lanes.work(other));
        }
        true
    }

    fn commit(&self, jobs: Vec<Job>) {
        let mut ops = Vec::with_capacity(jobs.len());
        let mut replies = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job {
                Job::One(One { mailbox, id, opcode, op }) => {
                    ops.push(op);
                    replies.push(Reply::One { mailbox, id, opcode });
                }
                Job::Part(Part { opcodes, ops: more, list, places }) => {
                    ops.extend(more);
                    replies.push(Reply::Part { list, places, opcodes });
                }
                Job::Crossing(_) => {}
            }
        }
        let done = catch_unwind(AssertUnwindSafe(|| match &*ops {
            [op] => Ok(vec![self.stash.perform(op)]),
            _ => self.stash.apply(&ops),
        }));
        match done.unwrap_or_else(|_| Err(panicked())) {
            Ok(outcomes) => tell(replies, outcomes.into_iter()),
            Err(error) => {
                let same = || Err(Error::new(error.kind(), error.message().to_owned()));
                tell(replies, std::iter::repeat_with(same));
            }
        }
    }
}

/// A read by itself, which puts the row into the cache.
fn read(stash: &LiteStash, mailbox: &Mailbox, id: u32, opcode: u8, op: Op) {
    let done = catch_unwind(AssertUnwindSafe(|| match opcode {
        frame::GET => stash.get_encoded(op.key()).map(Outcome::Value),
        _ => stash.perform(&op),
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
