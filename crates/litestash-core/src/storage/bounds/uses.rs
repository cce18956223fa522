//! When and how often keys were read: in memory, because a read must not become a write. A part of it reaches the
//! table `access` in the background, so that other processes and later ones know roughly.

use crate::contract::hash::KeyHash;
use crate::contract::key::KeyRef;
use crate::contract::limits::SHARDS;
use crate::contract::route::{Route, ShardId};
use crate::sync::Mutex;
use hashbrown::{DefaultHashBuilder, HashMap};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, Ordering};

/// Parts with a lock each.
const SEGMENTS: usize = 16;

/// Keys of one generation of a part: all in all at most 2 × 16 × 2048, some 7 MB.
const KEYS_MAX: usize = 2048;

/// Uses of one key are written at most that often.
const FLUSHED_US: i64 = 5_000_000;

/// In that time a count of uses halves.
const HALF_LIFE_US: i64 = 3_600_000_000;

/// What is known of a key's uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Uses {
    /// The last one, Unix time in microseconds.
    pub(crate) used_at: i64,
    /// How many, halved with every hour between them.
    pub(crate) count: i64,
}

impl Uses {
    /// As they count at that time.
    pub(crate) fn at(self, now_us: i64) -> Self {
        let halvings = now_us.saturating_sub(self.used_at) / HALF_LIFE_US;
        Self { used_at: self.used_at, count: self.count >> halvings.clamp(0, 62) }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        let used_at = self.used_at.max(other.used_at);
        Self { used_at, count: self.at(used_at).count.saturating_add(other.at(used_at).count) }
    }
}

/// A key that was used, and what of it is not in the table yet.
#[derive(Clone, Copy)]
struct Used {
    hash: KeyHash,
    unwritten: Uses,
    /// As it was last written, or taken to be written.
    written: Uses,
    written_at: i64,
}

#[derive(Default)]
struct Segment {
    /// When the younger generation is full it becomes the older one, which is forgotten.
    young: HashMap<u64, Used>,
    old: HashMap<u64, Used>,
}

/// The uses of one stash by this process.
pub(crate) struct UsesOfKeys {
    segments: [Mutex<Segment>; SEGMENTS],
    hasher: DefaultHashBuilder,
    last: AtomicI64,
}

impl UsesOfKeys {
    pub(super) fn new() -> Self {
        Self {
            segments: std::array::from_fn(|_| Mutex::default()),
            hasher: DefaultHashBuilder::default(),
            last: AtomicI64::new(i64::MIN),
        }
    }

    fn segment(&self, id: u64) -> &Mutex<Segment> {
        &self.segments[(id >> 24) as usize % SEGMENTS]
    }

    /// A time later than that of every use before.
    fn tick(&self, now_us: i64) -> i64 {
        let last = self.last.fetch_max(now_us, Ordering::Relaxed);
        if now_us > last { now_us } else { self.last.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// Notes a use. `hash` is asked for only of a key that is new here. Returns the key's shard.
    pub(crate) fn note(&self, key: KeyRef<'_>, now_us: i64, hash: impl FnOnce() -> KeyHash) -> ShardId {
        let id = self.hasher.hash_one(key);
        let use_now = Uses { used_at: self.tick(now_us), count: 1 };
        let mut segment = self.segment(id).lock();
        let segment = &mut *segment;
        if let Some(used) = segment.young.get_mut(&id) {
            used.unwritten = used.unwritten.and(use_now);
            return Route::of(&used.hash).shard;
        }
        if segment.young.len() >= KEYS_MAX {
            segment.old = std::mem::take(&mut segment.young);
        }
        let mut used = segment.old.remove(&id).unwrap_or_else(|| Used {
            hash: hash(),
            unwritten: Uses::default(),
            written: Uses::default(),
            written_at: i64::MIN,
        });
        used.unwritten = used.unwritten.and(use_now);
        segment.young.insert(id, used);
        Route::of(&used.hash).shard
    }

    /// What this process knows of a key; `stored` is what the table has.
    pub(crate) fn of(&self, key: KeyRef<'_>, stored: Option<Uses>) -> Option<Uses> {
        let id = self.hasher.hash_one(key);
        let segment = self.segment(id).lock();
        let own = segment.young.get(&id).or_else(|| segment.old.get(&id)).copied();
        drop(segment);
        let Some(own) = own else { return stored };
        Some(stored.unwrap_or(own.written).and(own.unwritten))
    }

    /// Takes what is to be written now: at most `max` keys of a shard, or of all shards what `all` asks for.
    pub(crate) fn take(&self, shard: ShardId, now_us: i64, all: bool, max: usize) -> Vec<(KeyHash, Uses)> {
        let mut taken = Vec::new();
        for segment in &self.segments {
            let mut segment = segment.lock();
            let Segment { young, old } = &mut *segment;
            for used in young.values_mut().chain(old.values_mut()) {
                let due = all || now_us.saturating_sub(used.written_at) >= FLUSHED_US;
                if taken.len() < max
                    && due
                    && used.unwritten.count > 0
                    && Route::of(&used.hash).shard == shard
                {
                    taken.push((used.hash, used.unwritten));
                    used.written = used.written.and(used.unwritten);
                    used.unwritten = Uses::default();
                    used.written_at = now_us;
                }
            }
        }
        taken
    }

    /// Shards with something to write.
    pub(crate) fn shards(&self) -> [bool; SHARDS] {
        let mut shards = [false; SHARDS];
        for segment in &self.segments {
            let segment = segment.lock();
            for used in segment.young.values().chain(segment.old.values()) {
                shards[Route::of(&used.hash).shard.index()] |= used.unwritten.count > 0;
            }
        }
        shards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_add_up_and_fade() {
        let uses = Uses { used_at: 0, count: 9 };
        assert_eq!(uses.at(HALF_LIFE_US - 1).count, 9);
        assert_eq!(uses.at(3 * HALF_LIFE_US).count, 1);
        let both = uses.and(Uses { used_at: HALF_LIFE_US, count: 1 });
        assert_eq!(both, Uses { used_at: HALF_LIFE_US, count: 5 });
        assert_eq!(uses.at(i64::MAX).count, 0);
    }

    #[test]
    fn uses_are_in_order_taken_once_and_bounded() {
        let uses = UsesOfKeys::new();
        let hash = |key| KeyHash::of(KeyRef::Int(key));
        for key in 0..3 {
            uses.note(KeyRef::Int(key), 100, || hash(key));
        }
        let at = |key| uses.of(KeyRef::Int(key), None).unwrap().used_at;
        assert!(at(0) < at(1) && at(1) < at(2), "the clock stood still");
        let shard = Route::of(&hash(1)).shard;
        let taken = |now_us| uses.take(shard, now_us, false, 9);
        assert!(taken(200).iter().any(|(taken, uses)| *taken == hash(1) && uses.count == 1));
        assert_eq!(taken(300), []);
        uses.note(KeyRef::Int(1), 400, || unreachable!("the key is known"));
        assert_eq!(taken(500), [], "not again so soon");
        assert_eq!(taken(200 + FLUSHED_US).len(), 1);
        for key in 0..200_000 {
            uses.note(KeyRef::Int(key), 600, || hash(key));
        }
        let held = |segment: &Mutex<Segment>| {
            let segment = segment.lock();
            segment.young.len() + segment.old.len()
        };
        assert!(uses.segments.iter().map(held).sum::<usize>() <= 2 * SEGMENTS * KEYS_MAX);
    }
}
