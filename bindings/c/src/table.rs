//! Handles as numbers: an index into a table, and the generation of what is there.
//!
//! A number that was given back, or never given out, is told from one that is alive, whatever other threads do. An
//! object is dropped when its handle was retired and the last call that uses it has ended, by whoever notices.
//! Nothing here blocks or holds a lock, so a fork in the middle leaves a table that works.

use litestash_core::{Error, ErrorKind, Result};
use std::ops::Deref;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};

const INDEX_BITS: u32 = 20;
const KIND_BITS: u32 = 4;
const GENERATION_MAX: u64 = (1 << (64 - INDEX_BITS - KIND_BITS)) - 1;

/// What a slot is doing, in the two lowest bits of its state.
const PHASE_BITS: u32 = 2;
const FREE: u64 = 0;
/// Being filled or emptied by one thread.
const BUSY: u64 = 1;
const LIVE: u64 = 2;
/// Retired, but calls that had begun before may still use it.
const RETIRED: u64 = 3;
const PHASE: u64 = (1 << PHASE_BITS) - 1;

/// A counter with a cache line of its own.
#[repr(align(64))]
struct Counter(AtomicUsize);

/// A place for one object. `STRIPES` counters share the counting of its users, so that threads that use one
/// object do not meet at one cache line.
struct Slot<T, const STRIPES: usize> {
    /// Generation and phase.
    state: AtomicU64,
    /// Owned; valid while the phase is `LIVE` or `RETIRED`.
    object: AtomicPtr<T>,
    users: [Counter; STRIPES],
}

/// The objects of one kind. Meant to be a static: what was never used costs no memory.
pub(crate) struct Table<T, const SLOTS: usize, const STRIPES: usize> {
    kind: u64,
    name: &'static str,
    /// Where the search for a free slot begins.
    hint: AtomicUsize,
    /// Slots behind this one were never used.
    used: AtomicUsize,
    slots: [Slot<T, STRIPES>; SLOTS],
}

impl<T, const STRIPES: usize> Slot<T, STRIPES> {
    const fn new() -> Self {
        Self {
            state: AtomicU64::new(FREE),
            object: AtomicPtr::new(std::ptr::null_mut()),
            users: [const { Counter(AtomicUsize::new(0)) }; STRIPES],
        }
    }

    /// Ends what was retired, if nobody uses it any more. Returns whether this call did.
    ///
    /// A user counts itself and then looks whether the slot is live; whoever retires a slot says so and then looks
    /// at the counters. So either the user turns away, or its count is seen here. The same holds for the last user,
    /// who stops counting and then looks whether the slot was retired.
    #[cold]
    fn reclaim(&self) -> bool {
        let state = self.state.load(SeqCst);
        if state & PHASE != RETIRED || self.users.iter().any(|users| users.0.load(SeqCst) != 0) {
            return false;
        }
        let generation = state & !PHASE;
        if self.state.compare_exchange(state, generation | BUSY, SeqCst, SeqCst).is_err() {
            return false;
        }
        let object = self.object.swap(std::ptr::null_mut(), SeqCst);
        // SAFETY: `insert` made it from a box. The phase went from RETIRED to BUSY here, so nobody else takes it,
        // and nobody uses it: see above.
        #[expect(unsafe_code, reason = "the table owns what it points at")]
        drop(unsafe { Box::from_raw(object) });
        // A slot whose generations are used up stays BUSY: a number is never given out twice.
        if generation >> PHASE_BITS < GENERATION_MAX {
            self.state.store(generation | FREE, SeqCst);
        }
        true
    }
}

/// An object in use by a call.
pub(crate) struct Guard<T: 'static, const STRIPES: usize> {
    slot: &'static Slot<T, STRIPES>,
    stripe: usize,
    /// The state that the slot had.
    live: u64,
}

impl<T, const STRIPES: usize> Guard<T, STRIPES> {
    /// Lets no further call use the object; false if another thread did so before.
    fn retire(&self) -> bool {
        let retired = (self.live & !PHASE) | RETIRED;
        self.slot.state.compare_exchange(self.live, retired, SeqCst, SeqCst).is_ok()
    }
}

impl<T, const STRIPES: usize> Deref for Guard<T, STRIPES> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the slot was live after this guard had been counted, so the object is there, and it is not
        // dropped while a guard is counted.
        #[expect(unsafe_code, reason = "the table owns what it points at")]
        unsafe {
            &*self.slot.object.load(std::sync::atomic::Ordering::Relaxed)
        }
    }
}

