//! What the engine takes from its surroundings: the wall clock and random bytes. Both are injected, so that
//! tests and conformance can fix them.

use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A wall clock: Unix time in microseconds, UTC. It may step backwards; versions do not
/// (`docs/CONTRACT.md` 6).
pub trait Clock: Send + Sync + 'static {
    /// Now, in microseconds since 1970-01-01T00:00:00Z.
    fn now_us(&self) -> i64;

    /// Microseconds of a clock that nobody sets and that also runs while the machine sleeps, from any beginning.
    /// Between two moments it tells how far the wall clock was set. Default: the wall clock itself,
    /// which thereby is never found to have been set.
    fn boot_us(&self) -> i64 {
        self.now_us()
    }
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clock")]
        let now = std::time::SystemTime::now();
        let signed = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => signed(since),
            Err(before) => -signed(before.duration()),
        }
    }

    #[cfg(target_os = "linux")]
    fn boot_us(&self) -> i64 {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes the struct it is given and nothing else. It cannot fail for this clock; if it
        // did, the clock would stand still.
        #[expect(unsafe_code, reason = "the standard library has no such clock, and rustix's ends Valgrind")]
        unsafe {
            libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now);
        }
        #[allow(clippy::useless_conversion, reason = "narrower on 32-bit systems")]
        let (seconds, nanoseconds) = (i64::from(now.tv_sec), i64::from(now.tv_nsec));
        seconds * 1_000_000 + nanoseconds / 1_000
    }

    /// Elsewhere a sleep of the machine may count as if the wall clock had been set, which is harmless.
    #[cfg(not(target_os = "linux"))]
    fn boot_us(&self) -> i64 {
        static BEGINNING: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let since = BEGINNING.get_or_init(std::time::Instant::now).elapsed();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until it is moved. For tests and conformance.
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<Hands>);

#[derive(Debug)]
struct Hands {
    wall_us: AtomicI64,
    boot_us: AtomicI64,
}

impl FixedClock {
    /// A clock that shows `now_us`.
    pub fn new(now_us: i64) -> Self {
        Self(Arc::new(Hands { wall_us: AtomicI64::new(now_us), boot_us: AtomicI64::new(0) }))
    }

    /// Lets `us` microseconds pass, also backwards.
    pub fn advance(&self, us: i64) {
        self.0.boot_us.fetch_add(us, Ordering::SeqCst);
        self.set_by(us);
    }

    /// Sets the wall clock that many microseconds forward, or back, as an administrator would: no time passes.
    pub fn set_by(&self, us: i64) {
        self.0.wall_us.fetch_add(us, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now_us(&self) -> i64 {
        self.0.wall_us.load(Ordering::SeqCst)
    }

    fn boot_us(&self) -> i64 {
        self.0.boot_us.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_clocks_of_the_system_run_alike() {
        let (wall, boot) = (SystemClock.now_us(), SystemClock.boot_us());
        std::thread::sleep(std::time::Duration::from_millis(20));
        let (wall, boot) = (SystemClock.now_us() - wall, SystemClock.boot_us() - boot);
        assert!(boot >= 20_000 && (wall - boot).abs() < 1_000_000, "{wall} {boot}");
    }

    #[test]
    fn a_clock_that_is_set_passes_no_time() {
        let clock = FixedClock::new(5);
        clock.advance(10);
        clock.set_by(-100);
        assert_eq!((clock.now_us(), clock.boot_us()), (-85, 10));
    }
}

/// A source of random bytes that nobody can guess.
pub trait Random: Send + Sync + 'static {
    /// Fills all of `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
}

/// The operating system's source, asked each time: a fork or a copy of a virtual machine repeats nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|error| Error::new(ErrorKind::Io, format!("no random bytes: {error}")))
    }
}

/// Bytes that are the same in every run: the n-th call gives zeros that end in n, 8 bytes big-endian, the first
/// being 1. For tests and conformance; a stash made with it protects nothing.
#[derive(Debug, Clone, Default)]
pub struct CountingRandom(Arc<AtomicU64>);

impl Random for CountingRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        let number = (self.0.fetch_add(1, Ordering::SeqCst) + 1).to_be_bytes();
        bytes.fill(0);
        for (byte, digit) in bytes.iter_mut().rev().zip(number.iter().rev()) {
            *byte = *digit;
        }
        Ok(())
    }
}
