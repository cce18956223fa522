//! A shard's part in keeping its stash within limits: what is done before and after a write, in the background,
//! and on a full disk.

use super::checkpoint::passive;
use super::{OpenWriter, Shard, ShardGroup, Writer, checkpoint};
use crate::contract::hash::KeyHash;
use crate::contract::route::{Route, Slot};
use crate::contract::schema::{OPTIONAL_TABLES, PAGE_BYTES};
use crate::error::{ErrorKind, Result};
use crate::storage::bounds::{Bounds, Budget, Eviction, ROWS_LOOKED_AT, Uses, limit_reached};
use crate::storage::connection::Durability;
use crate::storage::database::Database;
use crate::storage::row::{WriteTxn, cached};
use crate::storage::shard::{Counters, Marks};
use crate::storage::sql;
use crate::storage::wal_index::Header;
use crate::storage::while_busy;
use crate::storage::worker::When;
use rusqlite::OptionalExtension;
use std::time::Duration;

/// Rows evicted by one call beside those that its own transaction evicted.
const WORST_MAX: usize = 32;

/// Pages by which the largest shard is made smaller in one go, and how often one call does that.
const SHRINK_PAGES: u64 = 64;
const SHRINKS_MAX: usize = 4;

/// Rows evicted by one transaction of the background.
const AHEAD_ROWS: usize = 32;

/// Transactions in a row for one shard in the background; then it is another's turn.
const AHEAD_TRANSACTIONS: usize = 8;

/// A part of a shard's pages that should hold nothing, so that writes need not make room: eviction ahead of need
/// begins below a 32nd, and goes on up to a 16th.
const AHEAD_FROM: u64 = 32;
const AHEAD_TO: u64 = 16;

/// What is free beyond that part is given back to the file system.
const GIVEN_BACK_FROM: u64 = 8;

/// Uses written in one transaction, and as many orphans looked for.
const USES_WRITTEN: usize = 256;
const ORPHANS_LOOKED_FOR: u32 = 16;

/// The journal's log may be as long as that many logs of shards.
const JOURNAL_LOGS: u32 = 4;

/// How long a writer waits for the readers of a log that has become too long.
const LOG_PATIENCE: Duration = Duration::from_millis(5);

/// Times that one write is tried on a full disk.
const FULL_DISK_TRIES: usize = 4;

/// Steps in which one shard is made smaller then.
const FULL_DISK_SHRINKS: usize = 4;

impl Shard {
    /// The header of the shard's log, if it can be seen.
    pub(in crate::storage) fn header_seen(&self) -> Option<Header> {
        self.cache.header(&self.view)
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.path.is_none()
    }

    /// Pages of the file as the file system has it; `None` in memory. Asking for a size opens nothing.
    pub(crate) fn file_pages(&self) -> Option<u64> {
        let path = self.path.as_ref()?;
        Some(path.metadata().map_or(0, |metadata| metadata.len() / PAGE_BYTES.unsigned_abs()))
    }

    /// The counters, and as of which header. `None` if there is no shard, or it is not counted.
    pub(in crate::storage) fn read_counters(&self) -> Result<Option<(Counters, Option<Header>)>> {
        let read = self.read_with(|database| {
            let before = database.header();
            let (marks, _) = database.read_keeping(Marks::read)?;
            Ok((marks.counters, before.filter(|_| database.header() == before)))
        })?;
        Ok(read.and_then(|(counters, at)| Some((counters?, at))))
    }

    /// [`Shard::with_open`] in a stash with limits.
    pub(super) fn with_bounds<T>(
        &self,
        bounds: &Bounds,
        create: bool,
        mut f: impl FnMut(&Self, &mut OpenWriter) -> Result<T>,
    ) -> Result<Option<T>> {
        if bounds.starts() {
            self.start_bounds(bounds);
        }
        if create && bounds.may_refuse() && self.file_pages() == Some(0) && !bounds.has_room_for_shard()? {
            // A write that is refused makes no file.
            return Err(limit_reached("rows or bytes"));
        }
        let since_us = bounds.now_us();
        for _ in 1..FULL_DISK_TRIES {
            match self.with_locked(create, &mut f) {
                Err(error) if self.make_room_on_disk(bounds, error.kind()) => {}
                done => {
                    if done.is_ok() {
                        self.keep_bounds(bounds, since_us);
                    }
                    return done;
                }
            }
        }
        self.with_locked(create, f)
    }

