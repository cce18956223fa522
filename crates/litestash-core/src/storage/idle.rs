//! Ending read transactions that are kept open and not used, so that checkpoints are not held up.

use super::shard::Shard;
use crate::contract::limits::SHARDS;
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// How long a read transaction may stay open without being used: one to two of these.
const TICK: Duration = Duration::from_millis(4);

/// Watches over the readers of a stash. A thread is started by the first transaction that is kept, sleeps
/// while there is none, and ends with the stash.
#[derive(Default)]
pub(crate) struct IdleWatch {
    shards: OnceLock<Weak<[Shard; SHARDS]>>,
    /// Whether the thread is, or is about to be, at work.
    awake: AtomicBool,
    state: Mutex<State>,
    signal: Condvar,
}

#[derive(Default)]
struct State {
    started: bool,
    stopped: bool,
}

impl IdleWatch {
    /// Says whose readers to watch; once.
    pub(crate) fn watch(&self, shards: &Arc<[Shard; SHARDS]>) {
        // A second call would be by the same stash, about the same shards.
        let _ = self.shards.set(Arc::downgrade(shards));
    }

    /// Says that a read transaction is kept open. Costs an atomic load if the thread is at work already.
    #[inline]
    pub(crate) fn wake(self: &Arc<Self>) {
        if !self.awake.load(Ordering::Relaxed) {
            self.wake_thread();
        }
    }

    #[cold]
    fn wake_thread(self: &Arc<Self>) {
        let mut state = self.state.lock();
        self.awake.store(true, Ordering::Relaxed);
        if state.stopped || state.started {
            self.signal.notify_one();
            return;
        }
        let watch = Arc::clone(self);
        let thread = std::thread::Builder::new().name("litestash-idle".into()).spawn(move || watch.run());
        match thread {
            Ok(_) => state.started = true,
            // Without the thread, transactions end with the next commit or the next read;
            // the next one tries again.
            Err(error) => {
                tracing::warn!(%error, "the thread that ends idle reads could not be started");
                self.awake.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.signal.notify_one();
    }

    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            if self.awake.load(Ordering::Relaxed) {
                self.signal.wait_for(&mut state, TICK);
            } else {
                self.signal.wait(&mut state);
            }
            if state.stopped {
                return;
            }
            let Some(shards) = self.shards.get().and_then(Weak::upgrade) else { return };
            // Set to false before looking: a reader that keeps a transaction from now on
            // wakes the thread again.
            self.awake.store(false, Ordering::SeqCst);
            let left = shards.iter().fold(false, |left, shard| shard.end_idle(false) | left);
            if left {
                self.awake.store(true, Ordering::SeqCst);
            }
        }
    }
}
