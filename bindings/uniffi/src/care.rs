//! Looking after a stash: figures, checks, copies. All of it may take long.

use crate::error::{Result, StashError};
use crate::report::{
    BackupReport, CompactReport, ExportReport, ImportReport, RepairReport, RotateReport, Stats, SweepReport,
    VerifyReport,
};
use crate::stash::LiteStash;
use litestash_core as core;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Stops a long operation that was given it, which then fails with `Cancelled`.
#[derive(Debug, Default, uniffi::Object)]
pub struct Cancellation {
    stopped: AtomicBool,
}

#[uniffi::export]
impl Cancellation {
    /// One that has not stopped anything yet.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Stops the operation at its next step.
    pub fn cancel(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

type Stop = Option<Arc<Cancellation>>;

fn goes_on(stop: &Stop) -> bool {
    stop.as_ref().is_none_or(|stop| !stop.is_cancelled())
}

/// The error, or `Cancelled` if the caller had asked for it to stop.
fn explained(error: core::Error, stop: &Stop) -> StashError {
    if goes_on(stop) {
        error.into()
    } else {
        StashError::Cancelled { detail: "the caller stopped the operation".to_owned() }
    }
}

/// A file that can be stopped at each read or write.
struct Stoppable<'a> {
    file: File,
    stop: &'a Stop,
}

impl Stoppable<'_> {
    fn check(&self) -> std::io::Result<()> {
        if goes_on(self.stop) { Ok(()) } else { Err(std::io::Error::other("stopped")) }
    }
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.check()?;
        self.file.read(buffer)
    }
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.check()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[uniffi::export]
impl LiteStash {
    /// Figures of the stash, and sums over its buckets. Costs a walk over every table.
    pub fn stats(&self) -> Result<Stats> {
        Ok(self.inner.stats()?.into())
    }

    /// Checks every rule of the contract. Damage is reported, not raised; others can write meanwhile.
    pub fn verify(&self, stop: Stop) -> Result<VerifyReport> {
        Ok(self.inner.verify_while(|| goes_on(&stop))?.into())
    }

    /// Gives the space of deleted rows back to the file system, and empties the write-ahead logs.
    pub fn compact(&self) -> Result<CompactReport> {
        Ok(self.inner.compact()?.into())
    }

    /// Whether the stash is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.inner.is_encrypted()
    }

    /// Gives an encrypted stash a new data key, and encrypts every row with it. One that was stopped is taken
    /// up by the next.
    pub fn rotate_key(&self, stop: Stop) -> Result<RotateReport> {
        Ok(self.inner.rotate_key(|_| goes_on(&stop))?.into())
    }

    /// Gives an encrypted stash another key of 32 bytes instead of its key or passphrase; no row is touched.
    pub fn change_key(&self, key: Vec<u8>) -> Result<()> {
        Ok(self.inner.change_key(key)?)
    }

    /// Gives an encrypted stash another passphrase instead of its key or passphrase.
    pub fn change_passphrase(&self, passphrase: String) -> Result<()> {
        Ok(self.inner.change_passphrase(&passphrase)?)
    }

    /// Makes everything acknowledged so far durable against a power cut.
    pub fn sync(&self) -> Result<()> {
        Ok(self.inner.sync()?)
    }

    /// Copies the stash into a new directory, all shards as of one moment, then its buckets. The copy is a
    /// stash.
    pub fn backup(&self, destination: String, stop: Stop) -> Result<BackupReport> {
        Ok(self.inner.backup_while(destination, || goes_on(&stop))?.into())
    }

    /// Writes every row as JSON Lines into a new file. With a prefix only text keys that begin with it.
    pub fn export_lines(&self, file: String, prefix: Option<String>, stop: Stop) -> Result<ExportReport> {
        let created = File::create_new(&file).map_err(core::Error::from)?;
        let mut out = BufWriter::new(Stoppable { file: created, stop: &stop });
        let options = core::ScanOptions { prefix, ..core::ScanOptions::default() };
        let exported = self.inner.export(&mut out, options);
        let done = exported.and_then(|report| {
            out.flush()?;
            Ok(report)
        });
        done.map(Into::into).map_err(|error| {
            // Half an export is none.
            let _ = std::fs::remove_file(&file);
            explained(error, &stop)
        })
    }

    /// Reads JSON Lines and stores each row. Lines that are no row are counted and named in the report. With
    /// `keep_versions` a row is written with the version that its line has, unless the stash has the same or
    /// a newer one.
    pub fn import_lines(&self, file: String, keep_versions: bool, stop: Stop) -> Result<ImportReport> {
        let opened = File::open(file).map_err(core::Error::from)?;
        let input = BufReader::with_capacity(1 << 20, Stoppable { file: opened, stop: &stop });
        let mut progress = |_: &core::ImportReport| goes_on(&stop);
        let options = core::ImportOptions { keep_versions, progress: Some(&mut progress) };
        self.inner.import(input, options).map(Into::into).map_err(|error| explained(error, &stop))
    }

    /// Removes expired rows now. Nobody ever sees an expired row, swept or not; what a sweep gives is room.
    pub fn sweep(&self) -> Result<SweepReport> {
        Ok(self.inner.sweep()?.into())
    }

    /// Removes rows that were last written more than that many microseconds ago. With a prefix only text keys
    /// that begin with it. Returns how many there were.
    pub fn expire_older_than(&self, age_us: u64, prefix: Option<String>) -> Result<u64> {
        Ok(self.inner.expire_older_than(Duration::from_micros(age_us), prefix.as_deref())?)
    }
}

/// Reads the stash in `source`, damaged or not, and writes every row that proves sound into a new stash in
/// `destination`, buckets included. The source must not be open in this process.
#[uniffi::export]
pub fn repair(source: String, destination: String) -> Result<RepairReport> {
    Ok(core::repair(source, destination)?.into())
}
