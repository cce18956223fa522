//! Reading one key.

use super::op::{Action, Entry, Live, Outcome, damaged};
use super::open::{Inner, LiteStash};
use crate::contract::key::{KeyRef, ToKey};
use crate::contract::msgpack;
use crate::contract::record::Record;
use crate::contract::route::Place;
use crate::contract::typed;
use crate::contract::value::Value;
use crate::contract::version::Version;
use crate::error::Result;
use crate::storage::cache::Known;
use serde::de::DeserializeOwned;
use std::cell::Cell;

/// What memory knows of a key, for [`LiteStash::peek_encoded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek<T> {
    /// The key is there, with that value.
    Found(T),
    /// The key is missing or expired.
    Missing,
    /// Only the files can tell.
    Unknown,
}

impl LiteStash {
    /// The value of a key, or `None` if it is missing or expired. A stored nil is `Some(Value::Nil)`. A
    /// sliding deadline begins anew ([`Deadline::Idle`](super::Deadline::Idle)).
    ///
    /// Errors of every read: `InvalidKey`, `TooLarge` (key), `Corrupt`, `NotAStash`, `UnsupportedFormat`,
    /// `Busy`, `Closed`, `Forked`, `Io`.
    pub fn get(&self, key: impl ToKey) -> Result<Option<Value>> {
        key.with_key(|key| self.inner.use_row(key, |record| msgpack::decode(&record.body)))
    }

    /// [`LiteStash::get`] as any `Deserialize`. `TypeMismatch` if something else is stored.
    pub fn get_as<T: DeserializeOwned>(&self, key: impl ToKey) -> Result<Option<T>> {
        key.with_key(|key| {
            self.inner.use_row(key, |record| {
                validate(record)?;
                typed::from_valid_bytes(&record.body)
            })
        })
    }

    /// [`LiteStash::get`] as canonical MessagePack.
    pub fn get_encoded(&self, key: impl ToKey) -> Result<Option<Vec<u8>>> {
        key.with_key(|key| {
            self.inner.use_row(key, |record| {
                validate(record)?;
                Ok(record.body.to_vec())
            })
        })
    }

    /// Calls `f` with the canonical MessagePack of a key that is there, where it lies: the way without a copy. `f`
    /// may be called again if the read has to be done anew, and must not use the stash.
    pub fn with_encoded<T>(&self, key: impl ToKey, f: impl Fn(&[u8]) -> Result<T>) -> Result<Option<T>> {
        key.with_key(|key| {
            self.inner.use_row(key, |record| {
                validate(record)?;
                f(&record.body)
            })
        })
    }

    /// What memory knows of a key: calls `f` with the canonical MessagePack of its value if that is cached, proven to
    /// be the newest as in every read. Never touches a file and never waits for one, so it may be called where
    /// nothing may block, such as an event loop; after [`Peek::Unknown`] a read on another thread has the answer.
    ///
    /// Errors: `InvalidKey`, `TooLarge` (key), `Closed`, `Forked`.
    pub fn peek_encoded<T>(&self, key: impl ToKey, f: impl FnOnce(&[u8]) -> T) -> Result<Peek<T>> {
        key.with_key(|key| {
            self.inner.usable()?;
            let Some(known) = self.inner.cache.peek(self.inner.group, key) else { return Ok(Peek::Unknown) };
            let Known::Row(known) = known else { return Ok(Peek::Missing) };
            let Some(content) = &known.content else { return Ok(Peek::Missing) };
            if content.expiry.has_passed(|| self.inner.now_us()) {
                return Ok(Peek::Missing);
            }
            if content.expiry.idle_us.is_some() || self.inner.hub.wants_accesses() {
                // Its use has consequences, which are the read's.
                return Ok(Peek::Unknown);
            }
            self.inner.note_use(key, None);
            Ok(Peek::Found(f(&content.body)))
        })
    }

    /// The number of the shard that a key belongs to, 0 to 15: for those who hand operations to one thread for each
    /// shard.
    pub fn shard_of(&self, key: impl ToKey) -> Result<usize> {
        key.with_key(|key| Ok(self.inner.place(key).route.shard.index()))
    }

    /// Whether a key is there and not expired. Does not prolong a sliding deadline; nor do the following.
    pub fn exists(&self, key: impl ToKey) -> Result<bool> {
        key.with_key(|key| self.inner.read_row(key, |_| Ok(()))).map(|found| found.is_some())
    }

