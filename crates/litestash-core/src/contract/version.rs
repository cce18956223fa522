//! A row's version: the time of its last write (`docs/CONTRACT.md` 6).

use crate::error::{Error, Result};
use std::fmt;

const US_PER_SECOND: i64 = 1_000_000;

/// A row's version: Unix time of its last write in microseconds, greater than that of the row it replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

impl Version {
    /// The version of that Unix time in microseconds.
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// Unix time in microseconds.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The `timestamp` column: whole seconds, rounded down.
    pub const fn timestamp(self) -> i64 {
        self.0.div_euclid(US_PER_SECOND)
    }

    /// The `microsecond` column: 0 to 999 999.
    pub const fn microsecond(self) -> u32 {
        self.0.rem_euclid(US_PER_SECOND) as u32
    }

    /// The version that the two columns hold; damaged columns are `Corrupt`.
    pub fn from_columns(timestamp: i64, microsecond: i64) -> Result<Self> {
        if !(0..US_PER_SECOND).contains(&microsecond) {
            return Err(Error::corrupt("the microsecond column is out of range"));
        }
        let us = i128::from(timestamp) * i128::from(US_PER_SECOND) + i128::from(microsecond);
        i64::try_from(us).map(Self).map_err(|_| Error::corrupt("the timestamp column is out of range"))
    }

    /// The version of a write at `now_us` over a row of this version: `max(now, self + 1)`.
    pub fn next(self, now_us: i64) -> Result<Self> {
        let after = self
            .0
            .checked_add(1)
            .ok_or_else(|| Error::corrupt("the row's version is the last possible one"))?;
        Ok(Self(after.max(now_us)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_round_trip_and_seconds_round_down() {
        for us in [0, 1, -1, 999_999, 1_000_000, -1_000_001, 1_767_323_045_678_901, i64::MIN, i64::MAX] {
            let version = Version::from_micros(us);
            assert_eq!(
                Version::from_columns(version.timestamp(), version.microsecond().into()).unwrap(),
                version
            );
        }
        assert_eq!((Version(-1).timestamp(), Version(-1).microsecond()), (-1, 999_999));
        assert!(Version::from_columns(0, 1_000_000).is_err());
        assert!(Version::from_columns(i64::MAX, 0).is_err());
    }

    #[test]
    fn a_clock_that_steps_back_neither_reorders_nor_repeats() {
        assert_eq!(Version(100).next(50).unwrap(), Version(101));
        assert_eq!(Version(100).next(100).unwrap(), Version(101));
        assert_eq!(Version(100).next(500).unwrap(), Version(500));
        assert!(Version(i64::MAX).next(0).is_err());
    }
}
