//! A short wait for an answer that would otherwise be sent: to be sent a message takes as long as a write.

use crate::writer::Answer;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a scheduler looks. It is lent to native functions for a millisecond at a time
/// (<https://www.erlang.org/doc/apps/erts/erl_nif.html#lengthy_work>).
const AT_MOST: Duration = Duration::from_micros(20);

/// Looks between two looks at the clock.
const LOOKS: u32 = 16;

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
