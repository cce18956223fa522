//! Choosing what goes: the worst of a sample, as Redis does.
//!
//! The index of a table is in the order of hashes, so the rows behind a random hash are a random sample, and are
//! found with one step down the tree. The worst rows seen and not evicted yet stay in a pool, and one row goes for
//! each [`SAMPLED_PER_VICTIM`] looked at: so about the worst eighth is what goes.

use super::{Bounds, Eviction, Uses};
use crate::contract::hash::KeyHash;
use crate::contract::key::Key;
use crate::contract::route::Slot;
use crate::contract::version::Version;
use crate::error::{Error, Result};
use crate::storage::database::Database;
use crate::storage::row::{self, Removal, WriteTxn, cached, key_column};
use crate::storage::shard::Shard;
use crate::storage::sql;
use rusqlite::OptionalExtension;

/// Rows looked at for each that goes.
const SAMPLED_PER_VICTIM: usize = 8;

/// Rows looked at in one go.
const SAMPLE: usize = 32;

/// Rows of a shard up to which all of them are looked at.
const SHARD_LOOKED_AT: i64 = 4 * SAMPLE as i64;

/// Rows remembered.
const POOL_MAX: usize = 64;

/// Samples taken for one victim, should all that is found have changed meanwhile.
const SAMPLES_MAX: usize = 4;

/// Hints looked at for one expired row.
const HINTS_MAX: usize = 16;

/// How much a row is worth keeping: the lowest goes first.
type Worth = (i64, i64);

/// A row that may go.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    slot: Slot,
    hash: KeyHash,
    key: Key,
    version: Version,
    worth: Worth,
}

/// The worst rows seen, the very worst last.
#[derive(Default)]
pub(crate) struct Pool {
    rows: Vec<Candidate>,
    /// Rows looked at and not yet made up for by one that went.
    looked_at: usize,
}

impl Pool {
    /// Whether a row of that worth is among the worst.
    fn takes(&self, worth: Worth) -> bool {
        self.rows.len() < POOL_MAX || self.rows.first().is_some_and(|best| worth < best.worth)
    }

    fn add(&mut self, row: Candidate) {
        self.rows.retain(|known| known.hash != row.hash);
        let at = self.rows.partition_point(|known| (known.worth, known.hash.0) > (row.worth, row.hash.0));
        self.rows.insert(at, row);
        if self.rows.len() > POOL_MAX {
            self.rows.remove(0);
        }
    }

    /// The worst, if that many were looked at.
    fn pop(&mut self) -> Option<Candidate> {
        (self.looked_at >= SAMPLED_PER_VICTIM).then(|| self.rows.pop()).flatten()
    }

    pub(in crate::storage) fn clear(&mut self) {
        self.rows.clear();
    }

    /// The worst, when every row was looked at; one that was written since then only if there is no other.
    pub(in crate::storage) fn pop_worst(&mut self, since_us: i64) -> Option<Candidate> {
        let older = self.rows.iter().rposition(|row| row.version.micros() < since_us);
        Some(self.rows.remove(older.or(self.rows.len().checked_sub(1))?))
    }
}

impl Candidate {
    pub(crate) fn hash(&self) -> &KeyHash {
        &self.hash
    }
}

impl Bounds {
    fn worth(&self, version: Version, uses: Option<Uses>, now_us: i64) -> Worth {
        let uses = uses.unwrap_or_default();
        let used_at = version.micros().max(uses.used_at);
        match self.limits.eviction {
            Eviction::LeastRecentlyUsed => (used_at, 0),
            Eviction::LeastFrequentlyUsed => (uses.at(now_us).count, used_at),
            Eviction::Random => ((self.random() >> 1).cast_signed(), 0),
            Eviction::LeastRecentlyStored | Eviction::None => (version.micros(), 0),
        }
    }

