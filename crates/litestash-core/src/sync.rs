//! The locks and atomics of the engine.
//!
//! The standard library's, whose whole state is in the lock itself. Locks with a table of waiting threads that
//! all of them share are not usable in a forked child: the table names threads that do not exist there, and the
//! first lock or wake-up that meets one never returns. A forked child may open a stash anew.
//!
//! There is no poison: whoever panics under a lock of the engine leaves consistent state behind.
//!
//! `concurrency/` compiles some modules with this one replaced by a model checker's.

use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};
use std::time::{Duration, Instant};

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// Mutual exclusion.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

/// A held lock. Empty only while its thread waits in [`Condvar::wait`].
pub(crate) struct MutexGuard<'a, T>(Option<std::sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<T> Mutex<T> {
    /// The lock, if it can be had within `timeout`. For locks that a forked child may find held by a thread
    /// that does not exist there.
    pub(crate) fn try_lock_for(&self, timeout: Duration) -> Option<MutexGuard<'_, T>> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.0.try_lock() {
                Ok(guard) => return Some(MutexGuard(Some(guard))),
                Err(TryLockError::Poisoned(poison)) => return Some(MutexGuard(Some(poison.into_inner()))),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(100)),
            }
        }
    }
}

const HELD: &str = "a guard is empty only while its thread waits";

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(HELD)
    }
}

/// Waiting for a change under a lock.
#[derive(Debug, Default)]
pub(crate) struct Condvar(std::sync::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(std::sync::Condvar::new())
    }

    /// Gives the lock away until notified, or without a reason.
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        if let Some(held) = guard.0.take() {
            guard.0 = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// [`Condvar::wait`] until that moment at the latest.
    pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Instant) {
        let timeout: Duration = deadline.saturating_duration_since(Instant::now());
        if let Some(held) = guard.0.take() {
            let (held, _) = self.0.wait_timeout(held, timeout).unwrap_or_else(PoisonError::into_inner);
            guard.0 = Some(held);
        }
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
