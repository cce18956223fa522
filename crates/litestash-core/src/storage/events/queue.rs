//! The events that wait for one subscriber.

use super::{Change, Event, Filter};
use crate::contract::route::ShardId;
use crate::storage::fork;
use crate::sync::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A bounded queue with one reader. Nobody who fills it ever waits for its reader.
pub(crate) struct Queue {
    pub(super) filter: Filter,
    state: Mutex<State>,
    signal: Condvar,
    dropped: AtomicU64,
    generation: u64,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// Dropped since the last event that was queued.
    missed: u64,
    closed: bool,
    /// Readers that wait.
    waiting: usize,
    /// Whether they were woken and none of them has come by yet.
    woken: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

/// What a reader got.
#[derive(Debug)]
pub(crate) enum Received {
    Event(Event),
    /// Nothing yet.
    Empty,
    /// Nothing any more.
    Ended,
}

impl Queue {
    pub(crate) fn new(filter: Filter) -> Self {
        Self {
            filter,
            state: Mutex::new(State::default()),
            signal: Condvar::new(),
            dropped: AtomicU64::new(0),
            generation: fork::watched_generation(),
        }
    }

    /// Queues what the filter lets through. Does not wake the reader.
    pub(super) fn push(&self, shard: ShardId, bucket: Option<&Arc<str>>, changes: &[Change]) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        for change in changes.iter().filter(|change| self.filter.matches(change)) {
            if state.events.len() >= self.filter.capacity {
                self.miss(&mut state, 1);
                continue;
            }
            let missed = std::mem::take(&mut state.missed);
            state.events.push_back(Event { missed, ..change.event(shard, bucket) });
        }
    }

    /// Counts events that nobody can tell any more.
    pub(super) fn missed(&self, events: u64) {
        self.miss(&mut self.state.lock(), events);
    }

    fn miss(&self, state: &mut State, events: u64) {
        state.missed = state.missed.saturating_add(events);
        self.dropped.fetch_add(events, Ordering::Relaxed);
    }

    /// Wakes the reader if it waits and there is something for it.
    pub(super) fn wake(&self) {
        let mut state = self.state.lock();
        if state.waiting > 0 && !state.woken && !state.events.is_empty() {
            state.woken = true;
            drop(state);
            self.signal.notify_all();
        }
    }

    /// Ends the queue: the reader gets what is in it, unless `discard`, and then hears that it ended.
    pub(crate) fn close(&self, discard: bool) {
        if self.is_inherited() {
            return;
        }
        let mut state = self.state.lock();
        state.closed = true;
        if discard {
            state.events.clear();
        }
        drop(state);
        self.signal.notify_all();
    }

    /// The next event. Waits for it until `deadline`, or without an end.
    pub(crate) fn receive(&self, deadline: Option<Instant>) -> Received {
        if self.is_inherited() {
            // In a forked child nobody fills it, and its lock may be held by a thread that is not there.
            return Received::Ended;
        }
        let mut state = self.state.lock();
        loop {
            if let Some(event) = state.events.pop_front() {
                return Received::Event(event);
            }
            if state.closed {
                return Received::Ended;
            }
            match deadline {
                Some(deadline) if deadline <= Instant::now() => return Received::Empty,
                _ => {}
            }
            state.waiting += 1;
            state.woken = false;
            match deadline {
                Some(deadline) => self.signal.wait_until(&mut state, deadline),
                None => self.signal.wait(&mut state),
            }
            state.waiting -= 1;
            state.woken = false;
        }
    }

    /// Whether there is nothing and nothing will come.
    pub(crate) fn is_ended(&self) -> bool {
        if self.is_inherited() {
            return true;
        }
        let state = self.state.lock();
        state.closed && state.events.is_empty()
    }

    /// Events that were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether this is a forked child of the process that made the queue.
    pub(crate) fn is_inherited(&self) -> bool {
        fork::generation() != self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::key::Key;
    use crate::storage::events::{EventKind, Origin};

    fn set(key: i64) -> Change {
        Change { kind: EventKind::Set, key: Some(Key::from(key)), version: None, origin: Origin::Local }
    }

    fn next(queue: &Queue) -> Option<(Option<Key>, u64)> {
        match queue.receive(Some(Instant::now())) {
            Received::Event(event) => Some((event.key, event.missed)),
            _ => None,
        }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told_with_the_next_event() {
        let shard = ShardId::new(0).unwrap();
        let queue = Queue::new(Filter::new().capacity(2));
        queue.push(shard, None, &[set(1), set(2), set(3), set(4)]);
        assert_eq!(queue.dropped(), 2);
        assert_eq!(next(&queue), Some((Some(1.into()), 0)));
        queue.push(shard, None, &[set(5)]);
        assert_eq!(next(&queue), Some((Some(2.into()), 0)));
        assert_eq!(next(&queue), Some((Some(5.into()), 2)));
        queue.missed(7);
        queue.push(shard, None, &[set(6)]);
        queue.close(false);
        queue.push(shard, None, &[set(7)]);
        assert_eq!(next(&queue), Some((Some(6.into()), 7)));
        assert!(matches!(queue.receive(None), Received::Ended));
        assert_eq!(queue.dropped(), 9);
    }
}
