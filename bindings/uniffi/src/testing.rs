//! A clock that stands still, for tests.

use crate::error::{Result, invalid};
use litestash_core as core;
use std::sync::Arc;

/// A clock that moves only when it is told to. Builds for users have none: making one is `InvalidArgument`
/// there.
#[derive(Debug, uniffi::Object)]
pub struct TestClock {
    clock: core::FixedClock,
}

#[uniffi::export]
impl TestClock {
    /// A clock that stands at that Unix time in microseconds.
    #[uniffi::constructor]
    pub fn new(now_us: i64) -> Result<Arc<Self>> {
        if cfg!(feature = "testing") {
            Ok(Arc::new(Self { clock: core::FixedClock::new(now_us) }))
        } else {
            Err(invalid("this build has no other clock than the system's"))
        }
    }

    /// Moves it by that many microseconds, back if negative.
    pub fn advance(&self, us: i64) {
        self.clock.advance(us);
    }
}

impl TestClock {
    /// Options with everything fixed that would make files differ.
    pub(crate) fn fix(&self, options: core::Options) -> Result<core::Options> {
        Ok(options
            .clock(self.clock.clone())
            .random(core::CountingRandom::default())
            .background(false)
            .origin(1))
    }
}
