//! Iterating over keys, values and items.

use crate::error::{Raise, invalid};
use crate::stash::Stash;
use crate::wait::detached;
use crate::{decode, key};
use litestash_core::{Cursor, EncodedItems, Keys, ScanOptions};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::{Mutex, TryLockError};

enum Rows {
    Keys(Keys),
    Values(EncodedItems),
    Items(EncodedItems),
}

/// An iterator over the keys, values or items of a stash.
///
/// Rows come in the order of their keys' hashes, each at most once. What is written meanwhile is seen if it lies ahead.
/// An exception stands for one damaged row, or for a shard that cannot be read; calling `next` again goes on behind it.
#[pyclass(frozen, module = "litestash._litestash")]
pub(crate) struct Scan(Mutex<Rows>);

enum Row {
    Key(litestash_core::Key),
    Value(Vec<u8>),
    Item(litestash_core::Key, Vec<u8>),
}

impl Rows {
    fn next(&mut self) -> Option<litestash_core::Result<Row>> {
        Some(match self {
            Self::Keys(keys) => keys.next()?.map(Row::Key),
            Self::Values(items) => items.next()?.map(|(_, body)| Row::Value(body)),
            Self::Items(items) => items.next()?.map(|(key, body)| Row::Item(key, body)),
        })
    }

    fn cursor(&self) -> Cursor {
        match self {
            Self::Keys(keys) => keys.cursor(),
            Self::Values(items) | Self::Items(items) => items.cursor(),
        }
    }
}

impl Scan {
    fn with<T: Send>(&self, py: Python<'_>, f: impl FnOnce(&mut Rows) -> T + Send) -> PyResult<T> {
        // Another thread that has it may wait for the interpreter's lock only behind this.
        detached(py, || match self.0.try_lock() {
            Ok(mut rows) => Some(f(&mut rows)),
            Err(TryLockError::Poisoned(rows)) => Some(f(&mut rows.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        })
        .ok_or_else(|| PyValueError::new_err("another thread uses this iterator"))
    }
}

#[pymethods]
impl Scan {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(row) = self.with(py, Rows::next)? else { return Ok(None) };
        Ok(Some(match row.raise(py)? {
            Row::Key(key) => key::object(py, &key)?,
            Row::Value(body) => decode::object(py, &body)?,
            Row::Item(key, body) => {
                PyTuple::new(py, [key::object(py, &key)?, decode::object(py, &body)?])?.into_any()
            }
        }))
    }

    /// The place behind the last row, to go on from later: text.
    #[getter]
    fn cursor(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |rows| rows.cursor().to_string())
    }
}

#[pymethods]
impl Stash {
    #[pyo3(signature = (what, prefix = None, limit = None, cursor = None))]
    fn _scan(
        &self,
        py: Python<'_>,
        what: &str,
        prefix: Option<String>,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> PyResult<Scan> {
        let cursor = cursor.unwrap_or_default().parse().raise(py)?;
        let options = ScanOptions { prefix, limit, cursor };
        let stash = self.handle(py)?.ready().raise(py)?;
        let rows = match what {
            "keys" => Rows::Keys(stash.keys(options)),
            "values" => Rows::Values(stash.items_encoded(options)),
            "items" => Rows::Items(stash.items_encoded(options)),
            _ => return Err(invalid(py, "keys, values or items")),
        };
        Ok(Scan(Mutex::new(rows)))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let rows = self.run(py, |stash| stash.len())?;
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.run(py, |stash| stash.is_empty()).map(|is_empty| !is_empty)
    }

    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, |stash| stash.clear())
    }
}
