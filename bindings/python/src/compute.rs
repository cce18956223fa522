//! One computation per key.

use crate::deadline::{deadline, duration, set_options};
use crate::encode::encoded;
use crate::error::{Raise, raised};
use crate::key::{owned, with_key};
use crate::stash::Stash;
use crate::{decode, wait};
use litestash_core::{ComputeOptions, Error, ErrorKind};
use pyo3::prelude::*;
use std::cell::RefCell;
use std::sync::Mutex;

#[pymethods]
impl Stash {
    #[pyo3(signature = (key, compute, *, ttl = None, idle = None, expires_at = None, stale_while_revalidate = None,
        lease = None, across_processes = true))]
    #[expect(clippy::too_many_arguments, reason = "the keywords of the method in Python")]
    fn get_or_set<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        compute: &Bound<'py, PyAny>,
        ttl: Option<&Bound<'py, PyAny>>,
        idle: Option<&Bound<'py, PyAny>>,
        expires_at: Option<&Bound<'py, PyAny>>,
        stale_while_revalidate: Option<&Bound<'py, PyAny>>,
        lease: Option<&Bound<'py, PyAny>>,
        across_processes: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        if stale_while_revalidate.is_none()
            && let Some(found) = with_key(key, |key| self.find(py, key))?
        {
            return Ok(found);
        }
        let default = ComputeOptions::default();
        let options = ComputeOptions {
            set: set_options(deadline(py, ttl, idle, expires_at)?),
            across_processes,
            lease: lease.map_or(Ok(default.lease), duration)?,
            stale_while_revalidate: stale_while_revalidate.map(duration).transpose()?,
        };
        let key = owned(key)?;
        let handle = self.handle(py)?;
        let compute = compute.clone().unbind();
        // What the function raised goes to its own caller as it is; others who waited hear that it failed.
        let thrown = Mutex::new(None);
        let answer = wait::detached(py, || {
            handle.ready()?.get_or_set_encoded(key, options, || {
                Python::attach(|py| compute.bind(py).call0().and_then(|value| encoded(&value))).map_err(
                    |error| {
                        if let Ok(mut thrown) = thrown.lock() {
                            *thrown = Some(error);
                        }
                        Error::new(ErrorKind::ComputeFailed, "the computation of the value failed")
                    },
                )
            })
        });
        match answer {
            Ok(body) => decode::object(py, &body),
            Err(error) => Err(thrown.into_inner().ok().flatten().unwrap_or_else(|| raised(py, &error))),
        }
    }
}

/// Runs something long that asks now and then whether it goes on: not after Ctrl-C.
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    f: impl FnOnce(&dyn Fn() -> bool) -> litestash_core::Result<T> + Send,
) -> PyResult<T> {
    let (answer, interrupt) = wait::detached(py, || {
        let interrupt = RefCell::new(None);
        let answer = f(&|| {
            let signals = Python::attach(|py| py.check_signals());
            let goes_on = signals.is_ok();
            if let Err(error) = signals {
                interrupt.borrow_mut().get_or_insert(error);
            }
            goes_on
        });
        (answer, interrupt.into_inner())
    });
    match interrupt {
        Some(interrupt) => Err(interrupt),
        None => answer.raise(py),
    }
}
