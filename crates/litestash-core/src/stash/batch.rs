//! Many keys at once: grouped by shard, one transaction per shard.

use super::op::{self, Action, Op, Outcome, SetOptions};
use super::open::{Inner, LiteStash};
use super::spread::{computing_threads, spread};
use crate::contract::key::ToKey;
use crate::contract::limits::{BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, SHARDS};
use crate::contract::msgpack;
use crate::contract::route::{Place, ShardId};
use crate::contract::value::Value;
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Durability;
use crate::sync::Mutex;
use serde::Serialize;

impl LiteStash {
    /// The values of many keys, in the order of the keys.
    ///
    /// Each shard is read once, so keys of one shard are seen in one committed state. Any
    /// error fails the whole call.
    pub fn get_many<K: ToKey>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<Value>>> {
        let ops = keys.into_iter().map(|key| Op::new(key, Action::Get)).collect::<Result<Vec<_>>>()?;
        let results = self.apply(&ops)?;
        let decode = |outcome| match outcome? {
            Outcome::Value(encoded) => encoded.map(|encoded| msgpack::decode(&encoded)).transpose(),
            _ => Ok(None),
        };
        results.into_iter().map(decode).collect()
    }

    /// Stores many values, those of one shard in the order given. Returns their versions.
    ///
    /// All keys and values are checked before anything is written. Each shard's part is one transaction: all
    /// of it or nothing. If a shard fails, the error is returned and the parts of other shards may have been
    /// written; [`LiteStash::apply`] answers for each operation.
    pub fn set_many<K: ToKey, V: Serialize>(
        &self,
        items: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Vec<Version>> {
        let ops = items
            .into_iter()
            .map(|(key, value)| Op::set(key, &value, SetOptions::default()))
            .collect::<Result<Vec<_>>>()?;
        let version = |outcome| match outcome? {
            Outcome::Version(Some(version)) => Ok(version),
            _ => Err(Error::new(ErrorKind::Internal, "a set answered without a version")),
        };
        self.apply_checked(&ops)?.into_iter().map(version).collect()
    }

    /// Deletes many keys; answers for each whether it was there. Atomic per shard, as
    /// [`LiteStash::set_many`].
    pub fn delete_many<K: ToKey>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<bool>> {
        let ops = keys.into_iter().map(Op::delete).collect::<Result<Vec<_>>>()?;
        let flag = |outcome| Ok(matches!(outcome?, Outcome::Flag(true)));
        self.apply_checked(&ops)?.into_iter().map(flag).collect()
    }

    /// Performs independent operations, one transaction per shard that they touch, and answers each of them.
    ///
    /// Operations of one shard are done in the order given; shards are worked on side by side where that is
    /// faster. An
    /// operation that fails by itself (`TypeMismatch`, `Overflow`, a value over the limit) changes nothing
    /// and does not stop the others. If a shard's transaction fails, every operation in it has that error.
    /// `TooLarge` over 10 000 operations or 64 MiB of keys and values.
    pub fn apply(&self, ops: &[Op]) -> Result<Vec<Result<Outcome>>> {
        let mut outcomes: Vec<Option<Result<Outcome>>> = ops.iter().map(|_| None).collect();
        self.apply_each(ops, |index, outcome| outcomes[index] = Some(outcome))?;
        let missing = || Err(Error::new(ErrorKind::Internal, "an operation was not answered"));
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect())
    }

    /// [`LiteStash::apply`] that answers while it goes on: once a shard's part is done, `done` has the outcomes of its
    /// operations, with their indices. Every operation is answered once, in the end; `done` is called by one thread at
    /// a time, which may be another than the caller's. After an error none was done and none is answered.
    pub fn apply_each(&self, ops: &[Op], done: impl FnMut(usize, Result<Outcome>) + Send) -> Result<()> {
        self.inner.usable()?;
        check_batch(ops)?;
        self.inner.apply_each(self.level, ops, done);
        Ok(())
    }

