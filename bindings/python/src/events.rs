//! Hearing of what happens to keys.

use crate::deadline::duration;
use crate::error::{Raise, invalid};
use crate::key;
use crate::stash::Stash;
use crate::wait::detached;
use litestash_core::{EventKind, Filter, Origin};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a reader sleeps between two looks for signals.
const LOOK: Duration = Duration::from_millis(50);

/// What happened to a key.
#[pyclass(frozen, get_all, module = "litestash")]
pub(crate) struct Event {
    /// `set`, `delete`, `expire`, `evict`, `clear` or `access`.
    kind: &'static str,
    /// The key; None for `clear`, which concerns every key of a shard.
    key: Option<Py<PyAny>>,
    /// The bucket, or None.
    bucket: Option<String>,
    /// The version that was stored, removed or read, where it is known.
    version: Option<i64>,
    /// Whether it was done through this stash object, or another of this process that shares its handle.
    is_local: bool,
    /// Events before this one that were dropped, because the queue was full.
    missed: u64,
}

#[pymethods]
impl Event {
    fn __repr__(&self) -> String {
        format!("<Event {}>", self.kind)
    }
}

/// The events of a subscription; iterating waits for each, and ends when the subscription or the stash is closed.
#[pyclass(frozen, weakref, module = "litestash")]
pub(crate) struct Subscription(Mutex<Option<Arc<litestash_core::Subscription>>>);

impl Subscription {
    fn inner(&self) -> Option<Arc<litestash_core::Subscription>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn receive(&self, py: Python<'_>, deadline: Option<Instant>) -> PyResult<Option<Event>> {
        loop {
            let Some(events) = self.inner() else { return Ok(None) };
            let left = deadline.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()).min(LOOK));
            let event = detached(py, move || {
                let event = events.recv_timeout(left);
                // The last holder ends the subscription, which is not for under the interpreter's lock.
                let is_ended = event.is_none() && events.is_ended();
                drop(events);
                (event, is_ended)
            });
            match event {
                (Some(event), _) => return shown(py, &event).map(Some),
                (None, true) => return Ok(None),
                (None, false) => {}
            }
            py.check_signals()?;
            if deadline.is_some_and(|end| Instant::now() >= end) {
                return Ok(None);
            }
        }
    }
}

fn shown(py: Python<'_>, event: &litestash_core::Event) -> PyResult<Event> {
    Ok(Event {
        kind: event.kind.name(),
        key: event.key.as_ref().map(|key| key::object(py, key).map(Bound::unbind)).transpose()?,
        bucket: event.bucket.as_ref().map(ToString::to_string),
        version: event.version.map(|version| version.micros()),
        is_local: event.origin == Origin::Local,
        missed: event.missed,
    })
}

#[pymethods]
impl Subscription {
    /// The next event, or None after `timeout` seconds (None: waits for ever) or at the end.
    #[pyo3(signature = (timeout = None))]
    fn get(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Event>> {
        let timeout = match timeout {
            Some(timeout) if timeout.eq(0)? => Some(Duration::ZERO),
            Some(timeout) => Some(duration(timeout)?),
            None => None,
        };
        self.receive(py, timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Ends the subscription. Who waits for an event gets None.
    fn close(&self, py: Python<'_>) {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        detached(py, || drop(events));
    }

    /// Whether no event will come.
    #[getter]
    fn closed(&self) -> bool {
        self.inner().is_none_or(|events| events.is_ended())
    }

    /// How many events were dropped so far because the queue was full.
    #[getter]
    fn dropped(&self) -> u64 {
        self.inner().map_or(0, |events| events.dropped())
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        self.receive(py, None)
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }
}

#[pymethods]
impl Stash {
    #[pyo3(signature = (kinds, prefix, key, all_processes, capacity))]
    fn _subscribe(
        &self,
        py: Python<'_>,
        kinds: Option<Vec<String>>,
        prefix: Option<String>,
        key: Option<&Bound<'_, PyAny>>,
        all_processes: bool,
        capacity: Option<usize>,
    ) -> PyResult<Subscription> {
        let mut filter = Filter::new();
        if let Some(names) = kinds {
            let kind = |name: &String| {
                let known = EventKind::ALL.into_iter().find(|kind| kind.name() == name);
                known.ok_or_else(|| invalid(py, "a kind is set, delete, expire, evict, clear or access"))
            };
            filter = filter.kinds(names.iter().map(kind).collect::<PyResult<Vec<_>>>()?);
        }
        if let Some(prefix) = prefix {
            filter = filter.prefix(prefix);
        }
        if let Some(key) = key {
            filter = filter.key(key::owned(key)?);
        }
        if all_processes {
            filter = filter.all_processes();
        }
        if let Some(capacity) = capacity {
            filter = filter.capacity(capacity);
        }
        let handle = self.handle(py)?;
        let subscription = detached(py, || handle.run(|stash| stash.subscribe(filter.clone()))).raise(py)?;
        Ok(Subscription(Mutex::new(Some(Arc::new(subscription)))))
    }
}
