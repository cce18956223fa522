//! Who waits for which sync: while one is under way, what comes gathers for the next one.

use crate::sync::{Condvar, Mutex};
use std::sync::Arc;

/// Commits that are to be synced, in groups.
pub(super) struct Gathering<G> {
    state: Mutex<State<G>>,
    /// Signalled when there is something for the thread.
    gathered: Condvar,
}

#[derive(Default)]
struct State<G> {
    /// Whether a commit is being synced that was alone when it came.
    alone: bool,
    /// Whether the thread syncs a group.
    together: bool,
    next: Option<Next<G>>,
    has_thread: bool,
    /// Whether the thread waits for a group.
    idle: bool,
    closed: bool,
}

/// Commits that wait to be synced together.
#[derive(Default)]
struct Next<G> {
    group: G,
    outcome: Arc<Outcome>,
}

/// Whether a group was synced, once that is known.
#[derive(Default)]
struct Outcome {
    synced: Mutex<Option<bool>>,
    known: Condvar,
}

impl<G: Default> Default for Gathering<G> {
    fn default() -> Self {
        Self { state: Mutex::new(State::default()), gathered: Condvar::new() }
    }
}

impl<G: Default> Gathering<G> {
    /// Has a commit synced that `add` adds to a group: by `sync` if it is alone, or by the thread, with all that gather
    /// meanwhile. Returns whether it was.
    ///
    /// `start` starts the thread, which is to [run](Self::run), when it is first needed; if it cannot be had everyone
    /// syncs alone.
    pub(super) fn sync(
        &self,
        add: impl FnOnce(&mut G),
        start: impl FnOnce() -> bool,
        sync: impl FnOnce(&G) -> bool,
    ) -> bool {
        let mut state = self.state.lock();
        if !state.alone && !state.together && state.next.is_none() || !state.has_thread(start) {
            state.alone = true;
            let mut group = G::default();
            add(&mut group);
            drop(state);
            let synced = sync(&group);
            self.state.lock().alone = false;
            return synced;
        }
        let next = state.next.get_or_insert_with(Next::default);
        add(&mut next.group);
        let outcome = Arc::clone(&next.outcome);
        if std::mem::take(&mut state.idle) {
            self.gathered.notify_one();
        }
        drop(state);
        outcome.wait()
    }

    /// The thread: syncs what has gathered, again and again. One of those that wait could do it, but would then be the
    /// last to go on. `sync` must not panic.
    pub(super) fn run(&self, sync: impl Fn(&G) -> bool) {
        loop {
            let mut state = self.state.lock();
            state.together = false;
            let next = loop {
                if let Some(next) = state.next.take() {
                    break next;
                }
                if state.closed {
                    return;
                }
                state.idle = true;
                self.gathered.wait(&mut state);
            };
            state.idle = false;
            state.together = true;
            drop(state);
            let synced = sync(&next.group);
            next.outcome.tell(synced);
        }
    }

    /// Lets the thread end when it has synced what gathered. Who comes later syncs alone.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.gathered.notify_one();
    }
}

impl<G> State<G> {
    fn has_thread(&mut self, start: impl FnOnce() -> bool) -> bool {
        if !self.has_thread && !self.closed {
            self.has_thread = start();
        }
        self.has_thread && !self.closed
    }
}

impl Outcome {
    fn tell(&self, synced: bool) {
        *self.synced.lock() = Some(synced);
        self.known.notify_all();
    }

    fn wait(&self) -> bool {
        let mut synced = self.synced.lock();
        loop {
            match *synced {
                Some(synced) => return synced,
                None => self.known.wait(&mut synced),
            }
        }
    }
}
