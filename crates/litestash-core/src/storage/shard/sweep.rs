//! Removing expired rows, in small transactions, when they are due.
//!
//! When the next row of a shard is due is learnt from its `expiry` table whenever another process may have
//! written it, and from the deadlines that this process writes. A shard in which nothing has a deadline is
//! never looked at.

use super::{OpenWriter, Shard, Writer};
use crate::contract::hash::KeyHash;
use crate::contract::key::Key;
use crate::contract::route::Slot;
use crate::contract::version::Version;
use crate::error::{ErrorKind, Result};
use crate::storage::Durability;
use crate::storage::hints::{self, Hint, Swept};
use crate::storage::row::Removal;
use crate::storage::wal_index::Header;
use crate::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Hints of one transaction.
const STEP_HINTS: usize = 200;

/// After that long a transaction of the background ends with fewer.
const STEP_TIME: Duration = Duration::from_micros(1500);

/// For how long writers have the shard between two transactions.
const STEP_PAUSE: Duration = Duration::from_micros(300);

/// How often a shard that has deadlines is looked at whatever is known of it: others may write it, or set the
/// clock.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// A sweep begins that long after the first deadline, so that it finds more than one row, and a little more, so
/// that several processes do not begin at once.
const SWEEP_DELAY: Duration = Duration::from_millis(10);
const JITTER_MAX_MS: u64 = 20;

/// No deadline.
const NEVER: i64 = i64::MAX;

/// When the rows of a shard are due.
pub(super) struct Due {
    /// The earliest deadline, as far as is known. While a sweep is under way, of those that were written since it
    /// began.
    next_us: AtomicI64,
    /// Whether rows that expired before the stash was opened were left for later.
    left_for_later: AtomicBool,
    /// Where a sweep in several transactions stands.
    position: Mutex<Option<Position>>,
    /// Whether it was said that rows cannot be read.
    told: AtomicBool,
}

impl Due {
    pub(super) fn new() -> Self {
        Self {
            next_us: AtomicI64::new(NEVER),
            left_for_later: AtomicBool::new(false),
            position: Mutex::new(None),
            told: AtomicBool::new(false),
        }
    }
}

/// How far a sweep came.
#[derive(Debug, Clone)]
struct Position {
    /// It is about later deadlines only.
    from_us: i64,
    /// The last hint looked at.
    last: Hint,
}

