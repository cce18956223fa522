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
}

/// A clock that stands still until it is moved. For tests and conformance.
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<AtomicI64>);

impl FixedClock {
    /// A clock that shows `now_us`.
    pub fn new(now_us: i64) -> Self {
        Self(Arc::new(AtomicI64::new(now_us)))
    }

    /// Moves the clock by `us` microseconds, also backwards.
    pub fn advance(&self, us: i64) {
        self.0.fetch_add(us, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
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
