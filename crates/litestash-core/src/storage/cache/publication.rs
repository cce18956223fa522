//! Which state of a shard the cached rows show, and whether that is the newest one.
//!
//! Rows in the cache carry an *epoch*; the shard's publication says which epoch is the valid one, and of which
//! state (a *token*: the WAL-index header) all of its rows are. A reader compares the token with the header as
//! it is now. The rules, of which each has a seeded bug in `concurrency/` that breaks it:
//!
//! 1. A token is set only after every row that changed since the last token has been replaced.
//! 2. While rows are being replaced, nobody fills in rows that were read before.
//! 3. A row is filled in under its segment's lock, if by then the token still is the header it was read at.

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, fence};

/// The publication of one shard. A token has `WORDS` words.
pub(super) struct Publication<const WORDS: usize> {
    /// Odd while token and epoch are being written.
    sequence: AtomicU64,
    token: [AtomicU64; WORDS],
    epoch: AtomicU64,
    filling: AtomicBool,
    /// Held by whoever writes the above.
    write: Mutex<()>,
}

/// Rows are being replaced. Ends without a new token when dropped.
pub(super) struct Publishing<'a, const WORDS: usize> {
    publication: &'a Publication<WORDS>,
    before: [u64; WORDS],
    epoch: u64,
}

impl<const WORDS: usize> Publication<WORDS> {
    /// A publication of nothing: no header equals its token.
    pub(super) fn new() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            token: std::array::from_fn(|_| AtomicU64::new(u64::MAX)),
            epoch: AtomicU64::new(0),
            filling: AtomicBool::new(true),
            write: Mutex::new(()),
        }
    }

    /// The epoch whose rows are as of that header, if there is one.
    ///
    /// A caller who read the header and then finds a row of that epoch, under the lock of its segment or
    /// later, has found a row that was the newest at some moment since.
    #[inline]
    pub(super) fn epoch_at(&self, header: &[u64; WORDS]) -> Option<u64> {
        let sequence = self.sequence.load(Ordering::Acquire);
        let mut same = sequence.is_multiple_of(2);
        for (token, word) in self.token.iter().zip(header) {
            same &= token.load(Ordering::Relaxed) == *word;
        }
        let epoch = self.epoch.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        (same && self.sequence.load(Ordering::Relaxed) == sequence).then_some(epoch)
    }

    /// The epoch for rows read at `header`; begins a new one if the token is another.
    ///
    /// `None` while rows are being replaced, and if `is_current` denies that the header still is that.
    pub(super) fn adopt(&self, header: &[u64; WORDS], is_current: impl Fn() -> bool) -> Option<u64> {
        if let Some(epoch) = self.epoch_at(header) {
            return Some(epoch);
        }
        let _write = self.write.lock();
        if !self.filling.load(Ordering::Relaxed) || !is_current() {
            return None;
        }
        if let Some(epoch) = self.epoch_at(header) {
            return Some(epoch);
        }
        let epoch = self.epoch.load(Ordering::Relaxed) + 1;
        self.set(header, epoch);
        Some(epoch)
    }

    /// Whether a row read at `header` may be filled in as one of `epoch`. To be asked under the lock of the
    /// row's segment.
    pub(super) fn may_fill(&self, header: &[u64; WORDS], epoch: u64) -> bool {
        self.filling.load(Ordering::Acquire) && self.epoch_at(header) == Some(epoch)
    }

    /// Begins to replace rows, after a commit that changed the header from `before`. `None` if the token is
    /// another: then the cached rows are out of date anyway.
    ///
    /// Only for the holder of the shard's writer lock.
    pub(super) fn begin(&self, before: &[u64; WORDS]) -> Option<Publishing<'_, WORDS>> {
        let _write = self.write.lock();
        let epoch = self.epoch_at(before)?;
        self.filling.store(false, Ordering::Release);
        Some(Publishing { publication: self, before: *before, epoch })
    }

    /// Declares every row out of date.
    pub(super) fn drop_rows(&self) {
        let _write = self.write.lock();
        let epoch = self.epoch.load(Ordering::Relaxed) + 1;
        self.set(&[u64::MAX; WORDS], epoch);
    }

    /// Only under `write`.
    fn set(&self, token: &[u64; WORDS], epoch: u64) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (slot, word) in self.token.iter().zip(token) {
            slot.store(*word, Ordering::Relaxed);
        }
        self.epoch.store(epoch, Ordering::Relaxed);
        self.sequence.store(sequence + 2, Ordering::Release);
    }
}

impl<const WORDS: usize> Publishing<'_, WORDS> {
    /// The epoch that the replacing rows belong to.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Says that every row which the commit changed has been replaced: the rows are as of `after` now.
    pub(super) fn finish(self, after: &[u64; WORDS]) {
        let _write = self.publication.write.lock();
        if self.publication.epoch_at(&self.before) == Some(self.epoch) {
            self.publication.set(after, self.epoch);
        }
    }
}

impl<const WORDS: usize> Drop for Publishing<'_, WORDS> {
    fn drop(&mut self) {
        self.publication.filling.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_commit_carries_the_epoch_forward_and_a_foreign_one_ends_it() {
        let publication = Publication::<2>::new();
        assert_eq!(publication.epoch_at(&[1, 1]), None);
        let epoch = publication.adopt(&[1, 1], || true);
        assert_eq!((epoch, publication.epoch_at(&[1, 1])), (Some(1), Some(1)));
        assert!(publication.may_fill(&[1, 1], 1));

        let publishing = publication.begin(&[1, 1]).unwrap();
        assert!(!publication.may_fill(&[1, 1], 1));
        assert_eq!(publication.epoch_at(&[1, 1]), Some(1));
        assert_eq!(publication.adopt(&[9, 9], || true), None);
        publishing.finish(&[2, 2]);
        assert_eq!((publication.epoch_at(&[2, 2]), publication.epoch_at(&[1, 1])), (Some(1), None));

        assert!(publication.begin(&[3, 3]).is_none());
        assert_eq!(publication.adopt(&[3, 3], || false), None);
        assert_eq!(publication.adopt(&[3, 3], || true), Some(2));
        publication.drop_rows();
        assert_eq!(publication.epoch_at(&[3, 3]), None);
    }
}
