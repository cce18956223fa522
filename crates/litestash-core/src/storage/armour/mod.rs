//! Keeping a shard's locks where a second copy of SQLite in this process would drop them.
//!
//! POSIX record locks belong to the process: closing *any* descriptor of a file drops all of them, and two
//! copies of SQLite in one process do not see each other's (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
//! A program in Python, JavaScript or Swift has a second copy as a matter of course, and one look at a shard
//! with it – open, SELECT, close – would delete the log under our writers.
//!
//! Two parts, both needed (`docs/adr/0010-lock-armour.md`): this copy of SQLite takes its locks on a shard's
//! `-shm` for the open file description instead of the process (`F_OFD_SETLK`), and a [`Guard`] holds such
//! locks besides, so that nobody takes the database file exclusively, which is what deleting the log needs.
//!
//! Linux with 64 bits only. Elsewhere nothing is done and [`available`] is false.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod elsewhere;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod linux;

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
use elsewhere as platform;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
use linux as platform;

pub(crate) use platform::{Begun, Guard, Held, IndexPage, holding, not_holding, settle};
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) use platform::{Opened, noting_opened, writes_plainly};
use std::sync::OnceLock;

static AVAILABLE: OnceLock<bool> = OnceLock::new();

/// Puts the armour on: once per process, before this copy of SQLite opens a shard. Later calls cost a load.
///
/// Where it cannot be had, that is said once in the log, and everything works as with SQLite alone.
pub(crate) fn install() {
    AVAILABLE.get_or_init(|| {
        let installed = platform::install();
        if let Err(reason) = installed
            && !cfg!(windows)
        {
            tracing::warn!(
                reason,
                "no lock armour: do not open a shard with another copy of SQLite in this process"
            );
        }
        installed.is_ok()
    });
}

/// Whether the armour is on.
pub(crate) fn available() -> bool {
    AVAILABLE.get().copied().unwrap_or(false)
}

/// Whether a test of the tests wants a part left out. Shipped builds lack the question.
#[cfg(feature = "testing")]
fn is_left_out(part: &str) -> bool {
    std::env::var_os("LITESTASH_TEST_WITHOUT_ARMOUR").is_some_and(|left_out| left_out == part)
}

#[cfg(not(feature = "testing"))]
fn is_left_out(_part: &str) -> bool {
    false
}
