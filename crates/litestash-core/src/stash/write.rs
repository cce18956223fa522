//! Writing one key.

use super::op::{self, Action, Condition, Deadline, Moment, Outcome, SetOptions};
use super::open::{Inner, LiteStash};
use crate::contract::key::{KeyRef, ToKey};
use crate::contract::msgpack;
use crate::contract::record::Expiry;
use crate::contract::typed;
use crate::contract::value::Value;
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Durability;
use crate::storage::row::WriteTxn;
use crate::storage::shard::Submission;
use serde::Serialize;
use std::sync::atomic::Ordering;

impl LiteStash {
    /// Stores a value under a key, replacing what was there and its deadline; the stash's default time to live
    /// applies, if it has one. Returns the row's new version.
    ///
    /// Errors of every write: those of reads, and `InvalidValue`, `TooLarge`, `ReadOnly`,
    /// `DiskFull`, `PermissionDenied`, and `Indeterminate` if the commit failed. After any other
    /// error nothing was written.
    pub fn set<V: Serialize + ?Sized>(&self, key: impl ToKey, value: &V) -> Result<Version> {
        let set = Action::Set { encoded: typed::to_bytes(value)?, options: SetOptions::default() };
        match self.write_key(key, &set)? {
            Outcome::Version(Some(version)) => Ok(version),
            other => Err(unexpected(&other)),
        }
    }

    /// Stores a value with a deadline or on a condition. Returns the new version, or `None` if
    /// the condition did not hold.
    pub fn set_with<V: Serialize + ?Sized>(
        &self,
        key: impl ToKey,
        value: &V,
        options: SetOptions,
    ) -> Result<Option<Version>> {
        self.set_action(key, Action::Set { encoded: typed::to_bytes(value)?, options })
    }

    /// Stores canonical MessagePack as it is. `InvalidValue` if it is not canonical.
    pub fn set_encoded(
        &self,
        key: impl ToKey,
        encoded: Vec<u8>,
        options: SetOptions,
    ) -> Result<Option<Version>> {
        msgpack::validate(&encoded)?;
        self.set_action(key, Action::Set { encoded, options })
    }

    fn set_action(&self, key: impl ToKey, set: Action) -> Result<Option<Version>> {
        match self.write_key(key, &set)? {
            Outcome::Version(version) => Ok(version),
            other => Err(unexpected(&other)),
        }
    }

    /// Stores a value if the key is missing or expired. Returns whether it did.
    pub fn add<V: Serialize + ?Sized>(&self, key: impl ToKey, value: &V) -> Result<bool> {
        Ok(self.set_with(key, value, SetOptions::when(Condition::Absent))?.is_some())
    }

    /// Stores a value if the key is there. Returns whether it did.
    pub fn replace<V: Serialize + ?Sized>(&self, key: impl ToKey, value: &V) -> Result<bool> {
        Ok(self.set_with(key, value, SetOptions::when(Condition::Present))?.is_some())
    }

    /// Deletes a key. Returns whether it was there and not expired.
    pub fn delete(&self, key: impl ToKey) -> Result<bool> {
        self.flag(key, &Action::Delete)
    }

    /// Takes a value out: get and delete in one step.
    pub fn take(&self, key: impl ToKey) -> Result<Option<Value>> {
        match self.write_key(key, &Action::Take)? {
            Outcome::Value(encoded) => encoded.map(|encoded| msgpack::decode(&encoded)).transpose(),
            other => Err(unexpected(&other)),
        }
    }

    /// Adds `by` to a stored integer and returns the sum. A missing key counts as 0; a
    /// row keeps its deadline, and a sliding one begins anew.
    ///
    /// `Overflow` if the stored integer or the sum is outside i64, `TypeMismatch` if no integer is stored;
    /// the row is unchanged then.
    pub fn increment(&self, key: impl ToKey, by: i64) -> Result<i64> {
        match self.write_key(key, &Action::Increment(by))? {
            Outcome::Int(sum) => Ok(sum),
            other => Err(unexpected(&other)),
        }
    }

    /// Adds `by` to a stored number and returns the sum, which is stored as a float. A missing key counts as
    /// 0.0; deadlines as with [`LiteStash::increment`]. A stored integer is taken up to 2⁵³, where it is exact
    /// as a float.
    ///
    /// `Overflow` if it is greater or the sum is not finite, `TypeMismatch` if no number is stored,
    /// `InvalidArgument` if `by` is not finite; the row is unchanged then.
    pub fn increment_float(&self, key: impl ToKey, by: f64) -> Result<f64> {
        match self.write_key(key, &Action::IncrementFloat(by))? {
            Outcome::Float(sum) => Ok(sum),
            other => Err(unexpected(&other)),
        }
    }

