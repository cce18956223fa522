//! Operations on keys of any shards that all happen or do not.

use super::batch::check_batch;
use super::op::{self, Action, Condition, Op, Outcome};
use super::open::{Inner, LiteStash};
use crate::contract::route::{Place, ShardId};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Durability;
use crate::storage::journal::step;
use crate::storage::shard::Part;
use std::time::{Duration, Instant};

/// How often a transaction begins anew because other processes create shards under its hands.
const ATTEMPTS_MAX: u32 = 64;

/// How often a transaction begins anew after room was made on a full disk.
const FULL_DISK_TRIES: u32 = 3;

/// How long a handle that only reads waits at most until transactions are finished.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// What became of a [`LiteStash::transaction`].
#[derive(Debug, Clone, PartialEq)]
pub enum TransactionOutcome {
    /// Everything was done; what each operation answered.
    Committed(Vec<Outcome>),
    /// Nothing was done, because a condition did not hold.
    Refused {
        /// The operation whose condition it was.
        index: usize,
    },
}

impl TransactionOutcome {
    /// What each operation answered, or `None` if nothing was done.
    pub fn committed(self) -> Option<Vec<Outcome>> {
        match self {
            Self::Committed(outcomes) => Some(outcomes),
            Self::Refused { .. } => None,
        }
    }
}

/// Shards, one bit each.
type Mask = u16;

fn bit(shard: ShardId) -> Mask {
    1 << shard.number()
}

/// How far an attempt came.
enum Attempt {
    /// And these shards were written.
    Done(TransactionOutcome, Mask),
    /// Everything has to be done again, after these shards were created and marked for it. None of either if a
    /// shard that was missing has appeared.
    Again { creates: Mask, marks: Mask },
}

impl LiteStash {
    /// Performs all the operations or none of them, whatever shards their keys are in, also if the process is
    /// killed at any moment.
    ///
    /// Operations are done in the order given and see what those before them did. If a condition does not hold
    /// – that of a [`Action::Set`], a [`Action::CompareAndSet`], a [`Action::Check`] or a [`Action::Expect`] –
    /// nothing is done and the answer is [`TransactionOutcome::Refused`]. If an operation fails
    /// (`TypeMismatch`, `Overflow`, …) nothing is done and that is the error. Missing keys are no failure:
    /// a delete of one answers false.
    ///
    /// What is written in one shard is one ordinary commit. A transaction that writes in several shards costs
    /// one sync of the disk, of the stash's journal, at every level of durability, and once acknowledged survives
    /// a power cut as a whole. (At [`Durability::Relaxed`] it is done as at `Normal`.)
    ///
    /// While it is being committed a read of a row that it changes waits; so whoever has seen a part of it sees
    /// all of it. Listings, and reads of many keys, see each shard at a moment of its own.
    ///
    /// ```
    /// # let stash = litestash_core::LiteStash::memory()?;
    /// use litestash_core::{Action, Op, TransactionOutcome};
    /// stash.set("ada", &100)?;
    /// let transfer = [Op::new("ada", Action::Increment(-30))?, Op::new("bob", Action::Increment(30))?];
    /// assert!(matches!(stash.transaction(&transfer)?, TransactionOutcome::Committed(_)));
    /// assert_eq!(stash.get_as("bob")?, Some(30));
    /// # Ok::<_, litestash_core::Error>(())
    /// ```
    ///
    /// `TooLarge` over 10 000 operations or 64 MiB of keys and values. `Indeterminate` if the disk failed after
    /// the point from which it is going to happen: it is whole or absent once the stash can be opened again,
    /// never half there.
    pub fn transaction(&self, ops: &[Op]) -> Result<TransactionOutcome> {
        self.inner.usable()?;
        check_batch(ops)?;
        if self.is_read_only() {
            return Err(Error::new(ErrorKind::ReadOnly, "the stash was opened read-only"));
        }
        let now_us = self.inner.now_us();
        for (index, op) in ops.iter().enumerate() {
            op.action.check(self.inner.value_bytes_max, now_us).map_err(|error| at(index, error))?;
        }
        self.inner.transact(self.level.max(Durability::Normal), ops)
    }
}

fn at(index: usize, error: Error) -> Error {
    error.context(format_args!("operation {index}"))
}

