//! The handle: opening, closing, and what is done with one key or several.

use crate::computation::{Computation, ComputeOptions, compute};
use crate::error::Result;
use crate::operation::{Operation, Outcome, TransactionResult};
use crate::options::{BucketOptions, Condition, Deadline, Durability, OpenOptions, SetOptions};
use crate::testing::TestClock;
use crate::value::{Entry, Item, Key, Peek, TimeToLive};
use litestash_core as core;
use std::sync::Arc;

/// An open stash: a directory of SQLite files with keys and values. Safe to use from any thread.
///
/// Values are canonical MessagePack. Every method blocks until it is done; after `shutdown` each fails with
/// `Closed`.
#[derive(Debug, uniffi::Object)]
pub struct LiteStash {
    pub(crate) inner: core::LiteStash,
}

impl LiteStash {
    pub(crate) fn wrap(inner: core::LiteStash) -> Arc<Self> {
        Arc::new(Self { inner })
    }
}

#[uniffi::export]
impl LiteStash {
    /// Opens the stash in a directory.
    ///
    /// Nothing is opened or created but the directory: shard files come with the first operation that needs
    /// them. Errors: `NoStash`, `NotAStash`, `NetworkFileSystem`, `PermissionDenied`, `ReadOnly`,
    /// `InvalidArgument`, `Io`.
    #[uniffi::constructor]
    pub fn open(directory: String, options: OpenOptions) -> Result<Arc<Self>> {
        Ok(Self::wrap(options.to_core()?.open(directory)?))
    }

    /// Opens a stash in memory, which ends with its last handle.
    #[uniffi::constructor]
    pub fn memory(options: OpenOptions) -> Result<Arc<Self>> {
        Ok(Self::wrap(options.to_core()?.memory()?))
    }

    /// Opens a stash whose time is that of a test clock, in which nothing is done by itself. Without a
    /// directory it is in memory.
    #[uniffi::constructor]
    pub fn open_with_clock(
        directory: Option<String>,
        options: OpenOptions,
        clock: Arc<TestClock>,
    ) -> Result<Arc<Self>> {
        let options = clock.fix(options.to_core()?)?;
        Ok(Self::wrap(match directory {
            Some(directory) => options.open(directory)?,
            None => options.memory()?,
        }))
    }

    /// Closes the stash with all its handles and buckets: what waits is written, the logs are emptied, the
    /// files closed. Every later operation fails with `Closed`; closing again does nothing.
    pub fn shutdown(&self) -> Result<()> {
        Ok(self.inner.close()?)
    }

    /// Whether the stash was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }

    /// The directory; nothing for a stash in memory.
    pub fn path(&self) -> Option<String> {
        self.inner.path().map(|path| path.to_string_lossy().into_owned())
    }

    /// What an acknowledged write through this handle has reached.
    pub fn durability(&self) -> Durability {
        self.inner.durability().into()
    }

    /// A handle of the same stash whose writes are acknowledged at another level.
    pub fn with_durability(&self, level: Durability) -> Arc<Self> {
        Self::wrap(self.inner.with_durability(level.into()))
    }

    /// The value, or nothing if the key is not there.
    pub fn get(&self, key: Key) -> Result<Option<Vec<u8>>> {
        Ok(self.inner.get_encoded(&key.into_core()?)?)
    }

    /// What is in memory of a key. Never waits for a file or a lock.
    pub fn peek(&self, key: Key) -> Result<Peek> {
        Ok(match self.inner.peek_encoded(&key.into_core()?, <[u8]>::to_vec)? {
            core::Peek::Found(value) => Peek::Found(value),
            core::Peek::Missing => Peek::Missing,
            core::Peek::Unknown => Peek::Unknown,
        })
    }

    /// Whether the key is there.
    pub fn exists(&self, key: Key) -> Result<bool> {
        Ok(self.inner.exists(&key.into_core()?)?)
    }

    /// The value with its version and deadline.
    pub fn entry(&self, key: Key) -> Result<Option<Entry>> {
        Ok(self.inner.entry(&key.into_core()?)?.map(Into::into))
    }

