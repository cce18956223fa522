//! Knowing that this process is a fork of the one that opened a stash, without asking the kernel each time.
//!
//! SQLite connections must not be used, nor even closed, in a forked child
//! (<https://www.sqlite.org/howtocorrupt.html>, 2.6).

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

static GENERATION: AtomicU64 = AtomicU64::new(0);
static REGISTER: Once = Once::new();

/// How many forks lie between the program's start and this process.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// [`generation`], after making sure that forks are counted from now on.
pub(crate) fn watched_generation() -> u64 {
    REGISTER.call_once(register);
    generation()
}

#[cfg(unix)]
fn register() {
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler is a plain function without captures that lives as long as the program, and it only
    // adds to an atomic, which is async-signal-safe as POSIX asks of handlers in the child.
    #[expect(unsafe_code, reason = "the standard library has no atfork")]
    let result = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    if result != 0 {
        tracing::warn!("forks cannot be watched: pthread_atfork failed");
    }
}

#[cfg(not(unix))]
fn register() {}
