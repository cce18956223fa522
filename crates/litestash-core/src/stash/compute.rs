//! `get_or_set` with one computation per key, however many threads and processes wait for it.

use super::lease::{self, Lease};
use super::op::{self, Action, Condition, Deadline, Outcome, SetOptions};
use super::open::{Inner, LiteStash};
use crate::contract::hash::KeyHash;
use crate::contract::key::{Key, KeyRef, ToKey};
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
    /// The thread that computes, if it is known.
    leader: Option<ThreadId>,
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
struct Pilot {
    inner: Arc<Inner>,
    hash: KeyHash,
    flight: Arc<Flight>,
}

impl Pilot {
    fn land(&self, landing: Landing) {
        self.flight.landed.lock().get_or_insert(landing);
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.land(Landing::Crashed);
        self.inner.flights.0.lock().remove(&self.hash);
        self.flight.signal.notify_all();
    }
}

/// The caller's part in a computation.
enum Role {
    Leads(Pilot),
    Waits(Arc<Flight>),
}

impl Inner {
    fn join_flight(self: &Arc<Self>, hash: KeyHash, leader: Option<ThreadId>) -> Role {
        let mut flights = self.flights.0.lock();
        if let Some(flight) = flights.get(&hash) {
            return Role::Waits(Arc::clone(flight));
        }
        let flight = Arc::new(Flight { leader, landed: Mutex::new(None), signal: Condvar::new() });
        flights.insert(hash, Arc::clone(&flight));
        Role::Leads(Pilot { inner: Arc::clone(self), hash, flight })
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
        let leader = Some(std::thread::current().id());
        match key.with_key(|key| begin(self, key, plan, leader, true))? {
            Begun::Found(found) => Ok(found),
            Begun::Mine(computation) => computation.compute(compute),
            Begun::Elsewhere => Err(Error::new(ErrorKind::Internal, "a computation was not waited for")),
        }
    }

    /// The first half of [`LiteStash::get_or_set_encoded`], for callers that compute without holding a thread: what
    /// is stored, or the caller's turn to compute. Without `waits` a computation of others is
    /// [`Begun::Elsewhere`] instead of being waited for. Nothing tells a computation that asks for its own key.
    ///
    /// ```
    /// # let stash = litestash_core::LiteStash::memory()?;
    /// use litestash_core::{Begun, ComputeOptions};
    /// let Begun::Mine(computation) = stash.begin_get_or_set("k", ComputeOptions::default(), false)? else {
    ///     panic!("nothing is stored")
    /// };
    /// assert!(matches!(stash.begin_get_or_set("k", ComputeOptions::default(), false)?, Begun::Elsewhere));
    /// computation.finish(Ok(vec![7]))?;
    /// assert_eq!(stash.get_as("k")?, Some(7));
    /// # Ok::<_, litestash_core::Error>(())
    /// ```
    pub fn begin_get_or_set(
        &self,
        key: impl ToKey,
        options: impl Into<ComputeOptions>,
        waits: bool,
    ) -> Result<Begun> {
        let plan = Plan::new(options.into())?;
        key.with_key(|key| begin(self, key, plan, None, waits))
    }
}

/// What [`LiteStash::begin_get_or_set`] found.
#[derive(Debug)]
pub enum Begun {
    /// The canonical encoding of what is stored.
    Found(Arc<Vec<u8>>),
    /// The caller is to compute.
    Mine(Box<Computation>),
    /// Somebody else computes.
    Elsewhere,
}

fn begin(
    stash: &LiteStash,
    key: KeyRef<'_>,
    plan: Plan,
    leader: Option<ThreadId>,
    waits: bool,
) -> Result<Begun> {
    let inner = &stash.inner;
    let place = inner.place(key);
    loop {
        let stale = match inner.found(key, &place, plan)? {
            Found::Fresh(found) => return Ok(Begun::Found(found)),
            Found::Stale(found, _) => Some(found),
            Found::Nothing => None,
        };
        match inner.join_flight(place.hash, leader) {
            Role::Leads(pilot) => return lead(stash, key, &place, plan, pilot, waits),
            Role::Waits(flight) => {
                if leader.is_some() && flight.leader == leader {
                    return Err(Error::invalid_argument("the computation of a key asks for the same key"));
                }
                if let Some(stale) = stale {
                    return Ok(Begun::Found(stale));
                }
                if !waits {
                    return Ok(Begun::Elsewhere);
                }
                let mut landed = flight.landed.lock();
                while landed.is_none() {
                    flight.signal.wait(&mut landed);
                }
                match &*landed {
                    Some(Landing::Value(value)) => return Ok(Begun::Found(Arc::clone(value))),
                    Some(Landing::Failed(error)) => return Err(error.duplicate()),
                    Some(Landing::Crashed) | None => {}
                }
            }
        }
    }
}

