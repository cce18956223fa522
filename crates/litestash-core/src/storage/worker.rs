//! Threads that do what no caller should wait for.

use super::shard::{Shard, ShardGroup};
use crate::contract::route::ShardId;
use crate::sync::{Condvar, Mutex};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    /// After the worker's period.
    Later,
}

/// A thread that works on the shards of a stash and of its buckets. It is started by the first request, sleeps
/// while there is none, and ends with the stash.
pub(crate) struct Worker {
    name: &'static str,
    period: Duration,
    /// Returns whether to come back to that shard after the period.
    work: fn(&Shard, When) -> bool,
    /// Which of a shard's flags are this worker's.
    index: usize,
    state: Mutex<State>,
    signal: Condvar,
}

/// Whether a shard waits for a worker.
#[derive(Default)]
pub(super) struct Asked {
    now: AtomicBool,
    later: AtomicBool,
}

impl Asked {
    fn flag(&self, when: When) -> &AtomicBool {
        match when {
            When::Now => &self.now,
            When::Later => &self.later,
        }
    }
}

/// A shard, found through those who own it.
pub(super) struct ShardRef {
    group: Weak<ShardGroup>,
    id: ShardId,
}

impl ShardRef {
    pub(super) fn of(shard: &Shard) -> Self {
        Self { group: shard.group().clone(), id: shard.id() }
    }

    /// Calls `f` with the shard, if it is still there.
    pub(super) fn with<T>(&self, f: impl FnOnce(&Shard) -> T) -> Option<T> {
        self.group.upgrade().map(|group| f(&group[self.id.index()]))
    }
}

#[derive(Default)]
struct State {
    /// Shards to be worked on, each at most once.
    now: Vec<ShardRef>,
    later: Vec<ShardRef>,
    /// Whether the thread waits without an end.
    asleep: bool,
    stopped: bool,
    thread: Option<JoinHandle<()>>,
    /// When to work on a shard whatever else is asked for, by the address of its group and its number.
    timers: HashMap<(usize, ShardId), (ShardRef, Option<Instant>)>,
}

impl State {
    /// The shards whose timers have run down, whose timers are cleared.
    fn take_due(&mut self, now: Instant) -> Vec<ShardRef> {
        let is_due = |_: &_, timer: &mut (ShardRef, Option<Instant>)| timer.1.is_none_or(|at| at <= now);
        self.timers.extract_if(is_due).map(|(_, (shard, _))| shard).collect()
    }

    fn earliest(&self) -> Option<Instant> {
        self.timers.values().filter_map(|(_, at)| *at).min()
    }

    fn list(&mut self, when: When) -> &mut Vec<ShardRef> {
        match when {
            When::Now => &mut self.now,
            When::Later => &mut self.later,
        }
    }
}

impl Worker {
    /// `index` tells the workers of a stash apart.
    pub(super) fn new(
        name: &'static str,
        index: usize,
        period: Duration,
        work: fn(&Shard, When) -> bool,
    ) -> Self {
        let state = Mutex::new(State::default());
        Self { name, period, work, index, state, signal: Condvar::new() }
    }

    /// Asks for work on a shard. Costs an atomic load if that has been asked for already.
    #[inline]
    pub(super) fn want(self: &Arc<Self>, shard: &Shard, when: When) {
        let asked = shard.asked(self.index).flag(when);
        if !asked.load(Ordering::Relaxed) && !asked.swap(true, Ordering::SeqCst) {
            self.enlist(shard, when);
        }
    }

    /// Asks for work on a shard at that moment, or when an earlier call said. It is done as [`When::Now`].
    pub(super) fn want_at(self: &Arc<Self>, shard: &Shard, at: Instant) {
        let mut state = self.state.lock();
        let place = (shard.group().as_ptr().addr(), shard.id());
        let timer = state.timers.entry(place).or_insert_with(|| (ShardRef::of(shard), None));
        if timer.1.is_none_or(|before| at < before) {
            timer.1 = Some(at);
            self.wake(&mut state, When::Now);
        }
    }

    #[cold]
    fn enlist(self: &Arc<Self>, shard: &Shard, when: When) {
        let mut state = self.state.lock();
        if state.stopped {
            return;
        }
        state.list(when).push(ShardRef::of(shard));
        self.wake(&mut state, when);
    }

    fn wake(self: &Arc<Self>, state: &mut State, when: When) {
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
                for when in [When::Now, When::Later] {
                    for shard in std::mem::take(state.list(when)) {
                        shard.with(|shard| self.take(shard, when));
                    }
                }
            }
        }
    }

    /// From now on a request for that shard is a new one.
    fn take(&self, shard: &Shard, when: When) {
        shard.asked(self.index).flag(when).store(false, Ordering::SeqCst);
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

    fn run(self: &Arc<Self>) {
        let mut due: Option<Instant> = None;
        loop {
            let is_due = |due: Option<Instant>| due.is_some_and(|due| Instant::now() >= due);
            let (now, later) = {
                let mut state = self.state.lock();
                loop {
                    if state.stopped {
                        return;
                    }
                    let next = due.into_iter().chain(state.earliest()).min();
                    if !state.now.is_empty() || is_due(next) {
                        break;
                    }
                    if due.is_none() && !state.later.is_empty() {
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
                let mut later = Vec::new();
                if is_due(due) {
                    due = None;
                    later = std::mem::take(&mut state.later);
                }
                let mut now = state.take_due(Instant::now());
                now.append(&mut state.now);
                (now, later)
            };
            self.work_on(now, When::Now);
            self.work_on(later, When::Later);
        }
    }

    fn work_on(self: &Arc<Self>, shards: Vec<ShardRef>, when: When) {
        for shard in shards {
            shard.with(|shard| {
                // Before looking: what is asked for from now on is done by the next round.
                self.take(shard, when);
                if (self.work)(shard, when) {
                    self.want(shard, When::Later);
                }
            });
        }
    }
}
