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
use serde::de::DeserializeOwned;

impl LiteStash {
    /// The value of a key, or `None` if it is missing or expired. A stored nil is `Some(Value::Nil)`.
    ///
    /// Errors of every read: `InvalidKey`, `TooLarge` (key), `Corrupt`, `NotAStash`, `UnsupportedFormat`,
    /// `Busy`, `Closed`, `Forked`, `Io`.
    pub fn get(&self, key: impl ToKey) -> Result<Option<Value>> {
        key.with_key(|key| self.inner.read_row(key, |record| msgpack::decode(&record.body)))
    }

    /// [`LiteStash::get`] as any `Deserialize`. `TypeMismatch` if something else is stored.
    pub fn get_as<T: DeserializeOwned>(&self, key: impl ToKey) -> Result<Option<T>> {
        key.with_key(|key| self.inner.read_row(key, |record| typed::from_bytes(&record.body)))
    }

    /// [`LiteStash::get`] as canonical MessagePack.
    pub fn get_encoded(&self, key: impl ToKey) -> Result<Option<Vec<u8>>> {
        key.with_key(|key| {
            self.inner.read_row(key, |record| {
                msgpack::validate(&record.body)?;
                Ok(record.body.to_vec())
            })
        })
    }

    /// Whether a key is there and not expired.
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

impl Inner {
    /// Calls `f` with the record of a key that is there, not expired, and undamaged.
    fn read_row<T>(&self, key: KeyRef<'_>, f: impl Fn(&Record<'_>) -> Result<T>) -> Result<Option<T>> {
        self.read_version(key, None, |_, record| f(record))
    }

    fn read_version<T>(
        &self,
        key: KeyRef<'_>,
        place: Option<&Place>,
        f: impl Fn(Version, &Record<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.usable()?;
        let live = |version, record: &Record<'_>| {
            if record.expiry.expires_at.is_some() && record.expiry.passed(self.now_us()) {
                return Ok(None);
            }
            f(version, record).map(Some).map_err(damaged)
        };
        // A key that is known costs no hash.
        if let Some(known) = self.cache.get(key) {
            return match &known.content {
                Some(content) => live(content.version, &content.record()),
                None => Ok(None),
            };
        }
        let place = place.copied().unwrap_or_else(|| self.place(key));
        let found = self.shard(place.route.shard).read_row(key, &place, live)?;
        Ok(found.flatten())
    }

    /// The answer of an action that only reads.
    pub(super) fn read_action(
        &self,
        key: KeyRef<'_>,
        place: Option<&Place>,
        action: &Action,
    ) -> Result<Outcome> {
        let found =
            self.read_version(key, place, |version, record| Ok(action.on_read(&Live::of(version, record)?)))?;
        Ok(found.unwrap_or_else(|| action.on_missing()))
    }
}
