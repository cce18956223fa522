//! How a stash is opened: the options by their names in Python.

use crate::deadline::{Span, duration, span};
use crate::error::{Outcome, Raise, invalid, refused};
use crate::handle::{Handle, Source};
use litestash_core::{BucketOptions, Durability, ErrorKind, Eviction, Limits, Options};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) fn level(py: Python<'_>, name: &str) -> PyResult<Durability> {
    match name {
        "normal" => Ok(Durability::Normal),
        "full" => Ok(Durability::Full),
        "relaxed" => Ok(Durability::Relaxed),
        _ => Err(invalid(py, "durability is 'normal', 'full' or 'relaxed'")),
    }
}

fn eviction(py: Python<'_>, name: &str) -> PyResult<Eviction> {
    match name {
        "none" => Ok(Eviction::None),
        "least-recently-stored" => Ok(Eviction::LeastRecentlyStored),
        "least-recently-used" => Ok(Eviction::LeastRecentlyUsed),
        "least-frequently-used" => Ok(Eviction::LeastFrequentlyUsed),
        "random" => Ok(Eviction::Random),
        _ => Err(invalid(
            py,
            "eviction is 'none', 'least-recently-stored', 'least-recently-used', 'least-frequently-used' or 'random'",
        )),
    }
}

/// One option after another; those that nobody asked for are wrong.
struct Given<'a, 'py>(&'a Bound<'py, PyDict>);

impl<'py> Given<'_, 'py> {
    fn take(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(value) = self.0.get_item(name)? else { return Ok(None) };
        self.0.del_item(name)?;
        Ok(Some(value))
    }

    fn flag(&self, name: &str, default: bool) -> PyResult<bool> {
        self.take(name)?.map_or(Ok(default), |value| value.extract())
    }

    fn level(&self) -> PyResult<Option<Durability>> {
        let name = self.take("durability")?.filter(|name| !name.is_none());
        name.map(|name| level(name.py(), name.cast::<PyString>()?.to_str()?)).transpose()
    }

    /// A whole number, 0 or more; `None` for `None`.
    fn number(&self, name: &'static str) -> PyResult<Option<u64>> {
        let value = self.take(name)?.filter(|value| !value.is_none());
        let refused =
            |py| refused(py, ErrorKind::InvalidArgument, format!("{name} is a whole number, 0 or more"));
        value.map(|value| value.extract().map_err(|_| refused(value.py()))).transpose()
    }

    /// A time to live as rows have it, if the option is there.
    fn ttl(&self) -> PyResult<Option<Option<Duration>>> {
        let Some(value) = self.take("default_ttl")? else { return Ok(None) };
        if value.is_none() {
            return Ok(Some(None));
        }
        Ok(Some(match span(&value)? {
            Span::For(ttl) => Some(ttl),
            Span::Forever => None,
        }))
    }

    fn limits(&self) -> PyResult<Limits> {
        let name = self.take("eviction")?.filter(|name| !name.is_none());
        let eviction =
            name.map(|name| eviction(name.py(), name.cast::<PyString>()?.to_str()?)).transpose()?;
        Ok(Limits {
            bytes: self.number("max_bytes")?,
            rows: self.number("max_rows")?,
            eviction: eviction.unwrap_or_default(),
        })
    }

    fn end(&self) -> PyResult<()> {
        match self.0.keys().iter().next() {
            None => Ok(()),
            Some(name) => {
                let text = format!("there is no option {name}");
                Err(refused(self.0.py(), ErrorKind::InvalidArgument, text))
            }
        }
    }
}

fn bytes(py: Python<'_>, number: u64) -> PyResult<usize> {
    usize::try_from(number).map_err(|_| invalid(py, "a number of bytes is too large"))
}

/// The options of a stash. Takes them out of the dictionary.
fn options(given: &Given<'_, '_>) -> PyResult<Options> {
    let py = given.0.py();
    let mut options = Options::new()
        .create(given.flag("create", true)?)
        .read_only(given.flag("read_only", false)?)
        .immutable(given.flag("immutable", false)?)
        .allow_network_file_system(given.flag("allow_network_file_system", false)?)
        .background(given.flag("background", true)?)
        .default_ttl(given.ttl()?.flatten())
        .limits(given.limits()?);
    if let Some(level) = given.level()? {
        options = options.durability(level);
    }
    if let Some(timeout) = given.take("busy_timeout")?.filter(|timeout| !timeout.is_none()) {
        options = options.busy_timeout(duration(&timeout)?);
    }
    if let Some(number) = given.number("cache_bytes")? {
        options = options.cache_bytes(bytes(py, number)?);
    }
    if let Some(number) = given.number("value_bytes_max")? {
        options = options.value_bytes_max(bytes(py, number)?);
    }
    Ok(options)
}

/// Opens a stash; one in memory without a path.
pub(crate) fn open(path: Option<PathBuf>, given: &Bound<'_, PyDict>) -> PyResult<Handle> {
    let py = given.py();
    let given = Given(given);
    let options = options(&given)?;
    #[cfg(feature = "testing")]
    let (options, clock) = {
        let clock: Option<i64> = given.take("clock_us")?.map(|clock| clock.extract()).transpose()?;
        let clock = clock.map(litestash_core::FixedClock::new);
        // What the background removes, and when, would make the files depend on more than the calls.
        let fixed = |options: Options, clock: &litestash_core::FixedClock| {
            options.clock(clock.clone()).background(false).origin(1)
        };
        (clock.iter().fold(options, fixed), clock)
    };
    given.end()?;
    let opened = crate::wait::detached(py, || -> Outcome<Handle> {
        match path {
            Some(path) => Handle::new(Source::Directory { path, options: Box::new(options) }, None),
            None => Handle::new(Source::Memory, Some(options)),
        }
    });
    let handle = opened.raise(py)?;
    #[cfg(feature = "testing")]
    let handle = handle.with_clock(clock);
    Ok(handle)
}

/// The options of a bucket; `None` if nothing is said.
pub(crate) fn bucket_options(given: &Bound<'_, PyDict>) -> PyResult<Option<BucketOptions>> {
    if given.is_empty() {
        return Ok(None);
    }
    let py = given.py();
    let given = Given(given);
    let mut options = BucketOptions::new().cache(given.flag("cache", true)?).limits(given.limits()?);
    if let Some(level) = given.level()? {
        options = options.durability(level);
    }
    if let Some(number) = given.number("value_bytes_max")? {
        options = options.value_bytes_max(bytes(py, number)?);
    }
    if let Some(ttl) = given.ttl()? {
        options = options.default_ttl(ttl);
    }
    given.end()?;
    Ok(Some(options))
}