    /// Stores a value. Returns its version, or nothing if the condition did not hold.
    pub fn set(&self, key: Key, value: Vec<u8>, options: SetOptions) -> Result<Option<i64>> {
        let version = self.inner.set_encoded(&key.into_core()?, value, options.into())?;
        Ok(version.map(core::Version::micros))
    }

    /// Stores a value if the key is not there. Returns whether it did.
    pub fn add(&self, key: Key, value: Vec<u8>, deadline: Option<Deadline>) -> Result<bool> {
        let options = SetOptions { deadline, keep_ttl: false, condition: Some(Condition::Absent) };
        Ok(self.set(key, value, options)?.is_some())
    }

    /// Stores a value if the key is there. Returns whether it did.
    pub fn replace(&self, key: Key, value: Vec<u8>, deadline: Option<Deadline>) -> Result<bool> {
        let options = SetOptions { deadline, keep_ttl: false, condition: Some(Condition::Present) };
        Ok(self.set(key, value, options)?.is_some())
    }

    /// Deletes a key. Returns whether it was there.
    pub fn delete(&self, key: Key) -> Result<bool> {
        Ok(self.inner.delete(&key.into_core()?)?)
    }

    /// Deletes a key and returns what it held.
    pub fn take(&self, key: Key) -> Result<Option<Vec<u8>>> {
        match self.perform(key, core::Action::Take)? {
            core::Outcome::Value(value) => Ok(value),
            other => Err(unexpected(&other)),
        }
    }

    /// Adds to an integer; a key that is not there counts from 0. Returns the sum.
    pub fn increment(&self, key: Key, by: i64) -> Result<i64> {
        Ok(self.inner.increment(&key.into_core()?, by)?)
    }

    /// Adds to a float; a key that is not there counts from 0. Returns the sum.
    pub fn increment_float(&self, key: Key, by: f64) -> Result<f64> {
        Ok(self.inner.increment_float(&key.into_core()?, by)?)
    }

    /// Stores a value if the key holds `expected` now, or is not there if that is nothing. Values are equal
    /// if their encodings are. Returns whether it did.
    pub fn compare_and_set(&self, key: Key, expected: Option<Vec<u8>>, value: Vec<u8>) -> Result<bool> {
        match self.perform(key, core::Action::CompareAndSet { expected, encoded: value })? {
            core::Outcome::Flag(stored) => Ok(stored),
            other => Err(unexpected(&other)),
        }
    }

    /// The value; if the key is not there, what the computation gives, which is stored. However many threads
    /// and processes ask for a key at once, one computes. What the computation raises is raised to its
    /// caller; others who waited for it have `ComputeFailed`.
    pub fn get_or_set(
        &self,
        key: Key,
        options: ComputeOptions,
        computation: Arc<dyn Computation>,
    ) -> Result<Vec<u8>> {
        compute(&self.inner, key, options, computation.as_ref())
    }

    /// How long a key has, or nothing if it is not there.
    pub fn ttl(&self, key: Key) -> Result<Option<TimeToLive>> {
        let left = self.inner.ttl(&key.into_core()?)?;
        Ok(left.map(|left| match left {
            None => TimeToLive::Forever,
            Some(left) => TimeToLive::Remaining { us: u64::try_from(left.as_micros()).unwrap_or(u64::MAX) },
        }))
    }

    /// Gives a key a new deadline. Returns whether the key was there.
    pub fn expire(&self, key: Key, deadline: Deadline) -> Result<bool> {
        Ok(self.inner.expire(&key.into_core()?, deadline.into())?)
    }

    /// Takes a key's deadline away. Returns whether it had one.
    pub fn persist(&self, key: Key) -> Result<bool> {
        Ok(self.inner.persist(&key.into_core()?)?)
    }

    /// Begins a sliding deadline anew, as a get does, but at once. Returns whether the key was there.
    pub fn touch(&self, key: Key) -> Result<bool> {
        Ok(self.inner.touch(&key.into_core()?)?)
    }