    /// Stores `value` if the key holds `expected` (`None`: is missing or expired). Values are equal if their
    /// encodings are. Returns whether it did.
    pub fn compare_and_set<E: Serialize + ?Sized, V: Serialize + ?Sized>(
        &self,
        key: impl ToKey,
        expected: Option<&E>,
        value: &V,
    ) -> Result<bool> {
        let expected = expected.map(typed::to_bytes).transpose()?;
        self.flag(key, &Action::CompareAndSet { expected, encoded: typed::to_bytes(value)? })
    }

    /// Gives a key a new deadline, which is a write of the row. Returns whether the key was there.
    pub fn expire(&self, key: impl ToKey, deadline: Deadline) -> Result<bool> {
        self.flag(key, &Action::Expire(deadline))
    }

    /// Takes a key's deadline away, which is a write of the row. Returns whether it had one.
    pub fn persist(&self, key: impl ToKey) -> Result<bool> {
        self.flag(key, &Action::Persist)
    }

    pub(super) fn flag(&self, key: impl ToKey, action: &Action) -> Result<bool> {
        match self.write_key(key, action)? {
            Outcome::Flag(flag) => Ok(flag),
            other => Err(unexpected(&other)),
        }
    }
}

fn unexpected(_outcome: &Outcome) -> Error {
    Error::new(ErrorKind::Internal, "an operation answered with another type than its own")
}

impl LiteStash {
    fn write_key(&self, key: impl ToKey, action: &Action) -> Result<Outcome> {
        key.with_key(|key| self.inner.write_action(self.level, key, action))
    }
}

impl Inner {
    pub(super) fn write_action(
        &self,
        level: Durability,
        key: KeyRef<'_>,
        action: &Action,
    ) -> Result<Outcome> {
        self.usable()?;
        let now_us = self.now_us();
        action.check(self.value_bytes_max, now_us)?;
        let place = self.place(key);
        let shard = self.shard(place.route.shard);
        if let Action::Set { encoded, options } = action {
            if level == Durability::Relaxed
                && self.may_be_acknowledged_early(key, encoded)?
                && options.condition == Condition::Always
                && !options.keep_ttl
                && self.settings.directory.is_some()
            {
                let expiry = Moment { now_us, default_ttl: self.default_ttl }.expiry(options.deadline)?;
                let version = self.relaxed_version(now_us);
                shard.put_later(&place.row(key, expiry, encoded), version)?;
                return Ok(Outcome::Version(Some(version)));
            }
            if *options == SetOptions::default() && self.default_ttl.is_none() {
                // The clock is read under the writer's lock, so that versions of a process follow the order
                // of its commits.
                let row = place.row(key, Expiry::NEVER, encoded);
                let elsewhere = || -> Box<dyn Fn() -> i64 + Send> {
                    let clock = self.clock();
                    Box::new(move || clock.now_us())
                };
                let version = shard.put(level, &row, &|| self.now_us(), elsewhere)?;
                return Ok(Outcome::Version(Some(version)));
            }
        }
        let bytes = key.size_bytes() + action.size_bytes();
        let done = shard.submit(
            Submission { level, creates: action.creates(), bytes },
            |txn| op::execute(txn, &place, key, action, &self.moment()),
            || {
                let (key, action, clock) = (key.to_owned(), action.clone(), self.clock());
                let default_ttl = self.default_ttl;
                move |txn: &mut WriteTxn<'_>| {
                    let moment = Moment { now_us: clock.now_us(), default_ttl };
                    op::execute(txn, &place, key.as_ref(), &action, &moment)
                }
            },
        )?;
        Ok(done.unwrap_or_else(|| action.on_missing()))
    }

    /// Now.
    pub(super) fn moment(&self) -> Moment {
        Moment { now_us: self.now_us(), default_ttl: self.default_ttl }
    }

    /// Whether there is room for a row that is not written yet.
    fn may_be_acknowledged_early(&self, key: KeyRef<'_>, encoded: &[u8]) -> Result<bool> {
        let Some(bounds) = &self.bounds else { return Ok(true) };
        bounds.check_size(key.size_bytes() + encoded.len())?;
        Ok(!bounds.may_refuse())
    }

    /// Greater than every one before, so that relaxed writes of a key are in the order of their versions.
    fn relaxed_version(&self, now_us: i64) -> Version {
        let next = |last: i64| Some(now_us.max(last.saturating_add(1)));
        let last = self.relaxed_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        Version::from_micros(last.map_or(now_us, |last| now_us.max(last.saturating_add(1))))
    }
}
