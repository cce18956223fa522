//! Where a row lives (`docs/CONTRACT.md` 5): the first six bits of its hash.

use super::hash::KeyHash;
use super::limits::{SHARDS, SLOTS};
use std::fmt;

/// The number of a shard file, 0 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(u8);

impl ShardId {
    /// Every shard, in ascending order.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..SHARDS as u8).map(Self)
    }

    /// [`ShardId::all`] as an array.
    pub(crate) fn all_array() -> [Self; SHARDS] {
        std::array::from_fn(|number| Self(number as u8))
    }

    /// The shard with that number, 0 to 15.
    pub fn new(number: u8) -> Option<Self> {
        (usize::from(number) < SHARDS).then_some(Self(number))
    }

    /// The number, 0 to 15.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The number as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// `shard-0.db` to `shard-f.db`.
    pub fn file_name(self) -> String {
        format!("shard-{self}.db")
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// The number of a table within a shard file, 0 to 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

impl Slot {
    /// Every slot, in ascending order.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..SLOTS as u8).map(Self)
    }

    /// The slot with that number, 0 to 3.
    pub fn new(number: u8) -> Option<Self> {
        (usize::from(number) < SLOTS).then_some(Self(number))
    }

    /// The number, 0 to 3.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The number as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The shard file and table of a key: high nibble of the hash's first byte, and its next two bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The shard file.
    pub shard: ShardId,
    /// The table in it.
    pub slot: Slot,
}

impl Route {
    /// The place of the row with that hash.
    pub const fn of(hash: &KeyHash) -> Self {
        let first = hash.0[0];
        Self { shard: ShardId(first >> 4), slot: Slot((first >> 2) & 3) }
    }
}

/// A row's hash and where it lives, or is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The hash of its key.
    pub hash: KeyHash,
    /// The shard file and table.
    pub route: Route,
}

impl Place {
    /// The place where the row with that hash belongs.
    pub const fn of(hash: KeyHash) -> Self {
        Self { hash, route: Route::of(&hash) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_has_one_place_and_every_place_four_bytes() {
        let mut seen = [[0; SLOTS]; SHARDS];
        for first in 0..=u8::MAX {
            let mut hash = KeyHash([0xff; 64]);
            hash.0[0] = first;
            let route = Route::of(&hash);
            seen[route.shard.index()][route.slot.index()] += 1;
        }
        assert!(seen.iter().flatten().all(|&count| count == 4));
    }

    #[test]
    fn names_are_one_lower_case_digit() {
        let names: Vec<_> = ShardId::all().map(ShardId::file_name).collect();
        assert_eq!((names[0].as_str(), names[15].as_str()), ("shard-0.db", "shard-f.db"));
    }
}
