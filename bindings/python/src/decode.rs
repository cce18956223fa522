//! Canonical MessagePack to Python's objects.

use crate::error::refused;
use crate::names::{self, Names};
use crate::timestamp;
use litestash_core::contract::limits::DEPTH_MAX;
use litestash_core::contract::msgpack::read::{Reader, Token};
use litestash_core::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyList, PyString};

/// The object that an encoded value stands for. What is not canonical is `Corrupt`.
pub(crate) fn object<'py>(py: Python<'py>, encoded: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut reader = Reader::new(encoded);
    let mut names = names::known();
    let value = value(py, &mut reader, names.as_deref_mut(), 0)?;
    if reader.rest().is_empty() { Ok(value) } else { Err(damaged(py)) }
}

fn value<'py>(
    py: Python<'py>,
    reader: &mut Reader<'_>,
    mut names: Option<&mut Names>,
    depth: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let token = reader.token().map_err(|_: Error| damaged(py))?;
    Ok(match token {
        Token::Nil => py.None().into_bound(py),
        Token::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
        Token::Int(int) => int.into_pyobject(py)?.into_any(),
        Token::Uint(int) => int.into_pyobject(py)?.into_any(),
        Token::Float(float) => PyFloat::new(py, float).into_any(),
        Token::Text(text) => PyString::new(py, text).into_any(),
        Token::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Token::Timestamp(moment) => timestamp::object(py, moment)?,
        Token::Vector(payload) => vector(py, payload)?,
        Token::Array(len) => {
            let depth = deeper(py, depth)?;
            let list = PyList::empty(py);
            for _ in 0..len {
                list.append(value(py, reader, names.as_deref_mut(), depth)?)?;
            }
            list.into_any()
        }
        Token::Map(len) => {
            let depth = deeper(py, depth)?;
            let map = PyDict::new(py);
            for _ in 0..len {
                let Ok(Token::Text(key)) = reader.token() else { return Err(damaged(py)) };
                let key = match &mut names {
                    Some(names) => names.get(py, key),
                    None => PyString::new(py, key),
                };
                map.set_item(key, value(py, reader, names.as_deref_mut(), depth)?)?;
            }
            map.into_any()
        }
    })
}

static ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// An `array('f')`.
fn vector<'py>(py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let array = ARRAY.get_or_try_init(py, || py.import("array")?.getattr("array").map(Bound::unbind))?;
    let array = array.bind(py).call1(("f", PyBytes::new(py, payload)))?;
    if cfg!(target_endian = "big") {
        array.call_method0("byteswap")?;
    }
    Ok(array)
}

fn deeper(py: Python<'_>, depth: usize) -> PyResult<usize> {
    if depth >= DEPTH_MAX { Err(damaged(py)) } else { Ok(depth + 1) }
}

#[cold]
fn damaged(py: Python<'_>) -> PyErr {
    refused(py, ErrorKind::Corrupt, "the stored value is not canonical")
}
