//! Hearing of what happens to keys.

use super::open::LiteStash;
use crate::contract::key::ToKey;
use crate::contract::msgpack;
use crate::contract::value::Value;
use crate::error::{Error, Result};
use crate::storage::events::{AHEAD_US_MAX, Event, EventKind, Filter, Hub, Queue, Received, Scope};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long [`LiteStash::wait_for`] sleeps between two looks at a key that another process may write.
const WAIT_PAUSE: Duration = Duration::from_millis(5);

impl LiteStash {
    /// Hears of what happens to keys from now on.
    ///
    /// A change is told after its commit, once, and changes of one key in the order of their commits. What a
    /// write that began before this call changes may or may not be told. The subscription has a queue of
    /// [`Filter::capacity`] events; when it is full, events are dropped and counted, and nobody waits. It
    /// ends when the stash is closed, and does not keep it open.
    ///
    /// With [`Scope::AllProcesses`] the subscription hears of every process's changes, in one order for each
    /// shard, some milliseconds after they are committed. While it lives, and up to a minute longer, every
    /// writer of the stash keeps a log of its changes in the shards, which costs it about as much as another
    /// small row. This call then creates the shards that are missing. In a stash in memory both scopes are
    /// the same.
    ///
    /// A row at [`Durability::Relaxed`](crate::Durability::Relaxed) is told of when it is written; of several
    /// writes of a key that waited together, only the last one is.
    ///
    /// Errors: `InvalidArgument` for a filter that lets nothing through, for a capacity of 0, and for
    /// [`EventKind::Access`] of all processes, because reads are not logged; `Closed`, `Forked`; with
    /// [`Scope::AllProcesses`] those of every write, `ReadOnly` among them.
    ///
    /// ```
    /// # let stash = litestash_core::LiteStash::memory()?;
    /// use litestash_core::{EventKind, Filter};
    /// let events = stash.subscribe(Filter::new().prefix("user:"))?;
    /// stash.set("user:1001", "Ada")?;
    /// let event = events.recv().unwrap();
    /// assert_eq!((event.kind, event.key), (EventKind::Set, Some("user:1001".into())));
    /// # Ok::<_, litestash_core::Error>(())
    /// ```
    pub fn subscribe(&self, filter: Filter) -> Result<Subscription> {
        self.inner.usable()?;
        let mut filter = filter;
        if self.path().is_none() {
            filter.scope = Scope::Local;
        }
        if filter.is_empty() || filter.capacity == 0 {
            return Err(Error::invalid_argument("the filter of a subscription lets nothing through"));
        }
        if filter.scope == Scope::AllProcesses && filter.has(EventKind::Access) {
            return Err(Error::invalid_argument("reads are told only of this process"));
        }
        let (scope, queue) = (filter.scope, Arc::new(Queue::new(filter)));
        let subscription = Subscription { hub: Arc::clone(&self.inner.hub), queue: Arc::clone(&queue) };
        match scope {
            Scope::Local => self.inner.hub.add(queue)?,
            Scope::AllProcesses => self.inner.watcher.add(&queue)?,
        }
        Ok(subscription)
    }