impl Position {
    fn beginning(from_us: i64) -> Self {
        let last = if from_us == i64::MIN { Hint::first() } else { Hint::behind(from_us) };
        Self { from_us, last }
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SweepCounts {
    pub(crate) rows: u64,
    pub(crate) hints: u64,
    pub(crate) unreadable: u64,
}

/// What one transaction of a sweep did.
struct Step {
    counts: SweepCounts,
    /// Where to go on, if there may be more.
    position: Option<Position>,
}

/// A row that a scan found old.
pub(crate) struct OldRow {
    pub(crate) key: Key,
    pub(crate) slot: Slot,
    pub(crate) hash: KeyHash,
}

impl Shard {
    /// Takes in what a transaction wrote: `deadline` is the earliest of its rows.
    #[inline]
    pub(super) fn is_due_at(&self, deadline: Option<i64>) {
        if let Some(deadline) = deadline
            && self.expiring.in_background
            && self.due.next_us.fetch_min(deadline, Ordering::AcqRel) > deadline
        {
            self.wake_sweeper();
        }
    }

    /// Looks when rows are due that others wrote. For the holder of the writer's lock.
    pub(super) fn learn_due(&self, open: &mut OpenWriter, header: Option<Header>) {
        if !self.expiring.in_background {
            return;
        }
        open.due_known_at = header;
        // Damage of that table is for whoever looks for it; it keeps nobody from writing.
        let Ok(Some(first)) = hints::first_deadline(&open.database) else {
            self.due.next_us.store(NEVER, Ordering::Release);
            return;
        };
        let from_us = self.expiring.swept_behind_us();
        let mut next = Some(first);
        if first <= from_us {
            self.due.left_for_later.store(true, Ordering::Release);
            next = hints::next_deadline(&open.database, from_us).unwrap_or(None);
        }
        self.due.next_us.store(next.unwrap_or(NEVER), Ordering::Release);
        self.wake_sweeper();
    }

    #[cold]
    fn wake_sweeper(&self) {
        self.workers.expiry.want_at(self, Instant::now() + self.until_due());
    }

    /// How long until the next row is due, but no longer than until the shard is looked at again.
    fn until_due(&self) -> Duration {
        let next_us = self.due.next_us.load(Ordering::Acquire);
        let left_us = next_us.saturating_sub(self.expiring.now_us()).max(0).unsigned_abs();
        (Duration::from_micros(left_us).saturating_add(SWEEP_DELAY + jitter())).min(until_look())
    }

    /// The worker's part: prolongs what was used, and sweeps for one transaction. Returns whether to come
    /// back after the period.
    pub(crate) fn look_after_expiry(&self) -> bool {
        let again = self.write_accesses_in_background();
        match self.sweep_in_background() {
            Ok(pause) => self.workers.expiry.want_at(self, Instant::now() + pause),
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::Closed | ErrorKind::Busy) {
                    tracing::warn!(%error, "expired rows could not be removed yet");
                }
                if error.kind() != ErrorKind::Closed {
                    self.workers.expiry.want_at(self, Instant::now() + LOOK_PERIOD);
                }
            }
        }
        again
    }

    /// Returns when to come back.
    fn sweep_in_background(&self) -> Result<Duration> {
        self.look_at_others();
        let due = &self.due;
        let Some(now_us) = self.expiring.believed_us() else { return Ok(until_look()) };
        let from_us = self.expiring.swept_behind_us();
        let owed = from_us == i64::MIN && due.left_for_later.load(Ordering::Acquire);
        let position = due.position.lock().take();
        if position.is_none() && !owed && due.next_us.load(Ordering::Acquire) > now_us {
            return Ok(self.until_due());
        }
        let Some(step) = self.sweep_step(position, from_us, now_us, Some(STEP_TIME))? else {
            return Ok(until_look());
        };
        if step.counts.unreadable > 0 && !due.told.swap(true, Ordering::Relaxed) {
            let (shard, rows) = (self.id, step.counts.unreadable);
            tracing::warn!(%shard, rows, "rows that may have expired cannot be read and are left alone");
        }
        let more = step.position.is_some();
        *due.position.lock() = step.position;
        Ok(if more { STEP_PAUSE } else { self.until_due() })
    }

    /// Learns from the `expiry` table if another process has committed.
    fn look_at_others(&self) {
        let mut writer = self.writer.lock();
        let Writer::Open(open) = &mut *writer else { return };
        let header = open.database.header();
        if header.is_some() && header != open.due_known_at && open.known.at(header).is_none() {
            self.learn_due(open, header);
        }
    }

