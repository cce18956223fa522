//! Writes of single keys: whatever waits is one batch, performed on a thread of the stash and answered by message, or
//! at once to who was alone.

use crate::atoms;
use crate::decode::QUICK_BYTES;
use crate::glance::{Glance, Patience};
use crate::handle::failure;
use litestash_core::limits::BATCH_OPERATIONS_MAX;
use litestash_core::{Action, Error, ErrorKind, LiteStash, Op, Outcome, Result};
use litestash_engine::embedded::{Embedded, Teller};
use litestash_engine::request::Bucket;
use rustler::env::{OwnedEnv, SavedTerm};
use rustler::types::LocalPid;
use rustler::{Env, Term};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long the thread looks out for the next write before it sleeps, if the last one came as soon. To be woken takes
/// longer than to write a row.
const LOOKS_OUT: Duration = Duration::from_micros(50);

/// Bytes of keys and values that are performed together.
const BATCH_BYTES: usize = 8 << 20;

/// Where writes are left.
pub(crate) struct Writer {
    engine: Weak<Embedded>,
    state: Mutex<State>,
    signal: Condvar,
    /// Whether something has come that the thread has not seen. Set with the state locked.
    has_come: AtomicBool,
    /// Whether the thread looks out for it right now.
    looks_out: AtomicBool,
    /// Whether a scheduler may look for an answer while another processor makes it.
    may_glance: bool,
    patience: Patience,
}

#[derive(Default)]
struct State {
    left: Batch,
    /// When the first of them was left.
    came_at: Option<Instant>,
    runs: bool,
    sleeps: bool,
    has_ended: bool,
}

/// Writes that were left together.
#[derive(Default)]
struct Batch {
    jobs: Vec<Job>,
    /// Has the references of all of them.
    env: OwnedEnv,
}

/// A write, and whom to tell.
struct Job {
    bucket: Option<Box<[u8]>>,
    op: Op,
    asker: Asker,
}

struct Asker {
    pid: LocalPid,
    reference: SavedTerm,
    teller: Option<Teller>,
    /// Where it looks for the answer first.
    glance: Option<Arc<Glance>>,
}

/// What became of a write.
pub(crate) struct Answer {
    /// How a payload is made of the outcome; without it there is nothing to tell but that it was done.
    teller: Option<Teller>,
    pub(crate) outcome: Result<Outcome>,
}

impl Writer {
    /// For writes to that stash.
    pub(crate) fn new(engine: &Arc<Embedded>) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::downgrade(engine),
            state: Mutex::default(),
            signal: Condvar::new(),
            has_come: AtomicBool::new(false),
            looks_out: AtomicBool::new(false),
            may_glance: std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1),
            patience: Patience::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a write of the calling process for the thread, which the first one starts. The answer comes as a message,
    /// unless the thread had nothing else to do and has made it within some microseconds.
    pub(crate) fn leave(
        self: &Arc<Self>,
        env: Env<'_>,
        reference: Term<'_>,
        bucket: Option<Bucket<'_>>,
        op: Op,
        teller: Option<Teller>,
    ) -> Result<Option<Answer>> {
        let (bucket, pid) = (bucket.map(|bucket| bucket.0.into()), env.pid());
        let mut state = self.state();
        if state.has_ended {
            return Err(closed());
        }
        if !state.runs {
            let writer = Arc::clone(self);
            std::thread::Builder::new().name("litestash-writer".into()).spawn(move || writer.run())?;
            state.runs = true;
        }
        let mut glance = None;
        if state.left.jobs.is_empty() {
            state.came_at = Some(Instant::now());
            glance = self.glance();
        }
        let asker = Asker { pid, reference: state.left.env.save(reference), teller, glance: glance.clone() };
        state.left.jobs.push(Job { bucket, op, asker });
        self.has_come.store(true, Ordering::Release);
        let sleeps = state.sleeps;
        drop(state);
        if sleeps {
            self.signal.notify_one();
        }
        let Some(glance) = glance else { return Ok(None) };
        let answer = glance.wait();
        self.patience.learn(answer.is_some());
        Ok(answer)
    }

    /// Where to look for the answer of a write that nothing else waits with, if it may come soon.
    fn glance(&self) -> Option<Arc<Glance>> {
        let may = self.may_glance && self.looks_out.load(Ordering::Relaxed) && self.patience.allows();
        may.then(|| Arc::new(Glance::new()))
    }

    /// Lets the thread end when it has done what was left.
    pub(crate) fn end(&self) {
        self.state().has_ended = true;
        self.has_come.store(true, Ordering::Release);
        self.signal.notify_one();
    }

    fn run(&self) {
        let mut batch = Batch::default();
        let mut looks_out = false;
        let mut done_at = Instant::now();
        while let Some(came_at) = self.take(&mut batch, looks_out) {
            // By when it came, since that the thread had to be woken makes it later.
            looks_out = came_at.saturating_duration_since(done_at) < LOOKS_OUT;
            batch.perform(self.engine.upgrade().as_deref());
            done_at = Instant::now();
        }
    }

    /// Exchanges an empty batch for what was left, and says since when; `None` when no more will come.
    fn take(&self, batch: &mut Batch, looks_out: bool) -> Option<Instant> {
        if looks_out {
            let began = Instant::now();
            self.looks_out.store(true, Ordering::Relaxed);
            while !self.has_come.load(Ordering::Acquire) && began.elapsed() < LOOKS_OUT {
                std::hint::spin_loop();
            }
            self.looks_out.store(false, Ordering::Relaxed);
        }
        let mut state = self.state();
        while state.left.jobs.is_empty() && !state.has_ended {
            state.sleeps = true;
            state = self.signal.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeps = false;
        }
        self.has_come.store(false, Ordering::Relaxed);
        std::mem::swap(&mut state.left, batch);
        state.came_at.take()
    }
}

