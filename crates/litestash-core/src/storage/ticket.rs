//! Taking turns with other processes that write the same shard.
//!
//! SQLite's write lock has no queue: whoever asks at the right moment gets it, and that is mostly the process
//! that has just let go of it. So processes that meet take turns of [`QUANTUM`] each. What they know of each
//! other are two words of the shard's mapped WAL index: the bytes that SQLite's locks stand for and that it
//! neither reads nor writes (<https://www.sqlite.org/walformat.html>, 2.1). See `docs/adr/0011-fairness.md`.
//!
//! The words are advice. SQLite's lock alone decides who writes; whatever the words hold, also after a kill at
//! any moment, nobody waits on them for longer than some milliseconds.

use super::futex;
use super::retry::{self, jitter};
use super::wal_index::WalIndex;
use crate::error::{ErrorKind, Result};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a process writes while others wait. Long enough that a change of turns, which costs a wake-up and
/// SQLite's page cache, does not matter.
const QUANTUM: Ticks = Ticks::from_micros(2000);

/// A turn lapses when nothing was begun for so long: then others may write in the pauses.
const LAPSE: Ticks = Ticks::from_micros(32);

/// For how long a waiter's announcement counts. Longer than its longest pause.
const ANNOUNCED: Ticks = Ticks::from_micros(5000);

/// How long who gave its turn away waits for somebody to take it.
const PATIENCE: Ticks = Ticks::from_micros(1000);

/// Pauses of a waiter. It looks that often whether the turn has lapsed, or was left by a process that ended.
const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(1);

/// Points and spans of the system's monotonic clock, in units of 4.096 µs. It wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks(u32);

impl Ticks {
    const fn from_micros(micros: u32) -> Self {
        Self((micros * 1000) >> 12)
    }

    fn now() -> Self {
        Self((futex::monotonic_ns() >> 12) as u32)
    }

    fn plus(self, span: Self) -> Self {
        Self(self.0.wrapping_add(span.0))
    }

    /// Whether this point lies in the future, but by no more than `span`: further is not from a process of
    /// this clock.
    fn is_within(self, span: Self, now: Self) -> bool {
        (1..=span.0).contains(&self.0.wrapping_sub(now.0))
    }

    fn elapsed(self, now: Self) -> Self {
        Self(now.0.wrapping_sub(self.0))
    }
}

/// The second word: whose turn it is. The number in the upper half grows with each change; an odd one is that
/// of a running turn, an even one means that a turn was given away. The lower half says when its owner last
/// began to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn(u32);

impl Turn {
    fn new(number: u16, now: Ticks) -> Self {
        Self(u32::from(number) << 16 | now.0 & 0xffff)
    }

    fn number(self) -> u16 {
        (self.0 >> 16) as u16
    }

    fn is_running(self) -> bool {
        self.number() % 2 == 1
    }

    /// Whether its owner writes without a pause. (A stamp older than 268 ms may look fresh for an instant.)
    fn is_active(self, now: Ticks) -> bool {
        let since = (now.0 as u16).wrapping_sub(self.0 as u16);
        self.is_running() && u32::from(since) <= LAPSE.0
    }

    /// The number of the turn that somebody takes now.
    fn next(self) -> u16 {
        if self.is_running() { self.number().wrapping_add(2) } else { self.number() | 1 }
    }
}

/// The turn that this connection took last.
#[derive(Debug, Clone, Copy)]
struct Own {
    number: u16,
    since: Ticks,
}

/// A writer connection's place among those of other processes, and of other handles in this one.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    index: WalIndex,
    own: Option<Own>,
}

/// The two words.
struct Words<'a> {
    /// Until when somebody waits, in [`Ticks`]; 0 if nobody does.
    announced: &'a AtomicU32,
    turn: &'a AtomicU32,
}

impl Ticket {
    /// The ticket of a connection that writes. `None` where there is no way to wait for another process: then
    /// writers only try again and again.
    pub(super) fn new(index: WalIndex) -> Option<Self> {
        #[cfg(feature = "testing")]
        if testing::WITHOUT.load(Relaxed) {
            return None;
        }
        (futex::AVAILABLE && index.has_known_layout()).then_some(Self { index, own: None })
    }

