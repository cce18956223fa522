//! Leases: that one process computes a key at a time, and that others go on when it dies.

use super::open::Inner;
use crate::contract::route::Place;
use crate::error::Result;
use crate::storage::Durability;
use crate::storage::leases::{self, Holder};
use crate::storage::row::WriteTxn;
use crate::sync::{Condvar, Mutex};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A lease is renewed when this part of it is over.
const RENEWED_AFTER: u32 = 3;

/// How long the thread that renews stays when there is nothing to renew.
const IDLE: Duration = Duration::from_secs(5);

/// A lease that this process holds. Given back when dropped.
pub(super) struct Lease {
    inner: Arc<Inner>,
    place: Place,
    holder: Holder,
    ended: bool,
}

impl Lease {
    /// Takes the lease of a key, unless somebody has it.
    pub(super) fn take(inner: &Arc<Inner>, place: &Place, length: Duration) -> Result<Option<Self>> {
        let holder = new_holder();
        let shard = inner.shard(place.route.shard);
        let taken = shard.write(Durability::Normal, |txn| {
            let now_us = inner.now_us();
            txn.take_lease(&place.hash, &holder, now_us, end(now_us, length))
        })?;
        if !taken {
            return Ok(None);
        }
        inner.keeper.keep(inner, Kept { place: *place, holder, length, due: Instant::now() });
        Ok(Some(Self { inner: Arc::clone(inner), place: *place, holder, ended: false }))
    }

    /// Gives the lease back inside a transaction that stores what it was taken for.
    pub(super) fn end_in(&self, txn: &mut WriteTxn<'_>) -> Result<()> {
        txn.end_lease(&self.place.hash, &self.holder)
    }

    /// Says that the transaction with [`Lease::end_in`] was committed.
    pub(super) fn was_ended(mut self) {
        self.ended = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.inner.keeper.forget(&self.holder);
        if self.ended {
            return;
        }
        let shard = self.inner.shard(self.place.route.shard);
        let ended = shard.write_existing(Durability::Normal, |txn| self.end_in(txn));
        if let Err(error) = ended {
            tracing::debug!(%error, "a lease could not be given back; it ends by itself");
        }
    }
}

/// Whether somebody has the lease of a key.
pub(super) fn is_leased(inner: &Inner, place: &Place) -> Result<bool> {
    let now_us = inner.now_us();
    let leased =
        inner.shard(place.route.shard).read(|database| leases::is_leased(database, &place.hash, now_us))?;
    Ok(leased.unwrap_or(false))
}

fn end(now_us: i64, length: Duration) -> i64 {
    now_us.saturating_add(i64::try_from(length.as_micros()).unwrap_or(i64::MAX))
}

/// A name that no other holder has: hash keys are seeded by the system in each process, and differ each time.
fn new_holder() -> Holder {
    let mut holder = Holder::default();
    let (front, back) = holder.split_at_mut(8);
    front.copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_be_bytes());
    back.copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_be_bytes());
    holder
}

struct Kept {
    place: Place,
    holder: Holder,
    length: Duration,
    /// When it is renewed next.
    due: Instant,
}

/// Renews the leases of computations that take long, on a thread that runs while there are any.
#[derive(Default)]
pub(super) struct Keeper {
    state: Mutex<State>,
    signal: Condvar,
}

#[derive(Default)]
struct State {
    kept: Vec<Kept>,
    thread: Option<JoinHandle<()>>,
    runs: bool,
    stopped: bool,
}

impl Keeper {
    fn keep(self: &Arc<Self>, inner: &Arc<Inner>, kept: Kept) {
        let mut state = self.state.lock();
        let due = kept.due + kept.length / RENEWED_AFTER;
        state.kept.push(Kept { due, ..kept });
        if state.stopped {
            return;
        }
        if state.runs {
            self.signal.notify_one();
            return;
        }
        let (keeper, inner) = (Arc::clone(self), Arc::downgrade(inner));
        let thread = std::thread::Builder::new().name("litestash-leases".into());
        match thread.spawn(move || run(&keeper, &inner)) {
            Ok(thread) => (state.thread, state.runs) = (Some(thread), true),
            Err(error) => tracing::warn!(%error, "leases are not renewed: no thread could be started"),
        }
    }

    fn forget(&self, holder: &Holder) {
        self.state.lock().kept.retain(|kept| kept.holder != *holder);
    }

    /// Ends the thread and waits for what it is doing.
    pub(super) fn stop(&self) {
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
            tracing::warn!("the thread that renews leases had panicked");
        }
    }

    /// Waits until leases are due and says which; `None` when there is nothing to do any more.
    fn wait(&self, step: Duration) -> Option<Vec<(Place, Holder, Duration)>> {
        let mut state = self.state.lock();
        if state.stopped {
            return None;
        }
        let now = Instant::now();
        let mut due = Vec::new();
        for kept in state.kept.iter_mut().filter(|kept| kept.due <= now) {
            kept.due = now + kept.length / RENEWED_AFTER;
            due.push((kept.place, kept.holder, kept.length));
        }
        if due.is_empty() {
            let until = state.kept.iter().map(|kept| kept.due).min();
            self.signal.wait_until(&mut state, until.map_or(now + step, |until| until.min(now + step)));
            if state.kept.is_empty() && now.elapsed() >= step {
                state.runs = false;
                return None;
            }
        }
        Some(due)
    }
}

fn run(keeper: &Keeper, inner: &Weak<Inner>) {
    while let Some(due) = keeper.wait(IDLE) {
        for (place, holder, length) in due {
            // Held only while something is done, so that the stash's last handle can go.
            let Some(stash) = inner.upgrade() else { return };
            let renewed = stash.shard(place.route.shard).write_existing(Durability::Normal, |txn| {
                txn.renew_lease(&place.hash, &holder, end(stash.now_us(), length))
            });
            if let Err(error) = renewed {
                tracing::debug!(%error, "a lease could not be renewed");
            }
        }
    }
}
