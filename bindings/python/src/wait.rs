//! Calls that may wait, without the interpreter's lock.

use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Whether the interpreter is about to end.
static EXITING: AtomicBool = AtomicBool::new(false);

/// Calls that run detached.
static DETACHED: AtomicUsize = AtomicUsize::new(0);

/// How long the end of the interpreter waits for calls that are about to come back.
const LAST_CALLS: Duration = Duration::from_millis(100);

/// Runs what may wait while other threads use the interpreter.
///
/// A daemon thread that comes back when the interpreter is gone would be torn down in the middle of this library's
/// frames, so it stays out of it for good.
pub(crate) fn detached<T: Send>(py: Python<'_>, f: impl FnOnce() -> T + Send) -> T {
    py.detach(|| {
        DETACHED.fetch_add(1, Ordering::SeqCst);
        let done = f();
        if is_left_behind() {
            park();
        }
        DETACHED.fetch_sub(1, Ordering::SeqCst);
        done
    })
}

/// Whether this is a daemon thread, and the interpreter ends.
fn is_left_behind() -> bool {
    EXITING.load(Ordering::SeqCst) && !is_main_thread()
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// Keeps a daemon thread that learns of a closed stash while the interpreter ends from telling anybody.
pub(crate) fn hold_if_left_behind(py: Python<'_>) {
    if is_left_behind() {
        py.detach(|| park());
    }
}

/// The thread that imported the package, which is the one that ends the interpreter in every usual program.
static MAIN: std::sync::OnceLock<std::thread::ThreadId> = std::sync::OnceLock::new();

fn is_main_thread() -> bool {
    MAIN.get().is_none_or(|main| *main == std::thread::current().id())
}

/// Says that the interpreter ends; called by `atexit`, when only daemon threads are left.
#[pyfunction]
pub(crate) fn begin_exit(py: Python<'_>) {
    let _ = MAIN.set(std::thread::current().id());
    EXITING.store(true, Ordering::SeqCst);
    // Who has looked at the flag before waits for the interpreter's lock, and needs a chance to get it.
    let started = Instant::now();
    py.detach(|| {
        while DETACHED.load(Ordering::SeqCst) > 0 && started.elapsed() < LAST_CALLS {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}