    /// Takes the rows of a table behind a hash into the pool. Returns how many it looked at.
    fn look_at(
        &self,
        shard: &Shard,
        database: &mut Database,
        slot: Slot,
        from: &[u8],
        limit: usize,
        pool: &mut Pool,
    ) -> Result<usize> {
        let now_us = self.now_us();
        let run = if self.uses().is_some() && database.has_uses()? { &sql::RUN_USED } else { &sql::RUN };
        let mut statement = cached(database.connection(), run, slot)?;
        let mut rows = statement.query((from, limit as i64))?;
        let mut looked_at = 0;
        while let Some(row) = rows.next()? {
            looked_at += 1;
            let hash = row.get_ref(0)?.as_blob().ok().and_then(KeyHash::from_slice);
            // A damaged row is for `verify` to find; it goes when somebody asks for it.
            let (Some(hash), Ok(version)) = (hash, Version::from_columns(row.get(2)?, row.get(3)?)) else {
                continue;
            };
            let stored = match (row.get(4)?, row.get(5)?) {
                (Some(used_at), Some(count)) => Some(Uses { used_at, count }),
                _ => None,
            };
            let decoded =
                || shard.format().decode_key(&shard.place(slot, &hash), key_column(row.get_ref(1)?)?);
            let mut key = None;
            let uses = match self.uses() {
                Some(uses) => {
                    let Ok(known) = decoded() else { continue };
                    uses.of(key.insert(known).as_ref(), stored)
                }
                None => None,
            };
            let worth = self.worth(version, uses, now_us);
            if pool.takes(worth) {
                let Some(key) = key.or_else(|| decoded().ok()) else { continue };
                pool.add(Candidate { slot, hash, key, version, worth });
            }
        }
        Ok(looked_at)
    }

    /// Takes the rows of a whole shard into a pool.
    pub(in crate::storage) fn look_at_all(
        &self,
        shard: &Shard,
        database: &mut Database,
        pool: &mut Pool,
    ) -> Result<usize> {
        let mut looked_at = 0;
        for slot in Slot::all() {
            looked_at += self.look_at(shard, database, slot, &[], usize::MAX >> 1, pool)?;
        }
        Ok(looked_at)
    }
}

