//! Where there is no armour: no guard is ever made.

use crate::error::Result;
use std::convert::Infallible;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

pub(super) fn install() -> Result<(), &'static str> {
    Err(if cfg!(windows) { "not needed: locks belong to handles here" } else { "not on this platform" })
}

/// See the guard of Linux.
pub(crate) struct Guard(Infallible);

/// See the guard of Linux.
pub(crate) struct Begun(Infallible);

impl Guard {
    pub(crate) fn begin(_database_path: &Path) -> Result<Option<Begun>> {
        Ok(None)
    }

    pub(crate) fn take(_database_path: &Path, begun: Option<Begun>) -> Result<Option<Self>> {
        begun.map_or(Ok(None), |begun| match begun.0 {})
    }

    pub(crate) fn release(&self) {
        match self.0 {}
    }

    pub(crate) fn still_named(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn index_page(&self) -> Option<IndexPage> {
        match self.0 {}
    }
}

/// See the page of Linux.
pub(crate) struct IndexPage(Infallible);

impl IndexPage {
    pub(crate) fn as_ptr(&self) -> NonNull<AtomicU64> {
        match self.0 {}
    }
}

/// See the lease of Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held(Infallible);

pub(crate) fn holding<T>(f: impl FnOnce() -> T) -> (T, Option<Held>) {
    (f(), None)
}

pub(crate) fn not_holding<T>(f: impl FnOnce() -> T) -> T {
    f()
}

pub(crate) fn settle(held: Held) {
    match held.0 {}
}