    /// [`LiteStash::subscribe`] with a function that is called for each event, on a thread of its own.
    ///
    /// The function may use the stash, also to write what it hears of, to subscribe, and to close. If it
    /// panics, that is counted, and it is called for the next event. A function that holds a clone of this
    /// handle keeps the stash open until the [`Subscriber`] is dropped.
    pub fn subscribe_with(
        &self,
        filter: Filter,
        mut function: impl FnMut(Event) + Send + 'static,
    ) -> Result<Subscriber> {
        let subscription = self.subscribe(filter)?;
        let (hub, queue) = (Arc::clone(&subscription.hub), Arc::clone(&subscription.queue));
        let panicked = Arc::new(AtomicU64::new(0));
        let panics = Arc::clone(&panicked);
        let run = move || {
            while let Some(event) = subscription.recv() {
                if catch_unwind(AssertUnwindSafe(|| function(event))).is_err() {
                    panics.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("litestash-events".into())
            .spawn(run)
            .map_err(|error| Error::from(error).context("starting the thread of a subscriber"))?;
        Ok(Subscriber { hub, queue, panicked, thread: Some(thread) })
    }

    /// Asks everybody who writes the stash to log changes for `duration` from now on, as a subscription with
    /// [`Scope::AllProcesses`] does while it lives (`docs/CONTRACT.md` 9). Creates the shards that are
    /// missing. For those who read the log themselves, and for conformance. `InvalidArgument` for more than
    /// an hour.
    pub fn log_changes(&self, duration: Duration) -> Result<()> {
        self.inner.usable()?;
        let us = i64::try_from(duration.as_micros()).ok().filter(|us| *us <= AHEAD_US_MAX);
        let us = us.ok_or_else(|| Error::invalid_argument("changes are logged for an hour at most"))?;
        self.inner.shards().try_for_each(|shard| shard.watch(us).map(drop))
    }

    /// Waits until the value of a key is as `holds` wants it, or `timeout` has passed; `None` is a key that
    /// is missing or expired. Returns whether it is.
    ///
    /// Sees the writes of this handle at once, those of others within some milliseconds. A value that is
    /// written over in less time may never be looked at.
    ///
    /// ```
    /// # let stash = litestash_core::LiteStash::memory()?;
    /// # use std::time::Duration;
    /// stash.set("job:7", "done")?;
    /// assert!(stash.wait_for("job:7", Duration::from_secs(1), |value| value.is_some())?);
    /// # Ok::<_, litestash_core::Error>(())
    /// ```
    pub fn wait_for(
        &self,
        key: impl ToKey,
        timeout: Duration,
        mut holds: impl FnMut(Option<&Value>) -> bool,
    ) -> Result<bool> {
        let deadline = Instant::now().checked_add(timeout);
        let key = key.to_key()?.into_owned();
        let events = self.subscribe(Filter::new().key(key.clone()).capacity(1))?;
        loop {
            let value = self.inner.read_row(key.as_ref(), |record| msgpack::decode(&record.body))?;
            if holds(value.as_ref()) {
                return Ok(true);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(false);
            }
            events.recv_timeout(left.unwrap_or(WAIT_PAUSE).min(WAIT_PAUSE));
        }
    }
}

/// The events of a subscription; of several readers each event goes to one. As an iterator it waits for each
/// of them, and ends when the stash is closed.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    queue: Arc<Queue>,
}

impl Subscription {
    /// The next event, for which this waits. `None` once the stash is closed and every event was read, and in
    /// a forked child.
    pub fn recv(&self) -> Option<Event> {
        event(self.queue.receive(None))
    }

    /// The next event, if there is one within `timeout`. [`Subscription::is_ended`] tells whether another may
    /// come.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        event(self.queue.receive(Instant::now().checked_add(timeout)))
    }

    /// The next event, if there is one now.
    pub fn try_recv(&self) -> Option<Event> {
        self.recv_timeout(Duration::ZERO)
    }

    /// Whether there is no event any more and none will come.
    pub fn is_ended(&self) -> bool {
        self.queue.is_ended()
    }

    /// How many events were dropped so far: because the queue was full, or because they could not be learned
    /// any more. [`Event::missed`] tells where. A gap of unknown size counts as one, and what was changed in
    /// a gap of the log counts whatever the filter.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}

fn event(received: Received) -> Option<Event> {
    match received {
        Received::Event(event) => Some(event),
        Received::Empty | Received::Ended => None,
    }
}

impl Iterator for Subscription {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}

impl Iterator for &Subscription {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.remove(&self.queue);
        self.queue.close(true);
    }
}

/// A subscription whose events go to a function. Ends when dropped: the function is not called any more
/// afterwards. Dropping waits for a call that runs, unless it is dropped by that call.
#[derive(Debug)]
#[must_use = "the subscription ends when this is dropped"]
pub struct Subscriber {
    hub: Arc<Hub>,
    queue: Arc<Queue>,
    panicked: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Subscriber {
    /// As [`Subscription::dropped`].
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// How many calls of the function panicked.
    pub fn panicked(&self) -> u64 {
        self.panicked.load(Ordering::Relaxed)
    }

    /// Whether the stash was closed and the function was called for every event.
    pub fn is_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if self.queue.is_inherited() {
            // There is no such thread in a forked child.
            std::mem::forget(thread);
            return;
        }
        self.hub.remove(&self.queue);
        self.queue.close(true);
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::warn!("the thread of a subscriber had panicked");
        }
    }
}
