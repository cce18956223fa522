//! Export to and import from JSON Lines (`docs/INTERCHANGE.md`).

use crate::contract::format::Format;
use crate::contract::interchange::{EncodedLine, Line};
use crate::contract::msgpack;
use crate::contract::route::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::stash::{Inner, LiteStash, Scan, ScanOptions, computing_threads, damaged, spread};
use crate::storage::Durability;
use serde::Serialize;
use std::io::{BufRead, Write};
use std::sync::mpsc;

/// Rows written in one go. Larger batches touch each page of a shard less often, smaller ones let the writing begin
/// sooner; 5 000, 10 000 and 40 000 were slower by 5 to 15 % on 34 000 rows.
const BATCH_ROWS_MAX: usize = 20_000;

/// Bytes of values after which a batch is written with fewer rows.
const BATCH_HELD_BYTES_MAX: usize = 16 << 20;

/// Lines parsed ahead of the writer: a few batches, so that neither waits for the other.
const BATCHES_AHEAD: usize = 2;

/// Threads that write the shards of a batch.
const WRITERS_MAX: usize = 4;

/// Bytes of a line beside its value: the key, the other members, white space.
const LINE_BYTES_SPARE: usize = 64 << 10;

/// Rejected lines that a report keeps; further ones are only counted.
const REJECTED_KEPT: usize = 1000;

/// How an import treats its lines.
#[derive(Default)]
pub struct ImportOptions<'a> {
    /// Write rows with the versions that the lines carry, unless the stash has the same or a newer one; lines
    /// without a version, and the default: new versions from the clock.
    pub keep_versions: bool,
    /// Called after each batch with the figures so far. Returning false stops the import after that batch,
    /// with `Cancelled`.
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
        for row in Scan::rows(self, options) {
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
    /// Lines that are no row, and rows over the limits, are counted and named in the report; the others are
    /// written in large batches, each atomic per shard. Reading and parsing run beside writing. Lines of one
    /// key are written in their order.
    pub fn import(&self, input: impl BufRead + Send, options: ImportOptions<'_>) -> Result<ImportReport> {
        self.import_encoded(LineReader::new(input, self.inner.value_bytes_max), options)
    }

    /// [`LiteStash::import`] for rows from elsewhere, such as another file format: an iterator of line
    /// number, bytes read for it, and the row or what is wrong with it.
    pub fn import_rows(
        &self,
        rows: impl Iterator<Item = Result<(u64, u64, Option<Result<Line>>)>> + Send,
        options: ImportOptions<'_>,
    ) -> Result<ImportReport> {
        let encode = |row: Option<Result<Line>>| row.map(|row| row.and_then(EncodedLine::try_from));
        self.import_encoded(
            rows.map(move |row| row.map(|(line, bytes, row)| (line, bytes, encode(row)))),
            options,
        )
    }

    fn import_encoded(
        &self,
        rows: impl Iterator<Item = Numbered<EncodedLine>> + Send,
        mut options: ImportOptions<'_>,
    ) -> Result<ImportReport> {
        self.inner.usable()?;
        let (value_bytes_max, format) = (self.inner.value_bytes_max, self.inner.format());
        let (sender, receiver) = mpsc::sync_channel::<Result<Batch>>(BATCHES_AHEAD);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut batches = Batches { rows, value_bytes_max, format };
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
                let (written, older) = self.inner.store(self.level, batch.rows, options.keep_versions)?;
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
    pub(super) row: EncodedLine,
}

/// Line number, bytes read for it, and what it was: nothing, a row, or what is wrong with it.
type Numbered<T> = Result<(u64, u64, Option<Result<T>>)>;

#[derive(Default)]
struct Batch {
    rows: Vec<Parsed>,
    lines: u64,
    bytes: u64,
    rejected: Vec<Rejected>,
}

/// Cuts rows into batches within the limits.
struct Batches<'a, I> {
    rows: I,
    value_bytes_max: usize,
    format: &'a Format,
}

