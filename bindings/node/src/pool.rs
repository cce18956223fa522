//! Threads for work that may wait. As many run as there are processors, more only while that many stand
//! still.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

type Work = Box<dyn FnOnce() + Send>;

/// Work that has waited for so long is taken by one thread more.
const PATIENCE: Duration = Duration::from_millis(2);

/// A thread that had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(5);

/// Fewer threads than this are never held back.
const RUNNING_MIN: usize = 2;

/// Threads of one purpose.
pub(crate) struct Pool {
    name: &'static str,
    threads_max: usize,
    state: Mutex<State>,
    signal: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Instant, Work)>,
    threads: usize,
    running: usize,
}

/// Commits: one shard of a stash each, so that more than a few run only while shards are locked by others.
pub(crate) static WRITES: LazyLock<Pool> = LazyLock::new(|| Pool::new("litestash-js-write", 32));

/// Reads of rows that are not in memory.
pub(crate) static READS: LazyLock<Pool> = LazyLock::new(|| Pool::new("litestash-js-read", 8));

impl Pool {
    fn new(name: &'static str, threads_max: usize) -> Self {
        Self { name, threads_max, state: Mutex::default(), signal: Condvar::new() }
    }

    /// Does that on a thread of the pool; here, if no thread can be had at all.
    pub(crate) fn run(&'static self, work: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock();
        state.waiting.push_back((Instant::now(), Box::new(work)));
        let idle = state.threads - state.running;
        if idle >= state.waiting.len() || state.threads == self.threads_max {
            drop(state);
            self.signal.notify_one();
            return;
        }
        state.threads += 1;
        drop(state);
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        if thread.spawn(|| self.serve()).is_err() {
            let mut state = self.state.lock();
            state.threads -= 1;
            let work = if state.threads == 0 { state.waiting.pop_back() } else { None };
            drop(state);
            if let Some((_, work)) = work {
                work();
            }
        }
    }

    fn serve(&self) {
        let running_max = std::thread::available_parallelism().map_or(1, usize::from).max(RUNNING_MIN);
        let mut state = self.state.lock();
        loop {
            let waited = state.waiting.front().map(|(since, _)| since.elapsed());
            match waited {
                Some(waited) if state.running < running_max || waited >= PATIENCE => {
                    let Some((_, work)) = state.waiting.pop_front() else { continue };
                    state.running += 1;
                    drop(state);
                    // Work answers for its own panics; the thread goes on in any case.
                    let _ = catch_unwind(AssertUnwindSafe(work));
                    state = self.state.lock();
                    state.running -= 1;
                }
                Some(waited) => {
                    self.signal.wait_for(&mut state, PATIENCE - waited);
                }
                None => {
                    if self.signal.wait_for(&mut state, IDLE).timed_out() && state.waiting.is_empty() {
                        state.threads -= 1;
                        return;
                    }
                }
            }
        }
    }
}
