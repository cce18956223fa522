//! The base class of `LiteStash`: operations on one key.

use crate::deadline::{condition, deadline, set_options};
use crate::encode::encoded;
use crate::error::{Outcome, Raise, invalid, raised};
use crate::handle::Handle;
use crate::key::with_key;
use crate::wait::detached;
use crate::{decode, open, timestamp};
use litestash_core::{
    Action, Condition, ErrorKind, KeyRef, LiteStash, Op, Outcome as Answer, Peek, SetOptions,
};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// The base of LiteStash: everything that is done in the engine.
#[pyclass(subclass, frozen, weakref, module = "litestash._litestash")]
pub(crate) struct Stash {
    handle: OnceLock<Arc<Handle>>,
}

/// A row: its value and what belongs to it.
#[pyclass(frozen, get_all, module = "litestash")]
pub(crate) struct Entry {
    /// The value.
    value: Py<PyAny>,
    /// The row's version: Unix time of its last write in microseconds.
    version: i64,
    /// When it ends, or None.
    expires_at: Option<Py<PyAny>>,
    /// How long after its last use it ends, if its deadline slides.
    idle: Option<Py<PyAny>>,
    /// Bytes of the value's encoding.
    size: usize,
}

#[pymethods]
impl Entry {
    fn __repr__(&self) -> String {
        format!("<Entry of {} bytes, version {}>", self.size, self.version)
    }
}

pub(crate) fn entry(py: Python<'_>, row: &litestash_core::Entry) -> PyResult<Entry> {
    let idle = row.idle_us.map(|us| timestamp::timedelta(py, us)).transpose()?;
    let expires_at = row.expires_at.map(|at| timestamp::object_of_us(py, at)).transpose()?;
    Ok(Entry {
        value: decode::object(py, &row.encoded)?.unbind(),
        version: row.version.micros(),
        expires_at: expires_at.map(Bound::unbind),
        idle: idle.map(Bound::unbind),
        size: row.size_bytes(),
    })
}

impl Stash {
    #[inline]
    pub(crate) fn handle(&self, py: Python<'_>) -> PyResult<&Arc<Handle>> {
        self.handle
            .get()
            .ok_or_else(|| invalid(py, "the stash is not open: __init__ of LiteStash was not called"))
    }

    /// Runs an operation while other threads use the interpreter.
    pub(crate) fn run<T: Send>(
        &self,
        py: Python<'_>,
        f: impl Fn(&LiteStash) -> Outcome<T> + Send + Sync,
    ) -> PyResult<T> {
        let handle = self.handle(py)?;
        detached(py, || handle.run(f)).raise(py)
    }

    /// The value of a key; at once if the cache has it.
    #[inline]
    pub(crate) fn find<'py>(&self, py: Python<'py>, key: KeyRef<'_>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let handle = self.handle(py)?;
        match handle.stash().peek_encoded(key, |body| decode::object(py, body)) {
            Ok(Peek::Found(value)) => value.map(Some),
            Ok(Peek::Missing) => Ok(None),
            Ok(Peek::Unknown) => self.read(py, key),
            Err(error) if error.kind() == ErrorKind::Forked => self.read(py, key),
            Err(error) => Err(raised(py, &error)),
        }
    }

    #[cold]
    fn read<'py>(&self, py: Python<'py>, key: KeyRef<'_>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.run(py, |stash| stash.get_encoded(key))?;
        found.map(|body| decode::object(py, &body)).transpose()
    }

    fn write(&self, py: Python<'_>, key: &Bound<'_, PyAny>, action: Action) -> PyResult<Answer> {
        let op = Op::new(crate::key::owned(key)?, action).raise(py)?;
        self.run(py, |stash| stash.perform(&op))
    }

    fn flag(&self, py: Python<'_>, key: &Bound<'_, PyAny>, action: Action) -> PyResult<bool> {
        Ok(self.write(py, key, action)? == Answer::Flag(true))
    }

    /// Stores what was encoded. Returns the version.
    fn put(
        &self,
        py: Python<'_>,
        key: KeyRef<'_>,
        body: Vec<u8>,
        options: SetOptions,
    ) -> PyResult<Option<i64>> {
        let handle = self.handle(py)?;
        let stored = detached(py, || handle.ready()?.set_encoded(key, body, options));
        Ok(stored.raise(py)?.map(|version| version.micros()))
    }
}

