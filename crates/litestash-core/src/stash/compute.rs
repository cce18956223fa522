//! `get_or_set` with one computation per key, however many threads and processes wait for it.

use super::lease::{self, Lease};
use super::op::{self, Action, Condition, Deadline, Outcome, SetOptions};
use super::open::{Inner, LiteStash};
use crate::contract::hash::KeyHash;
use crate::contract::key::{KeyRef, ToKey};
use crate::contract::limits::LEASE_US_MAX;
use crate::contract::msgpack;
use crate::contract::route::Place;
use crate::contract::typed;
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Durability;
use crate::sync::{Condvar, Mutex};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

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

/// How [`LiteStash::get_or_set_with`] computes and stores. The default: stored without a deadline, one
/// computation across processes, leases of 5 s, nothing stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputeOptions {
    /// How the value is stored. The condition is not used.
    pub set: SetOptions,
    /// Whether processes leave the computation to one of them. Default: true. If false, one thread of each
    /// process computes, and the first value that is stored is kept by all.
    pub across_processes: bool,
    /// How long other processes wait for one that died while it computed: 10 ms to 10 minutes. Default: 5 s. It is
    /// renewed while the computation runs, so it may be shorter than that takes.
    pub lease: Duration,
    /// For how long after its time to live a value may still be returned while one caller computes the next.
    /// Default: `None`. It takes a `set.deadline` of [`Deadline::In`]; give the same in each call.
    pub stale_while_revalidate: Option<Duration>,
}

impl Default for ComputeOptions {
    fn default() -> Self {
        Self {
            set: SetOptions::default(),
            across_processes: true,
            lease: Duration::from_secs(5),
            stale_while_revalidate: None,
        }
    }
}

impl From<SetOptions> for ComputeOptions {
    fn from(set: SetOptions) -> Self {
        Self { set, ..Self::default() }
    }
}

const LEASE_MIN: Duration = Duration::from_millis(10);
const LEASE_MAX: Duration = Duration::from_micros(LEASE_US_MAX.unsigned_abs());

/// Pauses of who waits for another process.
const SHORTEST: Duration = Duration::from_micros(500);
const LONGEST: Duration = Duration::from_millis(20);

/// What is done with a key that is not there, made from [`ComputeOptions`].
#[derive(Clone, Copy)]
struct Plan {
    /// How the value is stored, but for the condition.
    set: SetOptions,
    lease: Option<Duration>,
    /// Microseconds from its version on in which a row is fresh, if it may be stale at all.
    fresh_us: Option<i64>,
}

impl Plan {
    fn new(options: ComputeOptions) -> Result<Self> {
        let ComputeOptions { set, across_processes, lease, stale_while_revalidate } = options;
        if !(LEASE_MIN..=LEASE_MAX).contains(&lease) {
            return Err(Error::invalid_argument("a lease is 10 ms to 10 minutes"));
        }
        let mut set = SetOptions { condition: Condition::Always, keep_ttl: false, ..set };
        let fresh_us = match (stale_while_revalidate, set.deadline) {
            (None, _) => None,
            (Some(window), Some(Deadline::In(ttl))) => {
                set.deadline = Some(Deadline::In(ttl.saturating_add(window)));
                Some(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX))
            }
            (Some(_), _) => {
                return Err(Error::invalid_argument("stale_while_revalidate takes a time to live"));
            }
        };
        Ok(Self { set, lease: across_processes.then_some(lease), fresh_us })
    }
}

/// What is stored.
enum Found {
    Fresh(Arc<Vec<u8>>),
    /// Beyond its time to live, but still there.
    Stale(Arc<Vec<u8>>, Version),
    Nothing,
}

