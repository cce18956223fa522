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
use super::retry::{jitter, timed_out};
use super::wal_index::WalIndex;
use crate::error::{ErrorKind, Result};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a process writes while others wait. Long enough that a change of turns, which costs a wake-up and
/// SQLite's page cache, does not matter.
const QUANTUM: Ticks = Ticks::from_micros(2000);

/// When a turn is over and nobody sleeps, its owner asks again after so long.
const ASKED_AGAIN: Ticks = Ticks::from_micros(200);

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// A turn that was given away, as the number says.
#[derive(Debug, Clone, Copy)]
struct Given {
    number: u16,
    at: Ticks,
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

    /// Whether somebody has said that it waits for the shard.
    pub(super) fn is_awaited(&self) -> bool {
        self.words().announced.load(Relaxed) != 0
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
        let given = if refused { None } else { self.make_way(now) };
        let mut may_try = !refused;
        let mut waiting: Option<(Instant, Duration)> = None;
        loop {
            let turn = self.turn();
            // At the end of its time it tries once more, whoever's turn it is.
            let is_last = waiting.map_or(timeout.is_zero(), |(since, _)| since.elapsed() >= timeout);
            if is_last || may_try && !self.must_wait(turn, given, now) {
                match attempt() {
                    Err(error) if error.kind() == ErrorKind::Busy => {
                        if is_last {
                            return Err(timed_out(timeout, error));
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
            may_try = true;
            let (_, pause) = waiting.get_or_insert_with(|| (Instant::now(), SHORTEST));
            let words = self.words();
            words.announced.store(now.plus(ANNOUNCED).0.max(1), Relaxed);
            futex::wait(words.turn, turn.0, jitter(*pause));
            *pause = (*pause * 2).min(LONGEST);
            now = Ticks::now();
        }
    }

    fn turn(&self) -> Turn {
        Turn(self.words().turn.load(Relaxed))
    }

    /// Whether it is somebody else's turn, who writes right now or is about to.
    fn must_wait(&self, turn: Turn, given: Option<Given>, now: Ticks) -> bool {
        let is_given =
            given.is_some_and(|given| given.number == turn.number() && given.at.elapsed(now) <= PATIENCE);
        is_given || turn.is_active(now) && self.own_turn(turn).is_none()
    }

    fn own_turn(&self, turn: Turn) -> Option<Own> {
        self.own.filter(|own| own.number == turn.number())
    }

    /// Ends this connection's turn if it was long enough and somebody sleeps until it ends.
    fn make_way(&mut self, now: Ticks) -> Option<Given> {
        let words = self.words();
        let announced = words.announced.load(Relaxed);
        if !Ticks(announced).is_within(ANNOUNCED, now) {
            // From somebody who got what it waited for, or ended. If it was renewed meanwhile it stays.
            let _ = words.announced.compare_exchange(announced, 0, Relaxed, Relaxed);
            return None;
        }
        let turn = self.turn();
        let own = self.own_turn(turn).filter(|own| own.since.elapsed(now) >= QUANTUM)?;
        let given = Given { number: own.number.wrapping_add(1), at: now };
        words.turn.store(Turn::new(given.number, now).0, Relaxed);
        if futex::wake_one(words.turn) {
            return Some(given);
        }
        // Nobody sleeps, but somebody may be between two pauses. Asking costs a system call, so not each time.
        words.turn.store(turn.0, Relaxed);
        self.own = Some(Own { since: Ticks(now.0.wrapping_sub(QUANTUM.0 - ASKED_AGAIN.0)), ..own });
        None
    }

    /// Notes that this connection has begun to write: in its own turn, or in one that it has thereby taken.
    fn begun(&mut self, turn: Turn, now: Ticks) {
        let own = self.own_turn(turn).unwrap_or(Own { number: turn.next(), since: now });
        self.own = Some(own);
        let stamped = Turn::new(own.number, now);
        if stamped != turn {
            self.words().turn.store(stamped.0, Relaxed);
        }
    }
}

/// Switches for measurements. No part of the interface.
#[cfg(feature = "testing")]
pub(crate) mod testing {
    use std::sync::atomic::AtomicBool;

    /// Whether connections opened from now on take no turns.
    pub static WITHOUT: AtomicBool = AtomicBool::new(false);
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::error::Error;
    use rusqlite::Connection;
    use std::sync::atomic::AtomicBool;

    const LONG: Duration = Duration::from_secs(20);

    fn connection(dir: &tempfile::TempDir) -> (Connection, Ticket) {
        let connection = Connection::open(dir.path().join("a.db")).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE IF NOT EXISTS t (x)").unwrap();
        let ticket = Ticket::new(WalIndex::of(&connection).unwrap()).unwrap();
        (connection, ticket)
    }

    fn busy() -> Error {
        Error::new(ErrorKind::Busy, "")
    }

    /// Also a guard for new versions of SQLite.
    #[test]
    fn sqlite_leaves_the_words_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (one, ticket) = connection(&dir);
        assert_eq!(ticket.words().announced.load(Relaxed), 0);
        ticket.words().announced.store(0x0123_4567, Relaxed);
        ticket.words().turn.store(u32::MAX, Relaxed);
        let (two, other) = connection(&dir);
        for connection in [&one, &two, &one] {
            connection
                .execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (zeroblob(100000)); COMMIT")
                .unwrap();
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
        assert_eq!(other.words().announced.load(Relaxed), 0x0123_4567);
        assert_eq!(other.words().turn.load(Relaxed), u32::MAX);
        let sound: String = two.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }

    #[test]
    fn alone_it_touches_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (_connection, mut ticket) = connection(&dir);
        for n in 0..1000 {
            assert_eq!(ticket.in_turn(LONG, || Ok(n)).unwrap(), n);
        }
        let words = ticket.words();
        assert_eq!((words.announced.load(Relaxed), words.turn.load(Relaxed)), (0, 0));
    }

    /// What a killed process left, or anybody wrote there, costs milliseconds at most.
    #[test]
    fn no_content_of_the_words_stops_a_writer() {
        let dir = tempfile::tempdir().unwrap();
        let (_connection, mut ticket) = connection(&dir);
        let now = Ticks::now();
        for announced in [1, now.0, now.plus(ANNOUNCED).0, now.plus(Ticks(u32::MAX / 2)).0, u32::MAX] {
            for turn in
                [0, 1 << 16, 1 << 16 | now.0 & 0xffff, 2 << 16, u32::MAX, 0xfffe_0000 | now.0 & 0xffff]
            {
                ticket.words().announced.store(announced, Relaxed);
                ticket.words().turn.store(turn, Relaxed);
                let started = Instant::now();
                for _ in 0..3 {
                    ticket.in_turn(LONG, || Ok(())).unwrap();
                }
                assert!(started.elapsed() < Duration::from_secs(2), "{announced:#x} {turn:#x}");
            }
        }
        std::thread::sleep(Duration::from_millis(10));
        ticket.in_turn(LONG, || Ok(())).unwrap();
        assert_eq!(ticket.words().announced.load(Relaxed), 0);
    }

    #[test]
    fn waiting_ends_with_its_time_and_other_errors_are_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        let (_connection, mut ticket) = connection(&dir);
        for timeout in [Duration::ZERO, Duration::from_millis(3)] {
            let mut attempts = 0;
            let stuck: Result<()> = ticket.in_turn(timeout, || {
                attempts += 1;
                Err(busy())
            });
            assert_eq!(stuck.unwrap_err().kind(), ErrorKind::Busy);
            assert!(attempts >= 2);
        }
        let failed: Result<()> = ticket.in_turn(LONG, || Err(Error::new(ErrorKind::Io, "")));
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Io);
        // Without time to wait it tries at once, in the turn of another.
        let now = Ticks::now();
        ticket.words().announced.store(now.plus(ANNOUNCED).0, Relaxed);
        ticket.words().turn.store(Turn::new(77, now).0, Relaxed);
        assert!(ticket.in_turn(Duration::ZERO, || Ok(())).is_ok());
    }

    /// Two connections that write without a pause, on a lock that goes to whoever asks at the right moment.
    #[test]
    fn who_waits_gets_its_turn() {
        let dir = tempfile::tempdir().unwrap();
        let (_one, first) = connection(&dir);
        let (_two, second) = connection(&dir);
        let tickets = [first.index, second.index].map(SendIndex);
        let lock = AtomicBool::new(false);
        let until = Instant::now() + Duration::from_millis(400);
        let counts = std::thread::scope(|scope| {
            let threads = tickets.map(|index| {
                let lock = &lock;
                scope.spawn(move || {
                    let mut ticket = Ticket::new(index.get()).unwrap();
                    let mut count = 0u32;
                    while Instant::now() < until {
                        let taken = ticket
                            .in_turn(LONG, || if lock.swap(true, Relaxed) { Err(busy()) } else { Ok(()) });
                        taken.unwrap();
                        let started = Instant::now();
                        while started.elapsed() < Duration::from_micros(5) {}
                        lock.store(false, Relaxed);
                        count += 1;
                    }
                    count
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let ratio = f64::from(counts[0].max(counts[1])) / f64::from(counts[0].min(counts[1]).max(1));
        println!("{counts:?}, {ratio:.2} : 1");
        assert!(ratio < 5.0, "{counts:?}");
    }

    struct SendIndex(WalIndex);

    impl SendIndex {
        fn get(&self) -> WalIndex {
            self.0
        }
    }

    // SAFETY: the mapped page belongs to the process, and both connections outlive the threads.
    #[expect(unsafe_code, reason = "see the safety comment")]
    unsafe impl Send for SendIndex {}
}
