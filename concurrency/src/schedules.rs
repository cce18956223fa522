//! Scenarios under random schedules of shuttle's.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Schedules of a seeded bug: it is found in far fewer.
const OF_A_BUG: usize = 20_000;

/// Schedules of each kind for what is sound: 100 000, or as many as LITESTASH_SCHEDULES says.
fn of_what_is_sound() -> usize {
    let asked = std::env::var("LITESTASH_SCHEDULES").ok().and_then(|count| count.parse().ok());
    asked.unwrap_or(100_000)
}

/// Fails if a schedule is found, of those chosen at random, under which the scenario fails.
pub fn is_sound(scenario: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(scenario, of_what_is_sound());
}

/// [`is_sound`], by priorities of threads that change: for bugs that need three events in order (shuttle's depth).
pub fn is_sound_by_priority(scenario: impl Fn() + Send + Sync + 'static) {
    shuttle::check_pct(scenario, of_what_is_sound(), 3);
}

/// Whether a schedule is found under which the scenario fails.
pub fn is_found(scenario: impl Fn() + Send + Sync + 'static) -> bool {
    catch_unwind(AssertUnwindSafe(|| shuttle::check_random(scenario, OF_A_BUG))).is_err()
}
