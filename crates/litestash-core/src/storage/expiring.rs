//! What the shards of a stash share about deadlines: the clocks, whether they can be believed, and figures.

use crate::env::Clock;
use crate::sync::Mutex;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The wall clock was set if it went that much further than the time that passed, or less far.
const JUMP_US: i64 = 60_000_000;

/// For how long nothing is deleted after that; and for how long after a stash was opened what had expired
/// before is left alone, so that a clock that is wrong when a machine starts can be put right first.
pub(super) const PATIENCE_US: i64 = 60_000_000;

/// Figures of what was done about deadlines, by this process since it opened the stash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ExpiryStats {
    /// Expired rows that sweeps removed.
    pub swept_rows: u64,
    /// Rows of the `expiry` table that sweeps removed; there may be several for a row.
    pub swept_hints: u64,
    /// Sliding deadlines that were prolonged after reads.
    pub prolonged: u64,
    /// How often the wall clock was found set by more than a minute.
    pub clock_jumps: u64,
    /// Whether nothing is swept right now, because the clock was set less than a minute ago.
    pub postponed: bool,
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) wall_us: i64,
    boot_us: i64,
}

struct Watch {
    last: Reading,
    postponed_until: Option<i64>,
    jumps: u64,
}

/// See the module.
pub(crate) struct Expiring {
    clock: Arc<dyn Clock>,
    /// Whether anything is done without being asked for.
    pub(crate) in_background: bool,
    opened: Reading,
    watch: Mutex<Watch>,
    pub(super) rows: AtomicU64,
    pub(super) hints: AtomicU64,
    pub(super) prolonged: AtomicU64,
}

impl Expiring {
    pub(crate) fn new(clock: Arc<dyn Clock>, in_background: bool) -> Self {
        let opened = Reading { wall_us: clock.now_us(), boot_us: clock.boot_us() };
        let watch = Watch { last: opened, postponed_until: None, jumps: 0 };
        let zero = || AtomicU64::new(0);
        Self {
            clock,
            in_background,
            opened,
            watch: Mutex::new(watch),
            rows: zero(),
            hints: zero(),
            prolonged: zero(),
        }
    }

    pub(super) fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    /// The wall clock, or `None` if rows are not to be deleted by it now: it was set by more than a minute, less
    /// than a minute ago.
    pub(crate) fn believed_us(&self) -> Option<i64> {
        let mut watch = self.watch.lock();
        let now = Reading { wall_us: self.clock.now_us(), boot_us: self.clock.boot_us() };
        let passed = now.boot_us.saturating_sub(watch.last.boot_us);
        let set_by = now.wall_us.saturating_sub(watch.last.wall_us).saturating_sub(passed);
        watch.last = now;
        if set_by.saturating_abs() > JUMP_US {
            watch.jumps += 1;
            watch.postponed_until = Some(now.boot_us.saturating_add(PATIENCE_US));
            let seconds = set_by / 1_000_000;
            tracing::warn!(seconds, "the clock was set; expired rows are deleted from a minute from now on");
        } else if watch.postponed_until.is_some_and(|until| now.boot_us >= until) {
            watch.postponed_until = None;
        }
        watch.postponed_until.is_none().then_some(now.wall_us)
    }

    /// Behind which deadlines the background sweeps: those that had passed before the stash was opened come
    /// a minute later.
    pub(super) fn swept_behind_us(&self) -> i64 {
        let open_for = self.clock.boot_us().saturating_sub(self.opened.boot_us);
        if open_for < PATIENCE_US { self.opened.wall_us } else { i64::MIN }
    }

    pub(crate) fn stats(&self) -> ExpiryStats {
        let get = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let watch = self.watch.lock();
        let boot_us = self.clock.boot_us();
        ExpiryStats {
            swept_rows: get(&self.rows),
            swept_hints: get(&self.hints),
            prolonged: get(&self.prolonged),
            clock_jumps: watch.jumps,
            postponed: watch.postponed_until.is_some_and(|until| boot_us < until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::FixedClock;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_clock_that_was_set_is_believed_a_minute_later() {
        let clock = FixedClock::new(0);
        let expiring = Expiring::new(Arc::new(clock.clone()), true);
        clock.advance(3600 * SECOND);
        assert_eq!(expiring.believed_us(), Some(3600 * SECOND));
        clock.set_by(60 * SECOND);
        assert_eq!(expiring.believed_us(), Some(3660 * SECOND));
        for (jumps, jump) in [(1, 61), (2, -61), (3, -1_000_000)] {
            clock.set_by(jump * SECOND);
            assert_eq!(expiring.believed_us(), None);
            clock.advance(59 * SECOND);
            assert_eq!(expiring.believed_us(), None);
            assert!(expiring.stats().postponed);
            clock.advance(SECOND);
            assert_eq!(expiring.believed_us(), Some(clock.now_us()));
            let stats = expiring.stats();
            assert_eq!((stats.clock_jumps, stats.postponed), (jumps, false));
        }
        clock.set_by(i64::MAX);
        assert_eq!(expiring.believed_us(), None);
    }

    #[test]
    fn what_expired_before_the_stash_was_opened_waits_a_minute() {
        let clock = FixedClock::new(500);
        let expiring = Expiring::new(Arc::new(clock.clone()), true);
        clock.advance(PATIENCE_US - 1);
        assert_eq!(expiring.swept_behind_us(), 500);
        clock.advance(1);
        assert_eq!(expiring.swept_behind_us(), i64::MIN);
    }
}
