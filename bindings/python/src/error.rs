//! Errors as Python sees them: one exception class for each kind, generated into `litestash/_errors.py`.

use litestash_core::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// The result of the engine's operations.
pub(crate) type Outcome<T> = litestash_core::Result<T>;

static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// The exception of an error.
#[cold]
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    if error.kind() == ErrorKind::Closed {
        crate::wait::hold_if_left_behind(py);
    }
    exception(py, error).unwrap_or_else(|failed| failed)
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let classes = CLASSES.get_or_try_init(py, || {
        let table = py.import("litestash._errors")?.getattr("BY_NUMBER")?;
        Ok::<_, PyErr>(table.cast_into::<PyDict>()?.unbind())
    })?;
    let class = classes.bind(py).as_any().get_item(error.kind().number())?;
    Ok(PyErr::from_value(class.call1((error.message(),))?))
}

/// An error of that kind, raised.
#[cold]
pub(crate) fn refused(
    py: Python<'_>,
    kind: ErrorKind,
    message: impl Into<std::borrow::Cow<'static, str>>,
) -> PyErr {
    raised(py, &Error::new(kind, message))
}

/// An argument without meaning.
pub(crate) fn invalid(py: Python<'_>, message: &'static str) -> PyErr {
    refused(py, ErrorKind::InvalidArgument, message)
}

/// Errors of the engine, raised.
pub(crate) trait Raise<T> {
    /// The same result as Python's.
    fn raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> Raise<T> for Outcome<T> {
    #[inline]
    fn raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raised(py, &error))
    }
}