impl<T, const STRIPES: usize> Drop for Guard<T, STRIPES> {
    #[inline]
    fn drop(&mut self) {
        self.slot.users[self.stripe].0.fetch_sub(1, SeqCst);
        if self.slot.state.load(SeqCst) != self.live {
            self.slot.reclaim();
        }
    }
}

/// A number that differs between threads, mostly: stacks lie far apart. Any number would do.
#[inline]
fn stripe<const STRIPES: usize>() -> usize {
    let here = 0u8;
    let stack = std::hint::black_box(&raw const here) as usize >> 16;
    (stack.wrapping_mul(0x9e37_79b9) >> 16) % STRIPES
}

impl<T: Send + Sync, const SLOTS: usize, const STRIPES: usize> Table<T, SLOTS, STRIPES> {
    /// A table of a kind, 1 to 15, whose members have that name.
    pub(crate) const fn new(kind: u64, name: &'static str) -> Self {
        assert!(kind > 0 && kind < 1 << KIND_BITS && SLOTS <= 1 << INDEX_BITS && STRIPES > 0);
        let slots = [const { Slot::new() }; SLOTS];
        Self { kind, name, hint: AtomicUsize::new(0), used: AtomicUsize::new(0), slots }
    }

    /// Takes an object in and returns its number. `OutOfMemory` if the table is full.
    pub(crate) fn insert(&self, object: T) -> Result<u64> {
        let start = self.hint.load(SeqCst);
        for index in (0..SLOTS).map(|offset| (start + offset) % SLOTS) {
            let slot = &self.slots[index];
            let state = slot.state.load(SeqCst);
            if state & PHASE != FREE {
                continue;
            }
            let generation = (state >> PHASE_BITS) + 1;
            let shifted = generation << PHASE_BITS;
            if slot.state.compare_exchange(state, shifted | BUSY, SeqCst, SeqCst).is_err() {
                continue;
            }
            slot.object.store(Box::into_raw(Box::new(object)), SeqCst);
            self.used.fetch_max(index + 1, SeqCst);
            self.hint.store(index + 1, SeqCst);
            slot.state.store(shifted | LIVE, SeqCst);
            return Ok(generation << (INDEX_BITS + KIND_BITS) | self.kind << INDEX_BITS | index as u64);
        }
        Err(Error::new(ErrorKind::OutOfMemory, format!("{SLOTS} {} are the limit, and in use", self.name)))
    }

    /// The object with that number, for the time of a call. `Closed` if it was given back, `InvalidArgument` if
    /// the number was never given out.
    #[inline]
    pub(crate) fn enter(&'static self, number: u64) -> Result<Guard<T, STRIPES>> {
        let index = (number & ((1 << INDEX_BITS) - 1)) as usize;
        let kind = number >> INDEX_BITS & ((1 << KIND_BITS) - 1);
        let generation = number >> (INDEX_BITS + KIND_BITS);
        if kind != self.kind || index >= SLOTS || generation == 0 {
            return Err(self.refusal(number));
        }
        let live = generation << PHASE_BITS | LIVE;
        self.enter_slot(&self.slots[index], live).ok_or_else(|| self.refusal(number))
    }

    #[inline]
    fn enter_slot(&'static self, slot: &'static Slot<T, STRIPES>, live: u64) -> Option<Guard<T, STRIPES>> {
        let stripe = stripe::<STRIPES>();
        slot.users[stripe].0.fetch_add(1, SeqCst);
        if slot.state.load(SeqCst) == live {
            return Some(Guard { slot, stripe, live });
        }
        slot.users[stripe].0.fetch_sub(1, SeqCst);
        // Having been counted for a moment may have kept the last user from reclaiming.
        slot.reclaim();
        None
    }

    /// Takes the object's number away and hands the object over for a last time. `Closed` if another thread was
    /// faster.
    pub(crate) fn retire(&'static self, number: u64) -> Result<Guard<T, STRIPES>> {
        let guard = self.enter(number)?;
        if guard.retire() { Ok(guard) } else { Err(self.refusal(number)) }
    }

    /// Takes the numbers of all objects away of which that holds.
    pub(crate) fn retire_where(&'static self, holds: impl Fn(&T) -> bool) {
        for index in 0..self.used.load(SeqCst) {
            let slot = &self.slots[index];
            let state = slot.state.load(SeqCst);
            if state & PHASE != LIVE {
                continue;
            }
            if let Some(guard) = self.enter_slot(slot, state)
                && holds(&guard)
            {
                guard.retire();
            }
        }
    }

