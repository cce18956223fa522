//! The armour of Linux.

mod forked;
mod guard;
mod index_page;
mod lease;
mod marks;
mod ofd;
mod parked;
mod syscall;
#[cfg(test)]
mod tests;

use super::{available, is_left_out};
pub(crate) use guard::{Begun, Guard};
pub(crate) use index_page::IndexPage;
pub(crate) use lease::{Held, holding, not_holding, settle};
pub(crate) use syscall::{Opened, noting_opened, writes_plainly};

/// Puts all parts in place, or says why not. Called once.
pub(super) fn install() -> Result<(), &'static str> {
    if is_left_out("all") {
        return Err("switched off for a test");
    }
    if !ofd::supported() {
        return Err("the kernel has no locks for open file descriptions (F_OFD_SETLK)");
    }
    forked::watch()?;
    parked::note_earlier();
    if is_left_out("locks") { Ok(()) } else { syscall::install() }
}
