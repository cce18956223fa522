//! A short wait for an answer that would otherwise be sent: to be sent a message takes as long as a write.

use crate::writer::Answer;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a scheduler looks. It is lent to native functions for a millisecond at a time
/// (<https://www.erlang.org/doc/apps/erts/erl_nif.html#lengthy_work>).
const AT_MOST: Duration = Duration::from_micros(50);

/// Looks between two looks at the clock.
const LOOKS: u32 = 16;

/// Writes in a row that nobody looks for after answers that did not come soon, at most.
const NOT_LOOKED_FOR_MAX: u32 = 64;

const WAITED_FOR: u8 = 0;
const ANSWERED: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Where the answer is left for who looks.
pub(crate) struct Glance {
    state: AtomicU8,
    answer: Mutex<Option<Answer>>,
}

impl Glance {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU8::new(WAITED_FOR), answer: Mutex::default() }
    }

    fn place(&self) -> MutexGuard<'_, Option<Answer>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the answer; gives it back if nobody looks any more.
    pub(crate) fn answer(&self, answer: Answer) -> Option<Answer> {
        *self.place() = Some(answer);
        if self.becomes(ANSWERED) { None } else { self.place().take() }
    }

    /// The answer, if it comes soon. If not, it will be given back to who has it.
    pub(crate) fn wait(&self) -> Option<Answer> {
        let began = Instant::now();
        while began.elapsed() < AT_MOST {
            for _ in 0..LOOKS {
                if self.state.load(Ordering::Acquire) == ANSWERED {
                    return self.place().take();
                }
                std::hint::spin_loop();
            }
        }
        if self.becomes(GIVEN_UP) { None } else { self.place().take() }
    }

    /// False if the other side was faster.
    fn becomes(&self, state: u8) -> bool {
        self.state.compare_exchange(WAITED_FOR, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Whether it is worth looking. After an answer that did not come soon the next write is not looked for, and twice as
/// many after each such answer that follows.
#[derive(Default)]
pub(crate) struct Patience {
    /// How many of the next writes nobody looks for.
    not_looked_for: AtomicU32,
    /// How many that were after the last answer that did not come soon; 0 if one has since.
    last: AtomicU32,
}

impl Patience {
    /// Whether the next write is looked for.
    pub(crate) fn allows(&self) -> bool {
        let left = self.not_looked_for.load(Ordering::Relaxed);
        if left > 0 {
            self.not_looked_for.store(left - 1, Ordering::Relaxed);
        }
        left == 0
    }

    /// Learns whether an answer came soon.
    pub(crate) fn learn(&self, came_soon: bool) {
        let last = self.last.load(Ordering::Relaxed);
        let next = if came_soon { 0 } else { (2 * last).clamp(1, NOT_LOOKED_FOR_MAX) };
        if next != last {
            self.last.store(next, Ordering::Relaxed);
        }
        if next > 0 {
            self.not_looked_for.store(next, Ordering::Relaxed);
        }
    }
}