/// Whether the answer says that a condition did not hold.
fn is_refused(action: &Action, outcome: &Outcome) -> bool {
    match (action, outcome) {
        (Action::Set { options, .. }, Outcome::Version(None)) => options.condition != Condition::Always,
        (Action::CompareAndSet { .. } | Action::Check(_) | Action::Expect(_), Outcome::Flag(false)) => true,
        _ => false,
    }
}

impl Inner {
    fn transact(&self, level: Durability, ops: &[Op]) -> Result<TransactionOutcome> {
        // Dropped after the locks of all the shards: subscribers are woken when they are free.
        let _waker = self.hub.waker();
        let places: Vec<_> = ops.iter().map(|op| self.place(op.key.as_ref())).collect();
        let Some(first) = places.first().map(|place| self.shard(place.route.shard)) else {
            return Ok(TransactionOutcome::Committed(Vec::new()));
        };
        let since_us = first.begin_bounds();
        let (mut created, mut full) = (0, 0);
        for _ in 0..ATTEMPTS_MAX {
            let attempt = match self.attempt(level, ops, &places, created) {
                Err(error) if full < FULL_DISK_TRIES && first.has_made_room(error.kind()) => {
                    full += 1;
                    continue;
                }
                other => other?,
            };
            match attempt {
                Attempt::Done(outcome, written) => {
                    self.shards()
                        .filter(|shard| written & bit(shard.id()) != 0)
                        .for_each(|shard| shard.keep_bounds_of(since_us));
                    first.keep_journal_short();
                    return Ok(outcome);
                }
                // How often it is done is in the contract (14), for each time draws nonces.
                Attempt::Again { creates, marks } => {
                    created |= creates;
                    ShardId::all()
                        .filter(|shard| marks & bit(*shard) != 0)
                        .try_for_each(|shard| self.shard(shard).mark_journal())?;
                }
            }
        }
        Err(Error::new(ErrorKind::Busy, "new shards kept appearing"))
    }

    fn attempt(&self, level: Durability, ops: &[Op], places: &[Place], created: Mask) -> Result<Attempt> {
        let shards_of = |writes: bool| {
            let of = ops.iter().zip(places).filter(|(op, _)| !writes || !op.action.only_reads());
            of.fold(0, |mask, (_, place)| mask | bit(place.route.shard))
        };
        let touched: Mask = shards_of(false);
        // The level of a connection is set before it begins. Where the journal is written its sync is enough.
        let alone = shards_of(true).count_ones() < 2;
        let shard_level = if alone { level } else { Durability::Normal };
        let mut parts = ShardId::all()
            .filter(|shard| touched & bit(*shard) != 0)
            .map(|shard| self.shard(shard).begin_part(shard_level, created & bit(shard) != 0))
            .collect::<Result<Vec<_>>>()?;
        let moment = self.moment();
        let mut outcomes = Vec::with_capacity(ops.len());
        for (index, (op, place)) in ops.iter().zip(places).enumerate() {
            let mut beside = 0;
            let mut own = None;
            for part in &mut parts {
                if part.shard() == place.route.shard {
                    own = Some(part);
                } else {
                    beside += part.rows_added();
                }
            }
            let Some(part) = own else {
                return Err(Error::new(ErrorKind::Internal, "an operation has no shard"));
            };
            let done =
                part.write(beside, |txn| op::execute(txn, place, op.key.as_ref(), &op.action, &moment));
            let outcome = done.map_err(|error| at(index, error))?;
            if is_refused(&op.action, &outcome) {
                return Ok(Attempt::Done(TransactionOutcome::Refused { index }, 0));
            }
            outcomes.push(outcome);
        }
        let mut written = Vec::with_capacity(parts.len());
        let (mut missing, mut appeared, mut unmarked) = (0, false, 0);
        for mut part in parts {
            let has_written = part.has_written()?;
            appeared |= part.has_appeared()?;
            if has_written && part.is_apart() {
                missing |= bit(part.shard());
            }
            if has_written && !part.is_marked() {
                unmarked |= bit(part.shard());
            }
            written.push((part, has_written));
        }
        let count = written.iter().filter(|(_, written)| *written).count();
        let journalled =
            self.settings.directory.is_some() && (count > 1 || count == 1 && level != shard_level);
        let marks = if journalled { unmarked } else { 0 };
        if appeared || missing != 0 || marks != 0 {
            return Ok(Attempt::Again { creates: missing, marks });
        }
        // Those that were only read stay locked until the others are committed.
        let (mut writes, reads): (Vec<_>, Vec<_>) = written.into_iter().partition(|(_, written)| *written);
        let written = writes.iter().fold(0, |mask, (part, _)| mask | bit(part.shard()));
        let undone = if journalled {
            self.commit_together(&mut writes)?
        } else {
            writes.drain(..).try_for_each(|(part, _)| part.commit())?;
            Vec::new()
        };
        drop(reads);
        self.finish_undone(undone)?;
        Ok(Attempt::Done(TransactionOutcome::Committed(outcomes), written))
    }

