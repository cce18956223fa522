//! `get_or_set` with one computation per key, however many threads wait for it.

use super::op::{Action, Condition, Outcome, SetOptions};
use super::open::{Inner, LiteStash};
use crate::contract::hash::KeyHash;
use crate::contract::key::{KeyRef, ToKey};
use crate::contract::msgpack;
use crate::contract::route::Place;
use crate::contract::typed;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Durability;
use crate::sync::{Condvar, Mutex};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;
use std::thread::ThreadId;

/// The computations that run right now.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<KeyHash, Arc<Flight>>>);

/// One computation and those who wait for it.
struct Flight {
    leader: ThreadId,
    landed: Mutex<Option<Landing>>,
    signal: Condvar,
}

/// How a computation ended.
enum Landing {
    Value(Arc<Vec<u8>>),
    Failed(Error),
    /// The computation panicked: whoever waits computes for itself.
    Crashed,
}

/// Removes the flight, and lands it as crashed if nothing else landed it.
struct Pilot<'a> {
    flights: &'a Flights,
    hash: KeyHash,
    flight: Arc<Flight>,
}

impl Pilot<'_> {
    fn land(&self, landing: Landing) {
        self.flight.landed.lock().get_or_insert(landing);
    }
}

impl Drop for Pilot<'_> {
    fn drop(&mut self) {
        self.land(Landing::Crashed);
        self.flights.0.lock().remove(&self.hash);
        self.flight.signal.notify_all();
    }
}

/// The caller's part in a computation.
enum Role<'a> {
    Leads(Pilot<'a>),
    Waits(Arc<Flight>),
}

impl Flights {
    fn join(&self, hash: KeyHash) -> Role<'_> {
        let mut flights = self.0.lock();
        if let Some(flight) = flights.get(&hash) {
            return Role::Waits(Arc::clone(flight));
        }
        let flight = Arc::new(Flight {
            leader: std::thread::current().id(),
            landed: Mutex::new(None),
            signal: Condvar::new(),
        });
        flights.insert(hash, Arc::clone(&flight));
        Role::Leads(Pilot { flights: self, hash, flight })
    }
}

impl LiteStash {
    /// The value of a key; if it is missing or expired, what `compute` gives, stored under the key.
    ///
    /// However many threads of this process ask for one key at the same time, one computes and the others
    /// wait for its value. If the key was written meanwhile, that value is kept and returned. A failed
    /// computation is `ComputeFailed` for all who waited, and nothing is stored; after a panic one of those
    /// who waited computes. A computation that asks for its own key is `InvalidArgument`. Of `options` the
    /// condition is not used.
    pub fn get_or_set<V, E>(
        &self,
        key: impl ToKey,
        options: SetOptions,
        compute: impl FnOnce() -> std::result::Result<V, E>,
    ) -> Result<V>
    where
        V: Serialize + DeserializeOwned,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let encoded = self.get_or_set_encoded(key, options, || {
            let value = compute().map_err(|error| {
                Error::new(ErrorKind::ComputeFailed, "the computation of the value failed").with_source(error)
            })?;
            typed::to_bytes(&value)
        })?;
        typed::from_bytes(&encoded)
    }

    /// [`LiteStash::get_or_set`] with canonical MessagePack.
    pub fn get_or_set_encoded(
        &self,
        key: impl ToKey,
        options: SetOptions,
        compute: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Arc<Vec<u8>>> {
        key.with_key(|key| self.inner.get_or_set(self.level, key, options, compute))
    }
}

impl Inner {
    fn get_or_set(
        &self,
        level: Durability,
        key: KeyRef<'_>,
        options: SetOptions,
        compute: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Arc<Vec<u8>>> {
        let place = self.place(key);
        loop {
            if let Some(found) = self.stored(key, &place)? {
                return Ok(found);
            }
            match self.flights.join(place.hash) {
                Role::Leads(pilot) => {
                    let landed = self.lead(level, key, &place, options, compute);
                    pilot.land(match &landed {
                        Ok(value) => Landing::Value(Arc::clone(value)),
                        Err(error) => Landing::Failed(error.duplicate()),
                    });
                    return landed;
                }
                Role::Waits(flight) => {
                    if flight.leader == std::thread::current().id() {
                        return Err(Error::invalid_argument(
                            "the computation of a key asks for the same key",
                        ));
                    }
                    let mut landed = flight.landed.lock();
                    while landed.is_none() {
                        flight.signal.wait(&mut landed);
                    }
                    match &*landed {
                        Some(Landing::Value(value)) => return Ok(Arc::clone(value)),
                        Some(Landing::Failed(error)) => return Err(error.duplicate()),
                        Some(Landing::Crashed) | None => {}
                    }
                }
            }
        }
    }

    fn stored(&self, key: KeyRef<'_>, place: &Place) -> Result<Option<Arc<Vec<u8>>>> {
        match self.read_action(key, Some(place), &Action::Get)? {
            Outcome::Value(Some(encoded)) => Ok(Some(Arc::new(encoded))),
            _ => Ok(None),
        }
    }

    fn lead(
        &self,
        level: Durability,
        key: KeyRef<'_>,
        place: &Place,
        options: SetOptions,
        compute: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Arc<Vec<u8>>> {
        // Somebody may have landed between this caller's look and its turn to lead.
        if let Some(found) = self.stored(key, place)? {
            return Ok(found);
        }
        let encoded = compute()?;
        msgpack::validate(&encoded)?;
        let set = Action::Set {
            encoded: encoded.clone(),
            options: SetOptions { condition: Condition::Absent, keep_ttl: false, ..options },
        };
        match self.write_action(level, key, &set)? {
            Outcome::Version(None) => Ok(self.stored(key, place)?.unwrap_or_else(|| Arc::new(encoded))),
            _ => Ok(Arc::new(encoded)),
        }
    }
}
