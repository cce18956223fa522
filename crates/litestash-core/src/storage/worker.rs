//! Threads that do what no caller should wait for.

use super::shard::Shard;
use crate::contract::limits::SHARDS;
use crate::contract::route::ShardId;
use crate::sync::{Condvar, Mutex};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    /// After the worker's period.
    Later,
}

/// A thread that works on the shards of a stash. It is started by the first request, sleeps while there is
/// none, and ends with the stash.
pub(crate) struct Worker {
    name: &'static str,
    period: Duration,
    /// Returns whether to come back to that shard after the period.
    work: fn(&Shard, When) -> bool,
    shards: OnceLock<Weak<[Shard; SHARDS]>>,
    /// One bit per shard.
    now: AtomicU32,
    later: AtomicU32,
    state: Mutex<State>,
    signal: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether the thread waits without an end.
    asleep: bool,
    stopped: bool,
    thread: Option<JoinHandle<()>>,
    /// When to work on each shard whatever else is asked for.
    timers: [Option<Instant>; SHARDS],
}

impl State {
    /// The shards whose timers have run down, whose timers are cleared.
    fn take_due(&mut self, now: Instant) -> u32 {
        let mut bits = 0;
        for (shard, timer) in self.timers.iter_mut().enumerate() {
            if timer.is_some_and(|at| at <= now) {
                *timer = None;
                bits |= 1 << shard;
            }
        }
        bits
    }

    fn earliest(&self) -> Option<Instant> {
        self.timers.iter().flatten().min().copied()
    }
}

impl Worker {
    pub(super) fn new(name: &'static str, period: Duration, work: fn(&Shard, When) -> bool) -> Self {
        Self {
            name,
            period,
            work,
            shards: OnceLock::new(),
            now: AtomicU32::new(0),
            later: AtomicU32::new(0),
            state: Mutex::new(State::default()),
            signal: Condvar::new(),
        }
    }

    /// Says whose shards these are; once.
    pub(crate) fn watch(&self, shards: &Arc<[Shard; SHARDS]>) {
        // A second call would be by the same stash, about the same shards.
        let _ = self.shards.set(Arc::downgrade(shards));
    }

    /// Asks for work on a shard. Costs an atomic load if that has been asked for already.
    #[inline]
    pub(super) fn want(self: &Arc<Self>, shard: ShardId, when: When) {
        let bit = 1 << shard.number();
        let bits = match when {
            When::Now => &self.now,
            When::Later => &self.later,
        };
        if bits.load(Ordering::Relaxed) & bit == 0 && bits.fetch_or(bit, Ordering::SeqCst) & bit == 0 {
            self.wake(when);
        }
    }

    /// Asks for work on a shard at that moment, or when an earlier call said. It is done as [`When::Now`].
    pub(super) fn want_at(self: &Arc<Self>, shard: ShardId, at: Instant) {
        let mut state = self.state.lock();
        let timer = &mut state.timers[shard.index()];
        if timer.is_none_or(|before| at < before) {
            *timer = Some(at);
            self.wake_locked(&mut state, When::Now);
        }
    }

    #[cold]
    fn wake(self: &Arc<Self>, when: When) {
        self.wake_locked(&mut self.state.lock(), when);
    }

    fn wake_locked(self: &Arc<Self>, state: &mut State, when: When) {
        if state.stopped {
            return;
        }
        if state.thread.is_some() {
            if state.asleep || when == When::Now {
                self.signal.notify_one();
            }
            return;
        }
        let worker = Arc::clone(self);
        match std::thread::Builder::new().name(self.name.into()).spawn(move || worker.run()) {
            Ok(thread) => state.thread = Some(thread),
            Err(error) => {
                tracing::warn!(%error, name = self.name, "a background thread could not be started");
                // The next request tries again.
                self.now.store(0, Ordering::SeqCst);
                self.later.store(0, Ordering::SeqCst);
            }
        }
    }

    /// Ends the thread and waits for what it is doing.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.stopped = true;
            self.signal.notify_one();
            state.thread.take()
        };
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::warn!(name = self.name, "a background thread had panicked");
        }
    }

    fn run(&self) {
        let mut due: Option<Instant> = None;
        loop {
            let timed;
            {
                let mut state = self.state.lock();
                loop {
                    if state.stopped {
                        return;
                    }
                    let next = due.into_iter().chain(state.earliest()).min();
                    if self.now.load(Ordering::SeqCst) != 0 || next.is_some_and(|next| Instant::now() >= next)
                    {
                        timed = state.take_due(Instant::now());
                        break;
                    }
                    if due.is_none() && self.later.load(Ordering::SeqCst) != 0 {
                        due = Some(Instant::now() + self.period);
                    }
                    match due.into_iter().chain(next).min() {
                        Some(due) => self.signal.wait_until(&mut state, due),
                        None => {
                            state.asleep = true;
                            self.signal.wait(&mut state);
                            state.asleep = false;
                        }
                    }
                }
            }
            let Some(shards) = self.shards.get().and_then(Weak::upgrade) else { return };
            // Taken before looking: what is asked for from now on is done by the next round.
            let now = self.now.swap(0, Ordering::SeqCst) | timed;
            self.work_on(&shards, now, When::Now);
            if due.is_some_and(|due| Instant::now() >= due) {
                due = None;
                let later = self.later.swap(0, Ordering::SeqCst);
                self.work_on(&shards, later, When::Later);
            }
        }
    }

    fn work_on(&self, shards: &[Shard; SHARDS], bits: u32, when: When) {
        for shard in shards.iter().filter(|shard| bits & (1 << shard.id().number()) != 0) {
            if (self.work)(shard, when) {
                self.later.fetch_or(1 << shard.id().number(), Ordering::SeqCst);
            }
        }
    }
}
