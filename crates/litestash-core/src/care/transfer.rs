//! Export to and import from JSON Lines (`docs/INTERCHANGE.md`).

use crate::contract::interchange::Line;
use crate::contract::key::Key;
use crate::contract::limits::{BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX};
use crate::contract::msgpack;
use crate::contract::record::Expiry;
use crate::contract::route::ShardId;
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::stash::{Inner, LiteStash, Place, Scan, ScanOptions, damaged};
use serde::Serialize;
use std::io::{BufRead, Write};
use std::sync::mpsc;

/// Lines parsed ahead of the writer: a few batches, so that neither waits for the other.
const BATCHES_AHEAD: usize = 2;

/// Rejected lines that a report keeps; further ones are only counted.
const REJECTED_KEPT: usize = 1000;

/// How an import treats its lines.
#[derive(Default)]
pub struct ImportOptions<'a> {
    /// Write rows with the versions that the lines carry, unless the stash has the same or a newer one; lines without a
    /// version, and the default: new versions from the clock.
    pub keep_versions: bool,
    /// Called after each batch with the figures so far. Returning false stops the import after that batch, with `Cancelled`.
    pub progress: Option<&'a mut dyn FnMut(&ImportReport) -> bool>,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// Lines read, blank ones included.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Rows written.
    pub rows: u64,
    /// Rows left alone because the stash has the same or a newer version.
    pub older: u64,
    /// Lines that were no row.
    pub rejected_lines: u64,
    /// The first thousand of them.
    pub rejected: Vec<Rejected>,
}

/// A line that was no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rejected {
    /// Its number, the first line being 1.
    pub line: u64,
    /// The error's name.
    pub error: &'static str,
    /// What is wrong, in words.
    pub message: String,
}

/// What an export did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ExportReport {
    /// Rows written.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl LiteStash {
    /// Writes every row that `options` name as JSON Lines, expired rows left out. A damaged row is an error.
    pub fn export(&self, out: &mut impl Write, options: ScanOptions) -> Result<ExportReport> {
        let mut report = ExportReport::default();
        let mut text = String::new();
        for row in Scan::rows(&self.inner, options) {
            let row = row?;
            text.clear();
            let value = msgpack::decode(&row.body).map_err(damaged)?;
            Line { key: row.key, value, expiry: row.expiry, version: Some(row.version) }.to_json(&mut text);
            out.write_all(text.as_bytes())?;
            report.rows += 1;
            report.bytes += text.len() as u64;
        }
        out.flush()?;
        Ok(report)
    }

    /// Reads JSON Lines and stores each row.
    ///
    /// Lines that are no row, and rows over the limits, are counted and named in the report; the others are written in large batches, each
    /// atomic per shard. Reading and parsing run beside writing. Lines of one key are written in their order.
    pub fn import(&self, input: impl BufRead + Send, options: ImportOptions<'_>) -> Result<ImportReport> {
        let lines = LineReader { input, number: 0, text: Vec::new() };
        self.import_rows(lines, options)
    }

    /// [`LiteStash::import`] for rows from elsewhere, such as another file format: an iterator of line number, bytes read for it,
    /// and the row or what is wrong with it.
    pub fn import_rows(
        &self,
        rows: impl Iterator<Item = Result<(u64, u64, Option<Result<Line>>)>> + Send,
        mut options: ImportOptions<'_>,
    ) -> Result<ImportReport> {
        self.inner.usable()?;
        let value_bytes_max = self.inner.value_bytes_max;
        let (sender, receiver) = mpsc::sync_channel::<Result<Batch>>(BATCHES_AHEAD);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut batches = Batches { rows, value_bytes_max };
                // A receiver that is gone has stopped the import.
                while let Some(batch) = batches.next()
                    && sender.send(batch).is_ok()
                {}
            });
            let mut report = ImportReport::default();
            // Taking the receiver along ends the other thread when this one returns early.
            for batch in receiver {
                let batch = batch?;
                report.lines += batch.lines;
                report.bytes += batch.bytes;
                for rejected in batch.rejected {
                    report.rejected_lines += 1;
                    if report.rejected.len() < REJECTED_KEPT {
                        report.rejected.push(rejected);
                    }
                }
                let (written, older) = self.inner.store(batch.rows, options.keep_versions)?;
                report.rows += written;
                report.older += older;
                if let Some(progress) = &mut options.progress
                    && !progress(&report)
                {
                    return Err(Error::new(ErrorKind::Cancelled, "the import was stopped"));
                }
            }
            Ok(report)
        })
    }
}

