//! Python's objects to canonical MessagePack.

use crate::error::{Raise, refused};
use crate::timestamp::{self, Timestamp};
use litestash_core::ErrorKind;
use litestash_core::contract::limits::{DEPTH_MAX, VALUES_MAX};
use litestash_core::contract::msgpack::write;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

/// The canonical encoding of a value.
pub(crate) fn encoded(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut encoder = Encoder { out: Vec::with_capacity(160), values: 0 };
    encoder.value(value, 0)?;
    Ok(encoder.out)
}

struct Encoder {
    out: Vec<u8>,
    values: usize,
}

impl Encoder {
    fn value(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        let py = value.py();
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(refused(
                py,
                ErrorKind::TooLarge,
                format!("the value holds more than {VALUES_MAX} values"),
            ));
        }
        if let Ok(text) = value.cast::<PyString>() {
            return self.text(text);
        }
        if let Ok(map) = value.cast::<PyDict>() {
            return self.map(map, deeper(py, depth)?);
        }
        if value.is_none() {
            write::nil(&mut self.out);
            return Ok(());
        }
        if let Ok(flag) = value.cast::<PyBool>() {
            write::bool(&mut self.out, flag.is_true());
            return Ok(());
        }
        if let Ok(int) = value.cast::<PyInt>() {
            return self.int(int);
        }
        if let Ok(float) = value.cast::<PyFloat>() {
            write::float(&mut self.out, float.value());
            return Ok(());
        }
        if let Ok(list) = value.cast::<PyList>() {
            return self.sequence(py, list.len(), list.iter(), deeper(py, depth)?);
        }
        if let Ok(bytes) = value.cast::<PyBytes>() {
            return write::bytes(&mut self.out, bytes.as_bytes()).raise(py);
        }
        self.rarer(value, depth)
    }

    fn rarer(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        let py = value.py();
        if let Ok(tuple) = value.cast::<PyTuple>() {
            return self.sequence(py, tuple.len(), tuple.iter(), deeper(py, depth)?);
        }
        if let Ok(bytes) = value.cast::<PyByteArray>() {
            return write::bytes(&mut self.out, &bytes.to_vec()).raise(py);
        }
        if timestamp::is_datetime(value)? {
            write::timestamp(&mut self.out, timestamp::moment(value)?);
            return Ok(());
        }
        if let Ok(timestamp) = value.cast::<Timestamp>() {
            if let Some(moment) = timestamp.get().moment() {
                write::timestamp(&mut self.out, moment);
            }
            return Ok(());
        }
        let (kind, plain) = plain(value)?;
        match kind {
            Plain::Vector => self.vector(&plain),
            Plain::Value => {
                self.values -= 1;
                // Not a container of the value, but what stands for it must end some time.
                self.value(&plain, deeper(py, depth)?)
            }
        }
    }

    fn text(&mut self, text: &Bound<'_, PyString>) -> PyResult<()> {
        write::text(&mut self.out, utf8(text)?).raise(text.py())
    }

    fn int(&mut self, int: &Bound<'_, PyInt>) -> PyResult<()> {
        if let Ok(int) = int.extract::<i64>() {
            write::int(&mut self.out, int);
        } else if let Ok(int) = int.extract::<u64>() {
            write::uint(&mut self.out, int);
        } else {
            return Err(refused(
                int.py(),
                ErrorKind::InvalidValue,
                "an integer below -2**63 or above 2**64 - 1 cannot be stored; keep it as text or bytes",
            ));
        }
        Ok(())
    }

    fn sequence<'py>(
        &mut self,
        py: Python<'py>,
        len: usize,
        elements: impl Iterator<Item = Bound<'py, PyAny>>,
        depth: usize,
    ) -> PyResult<()> {
        write::array_head(&mut self.out, len).raise(py)?;
        let mut left = len;
        for element in elements {
            left = left.checked_sub(1).ok_or_else(|| changed(py))?;
            self.value(&element, depth)?;
        }
        if left == 0 { Ok(()) } else { Err(changed(py)) }
    }

    /// Keys go in the order of their UTF-8 bytes.
    fn map(&mut self, map: &Bound<'_, PyDict>, depth: usize) -> PyResult<()> {
        let py = map.py();
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map.iter() {
            let key = key.cast_into::<PyString>().map_err(|_| {
                refused(py, ErrorKind::InvalidValue, "a dict that is stored has text keys only")
            })?;
            entries.push((key, value));
        }
        let mut sorted = Vec::with_capacity(entries.len());
        for (key, value) in &entries {
            sorted.push((utf8(key)?, value));
        }
        sorted.sort_unstable_by_key(|(key, _)| *key);
        // Keys of subclasses of str may be equal as text and yet be two.
        if sorted.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(refused(py, ErrorKind::InvalidValue, "a dict has two keys of the same text"));
        }
        write::map_head(&mut self.out, sorted.len()).raise(py)?;
        for (key, value) in sorted {
            write::text(&mut self.out, key).raise(py)?;
            self.value(value, depth)?;
        }
        Ok(())
    }

    /// The bytes of binary32 numbers in the machine's order.
    fn vector(&mut self, bytes: &Bound<'_, PyAny>) -> PyResult<()> {
        let chunks = bytes.cast::<PyBytes>()?.as_bytes().as_chunks::<4>().0;
        let numbers: Vec<_> = chunks.iter().map(|chunk| f32::from_ne_bytes(*chunk)).collect();
        write::vector(&mut self.out, &numbers).raise(bytes.py())
    }
}

enum Plain {
    Value,
    Vector,
}

static PLAIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What `litestash._plain.plain` makes of an object of another type: a value to store in its place, or a vector.
#[cold]
fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<(Plain, Bound<'py, PyAny>)> {
    let py = value.py();
    let function =
        PLAIN.get_or_try_init(py, || py.import("litestash._plain")?.getattr("plain").map(Bound::unbind))?;
    let (is_vector, plain): (bool, Bound<'py, PyAny>) = function.bind(py).call1((value,))?.extract()?;
    Ok((if is_vector { Plain::Vector } else { Plain::Value }, plain))
}

#[inline]
fn utf8<'a>(text: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    text.to_str().map_err(|_| {
        let reason = "the text is not valid Unicode: it has a lone surrogate";
        refused(text.py(), ErrorKind::InvalidValue, reason)
    })
}

fn deeper(py: Python<'_>, depth: usize) -> PyResult<usize> {
    if depth >= DEPTH_MAX {
        let reason = format!("the value is nested deeper than {DEPTH_MAX}, or holds itself");
        return Err(refused(py, ErrorKind::TooLarge, reason));
    }
    Ok(depth + 1)
}

#[cold]
fn changed(py: Python<'_>) -> PyErr {
    refused(py, ErrorKind::InvalidValue, "a list was changed while it was encoded")
}
