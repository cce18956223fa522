//! Waiting for a lock that another process or thread holds.

use crate::error::{Error, ErrorKind, Result};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(5);

/// Calls `attempt` until it answers something else than `Busy`, for at most `timeout`.
///
/// Pauses grow from 20 µs to 5 ms with jitter: SQLite's own handler grows to 100 ms, and then the holder of
/// the lock takes it again long before anybody who waits wakes up.
pub(crate) fn while_busy<T>(timeout: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut waiting: Option<(Instant, Duration)> = None;
    loop {
        let error = match attempt() {
            Err(error) if error.kind() == ErrorKind::Busy => error,
            other => return other,
        };
        let (since, pause) = waiting.get_or_insert_with(|| (Instant::now(), SHORTEST));
        if since.elapsed() >= timeout {
            return Err(timed_out(timeout, error));
        }
        std::thread::sleep(jitter(*pause));
        *pause = (*pause * 2).min(LONGEST);
    }
}

/// The answer to who has waited in vain.
pub(super) fn timed_out(timeout: Duration, error: Error) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!("another process or thread held the shard for more than {} ms", timeout.as_millis()),
    )
    .with_source(error)
}

/// Half to one and a half times `pause`.
pub(super) fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0u8) % 1024;
    pause / 2 + pause * random as u32 / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_answers_return_at_once_and_busy_ends() {
        let mut calls = 0;
        let answer = while_busy(Duration::from_secs(5), || {
            calls += 1;
            if calls < 4 { Err(Error::new(ErrorKind::Busy, "")) } else { Ok(calls) }
        });
        assert_eq!(answer.unwrap(), 4);
        let stuck: Result<()> = while_busy(Duration::from_millis(1), || Err(Error::new(ErrorKind::Busy, "")));
        assert_eq!(stuck.unwrap_err().kind(), ErrorKind::Busy);
        let failed: Result<()> = while_busy(Duration::from_secs(5), || Err(Error::new(ErrorKind::Io, "")));
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Io);
    }
}
