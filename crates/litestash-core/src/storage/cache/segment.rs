//! A part of the cache behind one lock: rows found by key, the least recently used given up first.

use super::Group;
use super::entry::{Entry, Known};
use crate::contract::key::KeyRef;
use hashbrown::HashTable;
use std::sync::Arc;

/// The epoch of rows that wait to be written: valid whatever the shard's header is, and never given up.
pub(super) const PINNED: u64 = u64::MAX;

/// What a row costs beside its key and body: its places in the table, the slots and the heap.
const ROW_BYTES: usize = 192;

struct Slot {
    hash: u64,
    epoch: u64,
    /// Set by a hit, cleared by the hand; a row met by the hand with it cleared is given up (the CLOCK
    /// approximation of least recently used).
    used: bool,
    entry: Arc<Entry>,
}

impl Slot {
    fn bytes(&self) -> usize {
        ROW_BYTES + self.entry.size_bytes()
    }
}

/// Rows by key.
pub(super) struct Segment {
    /// Indexes into `slots`.
    table: HashTable<usize>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    hand: usize,
    bytes: usize,
    bytes_max: usize,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

impl Segment {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            bytes: 0,
            bytes_max,
            hits: 0,
            misses: 0,
        }
    }

    #[inline]
    fn index_of(&self, hash: u64, group: Group, key: KeyRef<'_>) -> Option<usize> {
        let same = |&index: &usize| {
            self.slots[index].as_ref().is_some_and(|slot| slot.hash == hash && slot.entry.is_of(group, key))
        };
        self.table.find(hash, same).copied()
    }

    /// Where the row of an entry's key is.
    fn place_of(&self, hash: u64, entry: &Entry) -> Option<usize> {
        self.index_of(hash, entry.group(), entry.key.as_ref())
    }

    /// The epoch of the row of an entry's key, if there is one.
    pub(super) fn epoch_of(&self, hash: u64, entry: &Entry) -> Option<u64> {
        self.slots[self.place_of(hash, entry)?].as_ref().map(|slot| slot.epoch)
    }

    /// Calls `is_valid` with the epoch and the entry of a key, and returns what is known if it agrees. Who
    /// goes on to ask SQLite counts the miss.
    #[inline]
    pub(super) fn hit(
        &mut self,
        hash: u64,
        group: Group,
        key: KeyRef<'_>,
        is_valid: impl FnOnce(u64, &Entry) -> bool,
    ) -> Option<Known> {
        let index = self.index_of(hash, group, key);
        match index.and_then(|index| self.slots[index].as_mut()) {
            Some(slot) if slot.epoch == PINNED || is_valid(slot.epoch, &slot.entry) => {
                slot.used = true;
                self.hits += 1;
                Some(match slot.entry.content {
                    Some(_) => Known::Row(Arc::clone(&slot.entry)),
                    None => Known::Missing,
                })
            }
            _ => None,
        }
    }

    /// Puts a row in the place of whatever there is of its key. A row too large for the segment leaves
    /// nothing there.
    pub(super) fn put(&mut self, hash: u64, entry: Arc<Entry>, epoch: u64) {
        let slot = Slot { hash, epoch, used: false, entry };
        let bytes = slot.bytes();
        let index = self.place_of(hash, &slot.entry);
        if epoch != PINNED && bytes > self.bytes_max / 4 {
            if let Some(index) = index {
                self.remove_at(index);
            }
            return;
        }
        self.bytes += bytes;
        match index {
            Some(index) => {
                if let Some(old) = self.slots[index].replace(slot) {
                    self.bytes -= old.bytes();
                }
            }
            None => {
                let index = self.free.pop().unwrap_or(self.slots.len());
                if index == self.slots.len() {
                    self.slots.push(None);
                }
                self.slots[index] = Some(slot);
                let slots = &self.slots;
                self.table
                    .insert_unique(hash, index, |&index| slots[index].as_ref().map_or(0, |slot| slot.hash));
            }
        }
        self.give_up();
    }

    /// Gives a row another epoch, or removes it, if it still is this very one.
    pub(super) fn release(&mut self, hash: u64, entry: &Arc<Entry>, epoch: Option<u64>) {
        let Some(index) = self.place_of(hash, entry) else { return };
        let Some(slot) = self.slots[index].as_mut().filter(|slot| Arc::ptr_eq(&slot.entry, entry)) else {
            return;
        };
        match epoch {
            Some(epoch) => slot.epoch = epoch,
            None => self.remove_at(index),
        }
        self.give_up();
    }

    fn remove_at(&mut self, index: usize) {
        let Some(slot) = self.slots[index].take() else { return };
        self.bytes -= slot.bytes();
        self.free.push(index);
        if let Ok(found) = self.table.find_entry(slot.hash, |&other| other == index) {
            found.remove();
        }
    }

    /// Moves the hand until the rows fit, twice round at most.
    fn give_up(&mut self) {
        let mut steps = 2 * self.slots.len();
        while self.bytes > self.bytes_max && steps > 0 {
            steps -= 1;
            self.hand = (self.hand + 1) % self.slots.len();
            match &mut self.slots[self.hand] {
                Some(slot) if slot.epoch == PINNED => {}
                Some(slot) if slot.used => slot.used = false,
                Some(_) => self.remove_at(self.hand),
                None => {}
            }
        }
    }

    /// Rows held and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.table.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::key::Key;

    const GROUP: Group = Group(0);

    fn entry_of(group: Group, key: i64, body: usize) -> Arc<Entry> {
        let shard = crate::contract::route::ShardId::new(4).unwrap();
        let view = Arc::new(super::super::ReadCache::new(1).view(group, shard, Arc::default(), true));
        let content = super::super::entry::Content {
            version: crate::Version::from_micros(1),
            expiry: crate::Expiry::NEVER,
            body: vec![0; body].into(),
        };
        Arc::new(Entry { key: Key::from(key), view, content: Some(content) })
    }

    fn entry(key: i64, body: usize) -> Arc<Entry> {
        entry_of(GROUP, key, body)
    }

    fn has(segment: &Segment, key: i64) -> bool {
        segment.index_of(key as u64, GROUP, KeyRef::Int(key)).is_some()
    }

    #[test]
    fn bytes_are_bounded_and_used_rows_stay_longer() {
        let mut segment = Segment::new(10_000);
        for key in 0..1000 {
            segment.put(key as u64, entry(key, 100), 1);
            if key > 0 {
                assert!(segment.hit(1, GROUP, KeyRef::Int(1), |_, _| true).is_some(), "{key}");
            }
            assert!(segment.size().1 <= 10_000);
        }
        assert!(has(&segment, 1) && has(&segment, 999) && !has(&segment, 500));
        let (rows, bytes) = segment.size();
        assert_eq!(bytes, rows * (ROW_BYTES + 108));
        assert_eq!(segment.slots.len() - segment.free.len(), rows);
    }

    #[test]
    fn pinned_rows_are_never_given_up_and_released_once() {
        let mut segment = Segment::new(5_000);
        let pinned = entry(7, 1_000);
        segment.put(7, Arc::clone(&pinned), PINNED);
        for key in 100..200 {
            segment.put(key as u64, entry(key, 100), 1);
        }
        assert!(segment.hit(7, GROUP, KeyRef::Int(7), |_, _| false).is_some());
        let newer = entry(7, 10);
        segment.put(7, Arc::clone(&newer), PINNED);
        segment.release(7, &pinned, None);
        assert!(has(&segment, 7), "the newer row is not the released one's to remove");
        segment.release(7, &newer, Some(3));
        assert!(segment.hit(7, GROUP, KeyRef::Int(7), |epoch, _| epoch == 3).is_some());
        assert!(segment.hit(7, GROUP, KeyRef::Int(7), |epoch, _| epoch == 4).is_none());
    }

    #[test]
    fn rows_too_large_are_not_held_and_leave_nothing_old() {
        let mut segment = Segment::new(1_000);
        segment.put(1, entry(1, 10), 1);
        segment.put(1, entry(1, 5_000), 1);
        assert!(!has(&segment, 1));
        assert_eq!(segment.size(), (0, 0));
    }

    #[test]
    fn a_key_of_one_group_is_not_that_of_another() {
        let mut segment = Segment::new(10_000);
        let other = Group::numbered(1);
        segment.put(7, entry(7, 10), 1);
        // Even where the hashes meet.
        segment.put(7, entry_of(other, 7, 20), 2);
        assert_eq!(segment.size().0, 2);
        assert!(segment.hit(7, GROUP, KeyRef::Int(7), |epoch, _| epoch == 1).is_some());
        assert!(segment.hit(7, other, KeyRef::Int(7), |epoch, _| epoch == 2).is_some());
    }
}
