//! The locks and atomics of the modules whose interleavings are tested exhaustively.
//!
//! `concurrency/` compiles those same files with this module replaced by a model checker's.

pub(super) use parking_lot::{Condvar, Mutex};
pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
