//! Keys of maps that were decoded before: the same few names come again and again, and to find one costs less than to
//! make one. As objects they also know their hash already.

use pyo3::prelude::*;
use pyo3::types::PyString;
use std::sync::{Mutex, MutexGuard};

/// Longer names are made anew each time, in bytes of UTF-8.
const NAME_BYTES_MAX: usize = 40;

/// How many are kept; one goes when another needs its place.
const NAMES: usize = 1024;

/// Names by their hash.
pub(crate) struct Names([Option<Py<PyString>>; NAMES]);

static KNOWN: Mutex<Names> = Mutex::new(Names([const { None }; NAMES]));

/// Those of this process, unless somebody uses them: another thread, or code that runs while an object is made.
pub(crate) fn known() -> Option<MutexGuard<'static, Names>> {
    KNOWN.try_lock().ok()
}

impl Names {
    /// The text as an object.
    pub(crate) fn get<'py>(&mut self, py: Python<'py>, name: &str) -> Bound<'py, PyString> {
        if name.len() > NAME_BYTES_MAX {
            return PyString::new(py, name);
        }
        let Some(place) = self.0.get_mut(place(name.as_bytes())) else { return PyString::new(py, name) };
        if let Some(known) = place
            && known.bind(py).to_str().is_ok_and(|known| known == name)
        {
            return known.bind(py).clone();
        }
        let made = PyString::new(py, name);
        *place = Some(made.clone().unbind());
        made
    }
}

/// Where a name is kept. Whoever makes names meet in one place makes them slow, and nothing else.
fn place(name: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let hash = name.chunks(8).fold(name.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash ^ u64::from_le_bytes(word)).wrapping_mul(ODD).rotate_left(29)
    });
    (hash >> 7) as usize % NAMES
}
