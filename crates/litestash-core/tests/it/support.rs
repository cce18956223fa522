//! What several topics need.

use litestash_core::{Error, ErrorKind, FixedClock, LiteStash, Options};
use std::fmt::Debug;
use tempfile::TempDir;

/// 2026-01-02T03:04:05.678901Z
pub(crate) const NOW_US: i64 = 1_767_323_045_678_901;

/// A stash in a directory of its own.
pub(crate) fn stash() -> (TempDir, LiteStash) {
    let dir = tempfile::tempdir().unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    (dir, stash)
}

/// A stash whose clock stands at [`NOW_US`].
pub(crate) fn stash_at_now() -> (TempDir, LiteStash, FixedClock) {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW_US);
    let stash = Options::new().clock(clock.clone()).open(dir.path()).unwrap();
    (dir, stash, clock)
}

/// Insists on the kind of an error.
#[track_caller]
pub(crate) fn check_kind<T: Debug>(result: Result<T, Error>, kind: ErrorKind) {
    assert_eq!(result.unwrap_err().kind(), kind);
}
