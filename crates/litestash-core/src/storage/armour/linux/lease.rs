//! Keeping locks on a `-shm` a little longer than SQLite asks for.
//!
//! A commit takes and gives back a read mark and the write lock: six system calls, a third of what a small
//! commit costs. A thread that commits again and again may say so ([`holding`]): then the kernel keeps those
//! locks when SQLite gives them back, and has nothing to do when SQLite takes them again. [`settle`] makes the
//! kernel's locks what SQLite asked for.
//!
//! What the kernel holds is always at least what SQLite asked for, so nobody else ever gets more than they
//! would have. Within the process nothing changes: SQLite counts the locks of its connections by itself, and
//! all of a file go through one descriptor.

use crate::sync::Mutex;
use std::cell::Cell;
use std::os::fd::RawFd;

/// Descriptors beyond are never held.
const DESCRIPTORS: usize = 4096;

/// The bytes of locks, from 120: write, checkpoint, recover, and five read marks.
pub(super) const BYTES: usize = 8;
pub(super) const FIRST_BYTE: i64 = 120;

/// The bytes whose locks may be kept: write, and the read marks but for the first, which stands for readers of
/// the database file alone.
const MAY_BE_KEPT: [bool; BYTES] = [true, false, false, false, true, true, true, true];

const READ_MARKS: std::ops::Range<usize> = 4..BYTES;

/// A lock, the greater one excluding more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    None,
    Shared,
    Exclusive,
}

/// The locks of one descriptor.
struct Locks {
    /// Whether what SQLite gives back is kept.
    keeps: bool,
    asked: [Kind; BYTES],
    kernel: [Kind; BYTES],
}

const FREE: Locks = Locks { keeps: false, asked: [Kind::None; BYTES], kernel: [Kind::None; BYTES] };

static LOCKS: [Mutex<Locks>; DESCRIPTORS] = [const { Mutex::new(FREE) }; DESCRIPTORS];

thread_local! {
    static HOLDING: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<Option<RawFd>> = const { Cell::new(None) };
}

/// A descriptor of which locks may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held(RawFd);

fn locks(fd: RawFd) -> Option<&'static Mutex<Locks>> {
    LOCKS.get(usize::try_from(fd).ok()?)
}

/// Calls `f`, during which this thread's SQLite keeps the locks that it gives back, and says on which
/// descriptor. Once a lock is refused nothing is kept, also of what was kept before, until `f` ends.
pub(crate) fn holding<T>(f: impl FnOnce() -> T) -> (T, Option<Held>) {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            HOLDING.set(false);
        }
    }
    HOLDING.set(true);
    HELD.set(None);
    let reset = Reset;
    let answer = f();
    drop(reset);
    (answer, HELD.take().map(Held))
}

/// Calls `f`, during which this thread's SQLite keeps no lock that it gives back: for a file of its own that is
/// used while a shard is [held](holding).
pub(crate) fn not_holding<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            HOLDING.set(self.0);
        }
    }
    let _restore = Restore(HOLDING.replace(false));
    f()
}

/// Gives back to the kernel what SQLite gave back, and keeps nothing from now on.
///
/// Any thread may do so at any time. Should the descriptor be another file's by now, that one's locks are
/// settled, which does no harm.
pub(crate) fn settle(held: Held) {
    if let Some(locks) = locks(held.0) {
        let mut locks = locks.lock();
        locks.keeps = false;
        locks.settle(held.0, 0..BYTES);
    }
}

/// A new file has this descriptor, or none has any more.
pub(super) fn forget(fd: RawFd) {
    if let Some(locks) = locks(fd) {
        *locks.lock() = FREE;
    }
}

/// Sets locks on `length` bytes from the byte `first`, as SQLite asks. `kernel` does it for real and returns
/// what `fcntl` does.
pub(super) fn set(
    fd: RawFd,
    first: usize,
    length: usize,
    kind: Kind,
    kernel: impl Fn(usize, usize, Kind) -> i32,
) -> i32 {
    let Some(locks) = locks(fd) else { return kernel(first, length, kind) };
    let mut locks = locks.lock();
    let bytes = first..(first + length).min(BYTES);
    if !locks.keeps && HOLDING.try_with(Cell::get).unwrap_or(false) {
        locks.keeps = true;
    }
    if locks.keeps && length == 1 && MAY_BE_KEPT[first] {
        if HOLDING.try_with(Cell::get).unwrap_or(false) {
            let _ = HELD.try_with(|held| held.set(Some(fd)));
        }
        if locks.kernel[first] >= kind {
            locks.asked[first] = kind;
            return 0;
        }
        if READ_MARKS.contains(&first) {
            // One is kept at most, so that readers of other processes find others free.
            locks.settle_with(READ_MARKS, &kernel);
        }
    } else {
        locks.settle_with(bytes.clone(), &kernel);
    }
    let answer = kernel(first, length, kind);
    if answer == 0 {
        for byte in bytes {
            locks.asked[byte] = kind;
            locks.kernel[byte] = kind;
        }
    } else if HOLDING.try_with(|holding| holding.replace(false)).unwrap_or(false) {
        // Somebody has it, who may in turn wait for what is kept here: SQLite's loops for a read mark go on for ten
        // seconds, also in a commit. From here on this thread keeps nothing.
        let _ = HELD.try_with(|held| held.set(None));
        locks.keeps = false;
        locks.settle_with(0..BYTES, &kernel);
    }
    answer
}