impl WriteTxn<'_> {
    /// Removes one row: an expired one if there is any, else the worst of a sample, but never `spared`. Returns
    /// whether it found one.
    pub(in crate::storage) fn evict_one(&mut self, spared: Option<&KeyHash>) -> Result<bool> {
        let Some(bounds) = self.room.as_ref().map(|room| room.bounds) else { return Ok(false) };
        if self.remove_expired(bounds.now_us(), spared)? {
            return Ok(true);
        }
        let mut pool = bounds.pool(self.shard.id()).lock();
        for _ in 0..SAMPLES_MAX {
            while let Some(row) = pool.pop() {
                if Some(&row.hash) != spared && self.evict(&row)? {
                    pool.looked_at -= SAMPLED_PER_VICTIM;
                    return Ok(true);
                }
            }
            if self.sample(bounds, &mut pool)? == 0 {
                break;
            }
        }
        Ok(false)
    }

    fn sample(&mut self, bounds: &Bounds, pool: &mut Pool) -> Result<usize> {
        let few = self.effects.marks.counters.is_some_and(|counters| counters.rows <= SHARD_LOOKED_AT);
        if few {
            pool.rows.clear();
            let looked_at = bounds.look_at_all(self.shard, self.database, pool)?;
            // One may go for all of them, however few; then they are looked at again.
            pool.looked_at = SAMPLED_PER_VICTIM;
            return Ok(looked_at);
        }
        let random = bounds.random();
        let mut hash = [0; KeyHash::LEN];
        hash[..8].copy_from_slice(&bounds.random().to_be_bytes());
        let mut looked_at = 0;
        let slots = (0..4).filter_map(|step| Slot::new((random.wrapping_add(step) & 3) as u8));
        for slot in slots {
            // The first byte says where the row is: only its lowest two bits are free.
            hash[0] = self.shard.id().number() << 4 | slot.number() << 2 | (hash[0] & 3);
            looked_at += bounds.look_at(self.shard, self.database, slot, &hash, SAMPLE - looked_at, pool)?;
            if looked_at < SAMPLE {
                looked_at +=
                    bounds.look_at(self.shard, self.database, slot, &[], SAMPLE - looked_at, pool)?;
            }
            if looked_at >= SAMPLE {
                break;
            }
        }
        pool.looked_at += looked_at;
        Ok(looked_at)
    }

    /// Removes a row if it is still what it was when it was looked at, and was not used since.
    pub(in crate::storage) fn evict(&mut self, row: &Candidate) -> Result<bool> {
        let Some(bounds) = self.room.as_ref().map(|room| room.bounds) else { return Ok(false) };
        let stored = cached(self.database.connection(), &sql::KEY, row.slot)?
            .query_row([&row.hash], |columns| Ok((columns.get(1)?, columns.get(2)?)))
            .optional()?;
        let same = stored.is_some_and(|(timestamp, microsecond)| {
            Version::from_columns(timestamp, microsecond).is_ok_and(|version| version == row.version)
        });
        let used = bounds.uses().and_then(|uses| uses.of(row.key.as_ref(), None));
        let now_us = bounds.now_us();
        let unused = used.is_none() || bounds.worth(row.version, used, now_us) <= row.worth;
        if !same || !unused {
            return Ok(false);
        }
        let evicted = self.delete(row.slot, &row.hash, row.key.as_ref(), Removal::Evicted)?;
        if evicted && let Some(room) = &mut self.room {
            room.evicted += 1;
        }
        Ok(evicted)
    }

    /// Removes one row whose deadline has passed, with its hint. Returns whether there was one.
    pub(in crate::storage) fn remove_expired(
        &mut self,
        now_us: i64,
        spared: Option<&KeyHash>,
    ) -> Result<bool> {
        for _ in 0..HINTS_MAX {
            let hint = self
                .database
                .connection()
                .prepare_cached(sql::EXPIRY_DUE_FIRST)?
                .query_row([now_us], |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
                })
                .optional()?;
            let Some((deadline, slot, hash)) = hint else { return Ok(false) };
            let deadline: i64 = deadline;
            let place = u8::try_from(slot).ok().and_then(Slot::new).zip(KeyHash::from_slice(&hash));
            let Some((slot, hash)) = place else {
                return Err(Error::corrupt("a row of the expiry table names no place"));
            };
            if Some(&hash) == spared {
                return Ok(false);
            }
            let place = self.place(slot, &hash);
            let format = self.format();
            let found = row::find(self.database.connection(), format, &place, |row| {
                // Decrypted and all: a deadline that somebody changed removes nothing.
                let expires_at = row.record()?.expiry.expires_at;
                expires_at.filter(|expires_at| *expires_at <= now_us).map(|_| row.key()).transpose()
            });
            // What is damaged is not known to be expired.
            let Ok(found) = found else { return Ok(false) };
            let removed = match found.flatten() {
                Some(key) => self.delete(slot, &hash, key.as_ref(), Removal::Expired)?,
                None => false,
            };
            self.database.connection().prepare_cached(sql::EXPIRY_DELETE)?.execute((
                deadline,
                slot.number(),
                hash,
            ))?;
            if removed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets when a row was used, now that it is gone.
    pub(in crate::storage) fn forget_uses(&mut self, slot: Slot, hash: &KeyHash) -> Result<()> {
        let keeps = self.room.as_ref().is_some_and(|room| room.bounds.uses().is_some());
        if keeps && self.database.has_uses()? {
            let connection = self.database.connection();
            connection.prepare_cached(sql::ACCESS_DELETE)?.execute((slot.number(), hash))?;
        }
        Ok(())
    }

    /// [`WriteTxn::forget_uses`] of all rows.
    pub(in crate::storage) fn forget_all_uses(&mut self) -> Result<()> {
        if self.room.is_some() && self.database.has_uses()? {
            self.database.connection().prepare_cached(sql::ACCESS_CLEAR)?.execute([])?;
        }
        Ok(())
    }
}
