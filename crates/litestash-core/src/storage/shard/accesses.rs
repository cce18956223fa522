//! Uses of rows whose deadline slides: noted in memory by whoever reads, written a moment later by others.
//!
//! What is written is a new deadline and nothing else, and only if the row still has the version and the deadline
//! that the reader saw and has not expired. So a note can come late, twice or not at all: the row then ends as
//! if that use had not been.

use super::Shard;
use crate::contract::hash::KeyHash;
use crate::contract::key::{Key, KeyRef};
use crate::contract::msgpack;
use crate::contract::record::Expiry;
use crate::contract::route::Slot;
use crate::contract::version::Version;
use crate::error::{ErrorKind, Result};
use crate::storage::Durability;
use crate::storage::row::{NewRow, WriteTxn};
use crate::storage::worker::When;
use crate::sync::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A row that ends sooner than that is prolonged at once.
const URGENT_US: i64 = 500_000;

/// Notes from which the writing begins at once.
const NOTES_MANY: usize = 4096;

/// Notes beyond which none is added. The next use of the row tries again.
const NOTES_MAX: usize = 65_536;

/// Rows prolonged in one transaction.
const STEP_ROWS: usize = 200;

/// A use of a row.
struct Access {
    key: Key,
    slot: Slot,
    version: Version,
    /// As the reader saw it.
    expiry: Expiry,
    /// When it was last used.
    at_us: i64,
}

/// The uses of a shard's rows that are to be written.
pub(crate) struct Accesses {
    /// Whether somebody writes here.
    written: bool,
    in_background: bool,
    notes: Mutex<HashMap<KeyHash, Access>>,
    count: AtomicUsize,
}

impl Accesses {
    pub(super) fn new(written: bool, in_background: bool) -> Self {
        Self { written, in_background, notes: Mutex::default(), count: AtomicUsize::new(0) }
    }

    /// Notes that a row was used, if that is to be written; says when by whom that is done in the background.
    fn note(
        &self,
        key: KeyRef<'_>,
        slot: Slot,
        hash: &KeyHash,
        version: Version,
        expiry: Expiry,
        now_us: i64,
    ) -> Option<When> {
        if !self.written || expiry.prolonged(now_us).is_none() {
            return None;
        }
        let mut notes = self.notes.lock();
        let count = notes.len();
        match notes.entry(*hash) {
            Entry::Occupied(mut note) if (note.get().version, note.get().expiry) == (version, expiry) => {
                let access = note.get_mut();
                access.at_us = access.at_us.max(now_us);
                return None;
            }
            Entry::Vacant(_) if count >= NOTES_MAX => return None,
            entry => {
                entry.insert_entry(Access { key: key.to_owned(), slot, version, expiry, at_us: now_us });
            }
        }
        self.count.store(notes.len(), Ordering::Release);
        drop(notes);
        let left = expiry.expires_at.map_or(i64::MAX, |deadline| deadline.saturating_sub(now_us));
        let urgent = left < URGENT_US || count >= NOTES_MANY;
        self.in_background.then_some(if urgent { When::Now } else { When::Later })
    }

    fn take(&self) -> Vec<(KeyHash, Access)> {
        let mut notes = self.notes.lock();
        self.count.store(0, Ordering::Release);
        let mut taken: Vec<_> = std::mem::take(&mut *notes).into_iter().collect();
        drop(notes);
        // In the order of the index, and the same whatever order the map has.
        taken.sort_by_key(|(hash, _)| *hash);
        taken
    }

    /// Puts back what could not be written, unless there is something newer.
    fn put_back(&self, taken: Vec<(KeyHash, Access)>) {
        let mut notes = self.notes.lock();
        for (hash, access) in taken {
            notes.entry(hash).or_insert(access);
        }
        self.count.store(notes.len(), Ordering::Release);
    }
}

impl Shard {
    /// Notes that a row was used.
    pub(crate) fn note_use(
        &self,
        key: KeyRef<'_>,
        place: (Slot, &KeyHash),
        version: Version,
        expiry: Expiry,
        now_us: i64,
    ) {
        if let Some(when) = self.accesses.note(key, place.0, place.1, version, expiry, now_us) {
            self.workers.expiry.want(self, when);
        }
    }

    /// Writes the deadlines that follow from the uses noted so far.
    pub(crate) fn write_accesses(&self) -> Result<()> {
        if self.accesses.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let mut taken = self.accesses.take();
        while !taken.is_empty() {
            let step = &taken[..taken.len().min(STEP_ROWS)];
            let prolonged = self.write_existing(Durability::Normal, |txn| self.prolong_all(txn, step));
            match prolonged {
                Ok(count) => {
                    self.expiring.prolonged.fetch_add(count.unwrap_or(0), Ordering::Relaxed);
                    taken.drain(..taken.len().min(STEP_ROWS));
                }
                Err(error) => {
                    self.accesses.put_back(taken);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Returns how many rows got another deadline.
    fn prolong_all(&self, txn: &mut WriteTxn<'_>, accesses: &[(KeyHash, Access)]) -> Result<u64> {
        let mut prolonged = 0;
        for (hash, access) in accesses {
            // What has expired meanwhile has been seen missing by somebody, and stays so.
            let Some(expiry) = access.expiry.prolonged(access.at_us) else { continue };
            if access.expiry.has_passed(|| self.expiring.now_us()) {
                continue;
            }
            let body = txn.get(access.slot, hash, |row| {
                let record = row.record(self.format(), &self.place(access.slot, hash))?;
                let unchanged = row.version == access.version && record.expiry == access.expiry;
                // What is not canonical is damaged as well.
                let sound = unchanged && msgpack::validate(&record.body).is_ok();
                Ok(sound.then(|| record.body.into_owned()))
            });
            match body {
                Ok(Some(Some(body))) => {
                    let key = access.key.as_ref();
                    let row = NewRow { slot: access.slot, hash, key, expiry, body: &body };
                    txn.redate(&row, access.version)?;
                    prolonged += 1;
                }
                Ok(_) => {}
                Err(error) if error.is_from_sqlite() => return Err(error),
                // A damaged row is for those who read it.
                Err(_) => {}
            }
        }
        Ok(prolonged)
    }

    /// The worker's part. Returns whether to come back.
    pub(super) fn write_accesses_in_background(&self) -> bool {
        match self.write_accesses() {
            Ok(()) => false,
            Err(error) => {
                tracing::debug!(%error, "sliding deadlines could not be prolonged yet");
                error.kind() != ErrorKind::Closed
            }
        }
    }
}