    /// The values of many keys, in the order of the keys.
    pub fn get_many(&self, keys: Vec<Key>) -> Result<Vec<Option<Vec<u8>>>> {
        let ops = keys.into_iter().map(|key| Ok(core::Op::new(key.into_core()?, core::Action::Get)?));
        let outcomes = self.inner.apply_all(&ops.collect::<Result<Vec<_>>>()?)?;
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                core::Outcome::Value(value) => Ok(value),
                other => Err(unexpected(&other)),
            })
            .collect()
    }

    /// Stores many values; those of one shard in the order given, in one transaction. Returns their versions.
    pub fn set_many(&self, items: Vec<Item>, deadline: Option<Deadline>) -> Result<Vec<i64>> {
        let options = SetOptions { deadline, keep_ttl: false, condition: None };
        let ops = items.into_iter().map(|Item { key, value }| {
            let action = core::Action::Set { encoded: value, options: options.into() };
            Ok(core::Op::new(key.into_core()?, action)?)
        });
        let outcomes = self.inner.apply_all(&ops.collect::<Result<Vec<_>>>()?)?;
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                core::Outcome::Version(Some(version)) => Ok(version.micros()),
                other => Err(unexpected(&other)),
            })
            .collect()
    }

    /// Deletes many keys. Returns for each whether it was there.
    pub fn delete_many(&self, keys: Vec<Key>) -> Result<Vec<bool>> {
        let keys = keys.into_iter().map(Key::into_core).collect::<Result<Vec<_>>>()?;
        Ok(self.inner.delete_many(&keys)?)
    }

    /// Performs independent operations, one transaction per shard, and answers each of them.
    ///
    /// One that is refused or fails by itself changes nothing and does not stop the others. `TooLarge` over
    /// 10 000 operations or 64 MiB of keys and values.
    pub fn apply(&self, operations: Vec<Operation>) -> Result<Vec<Outcome>> {
        let parsed = operations.into_iter().map(Operation::into_core).collect::<Vec<_>>();
        let ops = parsed.iter().filter_map(|op| op.as_ref().ok().cloned()).collect::<Vec<_>>();
        let mut done = self.inner.apply(&ops)?.into_iter();
        let answer = |op| match op {
            Ok(_) => done.next().map_or_else(|| Outcome::Failed { error: unanswered() }, Outcome::from),
            Err(error) => Outcome::Failed { error },
        };
        Ok(parsed.into_iter().map(answer).collect())
    }

    /// Performs all the operations or none of them, whatever shards their keys are in. If a condition does
    /// not hold, nothing is done; an operation that fails is the error of the whole.
    pub fn transaction(&self, operations: Vec<Operation>) -> Result<TransactionResult> {
        let ops = operations.into_iter().map(Operation::into_core).collect::<Result<Vec<_>>>()?;
        Ok(self.inner.transaction(&ops)?.into())
    }

    /// How many rows there are. Costs a walk over the index of every table.
    pub fn count(&self) -> Result<u64> {
        Ok(self.inner.len()?)
    }

    /// Deletes every row.
    pub fn clear(&self) -> Result<()> {
        Ok(self.inner.clear()?)
    }

    /// A bucket: a stash of its own inside this one. Nothing is created until it is written to.
    /// `InvalidArgument` for a name that no bucket can have, and for other options than its open handles
    /// have.
    pub fn bucket(&self, name: String, options: BucketOptions) -> Result<Arc<Self>> {
        Ok(Self::wrap(self.inner.bucket_with(&name, options.to_core()?)?))
    }

    /// The names of all buckets, by their UTF-8 bytes.
    pub fn buckets(&self) -> Result<Vec<String>> {
        Ok(self.inner.buckets()?)
    }

    /// Deletes a bucket with all that is in it. Returns whether there was one.
    pub fn drop_bucket(&self, name: String) -> Result<bool> {
        Ok(self.inner.drop_bucket(&name)?)
    }
}

impl LiteStash {
    fn perform(&self, key: Key, action: core::Action) -> Result<core::Outcome> {
        Ok(self.inner.perform(&core::Op::new(key.into_core()?, action)?)?)
    }
}

fn unexpected(_: &core::Outcome) -> crate::StashError {
    crate::StashError::Internal { detail: "an operation answered with another type than its own".to_owned() }
}

fn unanswered() -> crate::StashError {
    crate::StashError::Internal { detail: "an operation was not answered".to_owned() }
}