/// A row ready to be written.
pub(super) struct Parsed {
    pub(super) place: Place,
    pub(super) key: Key,
    pub(super) body: Vec<u8>,
    pub(super) expiry: Expiry,
    pub(super) version: Option<Version>,
}

#[derive(Default)]
struct Batch {
    rows: Vec<Parsed>,
    lines: u64,
    bytes: u64,
    rejected: Vec<Rejected>,
}

/// Cuts rows into batches within the limits.
struct Batches<I> {
    rows: I,
    value_bytes_max: usize,
}

impl<I: Iterator<Item = Result<(u64, u64, Option<Result<Line>>)>>> Batches<I> {
    fn next(&mut self) -> Option<Result<Batch>> {
        let mut batch = Batch::default();
        let mut held = 0;
        while batch.rows.len() < BATCH_OPERATIONS_MAX && held < BATCH_BYTES_MAX / 4 {
            let (line, bytes, row) = match self.rows.next() {
                None => break,
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(row)) => row,
            };
            batch.lines += 1;
            batch.bytes += bytes;
            match row.map(|row| row.and_then(|row| self.prepare(row))) {
                None => {}
                Some(Ok(parsed)) => {
                    held += parsed.body.len();
                    batch.rows.push(parsed);
                }
                Some(Err(error)) => batch.rejected.push(Rejected {
                    line,
                    error: error.kind().name(),
                    message: error.message().to_owned(),
                }),
            }
        }
        (batch.lines > 0).then_some(Ok(batch))
    }

    fn prepare(&self, line: Line) -> Result<Parsed> {
        let mut body = Vec::with_capacity(256);
        msgpack::encode(&line.value, &mut body)?;
        if body.len() > self.value_bytes_max {
            return Err(Error::too_large(format!(
                "the value has {} bytes; the stash's limit is {}",
                body.len(),
                self.value_bytes_max
            )));
        }
        line.key.as_ref().check()?;
        let place = Place::of(line.key.as_ref());
        Ok(Parsed { place, key: line.key, body, expiry: line.expiry, version: line.version })
    }
}

impl Inner {
    /// Writes rows, one transaction per shard. Returns how many were written and how many were older than what is there.
    pub(super) fn store(&self, mut rows: Vec<Parsed>, keep_versions: bool) -> Result<(u64, u64)> {
        rows.sort_by_key(|row| row.place.route.shard);
        let (mut written, mut older) = (0, 0);
        for group in rows.chunk_by(|a, b| a.place.route.shard == b.place.route.shard) {
            let shard: ShardId = group[0].place.route.shard;
            self.shard(shard).write(&self.settings, |txn| {
                let now_us = self.now_us();
                for Parsed { place, key, body, expiry, version } in group {
                    let slot = place.route.slot;
                    match version.filter(|_| keep_versions) {
                        Some(version) => {
                            if txn.put_if_newer(slot, &place.hash, key.as_ref(), *expiry, body, version)? {
                                written += 1;
                            } else {
                                older += 1;
                            }
                        }
                        None => {
                            txn.put(slot, &place.hash, key.as_ref(), *expiry, body, now_us)?;
                            written += 1;
                        }
                    }
                }
                Ok(())
            })?;
        }
        Ok((written, older))
    }
}

/// Reads lines as rows.
struct LineReader<R> {
    input: R,
    number: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Iterator for LineReader<R> {
    type Item = Result<(u64, u64, Option<Result<Line>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.text.clear();
        match self.input.read_until(b'\n', &mut self.text) {
            Ok(0) => return None,
            Err(error) => return Some(Err(Error::from(error).context("reading the import"))),
            Ok(_) => self.number += 1,
        }
        let row = match std::str::from_utf8(&self.text) {
            Err(_) => Some(Err(Error::invalid_value("the line is not valid UTF-8"))),
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(Line::from_json(text)),
        };
        Some(Ok((self.number, self.text.len() as u64, row)))
    }
}
