//! What looks after a stash as a whole. Reports are dictionaries with the names of the engine's.

use crate::compute::interruptible;
use crate::deadline::duration;
use crate::decode;
use crate::encode::encoded;
use crate::error::Raise;
use crate::stash::Stash;
use crate::wait::detached;
use litestash_core::contract::{msgpack, typed};
use litestash_core::{Expiry, ImportOptions, ImportReport, Line, ScanOptions, Version};
use pyo3::prelude::*;
use serde::Serialize;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;

fn report<'py>(py: Python<'py>, report: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    decode::object(py, &typed::to_bytes(report).raise(py)?)
}

/// Copies what is sound in a damaged stash into a new one.
#[pyfunction]
pub(crate) fn repair(py: Python<'_>, source: PathBuf, destination: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let done = detached(py, || litestash_core::repair(source, destination)).raise(py)?;
    report(py, &done)
}

#[pymethods]
impl Stash {
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.run(py, |stash| stash.stats())?)
    }

    fn verify<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let handle = self.handle(py)?;
        report(py, &interruptible(py, |goes_on| handle.ready()?.verify_while(goes_on))?)
    }

    fn backup<'py>(&self, py: Python<'py>, destination: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let handle = self.handle(py)?;
        report(py, &interruptible(py, |goes_on| handle.ready()?.backup_while(destination, goes_on))?)
    }

    fn compact<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.run(py, |stash| stash.compact())?)
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, |stash| stash.sync())
    }

    fn sweep<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.run(py, |stash| stash.sweep())?)
    }

    #[pyo3(signature = (age, *, prefix = None))]
    fn expire_older_than(
        &self,
        py: Python<'_>,
        age: &Bound<'_, PyAny>,
        prefix: Option<&str>,
    ) -> PyResult<u64> {
        let age = duration(age)?;
        self.run(py, |stash| stash.expire_older_than(age, prefix))
    }

    #[pyo3(signature = (path, *, prefix = None))]
    fn export<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        prefix: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = ScanOptions { prefix, ..ScanOptions::default() };
        let done = self.run(py, |stash| {
            let mut out = BufWriter::new(File::create(&path)?);
            stash.export(&mut out, options.clone())
        })?;
        report(py, &done)
    }

    #[pyo3(signature = (path, *, keep_versions = false))]
    fn import_<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        keep_versions: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let handle = self.handle(py)?;
        let done = interruptible(py, |goes_on| {
            let mut progress = |_: &ImportReport| goes_on();
            let options = ImportOptions { keep_versions, progress: Some(&mut progress) };
            handle.ready()?.import(BufReader::new(File::open(path)?), options)
        })?;
        report(py, &done)
    }

    /// Stores rows from elsewhere: key, value, deadline and time of the last write in microseconds.
    fn _import_rows<'py>(
        &self,
        py: Python<'py>,
        rows: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>, Option<i64>, Option<i64>)>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut lines = Vec::with_capacity(rows.len());
        for (key, value, expires_at, version) in rows {
            lines.push(Line {
                key: crate::key::owned(&key)?,
                value: msgpack::decode(&encoded(&value)?).raise(py)?,
                expiry: Expiry { expires_at, idle_us: None },
                version: version.map(Version::from_micros),
            });
        }
        let handle = self.handle(py)?;
        let done = detached(py, || {
            let numbered = lines.into_iter().zip(1..).map(|(line, number)| Ok((number, 0, Some(Ok(line)))));
            handle.ready()?.import_rows(numbered, ImportOptions { keep_versions: true, progress: None })
        });
        report(py, &done.raise(py)?)
    }

    fn buckets(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.run(py, |stash| stash.buckets())
    }

    fn drop_bucket(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        self.run(py, |stash| stash.drop_bucket(name))
    }

    fn log_changes(&self, py: Python<'_>, span: &Bound<'_, PyAny>) -> PyResult<()> {
        let span = duration(span)?;
        self.run(py, |stash| stash.log_changes(span))
    }
}