impl LiteStash {
    /// The value of a key; if it is missing or expired, what `compute` gives, stored under the key.
    ///
    /// However many threads and processes ask for one key at the same time, one computes and the others wait for
    /// its value. If the key was written meanwhile, that value is kept and returned. A failed computation is
    /// `ComputeFailed` for all of its process who waited, and nothing is stored; then, as after a panic or the
    /// death of the process that computed, another of those who wait computes. A computation that asks for its
    /// own key is `InvalidArgument`. Of `options` the condition and `keep_ttl` are not used.
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
        self.get_or_set_with(key, options.into(), compute)
    }

    /// [`LiteStash::get_or_set`] with more options.
    ///
    /// With `stale_while_revalidate` a row is stored for its time to live and that window. It is fresh while less
    /// than its time to live has passed since its version; after that one caller, over all processes, computes the
    /// next value, and all others get the old one at once. If that computation fails, its caller is told.
    ///
    /// `InvalidArgument` for a lease that is too short or too long, and for a window without a time to live.
    pub fn get_or_set_with<V, E>(
        &self,
        key: impl ToKey,
        options: ComputeOptions,
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

    /// [`LiteStash::get_or_set_with`] with canonical MessagePack.
    pub fn get_or_set_encoded(
        &self,
        key: impl ToKey,
        options: impl Into<ComputeOptions>,
        compute: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Arc<Vec<u8>>> {
        let plan = Plan::new(options.into())?;
        key.with_key(|key| get_or_set(&self.inner, self.level, key, plan, compute))
    }
}

fn get_or_set(
    inner: &Arc<Inner>,
    level: Durability,
    key: KeyRef<'_>,
    plan: Plan,
    compute: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<Arc<Vec<u8>>> {
    let place = inner.place(key);
    loop {
        let stale = match inner.found(key, &place, plan)? {
            Found::Fresh(found) => return Ok(found),
            Found::Stale(found, _) => Some(found),
            Found::Nothing => None,
        };
        match inner.flights.join(place.hash) {
            Role::Leads(pilot) => {
                let landed = Computation { inner, level, key, place: &place, plan }.lead(compute);
                pilot.land(match &landed {
                    Ok(value) => Landing::Value(Arc::clone(value)),
                    Err(error) => Landing::Failed(error.duplicate()),
                });
                return landed;
            }
            Role::Waits(flight) => {
                if flight.leader == std::thread::current().id() {
                    return Err(Error::invalid_argument("the computation of a key asks for the same key"));
                }
                if let Some(stale) = stale {
                    return Ok(stale);
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

impl Inner {
    fn stored(&self, key: KeyRef<'_>, place: &Place) -> Result<Option<Arc<Vec<u8>>>> {
        match self.read_action(key, Some(place), &Action::Get)? {
            Outcome::Value(Some(encoded)) => Ok(Some(Arc::new(encoded))),
            _ => Ok(None),
        }
    }

    fn found(&self, key: KeyRef<'_>, place: &Place, plan: Plan) -> Result<Found> {
        let Some(fresh_us) = plan.fresh_us else {
            return Ok(self.stored(key, place)?.map_or(Found::Nothing, Found::Fresh));
        };
        let Outcome::Entry(Some(entry)) = self.read_action(key, Some(place), &Action::Entry)? else {
            return Ok(Found::Nothing);
        };
        let is_fresh = self.now_us() < entry.version.micros().saturating_add(fresh_us);
        let encoded = Arc::new(entry.encoded);
        Ok(if is_fresh { Found::Fresh(encoded) } else { Found::Stale(encoded, entry.version) })
    }
}

/// The one of this process.
struct Computation<'a> {
    inner: &'a Arc<Inner>,
    level: Durability,
    key: KeyRef<'a>,
    place: &'a Place,
    plan: Plan,
}

impl<'a> Computation<'a> {
    fn lead(&self, compute: impl FnOnce() -> Result<Vec<u8>>) -> Result<Arc<Vec<u8>>> {
        // Somebody may have landed between this caller's look and its turn to lead.
        if let Found::Fresh(found) = self.found()? {
            return Ok(found);
        }
        let lease = match self.plan.lease {
            Some(length) if self.inner.settings.directory.is_some() => match self.lease(length)? {
                Ok(lease) => Some(lease),
                Err(found) => return Ok(found),
            },
            _ => None,
        };
        // The same for other processes.
        let stale = match self.found()? {
            Found::Fresh(found) => return Ok(found),
            Found::Stale(_, version) => Some(version),
            Found::Nothing => None,
        };
        let encoded = compute()?;
        msgpack::validate(&encoded)?;
        let stored = self.store(&encoded, stale, lease)?;
        let kept = if stored { None } else { self.inner.stored(self.key, self.place)? };
        Ok(kept.unwrap_or_else(|| Arc::new(encoded)))
    }

    fn found(&self) -> Result<Found> {
        self.inner.found(self.key, self.place, self.plan)
    }

    /// The lease, or the value that another process has stored, or one that is stale while it computes.
    fn lease(&self, length: Duration) -> Result<std::result::Result<Lease<'a>, Arc<Vec<u8>>>> {
        loop {
            if let Some(lease) = Lease::take(self.inner, self.place, length)? {
                return Ok(Ok(lease));
            }
            let mut pause = SHORTEST;
            loop {
                if let Found::Fresh(found) | Found::Stale(found, _) = self.found()? {
                    return Ok(Err(found));
                }
                if !lease::is_leased(self.inner, self.place)? {
                    break;
                }
                self.inner.usable()?;
                std::thread::sleep(pause);
                pause = (pause * 3 / 2).min(LONGEST);
            }
        }
    }

    /// Stores a value, unless somebody else has stored one meanwhile. Returns whether it did.
    fn store(&self, encoded: &[u8], stale: Option<Version>, lease: Option<Lease<'_>>) -> Result<bool> {
        let set = |condition| Action::Set {
            encoded: encoded.to_owned(),
            options: SetOptions { condition, ..self.plan.set },
        };
        let (absent, replacing) = (set(Condition::Absent), stale.map(|old| set(Condition::Version(old))));
        let inner = self.inner;
        if lease.is_none() && replacing.is_none() {
            let stored = inner.write_action(self.level, self.key, &absent)?;
            return Ok(!matches!(stored, Outcome::Version(None)));
        }
        inner.usable()?;
        absent.check(inner.value_bytes_max, inner.now_us())?;
        let level = self.level.max(Durability::Normal);
        let stored = inner.shard(self.place.route.shard).write(level, |txn| {
            let moment = inner.moment();
            let mut stored = false;
            // The stale row may have ended meanwhile.
            for set in replacing.iter().chain([&absent]) {
                stored =
                    stored || op::execute(txn, self.place, self.key, set, &moment)? != Outcome::Version(None);
            }
            lease.as_ref().map_or(Ok(()), |lease| lease.end_in(txn))?;
            Ok(stored)
        })?;
        if let Some(lease) = lease {
            lease.was_ended();
        }
        Ok(stored)
    }
}
