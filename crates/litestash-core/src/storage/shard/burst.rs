//! Noticing that a shard is written again and again, by this process alone.

use crate::storage::armour::Held;
use crate::storage::database::Database;
use std::time::{Duration, Instant};

/// Commits in a row after which locks are kept between them.
const COMMITS_BEFORE: u32 = 4;

/// A longer pause ends a row.
const PAUSE_MAX: Duration = Duration::from_millis(2);

/// Commits without keeping locks each time they were given back.
const COMMITS_BETWEEN: u32 = 3;

/// Commits without keeping locks after another process was seen waiting.
const COMMITS_AFTER: u32 = 1000;

/// A row of commits.
#[derive(Default)]
pub(super) struct Burst {
    commits: u32,
    /// When the row ends unless another commit comes.
    until: Option<Instant>,
    /// Commits to go before locks may be kept again.
    undisturbed_in: u32,
    /// Whether locks are kept, unless the worker gave them back.
    pub(super) keeps: bool,
    /// Those of this connection, once some were kept.
    pub(super) locks: Option<Held>,
}

impl Burst {
    /// Counts a commit that is about to be made; whether it belongs to a long row that nobody else waits for.
    pub(super) fn is_one(&mut self, database: &Database) -> bool {
        // Without turns nobody could say that it waits.
        if !database.takes_turns() {
            return false;
        }
        if self.undisturbed_in > 0 {
            self.undisturbed_in -= 1;
            return false;
        }
        let now = Instant::now();
        let paused = self.until.replace(now + PAUSE_MAX).is_none_or(|until| now > until);
        self.commits = if paused { 0 } else { self.commits.saturating_add(1) };
        if self.commits < COMMITS_BEFORE {
            return false;
        }
        if database.is_awaited() {
            self.was_disturbed();
            return false;
        }
        true
    }

    /// The locks were given back: a few commits go by without keeping any, in which programs that do not take
    /// turns get theirs.
    pub(super) fn was_settled(&mut self) {
        self.commits = self.commits.min(COMMITS_BEFORE - COMMITS_BETWEEN);
        self.keeps = false;
    }

    /// Another process waits, or something else than a commit is to be done.
    pub(super) fn was_disturbed(&mut self) {
        self.commits = 0;
        self.undisturbed_in = COMMITS_AFTER;
    }
}
