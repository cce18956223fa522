//! Spans and deadlines as Python gives them: seconds as `int` or `float`, `timedelta`, aware `datetime`.

use crate::error::invalid;
use crate::timestamp::{self, Timestamp};
use litestash_core::{Condition, Deadline, SetOptions, Version};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};
use std::time::Duration;

/// A time to live, or for ever.
pub(crate) enum Span {
    For(Duration),
    Forever,
}

const NO_SPAN: &str = "a time is a number of seconds above 0, or a timedelta";

/// The span of seconds or a `timedelta`; `math.inf` is for ever.
pub(crate) fn span(object: &Bound<'_, PyAny>) -> PyResult<Span> {
    let py = object.py();
    let no_span = || invalid(py, NO_SPAN);
    if timestamp::is_timedelta(object)? {
        let us = timestamp::timedelta_us(object)?;
        return u64::try_from(us).map(|us| Span::For(Duration::from_micros(us))).map_err(|_| no_span());
    }
    if object.is_instance_of::<PyInt>() {
        return object
            .extract()
            .map(|seconds| Span::For(Duration::from_secs(seconds)))
            .map_err(|_| no_span());
    }
    if let Ok(seconds) = object.cast::<PyFloat>() {
        let seconds = seconds.value();
        if seconds == f64::INFINITY {
            return Ok(Span::Forever);
        }
        // Whole microseconds, so that what looks decimal stays so.
        let us = (seconds * 1e6).round();
        if us.is_finite() && us >= 0.0 && us < 9e18 {
            return Ok(Span::For(Duration::from_micros(us as u64)));
        }
    }
    Err(no_span())
}

/// A span that ends.
pub(crate) fn duration(object: &Bound<'_, PyAny>) -> PyResult<Duration> {
    match span(object)? {
        Span::For(duration) => Ok(duration),
        Span::Forever => Err(invalid(object.py(), NO_SPAN)),
    }
}

/// The deadline that at most one of the three says.
pub(crate) fn deadline(
    py: Python<'_>,
    ttl: Option<&Bound<'_, PyAny>>,
    idle: Option<&Bound<'_, PyAny>>,
    expires_at: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<Deadline>> {
    match (ttl, idle, expires_at) {
        (None, None, None) => Ok(None),
        (Some(ttl), None, None) => Ok(Some(match span(ttl)? {
            Span::For(ttl) => Deadline::In(ttl),
            Span::Forever => Deadline::Never,
        })),
        (None, Some(idle), None) => duration(idle).map(|idle| Some(Deadline::Idle(idle))),
        (None, None, Some(at)) => moment_us(at).map(|at| Some(Deadline::At(at))),
        _ => Err(invalid(py, "of ttl, idle and expires_at only one can be given")),
    }
}

/// Unix time in microseconds of an aware `datetime`, a `Timestamp`, or seconds.
fn moment_us(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = object.py();
    let out_of_range = || invalid(py, "expires_at is out of range");
    if let Ok(timestamp) = object.cast::<Timestamp>() {
        return timestamp.get().micros().ok_or_else(out_of_range);
    }
    if timestamp::is_datetime(object)? {
        return timestamp::datetime_us(object);
    }
    if object.is_instance_of::<PyInt>() {
        let seconds: i64 = object.extract().map_err(|_| out_of_range())?;
        return seconds.checked_mul(1_000_000).ok_or_else(out_of_range);
    }
    if let Ok(seconds) = object.cast::<PyFloat>() {
        let us = (seconds.value() * 1e6).round();
        return if us.abs() < 9e18 { Ok(us as i64) } else { Err(out_of_range()) };
    }
    Err(invalid(py, "expires_at is an aware datetime, or Unix time in seconds"))
}

/// The condition that at most one of the three says.
pub(crate) fn condition(
    py: Python<'_>,
    if_absent: bool,
    if_present: bool,
    if_version: Option<i64>,
) -> PyResult<Condition> {
    match (if_absent, if_present, if_version) {
        (false, false, None) => Ok(Condition::Always),
        (true, false, None) => Ok(Condition::Absent),
        (false, true, None) => Ok(Condition::Present),
        (false, false, Some(version)) => Ok(Condition::Version(Version::from_micros(version))),
        _ => Err(invalid(py, "of if_absent, if_present and if_version only one can be given")),
    }
}

/// The options of a set without a condition.
pub(crate) fn set_options(deadline: Option<Deadline>) -> SetOptions {
    SetOptions { deadline, ..SetOptions::default() }
}
