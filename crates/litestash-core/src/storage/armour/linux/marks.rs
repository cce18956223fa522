//! Sets of file descriptors that can be asked from any thread and walked in a forked child.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Linux's default bound for descriptors of a process (`fs.nr_open`).
const DESCRIPTORS: usize = 1 << 20;
const WORDS: usize = DESCRIPTORS / 64;

/// Descriptors of `-shm` files that this copy of SQLite opened after the armour was put on. Their locks
/// belong to the open file description, from their first to their last.
pub(super) static INDEXES: Marks = Marks::new();

/// Descriptors of guards, and those that were once.
pub(super) static GUARDS: Marks = Marks::new();

/// A set of descriptors: no allocation, no lock.
pub(super) struct Marks {
    words: [AtomicU64; WORDS],
    /// One more than the highest word ever used.
    used: AtomicUsize,
}

impl Marks {
    const fn new() -> Self {
        Self { words: [const { AtomicU64::new(0) }; WORDS], used: AtomicUsize::new(0) }
    }

    fn place(&self, fd: RawFd) -> Option<(usize, &AtomicU64, u64)> {
        let fd = usize::try_from(fd).ok()?;
        self.words.get(fd / 64).map(|word| (fd / 64, word, 1 << (fd % 64)))
    }

    /// Adds a descriptor. False if its number is beyond what the set holds.
    pub(super) fn add(&self, fd: RawFd) -> bool {
        let Some((index, word, bit)) = self.place(fd) else { return false };
        self.used.fetch_max(index + 1, Ordering::AcqRel);
        word.fetch_or(bit, Ordering::AcqRel);
        true
    }

    pub(super) fn remove(&self, fd: RawFd) {
        if let Some((_, word, bit)) = self.place(fd) {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
    }

    #[inline]
    pub(super) fn has(&self, fd: RawFd) -> bool {
        self.place(fd).is_some_and(|(_, word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// All members in ascending order. Async-signal-safe.
    pub(super) fn iter(&self) -> impl Iterator<Item = RawFd> {
        let used = self.used.load(Ordering::Acquire).min(WORDS);
        self.words.iter().take(used).enumerate().flat_map(|(index, word)| {
            let word = word.load(Ordering::Acquire);
            (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| (index * 64 + bit) as RawFd)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_come_and_go_and_impossible_ones_are_refused() {
        static MARKS: Marks = Marks::new();
        let last = DESCRIPTORS as RawFd - 1;
        for fd in [0, 3, 63, 64, last] {
            assert!(!MARKS.has(fd) && MARKS.add(fd) && MARKS.has(fd), "{fd}");
        }
        assert_eq!(MARKS.iter().collect::<Vec<_>>(), [0, 3, 63, 64, last]);
        MARKS.remove(63);
        MARKS.remove(62);
        assert_eq!(MARKS.iter().collect::<Vec<_>>(), [0, 3, 64, last]);
        assert!(!MARKS.add(last + 1) && !MARKS.has(last + 1) && !MARKS.add(-1) && !MARKS.has(-1));
    }
}
