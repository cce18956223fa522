//! Keys of memoized calls: the same for equal arguments of equal types, and for nothing else.

use crate::error::refused;
use crate::stash::Stash;
use crate::timestamp;
use litestash_core::contract::hash::KeyHash;
use litestash_core::contract::limits::{DEPTH_MAX, KEY_BYTES_MAX};
use litestash_core::contract::msgpack::write;
use litestash_core::{ErrorKind, KeyRef};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

/// MessagePack never begins a value with this byte; what follows names a type that it does not know.
const OTHER: u8 = 0xc1;

#[pymethods]
impl Stash {
    /// The key of a call: `prefix`, and the arguments. What is too long for a key is hashed.
    #[staticmethod]
    fn _memo_key<'py>(
        py: Python<'py>,
        prefix: &[u8],
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &memo_key(prefix, args, kwargs)?))
    }

    /// The value of a memoized call, or `default`.
    fn _memo_get<'py>(
        &self,
        py: Python<'py>,
        prefix: &[u8],
        args: &Bound<'py, PyTuple>,
        default: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let key = memo_key(prefix, args, None)?;
        Ok(self.find(py, KeyRef::Bytes(&key))?.unwrap_or(default))
    }
}

fn memo_key(
    prefix: &[u8],
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(prefix.len() + 64);
    out.extend_from_slice(prefix);
    for argument in args.iter() {
        part(&mut out, &argument, 0)?;
    }
    if let Some(kwargs) = kwargs.filter(|kwargs| !kwargs.is_empty()) {
        // Another mark than that of a dictionary among the arguments.
        out.extend_from_slice(&[OTHER, b'k']);
        part(&mut out, kwargs.as_any(), 0)?;
    }
    if out.len() > KEY_BYTES_MAX {
        let hash = KeyHash::of(KeyRef::Bytes(&out));
        out.truncate(prefix.len());
        out.push(OTHER);
        out.push(b'#');
        out.extend_from_slice(&hash.0);
    }
    Ok(out)
}

fn part(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    let py = value.py();
    if depth > DEPTH_MAX {
        return Err(refused(py, ErrorKind::InvalidKey, "an argument is nested too deeply for a key"));
    }
    // Exact types only: an instance of a subclass is another argument.
    if let Ok(text) = value.cast_exact::<PyString>() {
        let bytes = text.to_str().map_err(|_| {
            refused(py, ErrorKind::InvalidKey, "an argument is text that is not valid Unicode")
        })?;
        return tagged(out, 's', bytes.as_bytes());
    }
    if value.is_none() {
        write::nil(out);
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        write::bool(out, flag.is_true());
    } else if let Ok(int) = value.cast_exact::<PyInt>() {
        match int.extract::<i64>() {
            Ok(int) => write::int(out, int),
            Err(_) => return tagged(out, 'i', int.str()?.to_str()?.as_bytes()),
        }
    } else if let Ok(float) = value.cast_exact::<PyFloat>() {
        write::float(out, float.value());
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        return tagged(out, 'b', bytes.as_bytes());
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        return parts(out, 'l', list.len(), list.iter(), depth);
    } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        return parts(out, 't', tuple.len(), tuple.iter(), depth);
    } else if let Ok(map) = value.cast_exact::<PyDict>() {
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map.iter() {
            let mut entry = Vec::new();
            part(&mut entry, &key, depth + 1)?;
            part(&mut entry, &value, depth + 1)?;
            entries.push(entry);
        }
        sorted(out, 'd', entries);
    } else {
        return rarer(out, value, depth);
    }
    Ok(())
}

static ARGUMENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What `litestash._plain.argument` says of an object: its class's name, and what tells it from others of its class.
#[cold]
fn rarer(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    let py = value.py();
    if timestamp::is_datetime(value)? && !value.call_method0("utcoffset")?.is_none() {
        out.extend_from_slice(&[OTHER, b'T']);
        write::timestamp(out, timestamp::moment(value)?);
        return Ok(());
    }
    let function = ARGUMENT
        .get_or_try_init(py, || py.import("litestash._plain")?.getattr("argument").map(Bound::unbind))?;
    let (name, is_set, inner): (String, bool, Bound<'_, PyAny>) =
        function.bind(py).call1((value,))?.extract()?;
    tagged(out, 'o', name.as_bytes())?;
    if is_set {
        let mut entries = Vec::new();
        for member in inner.try_iter()? {
            let mut entry = Vec::new();
            part(&mut entry, &member?, depth + 1)?;
            entries.push(entry);
        }
        sorted(out, 'S', entries);
        return Ok(());
    }
    part(out, &inner, depth + 1)
}

fn tagged(out: &mut Vec<u8>, tag: char, bytes: &[u8]) -> PyResult<()> {
    out.extend_from_slice(&[OTHER, tag as u8]);
    write::uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    Ok(())
}

fn parts<'py>(
    out: &mut Vec<u8>,
    tag: char,
    len: usize,
    members: impl Iterator<Item = Bound<'py, PyAny>>,
    depth: usize,
) -> PyResult<()> {
    out.extend_from_slice(&[OTHER, tag as u8]);
    write::uint(out, len as u64);
    for member in members {
        part(out, &member, depth + 1)?;
    }
    Ok(())
}

fn sorted(out: &mut Vec<u8>, tag: char, mut entries: Vec<Vec<u8>>) {
    entries.sort_unstable();
    out.extend_from_slice(&[OTHER, tag as u8]);
    write::uint(out, entries.len() as u64);
    for entry in entries {
        out.extend_from_slice(&entry);
    }
}
