//! A bound on how many threads do something at once.

use crate::sync::{Condvar, Mutex};

/// A counting semaphore.
pub(crate) struct Permits {
    left: Mutex<usize>,
    returned: Condvar,
}

/// A permit; given back when dropped.
pub(crate) struct Permit<'a>(&'a Permits);

impl Permits {
    pub(crate) fn new(count: usize) -> Self {
        Self { left: Mutex::new(count), returned: Condvar::new() }
    }

    /// Waits for a permit.
    pub(crate) fn acquire(&self) -> Permit<'_> {
        let mut left = self.left.lock();
        while *left == 0 {
            self.returned.wait(&mut left);
        }
        *left -= 1;
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.left.lock() += 1;
        self.0.returned.notify_one();
    }
}
