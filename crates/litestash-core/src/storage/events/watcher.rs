//! Learning what every process changes.
//!
//! While a subscription asks for all processes, one thread keeps the mark `watched_until` in every shard, so
//! that whoever writes a shard logs its changes in the table `changes`. The thread looks at the headers of
//! the WAL indexes every few milliseconds, which costs no system call, and reads the log of a shard whose
//! header changed.
//!
//! All sixteen shards are brought into being first: of a shard that appeared later, nobody could tell what
//! was changed before it was marked.

use super::recorder::is_ahead;
use super::{Change, EventKind, Hub, Origin, Queue, Scope};
use crate::contract::limits::SHARDS;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::shard::{Logged, Shard};
use crate::storage::wal_index::Header;
use crate::sync::{Condvar, Mutex};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long writers log after the last renewal.
const WATCH_US: i64 = 60_000_000;

/// What is left of a watch when it is renewed.
const RENEWED_US: i64 = 40_000_000;

/// Pauses between two looks: after one that found something, doubled after each that found nothing.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Rows read from a log at once.
const ROWS_MAX: usize = 1024;

/// The watcher of a stash. It has no thread while nobody asks for it.
pub(crate) struct Watcher {
    shards: Weak<[Shard; SHARDS]>,
    hub: Arc<Hub>,
    state: Mutex<State>,
    signal: Condvar,
}

#[derive(Default)]
struct State {
    runs: bool,
    stopped: bool,
    thread: Option<JoinHandle<()>>,
    seen: [Seen; SHARDS],
}

/// What was learned of a shard.
#[derive(Clone, Copy, Default)]
struct Seen {
    header: Option<Header>,
    /// The newest row of the log that was told.
    number: i64,
    until_us: i64,
    /// Whether the last look failed.
    fails: bool,
}

impl Watcher {
    pub(crate) fn new(shards: &Arc<[Shard; SHARDS]>, hub: &Arc<Hub>) -> Self {
        Self {
            shards: Arc::downgrade(shards),
            hub: Arc::clone(hub),
            state: Mutex::new(State::default()),
            signal: Condvar::new(),
        }
    }

    /// Adds a queue that hears of all that is changed from now on.
    pub(crate) fn add(self: &Arc<Self>, queue: &Arc<Queue>) -> Result<()> {
        let mut state = self.state.lock();
        let shards = self.shards.upgrade().filter(|_| !state.stopped).ok_or_else(Error::closed)?;
        if state.runs {
            // What was changed before now is not for the new queue.
            self.look(&mut state, &shards);
        } else {
            for (shard, seen) in shards.iter().zip(&mut state.seen) {
                let (number, until_us) = shard.watch(WATCH_US)?;
                *seen = Seen { number, until_us, ..Seen::default() };
            }
        }
        self.hub.add(Arc::clone(queue))?;
        if !state.runs {
            let watcher = Arc::clone(self);
            let name = String::from("litestash-watch");
            match std::thread::Builder::new().name(name).spawn(move || watcher.run()) {
                Ok(thread) => state.thread = Some(thread),
                Err(error) => {
                    self.hub.remove(queue);
                    return Err(Error::from(error).context("starting the thread that watches"));
                }
            }
            state.runs = true;
        }
        drop(state);
        self.hub.wake(Scope::AllProcesses);
        Ok(())
    }

