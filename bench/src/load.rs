//! Keys and values.

use anyhow::Result;
use std::fmt::Write as _;

/// Keys that are asked for again and again in the measurements of hot keys.
pub(crate) const HOT_KEYS: usize = 1_000;

const POOL_BYTES: usize = 1 << 20;
const KEY_BYTES: usize = 12;
const ABSENT_BYTES: usize = KEY_BYTES + 1;

/// The rows of one measurement, made beforehand, so that making them costs next to nothing in it.
pub(crate) struct Load {
    pub(crate) rows: usize,
    pub(crate) value_bytes: usize,
    keys: String,
    absent: String,
    pool: Vec<u8>,
    head: Vec<u8>,
}

impl Load {
    /// `rows` keys, and as many beside them for rows that come and go.
    pub(crate) fn new(rows: usize, value_bytes: usize) -> Self {
        let spare = rows.min(10_000);
        let mut keys = String::with_capacity((rows + spare) * KEY_BYTES);
        for number in 0..rows + spare {
            let _ = write!(keys, "user:{number:07}");
        }
        // Absent keys stand among the present ones, so that a search for them ends in any page.
        let mut absent = String::with_capacity(HOT_KEYS * ABSENT_BYTES);
        for number in 0..HOT_KEYS {
            let _ = write!(absent, "user:{:07}x", number * (rows / HOT_KEYS.min(rows)));
        }
        let mut pool = vec![0; POOL_BYTES + value_bytes];
        fastrand::Rng::with_seed(7).fill(&mut pool);
        Self { rows, value_bytes, keys, absent, pool, head: head(value_bytes) }
    }

    pub(crate) fn key(&self, number: usize) -> &str {
        &self.keys[number * KEY_BYTES..(number + 1) * KEY_BYTES]
    }

    /// A key of the rows that come and go.
    pub(crate) fn spare_key(&self, number: usize) -> &str {
        self.key(self.rows + number)
    }

    pub(crate) fn spares(&self) -> usize {
        self.keys.len() / KEY_BYTES - self.rows
    }

    pub(crate) fn any_key(&self, random: &mut fastrand::Rng) -> &str {
        self.key(random.usize(..self.rows))
    }

    /// Hot keys are spread over all keys, so that they do not share pages.
    pub(crate) fn hot_key(&self, random: &mut fastrand::Rng) -> &str {
        let hot = HOT_KEYS.min(self.rows);
        self.key(random.usize(..hot) * (self.rows / hot))
    }

    pub(crate) fn absent_key(&self, random: &mut fastrand::Rng) -> &str {
        let number = random.usize(..HOT_KEYS);
        &self.absent[number * ABSENT_BYTES..(number + 1) * ABSENT_BYTES]
    }

    /// Random bytes as canonical MessagePack of `value_bytes` in all: every store keeps the same.
    pub(crate) fn value(&self, random: &mut fastrand::Rng, value: &mut Vec<u8>) {
        value.clear();
        value.extend_from_slice(&self.head);
        let from = random.usize(..POOL_BYTES);
        value.extend_from_slice(&self.pool[from..from + self.value_bytes - self.head.len()]);
    }

    /// Calls with all rows in batches, in random order.
    pub(crate) fn batches(
        &self,
        batch_rows: usize,
        mut each: impl FnMut(&[(String, Vec<u8>)]) -> Result<()>,
    ) -> Result<()> {
        let mut random = fastrand::Rng::with_seed(11);
        let mut order: Vec<usize> = (0..self.rows).collect();
        random.shuffle(&mut order);
        for part in order.chunks(batch_rows) {
            let rows: Vec<_> = part
                .iter()
                .map(|&number| {
                    let mut value = Vec::with_capacity(self.value_bytes);
                    self.value(&mut random, &mut value);
                    (self.key(number).to_owned(), value)
                })
                .collect();
            each(&rows)?;
        }
        Ok(())
    }
}

/// The head of MessagePack's `bin` so that head and body together have that many bytes.
fn head(bytes: usize) -> Vec<u8> {
    match bytes {
        2..=257 => vec![0xc4, (bytes - 2) as u8],
        _ => {
            let [high, low] = ((bytes - 3) as u16).to_be_bytes();
            vec![0xc5, high, low]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_canonical_and_keys_distinct() {
        for bytes in [100, 1_000, 10_000] {
            let load = Load::new(50, bytes);
            let mut value = Vec::new();
            load.value(&mut fastrand::Rng::with_seed(1), &mut value);
            assert_eq!(value.len(), bytes);
            litestash_core::contract::msgpack::validate(&value).unwrap();
            let keys: std::collections::HashSet<_> = (0..100).map(|number| load.key(number)).collect();
            assert_eq!(keys.len(), 100);
            assert!(!keys.contains(load.absent_key(&mut fastrand::Rng::with_seed(2))));
        }
    }
}
