//! A switch for tests. No part of the interface, and not in the header.

use std::cell::Cell;

thread_local! {
    static NEXT: Cell<bool> = const { Cell::new(false) };
}

/// Lets the next call of this thread panic.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_testing_panic() {
    NEXT.set(true);
}

pub(super) fn trip() {
    assert!(!NEXT.replace(false), "a test asked for this panic");
}