    /// What comes before a transaction that may be one over several shards. Returns when it began, for
    /// [`Shard::keep_bounds_of`].
    pub(crate) fn begin_bounds(&self) -> i64 {
        let Some(bounds) = self.bounds() else { return 0 };
        if bounds.starts() {
            self.start_bounds(bounds);
        }
        bounds.now_us()
    }

    /// What comes after its commit, for each shard that it wrote, without any lock.
    pub(crate) fn keep_bounds_of(&self, since_us: i64) {
        if let Some(bounds) = self.bounds() {
            self.keep_bounds(bounds, since_us);
        }
    }

    /// And once for all of them, what the journal may be.
    pub(crate) fn keep_journal_short(&self) {
        if let Some(bounds) = self.bounds()
            && let (Some(budget), Some(shards)) = (bounds.budget, bounds.shards())
            && self.journal.frames() > budget.frames * JOURNAL_LOGS
        {
            self.shorten_journal(&shards);
        }
    }

    /// Empties the journal of what is done, and cuts off its log.
    fn shorten_journal(&self, shards: &ShardGroup) {
        let settled = shards.iter().try_for_each(|shard| shard.settle_journal());
        if let Err(error) = settled.and_then(|()| self.journal.cut_log()) {
            tracing::debug!(%error, "the journal could not be emptied yet");
        }
    }

    /// After an error of that kind, and without any lock: whether it is worth trying again, because there is room
    /// on the disk now.
    pub(crate) fn has_made_room(&self, kind: ErrorKind) -> bool {
        self.bounds().is_some_and(|bounds| self.make_room_on_disk(bounds, kind))
    }

    /// Counts the shards that are there and not counted yet, and takes the reserve.
    fn start_bounds(&self, bounds: &Bounds) {
        let Some(shards) = bounds.shards() else { return };
        for shard in shards.iter() {
            // A shard that cannot be written has errors for those who write it.
            let counted = shard
                .with_locked(false, |shard, open| shard.transact(open, Durability::Normal, &[], |_| Ok(())));
            if let Err(error) = counted {
                tracing::warn!(%error, "a shard could not be counted");
            }
        }
        bounds.take_reserve();
    }

    /// What is left to do for the limits after a write that began then, without any lock.
    fn keep_bounds(&self, bounds: &Bounds, since_us: i64) {
        let kept = self.try_keep_bounds(bounds, since_us);
        if let Err(error) = kept
            && !matches!(error.kind(), ErrorKind::Busy | ErrorKind::Closed)
        {
            // The next write tries again.
            tracing::warn!(%error, "making room failed");
        }
    }

    fn try_keep_bounds(&self, bounds: &Bounds, since_us: i64) -> Result<()> {
        if bounds.evicts()
            && let Some(max) = bounds.limits.rows
            && max <= ROWS_LOOKED_AT
        {
            evict_worst(bounds, max, since_us)?;
        }
        if let Some(budget) = bounds.budget {
            bounds.raise();
            let pages = bounds.pages_but(None);
            if pages > bounds.pages_max() {
                shrink_largest(bounds)?;
            }
            self.keep_log_short(&budget)?;
        }
        if bounds.background {
            self.workers.upkeep.want(self, When::Later);
        }
        Ok(())
    }

    /// Asks for eviction ahead of need, after a commit that left so many pages, of which so many hold nothing.
    pub(super) fn ask_ahead(&self, bounds: &Bounds, pages: u32, free: u32) {
        let little = u64::from(free) < u64::from(pages) / AHEAD_FROM;
        if bounds.background && bounds.evicts() && bounds.budget.is_some() && little && is_near(bounds) {
            self.workers.upkeep.want(self, When::Now);
        }
    }