    #[cold]
    fn refusal(&self, number: u64) -> Error {
        let index = (number & ((1 << INDEX_BITS) - 1)) as usize;
        let kind = number >> INDEX_BITS & ((1 << KIND_BITS) - 1);
        let generation = number >> (INDEX_BITS + KIND_BITS);
        let known = |slot: &Slot<T, STRIPES>| slot.state.load(SeqCst) >> PHASE_BITS >= generation;
        if kind == self.kind && generation > 0 && self.slots.get(index).is_some_and(known) {
            Error::new(ErrorKind::Closed, format!("this one of the {} was given back", self.name))
        } else {
            Error::new(ErrorKind::InvalidArgument, format!("the handle is none of the {}", self.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    fn kind<T, const N: usize>(entered: Result<Guard<T, N>>) -> ErrorKind {
        entered.err().map(|error| error.kind()).unwrap()
    }

    #[test]
    fn a_number_is_good_until_it_is_given_back_and_never_again() {
        static TABLE: Table<String, 2, 1> = Table::new(3, "strings");
        let first = TABLE.insert("a".to_owned()).unwrap();
        let second = TABLE.insert("b".to_owned()).unwrap();
        assert_eq!(TABLE.insert("c".to_owned()).unwrap_err().kind(), ErrorKind::OutOfMemory);
        assert_eq!((&**TABLE.enter(first).unwrap(), &**TABLE.enter(second).unwrap()), ("a", "b"));
        drop(TABLE.retire(first).unwrap());
        assert_eq!(kind(TABLE.enter(first)), ErrorKind::Closed);
        assert_eq!(kind(TABLE.retire(first)), ErrorKind::Closed);
        let third = TABLE.insert("c".to_owned()).unwrap();
        assert_ne!(first, third);
        assert_eq!(kind(TABLE.enter(first)), ErrorKind::Closed);
        assert_eq!(&**TABLE.enter(third).unwrap(), "c");
        for foreign in [0, 1, 42, u64::MAX, first ^ 1 << INDEX_BITS, third + (1 << 40), 1 << 24 | 3 << 20 | 7]
        {
            assert_eq!(kind(TABLE.enter(foreign)), ErrorKind::InvalidArgument, "{foreign:x}");
        }
    }

    #[test]
    fn what_is_in_use_is_dropped_by_the_last_user() {
        static TABLE: Table<Arc<()>, 4, 8> = Table::new(1, "things");
        let watched = Arc::new(());
        let number = TABLE.insert(Arc::clone(&watched)).unwrap();
        let (one, two) = (TABLE.enter(number).unwrap(), TABLE.enter(number).unwrap());
        drop(TABLE.retire(number).unwrap());
        drop(one);
        assert_eq!(Arc::strong_count(&watched), 2);
        drop(two);
        assert_eq!(Arc::strong_count(&watched), 1);
    }

    #[test]
    fn threads_that_use_and_retire_at_once_see_the_object_or_nothing() {
        struct Thing(AtomicBool, Arc<AtomicUsize>);
        impl Drop for Thing {
            fn drop(&mut self) {
                assert!(!self.0.swap(true, SeqCst), "dropped twice");
                self.1.fetch_sub(1, SeqCst);
            }
        }
        static TABLE: Table<Thing, 3, 4> = Table::new(1, "things");
        let alive = Arc::new(AtomicUsize::new(0));
        let current = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(SeqCst) {
                        if let Ok(thing) = TABLE.enter(current.load(SeqCst)) {
                            assert!(!thing.0.load(SeqCst), "used after it was dropped");
                        }
                        drop(TABLE.retire(current.load(SeqCst)));
                    }
                });
            }
            for _ in 0..20_000 {
                alive.fetch_add(1, SeqCst);
                let thing = Thing(AtomicBool::new(false), Arc::clone(&alive));
                // A full table is for the moment only, and drops what it was offered.
                if let Ok(number) = TABLE.insert(thing) {
                    current.store(number, SeqCst);
                    drop(TABLE.retire(number));
                }
            }
            stop.store(true, SeqCst);
        });
        TABLE.retire_where(|_| true);
        assert_eq!(alive.load(SeqCst), 0);
    }
}
