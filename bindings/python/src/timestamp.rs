//! Moments: Python's aware `datetime`, and `Timestamp` for those it cannot hold.

use crate::error::{invalid, refused};
use litestash_core::{ErrorKind, Timestamp as Moment};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyAnyMethods, PyType};

/// A moment that no `datetime` can hold: finer than microseconds, or outside the years 1 to 9999.
///
/// `seconds` are whole seconds since 1970-01-01T00:00:00Z, rounded down; `nanoseconds` come after them, 0 to 999999999.
///
/// >>> Timestamp(1, 5)
/// Timestamp(1, 5)
#[pyclass(frozen, eq, ord, hash, module = "litestash", from_py_object)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp {
    #[pyo3(get)]
    seconds: i64,
    #[pyo3(get)]
    nanoseconds: u32,
}

#[pymethods]
impl Timestamp {
    #[new]
    #[pyo3(signature = (seconds, nanoseconds = 0))]
    fn new(py: Python<'_>, seconds: i64, nanoseconds: u32) -> PyResult<Self> {
        match Moment::new(seconds, nanoseconds) {
            Some(_) => Ok(Self { seconds, nanoseconds }),
            None => Err(invalid(py, "nanoseconds are 0 to 999999999")),
        }
    }

    fn __repr__(&self) -> String {
        format!("Timestamp({}, {})", self.seconds, self.nanoseconds)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (i64, u32)) {
        let this = slf.get();
        (slf.get_type(), (this.seconds, this.nanoseconds))
    }
}

impl Timestamp {
    pub(crate) fn moment(self) -> Option<Moment> {
        Moment::new(self.seconds, self.nanoseconds)
    }

    /// Microseconds since 1970, if it has no finer part and they fit.
    pub(crate) fn micros(self) -> Option<i64> {
        let micros = i128::from(self.seconds) * 1_000_000 + i128::from(self.nanoseconds / 1000);
        if self.nanoseconds % 1000 == 0 { i64::try_from(micros).ok() } else { None }
    }
}

/// What is looked up in `datetime` once.
struct Module {
    datetime: Py<PyAny>,
    timedelta: Py<PyAny>,
    epoch: Py<PyAny>,
}

static MODULE: PyOnceLock<Module> = PyOnceLock::new();

fn module(py: Python<'_>) -> PyResult<&'static Module> {
    MODULE.get_or_try_init(py, || {
        let module = py.import("datetime")?;
        let datetime = module.getattr("datetime")?;
        let utc = module.getattr("timezone")?.getattr("utc")?;
        let epoch = datetime.call1((1970, 1, 1, 0, 0, 0, 0, utc))?;
        let timedelta = module.getattr("timedelta")?;
        Ok(Module { datetime: datetime.unbind(), timedelta: timedelta.unbind(), epoch: epoch.unbind() })
    })
}

/// Whether an object is a `datetime`.
pub(crate) fn is_datetime(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    object.is_instance(module(object.py())?.datetime.bind(object.py()))
}

/// Whether an object is a `timedelta`.
pub(crate) fn is_timedelta(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    object.is_instance(module(object.py())?.timedelta.bind(object.py()))
}

/// Microseconds of a `timedelta`, exactly.
pub(crate) fn timedelta_us(object: &Bound<'_, PyAny>) -> PyResult<i128> {
    let part = |name: &str| object.getattr(name)?.extract::<i64>().map(i128::from);
    Ok((part("days")? * 86_400 + part("seconds")?) * 1_000_000 + part("microseconds")?)
}

/// The `timedelta` of that many microseconds.
pub(crate) fn timedelta(py: Python<'_>, us: u64) -> PyResult<Bound<'_, PyAny>> {
    let (days, rest) = (us / 86_400_000_000, us % 86_400_000_000);
    module(py)?.timedelta.bind(py).call1((days, rest / 1_000_000, rest % 1_000_000))
}

/// Microseconds since 1970 of an aware `datetime`.
pub(crate) fn datetime_us(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = object.py();
    if object.call_method0("utcoffset")?.is_none() {
        return Err(refused(
            py,
            ErrorKind::InvalidValue,
            "a datetime needs a time zone, such as datetime.timezone.utc; this one has none",
        ));
    }
    let since = object.sub(module(py)?.epoch.bind(py))?;
    i64::try_from(timedelta_us(&since)?).map_err(|_| invalid(py, "the datetime is out of range"))
}

/// The moment of an aware `datetime`.
pub(crate) fn moment(object: &Bound<'_, PyAny>) -> PyResult<Moment> {
    let us = datetime_us(object)?;
    let nanoseconds = u32::try_from(us.rem_euclid(1_000_000) * 1000).unwrap_or_default();
    Moment::new(us.div_euclid(1_000_000), nanoseconds)
        .ok_or_else(|| invalid(object.py(), "the datetime is out of range"))
}

/// The `datetime` of a moment, in UTC, or a `Timestamp` where there is none.
pub(crate) fn object(py: Python<'_>, moment: Moment) -> PyResult<Bound<'_, PyAny>> {
    let (seconds, nanoseconds) = (moment.seconds(), moment.nanoseconds());
    // Years 1 to 9999.
    if nanoseconds % 1000 == 0 && (-62_135_596_800..=253_402_300_799).contains(&seconds) {
        let module = module(py)?;
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let since = module.timedelta.bind(py).call1((days, rest, nanoseconds / 1000))?;
        return module.epoch.bind(py).add(since);
    }
    Ok(Timestamp { seconds, nanoseconds }.into_pyobject(py)?.into_any())
}

/// [`object`] for microseconds since 1970.
pub(crate) fn object_of_us(py: Python<'_>, us: i64) -> PyResult<Bound<'_, PyAny>> {
    let nanoseconds = u32::try_from(us.rem_euclid(1_000_000) * 1000).unwrap_or_default();
    match Moment::new(us.div_euclid(1_000_000), nanoseconds) {
        Some(moment) => object(py, moment),
        None => Err(invalid(py, "the time is out of range")),
    }
}