    /// Moves a log that has become too long into the file, so that the next commit starts it anew.
    fn keep_log_short(&self, budget: &Budget) -> Result<()> {
        let frames = self.header_seen().map_or(0, |header| header.frames());
        if frames < budget.frames || !self.log.wants_checkpoint(frames) {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        let Writer::Open(open) = &mut *writer else { return Ok(()) };
        self.end_idle(true);
        if frames >= 2 * budget.frames {
            // Somebody reads it, or it took a large transaction: it is cut off as well.
            let cut = while_busy(LOG_PATIENCE, || checkpoint(open.database.connection()));
            if cut.as_ref().is_err_and(|error| error.kind() == ErrorKind::Busy) {
                self.log.began(frames);
                return Ok(());
            }
            return cut;
        }
        let progress = passive(&mut open.database)?;
        self.log.began(progress.frames);
        Ok(())
    }

    /// Evicts what is needed for that many pages to hold nothing, and gives them back to the file system.
    fn shrink(&self, bounds: &Bounds, pages: u64) -> Result<()> {
        self.with_locked(false, |shard, open| {
            shard.transact(open, Durability::Normal, &[], |txn| {
                if bounds.evicts() {
                    txn.evict_until(pages, 2 * usize::try_from(pages).unwrap_or(AHEAD_ROWS))?;
                }
                txn.give_back(pages)
            })
        })?;
        Ok(())
    }

    /// Removes in a transaction of its own. Returns whether it did.
    fn remove(&self, mut f: impl FnMut(&mut WriteTxn<'_>) -> Result<bool>) -> Result<bool> {
        let removed = self
            .with_locked(false, |shard, open| shard.transact(open, Durability::Normal, &[], |txn| f(txn)))?;
        Ok(removed == Some(true))
    }

    /// Whether there is a hint that a row's deadline has passed.
    fn has_due(&self, now_us: i64) -> Result<bool> {
        let due = self.read_with(|database| {
            let mut due = database.connection().prepare_cached(sql::EXPIRY_DUE_FIRST)?;
            Ok(due.exists([now_us])?)
        })?;
        Ok(due == Some(true))
    }

    /// The worker's part. Returns whether to come back.
    pub(crate) fn upkeep_in_background(&self, when: When) -> bool {
        let Some(bounds) = &self.bounds else { return false };
        let done = match when {
            When::Now => self.evict_ahead(bounds).map(|()| false),
            When::Later => self.tidy_up(bounds),
        };
        done.unwrap_or_else(|error| {
            if !matches!(error.kind(), ErrorKind::Busy | ErrorKind::Closed | ErrorKind::DiskFull) {
                tracing::warn!(%error, "upkeep in the background failed");
            }
            error.kind() != ErrorKind::Closed
        })
    }

    fn evict_ahead(&self, bounds: &Bounds) -> Result<()> {
        for _ in 0..AHEAD_TRANSACTIONS {
            let done = self.with_locked(false, |shard, open| {
                shard.transact(open, Durability::Normal, &[], |txn| {
                    let (pages, free) = txn.database.pages()?;
                    let wanted = u64::from(pages) / AHEAD_TO;
                    let free = u64::from(free);
                    if free >= wanted { Ok(true) } else { Ok(txn.evict_until(wanted, AHEAD_ROWS)? == 0) }
                })
            })?;
            if done != Some(false) {
                break;
            }
            if let Some(budget) = &bounds.budget {
                self.keep_log_short(budget)?;
            }
        }
        Ok(())
    }

    fn tidy_up(&self, bounds: &Bounds) -> Result<bool> {
        bounds.raise();
        bounds.take_reserve();
        self.write_uses(bounds, false)?;
        if bounds.budget.is_none() {
            return Ok(self.has_uses_to_write(bounds));
        }
        let figures = self.read_with(|database| database.pages())?;
        let (pages, free) = figures.map_or((0, 0), |(pages, free)| (u64::from(pages), u64::from(free)));
        let spare = free.saturating_sub((pages / GIVEN_BACK_FROM).max(SHRINK_PAGES / 4));
        if spare > 0 {
            self.with_locked(false, |shard, open| {
                shard.transact(open, Durability::Normal, &[], |txn| txn.give_back(spare.min(SHRINK_PAGES)))
            })?;
        }
        Ok(spare > SHRINK_PAGES || self.has_uses_to_write(bounds))
    }

    fn has_uses_to_write(&self, bounds: &Bounds) -> bool {
        bounds.uses().is_some_and(|uses| uses.shards()[self.id.index()])
    }

    /// Writes uses into the table: those that are due, or all.
    pub(crate) fn write_uses(&self, bounds: &Bounds, all: bool) -> Result<()> {
        let Some(uses) = bounds.uses() else { return Ok(()) };
        loop {
            let max = if all { usize::MAX } else { USES_WRITTEN };
            let taken = uses.take(self.id, bounds.now_us(), all, max);
            if taken.is_empty() {
                return Ok(());
            }
            let full = taken.len() == max;
            self.with_locked(false, |shard, open| {
                shard.transact(open, Durability::Normal, &[], |txn| txn.write_uses(bounds, &taken))
            })?;
            if !full {
                return Ok(());
            }
        }
    }

    /// Notes that a key was read, if that is asked for.
    #[inline]
    pub(crate) fn ask_for_upkeep(&self) {
        self.workers.upkeep.want(self, When::Later);
    }

    /// Gives up the reserve of a full disk and makes room: the log goes into the file, rows go, and their pages go
    /// back to the file system. Returns whether the write is worth another try.
    fn make_room_on_disk(&self, bounds: &Bounds, kind: ErrorKind) -> bool {
        if !bounds.evicts() || !bounds.is_for_full_disk(kind) {
            return false;
        }
        let (Some(budget), Some(shards)) = (bounds.budget, bounds.shards()) else { return false };
        tracing::warn!("the disk is full; rows are evicted");
        bounds.give_up_reserve(kind);
        self.cut_log();
        self.shorten_journal(&shards);
        if bounds.disk_has_room() {
            bounds.take_reserve();
            return true;
        }
        let mut others: Vec<_> = shards.iter().filter(|shard| shard.id != self.id).collect();
        others.sort_by_key(|shard| std::cmp::Reverse(bounds.pages_of(shard)));
        // In steps whose own log is short.
        let pages = u64::from(budget.frames / 4).max(4);
        for shard in std::iter::once(self).chain(others) {
            for _ in 0..FULL_DISK_SHRINKS {
                if let Err(error) = shard.shrink(bounds, pages) {
                    tracing::debug!(%error, "making room on a full disk");
                }
                shard.cut_log();
            }
            if bounds.disk_has_room() {
                break;
            }
        }
        // What other logs may still grow by.
        let logs: u64 = shards.iter().map(|shard| shard.log_bytes()).sum();
        let growth =
            (16_u64 * budget.log_bytes().unsigned_abs()).saturating_sub(logs) / PAGE_BYTES.unsigned_abs();
        bounds.lower(bounds.pages_but(None).saturating_sub(growth / 4));
        bounds.take_reserve();
        true
    }

    fn cut_log(&self) {
        let mut writer = self.writer.lock();
        if let Writer::Open(open) = &mut *writer {
            self.end_idle(true);
            if let Err(error) = while_busy(LOG_PATIENCE, || checkpoint(open.database.connection())) {
                tracing::debug!(%error, "cutting off a log");
            }
        }
    }
}

/// Whether the stash has nearly as many pages as it may have.
fn is_near(bounds: &Bounds) -> bool {
    let max = bounds.pages_max();
    bounds.pages_but(None) >= max - max / AHEAD_TO
}

/// Makes the largest shards smaller until the stash has no more pages than it may have.
fn shrink_largest(bounds: &Bounds) -> Result<()> {
    let Some(shards) = bounds.shards() else { return Ok(()) };
    for _ in 0..SHRINKS_MAX {
        let over = bounds.pages_but(None).saturating_sub(bounds.pages_max());
        if over == 0 {
            break;
        }
        if bounds.evicts() {
            let largest = shards.iter().max_by_key(|shard| bounds.pages_of(shard));
            largest.map_or(Ok(()), |shard| shard.shrink(bounds, over.min(SHRINK_PAGES)))?;
            continue;
        }
        for shard in shards.iter() {
            let free = shard.read_with(Database::pages)?.map_or(0, |(_, free)| u64::from(free));
            if free > 0 {
                shard.shrink(bounds, free.min(over))?;
            }
        }
    }
    Ok(())
}

/// Evicts the worst rows of the whole stash until it has no more than `max`: expired ones first. What was written since
/// `since_us` is spared.
fn evict_worst(bounds: &Bounds, max: u64, since_us: i64) -> Result<()> {
    let Some(shards) = bounds.shards() else { return Ok(()) };
    if bounds.rows_but(None)? <= max {
        return Ok(());
    }
    // Who waits here finds that nothing is left to do.
    let mut worst = bounds.worst.lock();
    if bounds.limits.eviction == Eviction::LeastFrequentlyUsed {
        // A new row may be worse than those that were the worst.
        worst.clear();
    }
    let mut looked = false;
    for _ in 0..WORST_MAX {
        if bounds.rows_but(None)? <= max {
            break;
        }
        let now_us = bounds.now_us();
        let mut expired = false;
        for shard in shards.iter() {
            expired = expired
                || (shard.has_due(now_us)? && shard.remove(|txn| txn.remove_expired(now_us, None))?);
        }
        if expired {
            continue;
        }
        let row = match worst.pop_worst(since_us) {
            Some(row) => row,
            None if looked => break,
            None => {
                for shard in shards.iter() {
                    shard.read_with(|database| bounds.look_at_all(shard, database, &mut worst))?;
                }
                looked = true;
                continue;
            }
        };
        // One that changed meanwhile stays.
        shards[Route::of(row.hash()).shard.index()].remove(|txn| txn.evict(&row))?;
    }
    Ok(())
}

impl WriteTxn<'_> {
    /// Evicts until so many pages hold nothing, at most `max` rows. Returns how many.
    fn evict_until(&mut self, free: u64, max: usize) -> Result<usize> {
        for evicted in 0..max {
            if u64::from(self.database.pages()?.1) >= free || !self.evict_one(None)? {
                return Ok(evicted);
            }
        }
        Ok(max)
    }

    /// Gives pages that hold nothing back to the file system, with the next checkpoint.
    fn give_back(&mut self, pages: u64) -> Result<()> {
        let mut vacuum =
            self.database.connection().prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Takes uses into the table, which is made by the first that are written.
    fn write_uses(&mut self, bounds: &Bounds, taken: &[(KeyHash, Uses)]) -> Result<()> {
        if !self.database.has_uses()? {
            self.database.connection().execute(OPTIONAL_TABLES[0].1, [])?;
        }
        let connection = self.database.connection();
        for (hash, uses) in taken {
            let slot = Route::of(hash).slot;
            if !cached(connection, &sql::KEY, slot)?.exists([hash])? {
                continue;
            }
            let old = connection
                .prepare_cached(sql::ACCESS_GET)?
                .query_row((slot.number(), hash), |row| Ok(Uses { used_at: row.get(0)?, count: row.get(1)? }))
                .optional()?;
            let uses = old.map_or(*uses, |old| old.and(*uses));
            connection.prepare_cached(sql::ACCESS_SET)?.execute((
                slot.number(),
                hash,
                uses.used_at,
                uses.count,
            ))?;
        }
        self.forget_orphans(bounds)
    }

    /// Looks at some entries of the table for rows that are gone: who does not know of the table leaves them.
    fn forget_orphans(&mut self, bounds: &Bounds) -> Result<()> {
        let random = bounds.random();
        let Some(slot) = Slot::new((random & 3) as u8) else { return Ok(()) };
        let mut from = [0; KeyHash::LEN];
        from[..8].copy_from_slice(&random.rotate_right(8).to_be_bytes());
        from[0] = self.shard.id().number() << 4 | slot.number() << 2 | (from[0] & 3);
        let connection = self.database.connection();
        let mut run = connection.prepare_cached(sql::ACCESS_RUN)?;
        let hashes = run.query_map((slot.number(), &from[..], ORPHANS_LOOKED_FOR), |row| row.get(0))?;
        for hash in hashes.collect::<rusqlite::Result<Vec<Vec<u8>>>>()? {
            if !cached(connection, &sql::KEY, slot)?.exists([&hash])? {
                connection.prepare_cached(sql::ACCESS_DELETE)?.execute((slot.number(), &hash))?;
            }
        }
        Ok(())
    }
}