static LOAD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What `litestash._typed.load` makes of a value for a type.
#[cold]
pub(crate) fn load<'py>(value: Bound<'py, PyAny>, kind: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    let load =
        LOAD.get_or_try_init(py, || py.import("litestash._typed")?.getattr("load").map(Bound::unbind))?;
    load.bind(py).call1((kind, value))
}

fn typed<'py>(value: Bound<'py, PyAny>, kind: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    match kind {
        None => Ok(value),
        Some(kind) => load(value, kind),
    }
}

#[pymethods]
impl Stash {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyAny>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self { handle: OnceLock::new() }
    }

    /// Opens the stash; for `__init__`.
    fn _open(&self, py: Python<'_>, path: Option<PathBuf>, options: &Bound<'_, PyDict>) -> PyResult<()> {
        if self.handle.get().is_some() {
            return Err(invalid(py, "the stash is open already"));
        }
        let handle = open::open(path, options)?;
        self.handle.set(Arc::new(handle)).map_err(|_| invalid(py, "the stash is open already"))
    }

    /// Becomes the bucket of that name; for `bucket`.
    fn _open_bucket(
        &self,
        py: Python<'_>,
        parent: &Bound<'_, Self>,
        name: &str,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let options = open::bucket_options(options)?;
        let parent = parent.get().handle(py)?;
        let handle = detached(py, || parent.bucket(name, options)).raise(py)?;
        #[cfg(feature = "testing")]
        let handle = handle.with_clock(parent.clock.clone());
        self.handle.set(Arc::new(handle)).map_err(|_| invalid(py, "the stash is open already"))
    }

    /// Becomes a handle with another durability; for `with_durability`.
    fn _open_level(&self, py: Python<'_>, parent: &Bound<'_, Self>, level: &str) -> PyResult<()> {
        let level = open::level(py, level)?;
        let parent = parent.get().handle(py)?;
        let handle = detached(py, || parent.with_durability(level)).raise(py)?;
        self.handle.set(Arc::new(handle)).map_err(|_| invalid(py, "the stash is open already"))
    }

    #[pyo3(signature = (key, default = None, *, r#type = None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
        r#type: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match with_key(key, |key| self.find(py, key))? {
            Some(value) => typed(value, r#type),
            None => Ok(default.unwrap_or_else(|| py.None().into_bound(py))),
        }
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match with_key(key, |key| self.find(py, key))? {
            Some(value) => Ok(value),
            None => Err(PyKeyError::new_err((key.clone().unbind(),))),
        }
    }

    fn __contains__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        with_key(key, |key| match self.handle(py)?.stash().peek_encoded(key, |_| ()) {
            Ok(Peek::Found(())) => Ok(true),
            Ok(Peek::Missing) => Ok(false),
            _ => self.run(py, |stash| stash.exists(key)),
        })
    }

    fn __setitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        with_key(key, |key| self.put(py, key, encoded(value)?, SetOptions::default()).map(drop))
    }

    fn __delitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.delete(py, key)? { Ok(()) } else { Err(PyKeyError::new_err((key.clone().unbind(),))) }
    }

    #[pyo3(signature = (key, value, *, ttl = None, idle = None, expires_at = None, keep_ttl = false,
        if_absent = false, if_present = false, if_version = None))]
    #[expect(clippy::too_many_arguments, reason = "the keywords of the method in Python")]
    fn set(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        idle: Option<&Bound<'_, PyAny>>,
        expires_at: Option<&Bound<'_, PyAny>>,
        keep_ttl: bool,
        if_absent: bool,
        if_present: bool,
        if_version: Option<i64>,
    ) -> PyResult<Option<i64>> {
        let deadline = deadline(py, ttl, idle, expires_at)?;
        let condition = condition(py, if_absent, if_present, if_version)?;
        let options = SetOptions { deadline, keep_ttl, condition };
        with_key(key, |key| self.put(py, key, encoded(value)?, options))
    }

    #[pyo3(signature = (key, value, *, ttl = None, idle = None, expires_at = None))]
    fn add(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        idle: Option<&Bound<'_, PyAny>>,
        expires_at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let deadline = deadline(py, ttl, idle, expires_at)?;
        let options = SetOptions { condition: Condition::Absent, ..set_options(deadline) };
        with_key(key, |key| Ok(self.put(py, key, encoded(value)?, options)?.is_some()))
    }

    #[pyo3(signature = (key, value, *, ttl = None, idle = None, expires_at = None))]
    fn replace(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        idle: Option<&Bound<'_, PyAny>>,
        expires_at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let deadline = deadline(py, ttl, idle, expires_at)?;
        let options = SetOptions { condition: Condition::Present, ..set_options(deadline) };
        with_key(key, |key| Ok(self.put(py, key, encoded(value)?, options)?.is_some()))
    }

    fn delete(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        with_key(key, |key| self.run(py, |stash| stash.delete(key)))
    }

    #[pyo3(signature = (key, default = None, *, r#type = None))]
    fn take<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
        r#type: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.write(py, key, Action::Take)? {
            Answer::Value(Some(body)) => typed(decode::object(py, &body)?, r#type),
            _ => Ok(default.unwrap_or_else(|| py.None().into_bound(py))),
        }
    }

    #[pyo3(signature = (key, by = None))]
    fn incr<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        by: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let by = by.map_or(Ok(Action::Increment(1)), crate::batch::increment)?;
        let answer = self.write(py, key, by)?;
        crate::batch::object(py, answer)
    }

    fn compare_and_set(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        expected: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        self.flag(py, key, crate::batch::compare_and_set(expected, value)?)
    }

    /// Whether memory knows about a key, and its value or MISSING.
    fn _peek<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<(bool, Bound<'py, PyAny>)> {
        let missing = || crate::batch::missing(py);
        with_key(key, |key| {
            match self.handle(py)?.stash().peek_encoded(key, |body| decode::object(py, body)) {
                Ok(Peek::Found(value)) => Ok((true, value?)),
                Ok(Peek::Missing) => Ok((true, missing()?)),
                Ok(Peek::Unknown) => Ok((false, missing()?)),
                Err(error) if error.kind() == ErrorKind::Forked => Ok((false, missing()?)),
                Err(error) => Err(raised(py, &error)),
            }
        })
    }

    #[pyo3(signature = (key, ttl = None, *, idle = None, expires_at = None))]
    fn expire(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        ttl: Option<&Bound<'_, PyAny>>,
        idle: Option<&Bound<'_, PyAny>>,
        expires_at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        self.flag(py, key, crate::batch::expire(py, ttl, idle, expires_at)?)
    }

    fn persist(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.flag(py, key, Action::Persist)
    }

    fn touch(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.flag(py, key, Action::Touch)
    }

    fn entry(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<Entry>> {
        let row = with_key(key, |key| self.run(py, |stash| stash.entry(key)))?;
        row.map(|row| entry(py, &row)).transpose()
    }

    fn expires_at<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match with_key(key, |key| self.run(py, |stash| stash.expires_at(key)))? {
            None => Err(PyKeyError::new_err((key.clone().unbind(),))),
            Some(deadline) => deadline.map(|at| timestamp::object_of_us(py, at)).transpose(),
        }
    }

    fn ttl(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
        match with_key(key, |key| self.run(py, |stash| stash.ttl(key)))? {
            None => Err(PyKeyError::new_err((key.clone().unbind(),))),
            Some(left) => Ok(left.map(|left| left.as_secs_f64())),
        }
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(handle) = self.handle.get() else { return Ok(()) };
        detached(py, || handle.close()).raise(py)
    }

    #[getter]
    fn closed(&self) -> bool {
        self.handle.get().is_none_or(|handle| handle.is_closed())
    }

    #[getter]
    fn path(&self, py: Python<'_>) -> PyResult<Option<PathBuf>> {
        Ok(self.handle(py)?.stash().path().map(PathBuf::from))
    }

    #[getter]
    fn is_in_memory(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.handle(py)?.is_in_memory())
    }

    #[getter]
    fn is_read_only(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.handle(py)?.stash().is_read_only())
    }
}
