//! Keeping a stash within its limits: how full it is, which rows may go, and how to go on with a full disk.
//!
//! How full: pages of the files, which the header of each shard's WAL index tells, and rows, which are counted
//! (`counting`). Which rows: the worst of a sample (`victims`), by what is known of their uses (`uses`). When: by
//! the write that finds no room (`room`), by whoever finds the stash too full after a commit, and ahead of need in
//! the background (`shard::bounded`).

mod limits;
mod reserve;
mod room;
mod uses;
mod victims;

use super::shard::{Counters, Shard, ShardGroup};
use super::wal_index::Header;
use crate::contract::limits::SHARDS;
use crate::contract::route::ShardId;
use crate::env::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;
use reserve::Reserve;
use serde::Serialize;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

pub(crate) use limits::Budget;
pub use limits::{Eviction, Limits};
pub(crate) use room::Room;
pub(super) use room::limit_reached;
pub(crate) use uses::{Uses, UsesOfKeys};
pub(super) use victims::Pool;

/// Rows up to which a limit of rows takes the worst row of the whole stash, found by looking at all of them.
pub(super) const ROWS_LOOKED_AT: u64 = 1024;

/// How often it is looked for shard files that others have made.
const LOOKED_FOR: Duration = Duration::from_millis(20);

/// How long a full disk is believed to stay full.
const DISK_FULL: Duration = Duration::from_secs(2);

/// Figures of a stash's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct LimitStats {
    /// The limits that this handle was opened with.
    pub limits: Limits,
    /// Stored rows as counted, over the shards that are counted. `None` if none is.
    pub counted_rows: Option<u64>,
    /// Bytes of keys and records as counted. `None` if no shard is.
    pub counted_bytes: Option<u64>,
    /// Bytes that the directory takes: shard files, logs, indexes of logs, the reserve.
    pub disk_bytes: u64,
    /// Rows that this process has evicted since it opened the stash. Expired ones are not among them.
    pub evicted_rows: u64,
}

/// What is known of a shard.
#[derive(Default)]
struct Known {
    counters: Counters,
    /// As of when. In memory there is no header, and nobody else.
    at: Option<Header>,
    pages: u32,
}

/// The limits of a stash and what is known about keeping them.
pub(crate) struct Bounds {
    pub(super) limits: Limits,
    pub(super) budget: Option<Budget>,
    /// Pages of the budget; fewer while the disk is full.
    pages_max: AtomicU64,
    lowered: Mutex<Option<Instant>>,
    pub(super) background: bool,
    clock: Arc<dyn Clock>,
    shards: OnceLock<Weak<ShardGroup>>,
    known: [Mutex<Known>; SHARDS],
    looked: Mutex<Option<Instant>>,
    started: AtomicBool,
    uses: Option<UsesOfKeys>,
    pools: [Mutex<Pool>; SHARDS],
    /// The worst rows of the whole stash.
    pub(super) worst: Mutex<Pool>,
    reserve: Option<Reserve>,
    evicted: AtomicU64,
    random: AtomicU64,
}

impl Bounds {
    /// `None` if nothing is limited.
    pub(crate) fn new(
        limits: Limits,
        directory: Option<&Path>,
        clock: Arc<dyn Clock>,
        background: bool,
    ) -> Option<Self> {
        let budget = limits.bytes.map(|bytes| Budget::new(bytes, limits.eviction));
        let reserve = directory.zip(budget).filter(|(_, budget)| budget.reserve_bytes > 0);
        limits.is_any().then(|| Self {
            limits,
            budget,
            pages_max: AtomicU64::new(budget.map_or(u64::MAX, |budget| budget.pages)),
            lowered: Mutex::default(),
            background,
            clock,
            shards: OnceLock::new(),
            known: std::array::from_fn(|_| Mutex::default()),
            looked: Mutex::default(),
            started: AtomicBool::new(false),
            uses: limits.eviction.needs_uses().then(UsesOfKeys::new),
            pools: std::array::from_fn(|_| Mutex::default()),
            worst: Mutex::default(),
            reserve: reserve.map(|(directory, budget)| Reserve::new(directory, budget.reserve_bytes)),
            evicted: AtomicU64::new(0),
            random: AtomicU64::new(RandomState::new().hash_one(0u8)),
        })
    }

    /// Says whose limits these are; once.
    pub(crate) fn watch(&self, shards: &Arc<ShardGroup>) {
        // A second call would be by the same stash, about the same shards.
        let _ = self.shards.set(Arc::downgrade(shards));
    }

    pub(super) fn shards(&self) -> Option<Arc<ShardGroup>> {
        self.shards.get().and_then(Weak::upgrade)
    }

    pub(super) fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Where uses are noted, if anybody asks for them.
    #[inline]
    pub(crate) fn uses(&self) -> Option<&UsesOfKeys> {
        self.uses.as_ref()
    }

    pub(super) fn evicts(&self) -> bool {
        self.limits.eviction != Eviction::None
    }

    pub(crate) fn works_in_background(&self) -> bool {
        self.background
    }

    /// Whether a write may find that there is no room, so that it must not be acknowledged before.
    pub(crate) fn may_refuse(&self) -> bool {
        !self.evicts()
    }

    pub(super) fn pool(&self, shard: ShardId) -> &Mutex<Pool> {
        &self.pools[shard.index()]
    }

