//! What a forked child must do: locks of an open file description are inherited with the descriptor, and
//! would outlive their owner in the child.
//!
//! Three things keep a description alive in the child. Descriptors: replaced here. Mappings: made so that a
//! child does not get them (`MADV_DONTFORK`), those of SQLite in [`super::syscall`], ours in
//! [`super::index_page`]. And SQLite's own table of open files, which a child inherits too and would trust
//! when it opens the stash anew; there, files get another identity (again [`super::syscall`]).

use super::marks::{GUARDS, INDEXES};
use std::os::fd::RawFd;

/// Registers what a child does. Called once.
pub(super) fn watch() -> Result<(), &'static str> {
    // Counts forks before the handler below runs.
    crate::storage::fork::watched_generation();
    if super::is_left_out("forks") {
        return Ok(());
    }
    // SAFETY: the handler is a plain function that lives as long as the program, and makes only calls that are
    // async-signal-safe, as POSIX asks of handlers in the child.
    #[expect(unsafe_code, reason = "the standard library has no atfork")]
    let result = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    if result == 0 { Ok(()) } else { Err("forks cannot be watched: pthread_atfork failed") }
}

/// Gives up every descriptor that carries locks of the parent.
///
/// Their numbers stay taken, by a descriptor that can do nothing: whoever believes to own one – a connection
/// that a child closes although it must not – closes that and not a file of the child, and cannot lock.
extern "C" fn in_child() {
    // SAFETY: `open` of a constant path and `close` of what it returned, or of descriptors that belong to the
    // armour and of which the child's copies are never used; all are async-signal-safe.
    #[expect(unsafe_code, reason = "only raw calls may be made in the child of a fork")]
    unsafe {
        let nothing = libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
        for marks in [&INDEXES, &GUARDS] {
            for fd in marks.iter() {
                replace(fd, nothing);
                marks.remove(fd);
            }
        }
        if nothing >= 0 {
            libc::close(nothing);
        }
    }
}

/// # Safety
///
/// `fd` is the armour's, `nothing` is open or negative.
#[expect(unsafe_code, reason = "only raw calls may be made in the child of a fork")]
unsafe fn replace(fd: RawFd, nothing: RawFd) {
    // SAFETY: as the caller says.
    unsafe {
        if nothing < 0 || libc::dup3(nothing, fd, libc::O_CLOEXEC) < 0 {
            libc::close(fd);
        }
    }
}
