//! This process's copy of SQLite as a whole: its settings, and its global locks when the process forks.
//!
//! A forked child may open a stash anew, but has only the thread that forked. A lock that another thread held
//! in that moment – SQLite's memory counters are under one, taken at every allocation – would stay locked in
//! the child for ever. So a fork waits until nobody holds SQLite's global locks.

use rusqlite::ffi;
use std::ffi::c_int;
use std::sync::Once;

/// Makes the settings, and prepares for forks. Later calls cost a load.
pub(crate) fn settle() {
    static SETTLED: Once = Once::new();
    SETTLED.call_once(|| {
        leave_memory_uncounted();
        #[cfg(unix)]
        locks::hold_over_forks();
    });
}

/// Spares each allocation of SQLite a lock that all connections of the process share; it only serves
/// statistics and heap limits (<https://www.sqlite.org/c3ref/c_config_covering_index_scan.html#sqliteconfigmemstatus>).
/// Where the program has used this copy of SQLite before, its settings stay as they are.
fn leave_memory_uncounted() {
    let off: c_int = 0;
    // SAFETY: this option takes one int. SQLite refuses it, without effect, once it is initialised; that nobody
    // else initialises it in this very moment is what SQLite asks of whoever configures it, and the engine is
    // the one that opens connections here.
    #[expect(unsafe_code, reason = "rusqlite has no sqlite3_config for this option")]
    unsafe {
        ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, off);
    }
}

#[cfg(unix)]
mod locks {
    use super::{c_int, ffi};
    use std::sync::OnceLock;

    /// SQLite's global locks, in an order in which it may itself take several: a later one while it holds an
    /// earlier one, never the other way round.
    const ORDER: [c_int; 9] = [
        ffi::SQLITE_MUTEX_STATIC_OPEN,
        ffi::SQLITE_MUTEX_STATIC_MAIN,
        ffi::SQLITE_MUTEX_STATIC_VFS1,
        ffi::SQLITE_MUTEX_STATIC_VFS2,
        ffi::SQLITE_MUTEX_STATIC_VFS3,
        ffi::SQLITE_MUTEX_STATIC_LRU,
        ffi::SQLITE_MUTEX_STATIC_PMEM,
        ffi::SQLITE_MUTEX_STATIC_PRNG,
        ffi::SQLITE_MUTEX_STATIC_MEM,
    ];

    struct Locks([*mut ffi::sqlite3_mutex; ORDER.len()]);

    // SAFETY: static mutexes live as long as the program and are there for all threads.
    #[expect(unsafe_code, reason = "SQLite's mutexes are raw pointers")]
    unsafe impl Send for Locks {}
    // SAFETY: as above.
    #[expect(unsafe_code, reason = "SQLite's mutexes are raw pointers")]
    unsafe impl Sync for Locks {}

    static LOCKS: OnceLock<Locks> = OnceLock::new();

    pub(super) fn hold_over_forks() {
        // SAFETY: initialising is safe at any time and more than once; the locks asked for are static ones, for
        // which nothing is allocated; the handlers are plain functions that live as long as the program.
        #[expect(unsafe_code, reason = "neither SQLite's mutexes nor atfork have a safe form")]
        let registered = unsafe {
            if ffi::sqlite3_initialize() != ffi::SQLITE_OK {
                return;
            }
            LOCKS.get_or_init(|| Locks(ORDER.map(|lock| ffi::sqlite3_mutex_alloc(lock))));
            libc::pthread_atfork(Some(take), Some(give), Some(give))
        };
        if registered != 0 {
            tracing::warn!("a forked child may wait for ever in SQLite: pthread_atfork failed");
        }
    }

    /// Before the fork: waits for all locks.
    extern "C" fn take() {
        for lock in LOCKS.get().into_iter().flat_map(|locks| locks.0) {
            // SAFETY: a static lock, or null, which is no lock. The thread that forks is in no call of SQLite.
            #[expect(unsafe_code, reason = "SQLite's mutexes have no safe form")]
            unsafe {
                ffi::sqlite3_mutex_enter(lock);
            }
        }
    }

    /// After the fork, in the parent and in the child: the thread that took them gives them back.
    extern "C" fn give() {
        for lock in LOCKS.get().into_iter().flat_map(|locks| locks.0.into_iter().rev()) {
            // SAFETY: taken by this thread in `take`.
            #[expect(unsafe_code, reason = "SQLite's mutexes have no safe form")]
            unsafe {
                ffi::sqlite3_mutex_leave(lock);
            }
        }
    }
}