    /// One transaction of a sweep: removes rows whose deadline is behind `from_us`, or what the position says, and has
    /// passed at `now_us`. `None` if there is no shard.
    fn sweep_step(
        &self,
        position: Option<Position>,
        from_us: i64,
        now_us: i64,
        time: Option<Duration>,
    ) -> Result<Option<Step>> {
        let is_first = position.is_none();
        let Position { from_us, last: begin } = position.unwrap_or_else(|| Position::beginning(from_us));
        let due = &self.due;
        let step = self.write_existing(Durability::Normal, |txn| {
            let began = Instant::now();
            let mut last = begin.clone();
            // What is known of the next deadline changes under the writer's lock, so that none is lost that is
            // written meanwhile.
            if is_first {
                due.next_us.store(NEVER, Ordering::Release);
            }
            let mut counts = SweepCounts::default();
            let hints = txn.due_hints(&last, now_us, STEP_HINTS)?;
            let mut more = hints.len() == STEP_HINTS;
            for hint in hints {
                if time.is_some_and(|time| began.elapsed() > time) {
                    more = true;
                    break;
                }
                match txn.sweep(&hint, from_us, now_us)? {
                    Swept::Row => (counts.rows, counts.hints) = (counts.rows + 1, counts.hints + 1),
                    Swept::Stale => counts.hints += 1,
                    Swept::Unreadable => counts.unreadable += 1,
                }
                last = hint;
            }
            if !more {
                let next = txn.next_deadline(now_us)?;
                due.next_us.fetch_min(next.unwrap_or(NEVER), Ordering::AcqRel);
                due.left_for_later.store(from_us != i64::MIN, Ordering::Release);
            }
            Ok(Step { counts, position: more.then_some(Position { from_us, last }) })
        });
        match &step {
            Ok(Some(Step { counts, .. })) => {
                self.expiring.rows.fetch_add(counts.rows, Ordering::Relaxed);
                self.expiring.hints.fetch_add(counts.hints, Ordering::Relaxed);
            }
            Ok(None) => {}
            Err(_) => {
                // What is due is not known any more; the next look begins from the start.
                due.next_us.fetch_min(now_us, Ordering::AcqRel);
            }
        }
        step
    }

    /// Removes everything that has expired at `now_us`.
    pub(crate) fn sweep(&self, now_us: i64) -> Result<SweepCounts> {
        let mut counts = SweepCounts::default();
        // Where nothing is due, nothing is locked.
        let first = self.read(|database| hints::first_deadline(database))?.flatten();
        if first.is_none_or(|first| first > now_us) {
            return Ok(counts);
        }
        let mut position = None;
        while let Some(step) = self.sweep_step(position, i64::MIN, now_us, None)? {
            counts.rows += step.counts.rows;
            counts.hints += step.counts.hints;
            counts.unreadable += step.counts.unreadable;
            position = step.position;
            if position.is_none() {
                break;
            }
            std::thread::sleep(STEP_PAUSE);
        }
        Ok(counts)
    }

    /// Removes those of the rows that were not written since `before`, as they are by then. Returns how many of them
    /// had not expired.
    pub(crate) fn expire_rows(
        &self,
        level: Durability,
        rows: &[OldRow],
        before: Version,
        now_us: &dyn Fn() -> i64,
    ) -> Result<u64> {
        let removed = self.write_existing(level, |txn| {
            let mut removed = 0;
            for OldRow { key, slot, hash } in rows {
                let is_over = txn.get(*slot, hash, |row| {
                    let record = row.record(self.format(), &self.place(*slot, hash))?;
                    let expired = record.expiry.has_passed(now_us);
                    Ok((row.version < before, expired))
                });
                match is_over {
                    Ok(Some((true, expired))) => {
                        txn.delete(*slot, hash, key.as_ref(), Removal::Expired)?;
                        removed += u64::from(!expired);
                    }
                    Err(error) if error.is_from_sqlite() => return Err(error),
                    // Written since, or gone; or damaged, which is for those who read it.
                    Ok(_) | Err(_) => {}
                }
            }
            Ok(removed)
        })?;
        Ok(removed.unwrap_or(0))
    }
}

/// How long until the next look at shards that have deadlines. All of them are looked at together.
fn until_look() -> Duration {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let since = FIRST.get_or_init(Instant::now).elapsed();
    LOOK_PERIOD - Duration::from_nanos(u64::from(since.subsec_nanos()))
}

/// A part of [`JITTER_MAX_MS`], another one in each process.
fn jitter() -> Duration {
    static JITTER: OnceLock<Duration> = OnceLock::new();
    *JITTER
        .get_or_init(|| Duration::from_micros(u64::from(std::process::id()) * 7919 % (JITTER_MAX_MS * 1000)))
}