    /// Returns the shards that have not done it, and why: their parts were rolled back, so they are in the journal
    /// alone.
    fn commit_together(&self, writes: &mut Vec<(Part<'_>, bool)>) -> Result<Vec<(ShardId, Error)>> {
        let after = writes.iter().map(|(part, _)| part.applied()).max().unwrap_or(0);
        let intents = writes.iter_mut().map(|(part, _)| (part.shard(), part.take_images())).collect();
        step(1);
        // The shards are those of the bucket that is there now; the journal has to be that one's too.
        self.journal.leave_if_replaced(&self.cache);
        self.journal.attach_or_create()?;
        self.journal
            .commit(intents, after, |id| writes.iter_mut().try_for_each(|(part, _)| part.set_applied(id)))?;
        // From here on it is going to happen, if not by this thread then by whoever comes next.
        step(2);
        let mut undone = Vec::new();
        for (part, _) in writes.drain(..) {
            let shard = part.shard();
            if let Err(error) = part.commit() {
                undone.push((shard, error));
            }
            step(3);
        }
        Ok(undone)
    }

    /// Lets shards do what the journal has for them, without any lock: on a full disk room is made first.
    fn finish_undone(&self, undone: Vec<(ShardId, Error)>) -> Result<()> {
        for (shard, error) in undone {
            let shard = self.shard(shard);
            let mut finished = shard.finish();
            for _ in 0..FULL_DISK_TRIES {
                match &finished {
                    Err(error) if shard.has_made_room(error.kind()) => finished = shard.finish(),
                    _ => break,
                }
            }
            finished.map_err(|_| {
                Error::new(
                    ErrorKind::Indeterminate,
                    "the transaction is in the journal and not yet in every shard; it will be finished before \
                     anything else is written there",
                )
                .with_source(error)
            })?;
        }
        Ok(())
    }

    /// [`Inner::finish_transactions`] of a stash that has just been opened.
    pub(super) fn finish_transactions_at_open(&self) -> Result<()> {
        match self.finish_transactions() {
            Err(error) if error.kind() == ErrorKind::ReadOnly => {
                self.wait_for_others(error, Self::finish_transactions)
            }
            // What is sound stays usable; who writes a shard that needs the journal is told.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Corrupt
                        | ErrorKind::NotAStash
                        | ErrorKind::UnsupportedFormat
                        | ErrorKind::DiskFull
                ) =>
            {
                tracing::error!(%error, "what transactions left undone cannot be finished");
                Ok(())
            }
            other => other,
        }
    }

    /// A handle that only reads cannot do what is undone, but another process may be about to.
    pub(super) fn wait_for_others(
        &self,
        mut error: Error,
        attempt: impl Fn(&Self) -> Result<()>,
    ) -> Result<()> {
        let deadline = Instant::now() + self.settings.busy_timeout.min(WAIT_MAX);
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
            match attempt(self) {
                Err(again) if again.kind() == ErrorKind::ReadOnly => error = again,
                other => return other,
            }
        }
        Err(error)
    }

    /// Does what transactions of processes that died left undone.
    pub(crate) fn finish_transactions(&self) -> Result<()> {
        if !self.journal.is_attached() && !self.journal.attach()? {
            return Ok(());
        }
        self.shards().try_for_each(|shard| shard.finish())
    }

    /// Whether the journal has something that was not done. One that is being committed counts as well, unless
    /// the caller holds the write locks of all shards.
    pub(crate) fn has_unfinished_transactions(&self) -> Result<bool> {
        if !self.journal.is_attached() && !self.journal.attach()? {
            return Ok(false);
        }
        self.shards().try_fold(false, |found, shard| Ok(found || shard.has_unfinished()?))
    }
}