impl Locks {
    fn settle(&mut self, fd: RawFd, bytes: std::ops::Range<usize>) {
        self.settle_with(bytes, &|first, length, kind| super::ofd::set(fd, first, length, kind));
    }

    /// Giving back and sharing cannot be refused.
    fn settle_with(&mut self, bytes: std::ops::Range<usize>, kernel: &impl Fn(usize, usize, Kind) -> i32) {
        for byte in bytes {
            if self.kernel[byte] != self.asked[byte] && kernel(byte, 1, self.asked[byte]) == 0 {
                self.kernel[byte] = self.asked[byte];
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A descriptor that no test opens.
    const FD: RawFd = DESCRIPTORS as RawFd - 1;

    #[test]
    fn the_kernel_is_asked_only_for_more_and_settling_makes_both_equal() {
        let calls = RefCell::new(Vec::new());
        let ask = |first, length, kind| {
            set(FD, first, length, kind, |first, length, kind| {
                calls.borrow_mut().push((first, length, kind));
                0
            })
        };
        let commit = || {
            for (byte, kind) in [
                (4, Kind::Exclusive),
                (4, Kind::None),
                (4, Kind::Shared),
                (0, Kind::Exclusive),
                (0, Kind::None),
                (4, Kind::None),
            ] {
                assert_eq!(ask(byte, 1, kind), 0);
            }
        };
        commit();
        assert_eq!(calls.take().len(), 6, "nothing is kept unasked");
        let ((), held) = holding(commit);
        assert_eq!(held, Some(Held(FD)));
        assert_eq!(calls.take(), [(4, 1, Kind::Exclusive), (0, 1, Kind::Exclusive)]);
        commit();
        assert_eq!(calls.take(), [], "another thread's commits profit until the locks are settled");
        // Another read mark: the one that is kept goes.
        assert_eq!(ask(5, 1, Kind::Shared), 0);
        assert_eq!(calls.take(), [(4, 1, Kind::None), (5, 1, Kind::Shared)]);
        assert_eq!(ask(5, 1, Kind::None), 0);
        assert_eq!(ask(4, 1, Kind::Exclusive), 0);
        assert_eq!(ask(4, 1, Kind::None), 0);
        assert_eq!(calls.take(), [(5, 1, Kind::None), (4, 1, Kind::Exclusive)]);
        // A range, such as all read marks, is never answered from memory.
        assert_eq!(ask(4, 4, Kind::Exclusive), 0);
        assert_eq!(calls.take(), [(4, 1, Kind::None), (4, 4, Kind::Exclusive)]);
        assert_eq!(ask(4, 4, Kind::None), 0);
        assert_eq!(ask(1, 1, Kind::Exclusive), 0);
        assert_eq!(ask(1, 1, Kind::None), 0);
        calls.take();
        let mut locks = locks(FD).unwrap().lock();
        assert_eq!((locks.kernel[0], locks.asked[0]), (Kind::Exclusive, Kind::None));
        locks.settle_with(0..BYTES, &|first, length, kind| {
            calls.borrow_mut().push((first, length, kind));
            0
        });
        assert_eq!(calls.take(), [(0, 1, Kind::None)]);
        assert_eq!(locks.kernel, locks.asked);
        *locks = FREE;
    }

    #[test]
    fn a_refused_lock_is_not_taken_for_held() {
        const OTHER: RawFd = FD - 1;
        let refuse = |first, kind| {
            set(OTHER, first, 1, kind, |_, _, kind| if kind == Kind::Exclusive { -1 } else { 0 })
        };
        let (answer, _) = holding(|| refuse(0, Kind::Exclusive));
        assert_eq!(answer, -1);
        let (answer, _) = holding(|| refuse(0, Kind::Exclusive));
        assert_eq!(answer, -1);
        // What was kept by then is given back, and nothing more is kept, though it is tried again and again.
        let grant = |kind| set(OTHER, 4, 1, kind, |_, _, _| 0);
        let marks = || grant(Kind::Exclusive) + grant(Kind::None) + grant(Kind::Shared);
        let kernel = || locks(OTHER).unwrap().lock().kernel;
        let (answer, held) = holding(|| {
            assert_eq!((marks(), kernel()[4]), (0, Kind::Exclusive));
            let answer = refuse(0, Kind::Exclusive);
            assert_eq!(kernel()[4], Kind::Shared, "as SQLite asked");
            assert_eq!((grant(Kind::None), kernel()[4]), (0, Kind::None));
            assert_eq!((marks(), kernel()[4]), (0, Kind::Shared));
            answer
        });
        assert_eq!((answer, held), (-1, None));
        forget(OTHER);
        let inside = |first, kind| not_holding(|| set(OTHER, first, 1, kind, |_, _, _| 0));
        let (answer, held) = holding(|| {
            inside(0, Kind::Exclusive) + inside(0, Kind::None) + not_holding(|| i32::from(HOLDING.get()))
        });
        assert_eq!((answer, held), (0, None));
        assert_eq!(locks(OTHER).unwrap().lock().kernel[0], Kind::None);
        forget(OTHER);
    }
}