    /// Calls `attempt`, which begins a write, when it is this connection's turn, and again while it answers
    /// `Busy`, for at most `timeout`. Costs one load while nobody else waits for the shard.
    #[inline]
    pub(super) fn in_turn<T>(
        &mut self,
        timeout: Duration,
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let awaited = self.words().announced.load(Relaxed) != 0;
        if !awaited {
            match attempt() {
                Err(error) if error.kind() == ErrorKind::Busy => {}
                other => return other,
            }
        }
        self.take_turn(timeout, !awaited, attempt)
    }

    fn words(&self) -> Words<'_> {
        let [announced, turn] = self.index.lock_words();
        Words { announced, turn }
    }

    /// `refused`: an attempt has just been made and found the shard busy.
    #[cold]
    fn take_turn<T>(
        &mut self,
        timeout: Duration,
        refused: bool,
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let mut now = Ticks::now();
        let mut given = None;
        if !refused {
            let words = self.words();
            let announced = words.announced.load(Relaxed);
            if !Ticks(announced).is_within(ANNOUNCED, now) {
                // Of somebody who has got what it waited for, or ended. Another may have renewed it meanwhile.
                let _ = words.announced.compare_exchange(announced, 0, Relaxed, Relaxed);
            }
            given = self.give_away_if_used_up(now);
        }
        let mut waiting: Option<(Instant, Duration)> = None;
        let mut skip = refused;
        loop {
            let turn = Turn(self.words().turn.load(Relaxed));
            let was_given = given
                .is_some_and(|(number, at): (u16, Ticks)| turn.number() == number && at.elapsed(now).0 <= PATIENCE.0);
            let others = was_given || turn.is_active(now) && !self.owns(turn);
            let late = waiting.is_some_and(|(since, _)| since.elapsed() >= timeout);
            // At the end of its time it tries once more, whoever's turn it is.
            if late || timeout.is_zero() || !others && !skip {
                match attempt() {
                    Err(error) if error.kind() == ErrorKind::Busy => {
                        if late || timeout.is_zero() {
                            return Err(retry::timed_out(timeout, error));
                        }
                    }
                    other => {
                        if other.is_ok() {
                            self.begun(turn, now);
                        }
                        return other;
                    }
                }
            }
            skip = false;
            let (_, pause) = waiting.get_or_insert_with(|| (Instant::now(), SHORTEST));
            let words = self.words();
            words.announced.store(now.plus(ANNOUNCED).0.max(1), Relaxed);
            futex::wait(words.turn, turn.0, jitter(*pause));
            *pause = (*pause * 2).min(LONGEST);
            now = Ticks::now();
        }
    }

    fn owns(&self, turn: Turn) -> bool {
        self.own.is_some_and(|own| own.number == turn.number())
    }

    /// Ends this connection's turn if it was long enough and somebody sleeps until it ends. Returns the number
    /// that says so, and when.
    fn give_away_if_used_up(&mut self, now: Ticks) -> Option<(u16, Ticks)> {
        let turn = Turn(self.words().turn.load(Relaxed));
        let own = self.own.filter(|own| own.number == turn.number() && turn.is_active(now))?;
        if own.since.elapsed(now).0 < QUANTUM.0 {
            return None;
        }
        let given = Turn::new(own.number.wrapping_add(1), now);
        let words = self.words();
        words.turn.store(given.0, Relaxed);
        if futex::wake_one(words.turn) {
            return Some((given.number(), now));
        }
        // Nobody sleeps; whoever is between two pauses gets the next one.
        words.turn.store(turn.0, Relaxed);
        self.own = Some(Own { since: now, ..own });
        None
    }

    /// Notes that this connection has begun to write: in its own turn, or in one that it has thereby taken.
    fn begun(&mut self, turn: Turn, now: Ticks) {
        let number = match self.own {
            Some(own) if own.number == turn.number() && turn.is_active(now) => own.number,
            _ => {
                let number = turn.next();
                self.own = Some(Own { number, since: now });
                number
            }
        };
        let stamped = Turn::new(number, now);
        if stamped != turn {
            self.words().turn.store(stamped.0, Relaxed);
        }
    }
}

/// Switches for measurements. No part of the interface.
#[cfg(feature = "testing")]
pub mod testing {
    use std::sync::atomic::AtomicBool;

    /// Whether connections opened from now on take no turns.
    pub static WITHOUT: AtomicBool = AtomicBool::new(false);
}
