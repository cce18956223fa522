//! Keys: `str`, `int`, `float` and `bytes`. As in a `dict`, `1`, `1.0` and `True` are one key.

use crate::error::{Raise, refused};
use litestash_core::{ErrorKind, Key, KeyRef};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyFloat, PyInt, PyString};

/// Calls `f` with the key that an object is.
#[inline]
pub(crate) fn with_key<R>(
    object: &Bound<'_, PyAny>,
    f: impl FnOnce(KeyRef<'_>) -> PyResult<R>,
) -> PyResult<R> {
    let py = object.py();
    if let Ok(text) = object.cast::<PyString>() {
        return f(KeyRef::Text(text.to_str().map_err(|_| lone_surrogate(py))?).check().raise(py)?);
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return f(KeyRef::Bytes(bytes.as_bytes()).check().raise(py)?);
    }
    if object.is_instance_of::<PyInt>() {
        return f(KeyRef::Int(int(object)?));
    }
    if let Ok(float) = object.cast::<PyFloat>() {
        return f(KeyRef::float(float.value()).raise(py)?);
    }
    if let Ok(bytes) = object.cast::<PyByteArray>() {
        return f(KeyRef::Bytes(&bytes.to_vec()).check().raise(py)?);
    }
    Err(no_key(object))
}

fn int(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    object.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(object.py()) {
            return refused(object.py(), ErrorKind::InvalidKey, "an integer key must fit 64 signed bits");
        }
        error
    })
}

#[cold]
fn lone_surrogate(py: Python<'_>) -> PyErr {
    refused(py, ErrorKind::InvalidKey, "the text is not valid Unicode: it has a lone surrogate")
}

#[cold]
fn no_key(object: &Bound<'_, PyAny>) -> PyErr {
    let name = object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    refused(object.py(), ErrorKind::InvalidKey, format!("a key is str, int, float or bytes, not {name}"))
}

/// The key that an object is, for itself.
pub(crate) fn owned(object: &Bound<'_, PyAny>) -> PyResult<Key> {
    with_key(object, |key| Ok(key.to_owned()))
}

/// The Python object of a key.
pub(crate) fn object<'py>(py: Python<'py>, key: &Key) -> PyResult<Bound<'py, PyAny>> {
    Ok(match key.as_ref() {
        KeyRef::Text(text) => PyString::new(py, text).into_any(),
        KeyRef::Int(int) => int.into_pyobject(py)?.into_any(),
        KeyRef::Float(float) => PyFloat::new(py, float.get()).into_any(),
        KeyRef::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
    })
}

/// A key that came from elsewhere than Python's own objects.
#[cfg(feature = "testing")]
pub(crate) fn checked(py: Python<'_>, key: litestash_core::Result<Key>) -> PyResult<Bound<'_, PyAny>> {
    object(py, &key.raise(py)?)
}