impl Batch {
    /// Performs and answers everything, what is of one bucket together.
    fn perform(&mut self, engine: Option<&Embedded>) {
        let Self { jobs, env } = self;
        let mut jobs = jobs.drain(..).peekable();
        let (mut ops, mut askers) = (Vec::new(), Vec::new());
        while let Some(Job { bucket, op, asker }) = jobs.next() {
            let mut bytes = size_bytes(&op);
            ops.push(op);
            askers.push(Some(asker));
            while let Some(Job { op, asker, .. }) = jobs.next_if(|next| {
                bytes += size_bytes(&next.op);
                next.bucket == bucket && bytes <= BATCH_BYTES && ops.len() < BATCH_OPERATIONS_MAX
            }) {
                ops.push(op);
                askers.push(Some(asker));
            }
            let tell = |index: usize, outcome| {
                if let Some(asker) = askers.get_mut(index).and_then(Option::take) {
                    asker.tell(env, outcome);
                }
            };
            let applied =
                engine.map_or_else(|| Err(closed()), |engine| apply(engine, bucket.as_deref(), &ops, tell));
            if let Err(error) = applied {
                for asker in askers.iter_mut().filter_map(Option::take) {
                    asker.tell(env, Err(Error::new(error.kind(), error.message().to_owned())));
                }
            }
            ops.clear();
            askers.clear();
        }
        drop(jobs);
        env.clear();
    }
}

/// Does them all and tells what becomes of each, those of one shard together. After an error the rest are not told.
fn apply(
    engine: &Embedded,
    bucket: Option<&[u8]>,
    ops: &[Op],
    mut tell: impl FnMut(usize, Result<Outcome>) + Send,
) -> Result<()> {
    let apply = |stash: &LiteStash| match ops {
        // A write by itself costs less than a transaction.
        [op] => {
            tell(0, stash.perform(op));
            Ok(())
        }
        ops => stash.apply_each(ops, tell),
    };
    let applied = catch_unwind(AssertUnwindSafe(|| engine.with_stash(bucket.map(Bucket), apply)));
    applied.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the write panicked")))
}

impl Asker {
    /// Sends `{Reference, ok}`, `{Reference, {error, …}}` or `{Reference, Payload}`, unless the process looks for it.
    fn tell(self, env: &mut OwnedEnv, outcome: Result<Outcome>) {
        let answer = Answer { teller: self.teller, outcome };
        let left = match self.glance {
            Some(glance) if answer.is_short() => glance.answer(answer),
            _ => Some(answer),
        };
        let Some(answer) = left else { return };
        env.run(|env| {
            // A process that has gone needs no answer.
            let _ = env.send(&self.pid, (self.reference.load(env), answer.into_term(env)));
        });
    }
}

impl Answer {
    /// Whether a normal scheduler has the time to copy it.
    fn is_short(&self) -> bool {
        !matches!(&self.outcome, Ok(Outcome::Value(Some(encoded))) if encoded.len() > QUICK_BYTES)
    }

    /// `ok`, `{error, …}` or a payload.
    pub(crate) fn into_term(self, env: Env<'_>) -> Term<'_> {
        match (self.teller, self.outcome) {
            (Some(teller), outcome) => crate::decode::binary(env, &teller.payload(outcome)),
            (None, Ok(_)) => atoms::ok().to_term(env),
            (None, Err(error)) => failure(env, &error),
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the stash is closed")
}

/// Bytes of key and value.
fn size_bytes(op: &Op) -> usize {
    let value = match op.action() {
        Action::Set { encoded, .. } | Action::CompareAndSet { encoded, .. } => encoded.len(),
        _ => 0,
    };
    op.key().as_ref().size_bytes() + value
}
