//! Hearing of what happens to keys.

use crate::error::Result;
use crate::stash::LiteStash;
use crate::value::Key;
use litestash_core as core;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum EventKind {
    /// A value was stored: every write that makes a version.
    Set,
    /// The row was deleted by a caller.
    Delete,
    /// The row was removed because its deadline had passed.
    Expire,
    /// The row was removed to make room.
    Evict,
    /// Every row of a shard was deleted at once; no single rows are named.
    Clear,
    /// The value was read by its key, and was there.
    Access,
    /// Something that this binding does not know.
    Other,
}

impl EventKind {
    fn to_core(self) -> Option<core::EventKind> {
        core::EventKind::ALL.into_iter().find(|kind| Self::from(*kind) == self)
    }
}

impl From<core::EventKind> for EventKind {
    fn from(kind: core::EventKind) -> Self {
        match kind {
            core::EventKind::Set => Self::Set,
            core::EventKind::Delete => Self::Delete,
            core::EventKind::Expire => Self::Expire,
            core::EventKind::Evict => Self::Evict,
            core::EventKind::Clear => Self::Clear,
            core::EventKind::Access => Self::Access,
            _ => Self::Other,
        }
    }
}

/// What a listener hears. It has no value: who needs it reads the key.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To which key; nothing for `clear`.
    pub key: Option<Key>,
    /// The name of the stash's bucket, if it is one.
    pub bucket: Option<String>,
    /// The version that was stored, removed or read, where it is known.
    pub version: Option<i64>,
    /// Whether it was done through this handle of the stash.
    pub is_own: bool,
    /// The shard of the key.
    pub shard: u8,
    /// Events between the last one and this one that were dropped, because nobody took them in time.
    pub missed: u64,
}

impl From<core::Event> for Event {
    fn from(event: core::Event) -> Self {
        Self {
            kind: event.kind.into(),
            key: event.key.map(Into::into),
            bucket: event.bucket.as_deref().map(str::to_owned),
            version: event.version.map(core::Version::micros),
            is_own: event.origin == core::Origin::Local,
            shard: event.shard,
            missed: event.missed,
        }
    }
}

/// What a listener hears of.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct EventFilter {
    /// Only these kinds. Nothing: all but `access`.
    #[uniffi(default = None)]
    pub kinds: Option<Vec<EventKind>>,
    /// Only this key.
    #[uniffi(default = None)]
    pub key: Option<Key>,
    /// Only text keys that begin with this. Not together with `key`.
    #[uniffi(default = None)]
    pub prefix: Option<String>,
    /// Whether the changes of everybody who writes the directory are heard, not only those through this
    /// handle.
    #[uniffi(default = false)]
    pub all_processes: bool,
    /// How many events wait for the listener at most. Default: 8192.
    #[uniffi(default = None)]
    pub capacity: Option<u64>,
}

impl EventFilter {
    fn to_core(&self) -> Result<core::Filter> {
        let mut filter = core::Filter::new();
        if let Some(kinds) = &self.kinds {
            filter = filter.kinds(kinds.iter().filter_map(|kind| kind.to_core()));
        }
        filter = match (&self.key, &self.prefix) {
            (None, None) => filter,
            (Some(key), None) => filter.key(key.to_core()?),
            (None, Some(prefix)) => filter.prefix(prefix.clone()),
            (Some(_), Some(_)) => return Err(crate::error::invalid("key and prefix exclude each other")),
        };
        if self.all_processes {
            filter = filter.all_processes();
        }
        if let Some(events) = self.capacity {
            let events =
                usize::try_from(events).map_err(|_| crate::error::invalid("capacity is too large"))?;
            filter = filter.capacity(events);
        }
        Ok(filter)
    }
}

/// Hears events, on a thread of its own. It may use the stash, also to write, subscribe and close.
#[uniffi::export(with_foreign)]
pub trait EventListener: Send + Sync {
    /// Something happened. While this runs, further events wait. What it raises is counted and nothing else.
    fn on_event(&self, event: Event) -> Result<()>;
}

/// Tells whether a value is as somebody waits for it to be.
#[uniffi::export(with_foreign)]
pub trait ValueTest: Send + Sync {
    /// Whether it is. The value is canonical MessagePack, or nothing if the key is not there.
    fn holds(&self, value: Option<Vec<u8>>) -> bool;
}

/// A listener that is called. Ends when it is cancelled or given up, or the stash is closed.
#[derive(Debug, uniffi::Object)]
pub struct Subscription {
    subscriber: Mutex<Option<core::Subscriber>>,
    failed: Arc<std::sync::atomic::AtomicU64>,
}

#[uniffi::export]
impl Subscription {
    /// Ends it: the listener is not called any more afterwards. Waits for a call that runs, unless it is that
    /// call which cancels. Cancelling again does nothing.
    pub fn cancel(&self) {
        let subscriber = self.subscriber.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(subscriber);
    }

    /// How many events were dropped so far, because nobody took them in time.
    pub fn dropped(&self) -> u64 {
        self.with(core::Subscriber::dropped).unwrap_or(0)
    }

    /// How many calls of the listener failed.
    pub fn failed(&self) -> u64 {
        let panicked = self.with(core::Subscriber::panicked).unwrap_or(0);
        self.failed.load(std::sync::atomic::Ordering::Relaxed) + panicked
    }

    /// Whether the listener is not called any more.
    pub fn is_ended(&self) -> bool {
        self.with(core::Subscriber::is_ended).unwrap_or(true)
    }
}

impl Subscription {
    fn with<T>(&self, read: impl FnOnce(&core::Subscriber) -> T) -> Option<T> {
        self.subscriber.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(read)
    }
}

#[uniffi::export]
impl LiteStash {
    /// Hears of what happens to keys from now on: after the commit, once, and for each key in the order of
    /// its commits.
    ///
    /// A listener that is slow misses events, which are counted; nobody waits for it. `InvalidArgument` for a
    /// filter that lets nothing through.
    pub fn subscribe(
        &self,
        filter: EventFilter,
        listener: Arc<dyn EventListener>,
    ) -> Result<Arc<Subscription>> {
        let failed = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let failures = Arc::clone(&failed);
        let subscriber = self.inner.subscribe_with(filter.to_core()?, move |event| {
            if listener.on_event(event.into()).is_err() {
                failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        })?;
        Ok(Arc::new(Subscription { subscriber: Mutex::new(Some(subscriber)), failed }))
    }

    /// Waits until the value of a key passes a test, or the time is over. Returns whether it does.
    pub fn wait_for(&self, key: Key, timeout_us: u64, test: Arc<dyn ValueTest>) -> Result<bool> {
        let encode = |value: &core::Value| {
            let mut encoded = Vec::new();
            // What was stored can be encoded again.
            core::contract::msgpack::encode(value, &mut encoded).map(|()| encoded).ok()
        };
        let holds = |value: Option<&core::Value>| test.holds(value.and_then(encode));
        Ok(self.inner.wait_for(&key.into_core()?, Duration::from_micros(timeout_us), holds)?)
    }

    /// Asks everybody who writes the stash to keep a log of changes for that many microseconds, at most an
    /// hour, as a subscription to all processes does while it lives.
    pub fn log_changes(&self, us: u64) -> Result<()> {
        Ok(self.inner.log_changes(Duration::from_micros(us))?)
    }
}