/// What the one of this process finds when it is its turn.
fn lead(
    stash: &LiteStash,
    key: KeyRef<'_>,
    place: &Place,
    plan: Plan,
    pilot: Pilot,
    waits: bool,
) -> Result<Begun> {
    let turn = || -> Result<Turn> {
        // Somebody may have landed between this caller's look and its turn to lead.
        if let Found::Fresh(found) = stash.inner.found(key, place, plan)? {
            return Ok(Turn::Over(found));
        }
        let lease = match plan.lease {
            Some(length) if stash.inner.settings.directory.is_some() => {
                match stash.inner.lease(key, place, plan, length, waits)? {
                    Leased::Mine(lease) => Some(lease),
                    Leased::Found(found) => return Ok(Turn::Over(found)),
                    Leased::Elsewhere => return Ok(Turn::Elsewhere),
                }
            }
            _ => None,
        };
        // The same for other processes.
        Ok(match stash.inner.found(key, place, plan)? {
            Found::Fresh(found) => Turn::Over(found),
            Found::Stale(_, version) => Turn::Here(lease, Some(version)),
            Found::Nothing => Turn::Here(lease, None),
        })
    };
    match turn() {
        Ok(Turn::Over(found)) => {
            pilot.land(Landing::Value(Arc::clone(&found)));
            Ok(Begun::Found(found))
        }
        Ok(Turn::Here(lease, stale)) => {
            let (stash, key, place) = (stash.clone(), key.to_owned(), *place);
            let computation = Computation { lease, stash, key, place, plan, stale, pilot };
            Ok(Begun::Mine(Box::new(computation)))
        }
        Ok(Turn::Elsewhere) => Ok(Begun::Elsewhere),
        Err(error) => {
            pilot.land(Landing::Failed(error.duplicate()));
            Err(error)
        }
    }
}

/// What became of a caller's turn to compute.
enum Turn {
    Over(Arc<Vec<u8>>),
    /// With the version of what is stale.
    Here(Option<Lease>, Option<Version>),
    Elsewhere,
}

/// What became of asking for a lease.
enum Leased {
    Mine(Lease),
    Found(Arc<Vec<u8>>),
    Elsewhere,
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

impl Inner {
    /// The lease, or the value that another process has stored, or one that is stale while it computes.
    fn lease(
        self: &Arc<Self>,
        key: KeyRef<'_>,
        place: &Place,
        plan: Plan,
        length: Duration,
        waits: bool,
    ) -> Result<Leased> {
        loop {
            if let Some(lease) = Lease::take(self, place, length)? {
                return Ok(Leased::Mine(lease));
            }
            let mut pause = SHORTEST;
            loop {
                if let Found::Fresh(found) | Found::Stale(found, _) = self.found(key, place, plan)? {
                    return Ok(Leased::Found(found));
                }
                if !lease::is_leased(self, place)? {
                    break;
                }
                self.usable()?;
                if !waits {
                    return Ok(Leased::Elsewhere);
                }
                std::thread::sleep(pause);
                pause = (pause * 3 / 2).min(LONGEST);
            }
        }
    }
}

/// A value that the caller is to compute, whom others wait for. Dropped, it leaves the computation to one of them.
pub struct Computation {
    /// Given back before others of this process are told.
    lease: Option<Lease>,
    stash: LiteStash,
    key: Key,
    place: Place,
    plan: Plan,
    /// The version of what is stale.
    stale: Option<Version>,
    pilot: Pilot,
}

impl std::fmt::Debug for Computation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Computation").field("stash", &self.stash).finish_non_exhaustive()
    }
}

impl Computation {
    /// Stores the canonical encoding of what was computed, and returns what is stored: somebody may have written the
    /// key meanwhile. An error is what all of this process who wait for it are told, and is returned.
    pub fn finish(self, computed: Result<Vec<u8>>) -> Result<Arc<Vec<u8>>> {
        self.compute(|| computed)
    }

    fn compute(mut self, compute: impl FnOnce() -> Result<Vec<u8>>) -> Result<Arc<Vec<u8>>> {
        let landed = compute().and_then(|encoded| self.keep(encoded));
        drop(self.lease.take());
        self.pilot.land(match &landed {
            Ok(value) => Landing::Value(Arc::clone(value)),
            Err(error) => Landing::Failed(error.duplicate()),
        });
        landed
    }

    fn keep(&mut self, encoded: Vec<u8>) -> Result<Arc<Vec<u8>>> {
        msgpack::validate(&encoded)?;
        let stored = self.store(&encoded)?;
        let inner = &self.stash.inner;
        let kept = if stored { None } else { inner.stored(self.key.as_ref(), &self.place)? };
        Ok(kept.unwrap_or_else(|| Arc::new(encoded)))
    }

    /// Stores a value, unless somebody else has stored one meanwhile. Returns whether it did.
    fn store(&mut self, encoded: &[u8]) -> Result<bool> {
        let set = |condition| Action::Set {
            encoded: encoded.to_owned(),
            options: SetOptions { condition, ..self.plan.set },
        };
        let (absent, replacing) =
            (set(Condition::Absent), self.stale.map(|old| set(Condition::Version(old))));
        let (inner, level) = (&self.stash.inner, self.stash.level);
        let key = self.key.as_ref();
        if self.lease.is_none() && replacing.is_none() {
            let stored = inner.write_action(level, key, &absent)?;
            return Ok(!matches!(stored, Outcome::Version(None)));
        }
        inner.usable()?;
        absent.check(inner.value_bytes_max, inner.now_us())?;
        let (level, lease) = (level.max(Durability::Normal), self.lease.as_ref());
        let stored = inner.shard(self.place.route.shard).write(level, |txn| {
            let moment = inner.moment();
            let mut stored = false;
            // The stale row may have ended meanwhile.
            for set in replacing.iter().chain([&absent]) {
                stored =
                    stored || op::execute(txn, &self.place, key, set, &moment)? != Outcome::Version(None);
            }
            lease.map_or(Ok(()), |lease| lease.end_in(txn))?;
            Ok(stored)
        })?;
        if let Some(lease) = self.lease.take() {
            lease.was_ended();
        }
        Ok(stored)
    }
}