    /// The value of a key with its version, deadline and size.
    pub fn entry(&self, key: impl ToKey) -> Result<Option<Entry>> {
        key.with_key(|key| {
            let outcome = self.inner.read_action(key, None, &Action::Entry)?;
            Ok(match outcome {
                Outcome::Entry(entry) => entry,
                _ => None,
            })
        })
    }

    /// When a key ends: `None` if it is missing or expired, `Some(None)` if it has no deadline, else Unix
    /// time in microseconds.
    pub fn expires_at(&self, key: impl ToKey) -> Result<Option<Option<i64>>> {
        key.with_key(|key| self.inner.read_row(key, |record| Ok(record.expiry.expires_at)))
    }

    /// How long a key has left: `None` if it is missing or expired, `Some(None)` if it has no deadline.
    pub fn ttl(&self, key: impl ToKey) -> Result<Option<Option<std::time::Duration>>> {
        let now_us = self.inner.now_us();
        let left = |deadline: i64| {
            std::time::Duration::from_micros(deadline.saturating_sub(now_us).max(0).unsigned_abs())
        };
        Ok(self.expires_at(key)?.map(|deadline| deadline.map(left)))
    }
}

/// Refuses a body that is not canonical, unless that is known.
#[inline]
fn validate(record: &Record<'_>) -> Result<()> {
    if record.is_canonical { Ok(()) } else { msgpack::validate(&record.body) }
}

impl Inner {
    /// [`Inner::read_version`], and tells subscribers of it.
    #[cold]
    fn read_telling<T>(
        &self,
        key: KeyRef<'_>,
        place: Option<&Place>,
        f: impl Fn(Version, &Record<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let seen = Cell::new(None);
        let found = self.read_version(key, place, |version, record| {
            seen.set(Some(version));
            f(version, record)
        })?;
        if let Some(version) = seen.get().filter(|_| found.is_some()) {
            self.hub.accessed(
                place.map_or_else(|| self.place(key), |place| *place).route.shard,
                key,
                version,
            );
        }
        Ok(found)
    }

    /// Calls `f` with the record of a key that is there, not expired, and undamaged.
    pub(super) fn read_row<T>(
        &self,
        key: KeyRef<'_>,
        f: impl Fn(&Record<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.read_version(key, None, |_, record| f(record))
    }

    /// [`Inner::read_row`] for a caller who is given the value, which prolongs a sliding deadline and of
    /// which subscribers can hear.
    #[inline]
    fn use_row<T>(&self, key: KeyRef<'_>, f: impl Fn(&Record<'_>) -> Result<T>) -> Result<Option<T>> {
        let used = |version, record: &Record<'_>| {
            if record.expiry.idle_us.is_some() {
                self.was_used(key, None, version, record.expiry);
            }
            f(record)
        };
        if self.hub.wants_accesses() {
            return self.read_telling(key, None, used);
        }
        self.read_version(key, None, used)
    }

    fn read_version<T>(
        &self,
        key: KeyRef<'_>,
        place: Option<&Place>,
        f: impl Fn(Version, &Record<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.usable()?;
        let live = |version, record: &Record<'_>| {
            if record.expiry.has_passed(|| self.now_us()) {
                return Ok(None);
            }
            f(version, record).map(Some).map_err(damaged)
        };
        // A key that is known costs no hash.
        if let Some(known) = self.cache.get(self.group, key) {
            let Known::Row(entry) = known else { return Ok(None) };
            let Some(content) = &entry.content else { return Ok(None) };
            self.note_use(key, place);
            return live(content.version, &content.record());
        }
        let place = place.copied().unwrap_or_else(|| self.place(key));
        let found = self.shard(place.route.shard).read_row(key, &place, live)?;
        if found.is_some() {
            self.note_use(key, Some(&place));
        }
        Ok(found.flatten())
    }

    /// The answer of an action that only reads.
    pub(super) fn read_action(
        &self,
        key: KeyRef<'_>,
        place: Option<&Place>,
        action: &Action,
    ) -> Result<Outcome> {
        let answer = |version, record: &Record<'_>| {
            if action.uses(record.expiry) {
                self.was_used(key, place, version, record.expiry);
            }
            Ok(action.on_read(&Live::of(version, record)?))
        };
        let found = if self.hub.wants_accesses() && action.reads_value() {
            self.read_telling(key, place, answer)?
        } else {
            self.read_version(key, place, answer)?
        };
        Ok(found.unwrap_or_else(|| action.on_missing()))
    }
}