    /// Ends the thread, after a last look.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.stopped = true;
            self.signal.notify_one();
            state.thread.take()
        };
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::warn!("the thread that watches had panicked");
        }
        let mut state = self.state.lock();
        if state.runs
            && let Some(shards) = self.shards.upgrade()
        {
            state.runs = false;
            self.look(&mut state, &shards);
        }
    }

    fn run(&self) {
        let mut pause = PAUSE_MIN;
        loop {
            let mut state = self.state.lock();
            if !state.stopped {
                self.signal.wait_until(&mut state, Instant::now() + pause);
            }
            if state.stopped {
                return;
            }
            let shards = self.shards.upgrade().filter(|_| self.hub.has_watchers());
            let Some(shards) = shards else {
                // The marks end by themselves; those of other watchers are the same ones.
                state.runs = false;
                state.thread = None;
                return;
            };
            let found = self.look(&mut state, &shards);
            drop(state);
            if found {
                self.hub.wake(Scope::AllProcesses);
            }
            pause = if found { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
        }
    }

    /// Tells what is new. Returns whether anything was.
    fn look(&self, state: &mut State, shards: &[Shard; SHARDS]) -> bool {
        let mut found = false;
        for (shard, seen) in shards.iter().zip(&mut state.seen) {
            match self.look_at(shard, seen) {
                Ok(told) => {
                    found |= told;
                    seen.fails = false;
                }
                Err(error) if seen.fails || matches!(error.kind(), ErrorKind::Closed | ErrorKind::Busy) => {}
                Err(error) => {
                    tracing::warn!(%error, "a shard cannot be watched; what is missed will be counted");
                    seen.fails = true;
                }
            }
        }
        found
    }

    fn look_at(&self, shard: &Shard, seen: &mut Seen) -> Result<bool> {
        if seen.until_us == 0 {
            // Who only watches does not make a bucket anew that was dropped. What is written to the next one before
            // it is watched is a gap.
            if !shard.is_there()? {
                return Ok(false);
            }
            seen.until_us = shard.watch(WATCH_US)?.1;
        }
        let now_us = self.hub.clock.now_us();
        // Before the log is read: what is committed meanwhile changes it once more.
        let header = shard.header()?;
        let mut told = false;
        if header.is_none() || header != seen.header {
            loop {
                let rows = shard.changes_from(seen.number, ROWS_MAX)?;
                if rows.is_empty() && seen.number > 0 {
                    // The newest row is never deleted, so this is another log.
                    self.hub.missed(1);
                    seen.number = 0;
                    if shard.watched_until()?.is_none() {
                        // Another file, or none: the bucket was dropped.
                        let cleared = Change::cleared(Origin::Other);
                        self.hub.push(Scope::AllProcesses, shard.id(), &[cleared]);
                        seen.until_us = 0;
                        return Ok(true);
                    }
                    continue;
                }
                told |= self.tell(shard, seen, &rows);
                if rows.len() < ROWS_MAX {
                    break;
                }
            }
            seen.header = header;
        }
        let is_fresh = |until: i64| is_ahead(until.saturating_sub(RENEWED_US), now_us);
        if !is_fresh(seen.until_us) {
            // Another watcher may have renewed it.
            seen.until_us = match shard.watched_until()? {
                Some(until) if is_fresh(until) => until,
                _ => shard.watch(WATCH_US)?.1,
            };
        }
        Ok(told)
    }

    /// Queues what rows of the log say. Returns whether there was a new one.
    fn tell(&self, shard: &Shard, seen: &mut Seen, rows: &[Logged]) -> bool {
        let mut changes = Vec::with_capacity(rows.len());
        let mut told = false;
        for row in rows {
            if row.number <= seen.number {
                continue;
            }
            told = true;
            let change = self.change(row);
            let gap = row.number - seen.number - 1 + i64::from(change.is_none());
            seen.number = row.number;
            if gap > 0 {
                self.hub.push(Scope::AllProcesses, shard.id(), &changes);
                changes.clear();
                self.hub.missed(gap.unsigned_abs());
            }
            changes.extend(change);
        }
        self.hub.push(Scope::AllProcesses, shard.id(), &changes);
        told
    }

    /// The change that a row tells of. `None` if changes are missing there: where the log begins anew, and
    /// where a row cannot be read.
    fn change(&self, row: &Logged) -> Option<Change> {
        let origin = if row.origin == self.hub.origin { Origin::Local } else { Origin::Other };
        let kind = EventKind::of_change(row.kind)?;
        let key = match kind {
            EventKind::Clear => None,
            _ => Some(row.key.as_ref().ok()?.clone()),
        };
        Some(Change { kind, key, version: row.version, origin })
    }
}