    /// [`LiteStash::apply`] where one failure is the failure of all: nothing is done if any operation is refused
    /// before it touches a shard, and the first error is the answer. Each shard's part is one transaction.
    pub fn apply_all(&self, ops: &[Op]) -> Result<Vec<Outcome>> {
        self.apply_checked(ops)?.into_iter().collect()
    }

    /// Performs one operation, as the method of its name does.
    pub fn perform(&self, op: &Op) -> Result<Outcome> {
        let key = op.key.as_ref();
        if op.action.only_reads() {
            self.inner.read_action(key, None, &op.action)
        } else {
            self.inner.write_action(self.level, key, &op.action)
        }
    }

    /// The first error that [`LiteStash::apply`] would give before it touches a shard: a batch or a value over its
    /// limit, a deadline out of range. Who wants all of a batch or nothing checks it first; [`LiteStash::set_many`]
    /// does.
    pub fn check(&self, ops: &[Op]) -> Result<()> {
        self.inner.usable()?;
        check_batch(ops)?;
        let now_us = self.inner.now_us();
        ops.iter().try_for_each(|op| op.action.check(self.inner.value_bytes_max, now_us))
    }

    /// [`LiteStash::apply`], but nothing is done if any operation is refused before it touches a shard.
    fn apply_checked(&self, ops: &[Op]) -> Result<Vec<Result<Outcome>>> {
        self.check(ops)?;
        self.apply(ops)
    }
}

/// The limits of a batch (`docs/CONTRACT.md` 10).
pub(super) fn check_batch(ops: &[Op]) -> Result<()> {
    if ops.len() > BATCH_OPERATIONS_MAX {
        return Err(Error::too_large(format!(
            "the batch has {} operations; the limit is {BATCH_OPERATIONS_MAX}",
            ops.len()
        )));
    }
    let bytes: usize = ops.iter().map(Op::size_bytes).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(Error::too_large(format!("the batch has {bytes} bytes; the limit is {BATCH_BYTES_MAX}")));
    }
    Ok(())
}

/// Operations from which it pays to write on another thread as well.
const OPERATIONS_PER_THREAD: usize = 500;

/// Threads that wait for the disk at once when each shard's commit is synced.
const SYNCING_THREADS: usize = 8;

fn threads(level: Durability, operations: usize) -> usize {
    if level == Durability::Full {
        return SYNCING_THREADS;
    }
    computing_threads().min(operations / OPERATIONS_PER_THREAD)
}

/// The same error for each of a group.
fn failed(group: &[Placed<'_>], error: &Error) -> Vec<Result<Outcome>> {
    group.iter().map(|_| Err(error.duplicate())).collect()
}

/// An operation with its place and its index in the batch.
struct Placed<'a> {
    index: usize,
    place: Place,
    op: &'a Op,
}

impl Inner {
    fn apply_each(&self, level: Durability, ops: &[Op], done: impl FnMut(usize, Result<Outcome>) + Send) {
        let mut placed: Vec<_> = ops
            .iter()
            .enumerate()
            .map(|(index, op)| Placed { index, place: self.place(op.key.as_ref()), op })
            .collect();
        placed.sort_by_key(|placed| placed.place.route.shard);
        let groups: Vec<_> = placed.chunk_by(|a, b| a.place.route.shard == b.place.route.shard).collect();
        let done = Mutex::new((done, [false; SHARDS]));
        let answer = |shard: ShardId, group: &[Placed<'_>], outcomes: Vec<Result<Outcome>>| {
            let (done, answered) = &mut *done.lock();
            if !std::mem::replace(&mut answered[shard.index()], true) {
                group.iter().zip(outcomes).for_each(|(placed, outcome)| done(placed.index, outcome));
            }
        };
        let work = |group: &&[Placed<'_>]| {
            let shard = group[0].place.route.shard;
            answer(shard, group, self.apply_to_shard(level, shard, group));
            Ok(())
        };
        for (group, worked) in groups.iter().zip(spread(&groups, threads(level, ops.len()), work)) {
            if let Err(error) = worked {
                // Not those that the thread had answered before it panicked.
                answer(group[0].place.route.shard, group, failed(group, &error));
            }
        }
    }