impl<I: Iterator<Item = Numbered<EncodedLine>>> Batches<'_, I> {
    fn next(&mut self) -> Option<Result<Batch>> {
        let mut batch = Batch::default();
        let mut held = 0;
        while batch.rows.len() < BATCH_ROWS_MAX && held < BATCH_HELD_BYTES_MAX {
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
                    held += parsed.row.body.len();
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

    fn prepare(&self, row: EncodedLine) -> Result<Parsed> {
        if row.body.len() > self.value_bytes_max {
            return Err(Error::too_large(format!(
                "the value has {} bytes; the stash's limit is {}",
                row.body.len(),
                self.value_bytes_max
            )));
        }
        let place = self.format.place(row.key.as_ref().check()?);
        Ok(Parsed { place, row })
    }
}

impl Inner {
    /// Writes rows, one transaction per shard, shards side by side. Returns how many were written and how
    /// many were older than what is there.
    pub(super) fn store(
        &self,
        level: Durability,
        mut rows: Vec<Parsed>,
        keep_versions: bool,
    ) -> Result<(u64, u64)> {
        // In the order of the index a batch touches each page once; the sort is stable, so
        // writes of one key keep theirs.
        rows.sort_by_key(|row| row.place.hash);
        let groups: Vec<_> = rows.chunk_by(|a, b| a.place.route.shard == b.place.route.shard).collect();
        let stored = spread(&groups, computing_threads().min(WRITERS_MAX), |group| {
            self.store_in_shard(level, group, keep_versions)
        });
        stored.into_iter().try_fold((0, 0), |sum, done| {
            let (written, older) = done?;
            Ok((sum.0 + written, sum.1 + older))
        })
    }

    fn store_in_shard(&self, level: Durability, group: &[Parsed], keep_versions: bool) -> Result<(u64, u64)> {
        let Some(first) = group.first() else { return Ok((0, 0)) };
        self.shard(first.place.route.shard).write(level, |txn| {
            let (mut written, mut older) = (0, 0);
            let now_us = self.now_us();
            for Parsed { place, row } in group {
                let new = place.row(row.key.as_ref(), row.expiry, &row.body);
                match row.version.filter(|_| keep_versions) {
                    Some(version) if !txn.put_if_newer(&new, version)? => older += 1,
                    Some(_) => written += 1,
                    None => {
                        txn.put(&new, now_us)?;
                        written += 1;
                    }
                }
            }
            Ok((written, older))
        })
    }
}

/// Reads lines as rows.
struct LineReader<R> {
    input: R,
    number: u64,
    /// Longer lines are rejected without being held in memory.
    line_bytes_max: usize,
    text: Vec<u8>,
}

impl<R: BufRead> LineReader<R> {
    fn new(input: R, value_bytes_max: usize) -> Self {
        // A byte of a value is at most six of JSON: `\u0000`.
        let line_bytes_max = value_bytes_max.saturating_mul(6).saturating_add(LINE_BYTES_SPARE);
        Self { input, number: 0, line_bytes_max, text: Vec::new() }
    }

    /// Reads up to the end of the line, of which `text` keeps no more than the limit allows.
    /// Returns how many bytes it had.
    fn read_line(&mut self) -> std::io::Result<u64> {
        self.text.clear();
        let mut bytes = 0;
        loop {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            if self.text.len() <= self.line_bytes_max {
                self.text.extend_from_slice(&available[..taken]);
            }
            self.input.consume(taken);
            bytes += taken as u64;
            if end.is_some() || taken == 0 {
                return Ok(bytes);
            }
        }
    }

    fn row(&self) -> Option<Result<EncodedLine>> {
        if self.text.len() > self.line_bytes_max {
            return Some(Err(Error::too_large("the line is longer than any value of this stash can be")));
        }
        match std::str::from_utf8(&self.text) {
            Err(_) => Some(Err(Error::invalid_value("the line is not valid UTF-8"))),
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(EncodedLine::from_json(text)),
        }
    }
}

impl<R: BufRead> Iterator for LineReader<R> {
    type Item = Numbered<EncodedLine>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read_line() {
            Ok(0) => None,
            Err(error) => Some(Err(Error::from(error).context("reading the import"))),
            Ok(bytes) => {
                self.number += 1;
                Some(Ok((self.number, bytes, self.row())))
            }
        }
    }
}