    pub(super) fn random(&self) -> u64 {
        // The finaliser of splitmix64 over a counter.
        let mut random = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ (random >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        random ^ (random >> 31)
    }

    pub(super) fn count_evicted(&self, rows: u64) {
        self.evicted.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// `LimitReached` for a row that can never fit.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<()> {
        match self.budget {
            Some(budget) if bytes as u64 > budget.row_bytes_max => Err(Error::new(
                ErrorKind::LimitReached,
                format!(
                    "the row has {bytes} bytes; a stash of this limit takes rows of {} at most",
                    budget.row_bytes_max
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Pages that all files together may have now.
    pub(super) fn pages_max(&self) -> u64 {
        self.pages_max.load(Ordering::Relaxed)
    }

    /// Takes in what a commit of this process left.
    pub(super) fn learn(&self, shard: ShardId, counters: Counters, at: Option<Header>, pages: Option<u32>) {
        let mut known = self.known[shard.index()].lock();
        known.counters = counters;
        known.at = at;
        if let Some(pages) = pages {
            known.pages = pages;
        }
    }

    /// Looks for shards that others have made, and opens them: from then on their headers tell.
    pub(super) fn look_around(&self, shards: &[Shard]) {
        {
            let mut looked = self.looked.lock();
            if looked.is_some_and(|looked| looked.elapsed() < LOOKED_FOR) {
                return;
            }
            *looked = Some(Instant::now());
        }
        for shard in shards.iter().filter(|shard| !shard.is_in_memory() && shard.header_seen().is_none()) {
            // One that cannot be read has errors of its own.
            let _ = shard.read_with(|_| Ok(()));
        }
    }

    /// Pages of a shard's file.
    pub(super) fn pages_of(&self, shard: &Shard) -> u64 {
        match shard.header_seen().map(|header| header.pages()) {
            Some(pages) if pages > 0 => pages.into(),
            _ => shard.file_pages().unwrap_or_else(|| self.known[shard.id().index()].lock().pages.into()),
        }
    }

    /// Pages of all files but one.
    pub(super) fn pages_but(&self, but: Option<ShardId>) -> u64 {
        let Some(shards) = self.shards() else { return 0 };
        self.look_around(shards.as_slice());
        shards.iter().filter(|shard| Some(shard.id()) != but).map(|shard| self.pages_of(shard)).sum()
    }

    /// Rows of all shards but one.
    pub(super) fn rows_but(&self, but: Option<ShardId>) -> Result<u64> {
        let Some(shards) = self.shards() else { return Ok(0) };
        self.look_around(shards.as_slice());
        let mut rows = 0;
        for shard in shards.iter().filter(|shard| Some(shard.id()) != but) {
            rows += self.counters_of(shard)?.rows.max(0).unsigned_abs();
        }
        Ok(rows)
    }

    /// The counters of a shard, read anew only if somebody has committed since.
    fn counters_of(&self, shard: &Shard) -> Result<Counters> {
        let header = shard.header_seen();
        {
            let known = self.known[shard.id().index()].lock();
            if shard.is_in_memory() || (header.is_some() && known.at == header) {
                return Ok(known.counters);
            }
        }
        let read = shard.read_counters()?;
        let Some((counters, at)) = read else { return Ok(Counters::default()) };
        self.learn(shard.id(), counters, at, None);
        Ok(counters)
    }

    /// Whether this is the first time that it is asked.
    pub(super) fn starts(&self) -> bool {
        !self.started.load(Ordering::Acquire) && !self.started.swap(true, Ordering::AcqRel)
    }

    /// Takes the place on the disk that is given up when it is full.
    pub(super) fn take_reserve(&self) {
        if let Some(reserve) = &self.reserve {
            reserve.take();
        }
    }

    pub(crate) fn reserve_bytes(&self) -> u64 {
        self.reserve.as_ref().map_or(0, Reserve::bytes)
    }

    /// Whether an error is that of a full disk. Memory that is shared cannot be had on one either, which is another
    /// error.
    pub(super) fn is_for_full_disk(&self, kind: ErrorKind) -> bool {
        self.reserve.as_ref().is_some_and(|reserve| {
            kind == ErrorKind::DiskFull || (kind == ErrorKind::Io && reserve.disk_is_full())
        })
    }

    /// Gives the reserve up if the error is that of a full disk. Returns whether that may have helped.
    pub(super) fn give_up_reserve(&self, kind: ErrorKind) -> bool {
        self.is_for_full_disk(kind) && self.reserve.as_ref().is_some_and(Reserve::give_up)
    }

    /// Whether there is room for the reserve again, and some more.
    pub(super) fn disk_has_room(&self) -> bool {
        self.reserve.as_ref().is_none_or(Reserve::has_room)
    }

    /// Lets the stash have no more pages than that while the disk is full.
    pub(super) fn lower(&self, pages: u64) {
        self.pages_max.fetch_min(pages, Ordering::Relaxed);
        *self.lowered.lock() = Some(Instant::now());
    }

    /// Ends that, if there is room again.
    pub(super) fn raise(&self) {
        let Some(budget) = self.budget else { return };
        if self.pages_max() == budget.pages {
            return;
        }
        let mut lowered = self.lowered.lock();
        if lowered.is_some_and(|lowered| lowered.elapsed() >= DISK_FULL) {
            *lowered = Some(Instant::now());
            if self.disk_has_room() {
                self.pages_max.store(budget.pages, Ordering::Relaxed);
            }
        }
    }
}
