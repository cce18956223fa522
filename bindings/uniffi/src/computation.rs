//! Values that are computed when they are missing.

use crate::error::{Result, StashError};
use crate::options::Deadline;
use crate::value::Key;
use litestash_core as core;
use std::cell::RefCell;
use std::time::Duration;

/// Computes a value that is missing.
#[uniffi::export(with_foreign)]
pub trait Computation: Send + Sync {
    /// The value as canonical MessagePack. Called on the thread of the caller.
    fn compute(&self) -> Result<Vec<u8>>;
}

/// How a missing value is computed and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct ComputeOptions {
    /// The deadline that the value gets.
    #[uniffi(default = None)]
    pub deadline: Option<Deadline>,
    /// Whether processes leave the computation to one of them.
    #[uniffi(default = true)]
    pub across_processes: bool,
    /// Microseconds that other processes wait for one that died while it computed: 10 ms to 10 minutes.
    /// Default: 5 s.
    #[uniffi(default = None)]
    pub lease_us: Option<u64>,
    /// Microseconds after its time to live in which a value may still be returned while one caller computes
    /// the next. Takes a deadline after the write.
    #[uniffi(default = None)]
    pub stale_while_revalidate_us: Option<u64>,
}

impl From<ComputeOptions> for core::ComputeOptions {
    fn from(options: ComputeOptions) -> Self {
        let default = Self::default();
        Self {
            set: core::SetOptions {
                deadline: options.deadline.map(Into::into),
                ..core::SetOptions::default()
            },
            across_processes: options.across_processes,
            lease: options.lease_us.map_or(default.lease, Duration::from_micros),
            stale_while_revalidate: options.stale_while_revalidate_us.map(Duration::from_micros),
        }
    }
}

/// What this caller's own computation raised goes to it as it was, with whatever kind it has.
pub(crate) fn compute(
    stash: &core::LiteStash,
    key: Key,
    options: ComputeOptions,
    computation: &dyn Computation,
) -> Result<Vec<u8>> {
    let raised: RefCell<Option<StashError>> = RefCell::new(None);
    let encoded = stash.get_or_set_encoded(&key.into_core()?, options, || {
        computation.compute().map_err(|error| {
            *raised.borrow_mut() = Some(error);
            core::Error::new(core::ErrorKind::ComputeFailed, "the computation of the value failed")
        })
    });
    match (encoded, raised.into_inner()) {
        (Err(_), Some(raised)) => Err(raised),
        (encoded, _) => Ok(encoded?.as_ref().clone()),
    }
}