    fn apply_to_shard(
        &self,
        level: Durability,
        shard: ShardId,
        group: &[Placed<'_>],
    ) -> Vec<Result<Outcome>> {
        let answered = if group.iter().all(|placed| placed.op.action.only_reads()) {
            self.read_group(shard, group)
        } else {
            self.write_group(level, shard, group)
        };
        answered.unwrap_or_else(|error| failed(group, &error))
    }

    fn read_group(&self, shard: ShardId, group: &[Placed<'_>]) -> Result<Vec<Result<Outcome>>> {
        let tells = self.hub.wants_accesses();
        let mut accessed = Vec::new();
        let read = self.shard(shard).read_snapshot(|database| {
            let now_us = self.now_us();
            accessed.clear();
            group
                .iter()
                .map(|Placed { place, op, .. }| {
                    let live = crate::storage::row::get(database, place.route.slot, &place.hash, |row| {
                        op::Live::read(self.format(), place, row, || now_us)
                    });
                    if matches!(live, Ok(Some(_))) {
                        self.note_use(op.key.as_ref(), Some(place));
                    }
                    match live {
                        Ok(row) => {
                            let Some(row) = row.flatten() else { return Ok(Ok(op.action.on_missing())) };
                            let key = op.key.as_ref();
                            if op.action.uses(row.expiry) {
                                self.was_used(key, Some(place), row.version, row.expiry);
                            }
                            if tells && op.action.reads_value() {
                                accessed.push((key, row.version));
                            }
                            Ok(Ok(op.action.on_read(&row)))
                        }
                        Err(error) if error.is_from_sqlite() => Err(error),
                        Err(error) => Ok(Err(error)),
                    }
                })
                .collect::<Result<Vec<_>>>()
        })?;
        for (key, version) in accessed {
            self.hub.accessed(shard, key, version);
        }
        Ok(read.unwrap_or_else(|| group.iter().map(|placed| Ok(placed.op.action.on_missing())).collect()))
    }

    fn write_group(
        &self,
        level: Durability,
        shard: ShardId,
        group: &[Placed<'_>],
    ) -> Result<Vec<Result<Outcome>>> {
        let run = |txn: &mut crate::storage::row::WriteTxn<'_>| {
            let moment = self.moment();
            let answer = |Placed { place, op, .. }: &Placed<'_>| {
                let checked = op.action.check(self.value_bytes_max, moment.now_us);
                let done =
                    checked.and_then(|()| op::execute(txn, place, op.key.as_ref(), &op.action, &moment));
                match done {
                    // What SQLite itself refuses ends the transaction for all.
                    Err(error) if error.is_from_sqlite() => Err(error),
                    other => Ok(other),
                }
            };
            group.iter().map(answer).collect::<Result<Vec<_>>>()
        };
        let now_us = self.now_us();
        let creates = |placed: &Placed<'_>| {
            placed.op.action.creates() && placed.op.action.check(self.value_bytes_max, now_us).is_ok()
        };
        if group.iter().any(creates) {
            return match self.shard(shard).write(level, run) {
                // No room for a shard that is not there, which is no reason to refuse what needs none.
                Err(error) if error.kind() == ErrorKind::LimitReached => {
                    let answer = |placed: &Placed<'_>| {
                        placed.op.action.check(self.value_bytes_max, now_us)?;
                        if creates(placed) {
                            Err(error.duplicate())
                        } else {
                            Ok(placed.op.action.on_missing())
                        }
                    };
                    Ok(group.iter().map(answer).collect())
                }
                done => done,
            };
        }
        let missing = |placed: &Placed<'_>| {
            placed.op.action.check(self.value_bytes_max, now_us).map(|()| placed.op.action.on_missing())
        };
        let done = self.shard(shard).write_existing(level, run)?;
        Ok(done.unwrap_or_else(|| group.iter().map(missing).collect()))
    }
}
