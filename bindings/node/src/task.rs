//! Work on a whole stash: here, or on a thread of its own.

use crate::answer;
use crate::error::{Result, panicked, thrown};
use crate::mailbox::Mailbox;
use crate::open::unlock;
use crate::stash::Handle;
use litestash_core::contract::typed;
use litestash_core::{Error, ErrorKind, ImportOptions, LiteStash, Options, ScanOptions, Zeroizing};
use napi::bindgen_prelude::{BigInt, Buffer, External};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What to do, by its name.
#[napi_derive::napi(object)]
pub struct Task {
    /// `len`, `clear`, `sync`, `stats`, `verify`, `compact`, `backup`, `export`, `import`, `repair`, `sweep`,
    /// `expire_older_than`, `expiry_stats`, `is_empty`, `buckets`, `drop_bucket`, `log_changes`, `rotate_key`,
    /// `change_key`, `change_passphrase` or `close`.
    pub name: String,
    /// The destination of a backup, the file of an export or import, the source of a repair.
    pub path: Option<String>,
    /// The destination of a repair.
    pub destination: Option<String>,
    /// The prefix of what is exported or removed.
    pub prefix: Option<String>,
    /// The name of a bucket.
    pub bucket: Option<String>,
    /// An age or a time, in microseconds.
    pub micros: Option<BigInt>,
    /// The key of an encrypted stash: that of what is repaired, or another one.
    pub encryption_key: Option<Buffer>,
    /// A passphrase instead.
    pub passphrase: Option<String>,
    /// Whether an import keeps the versions of its lines.
    pub keep_versions: Option<bool>,
}

/// A task with its key taken out of JavaScript's memory, for buffers do not leave its thread.
struct Work {
    task: Task,
    key: Option<Zeroizing<Vec<u8>>>,
}

impl From<Task> for Work {
    fn from(mut task: Task) -> Self {
        let key = task.encryption_key.take().map(|key| Zeroizing::new(key.to_vec()));
        Self { task, key }
    }
}

impl Deref for Work {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.task
    }
}

/// Set when the caller does not want a task to go on.
pub struct Stop(AtomicBool);

impl Stop {
    fn goes_on(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    /// Fails once the caller does not want to go on.
    fn check(&self) -> io::Result<()> {
        if self.goes_on() { Ok(()) } else { Err(io::Error::other("stopped")) }
    }

    /// The error, or `Cancelled` if it came from stopping.
    fn explain(&self, error: Error) -> Error {
        if self.goes_on() {
            error
        } else {
            Error::new(ErrorKind::Cancelled, "the caller stopped the operation")
        }
    }
}

/// A file that can be stopped at each read or write.
struct Stoppable<'a> {
    file: File,
    stop: &'a Stop,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.file.read(buffer)
    }
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Microseconds of JavaScript's.
pub(crate) fn span(us: &BigInt) -> litestash_core::Result<Duration> {
    let (negative, us, lossless) = us.get_u64();
    if negative || !lossless {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "a span of time is not negative, and fits 64 bits",
        ));
    }
    Ok(Duration::from_micros(us))
}

fn missing_path() -> Error {
    Error::new(ErrorKind::InvalidArgument, "the path is missing")
}

impl Task {
    fn path(&self) -> litestash_core::Result<&str> {
        self.path.as_deref().ok_or_else(missing_path)
    }

    fn span(&self) -> litestash_core::Result<Duration> {
        self.micros.as_ref().ok_or_else(crate::error::malformed).and_then(span)
    }
}

impl Work {
    /// The answer: a number, nothing, or a report as a value.
    fn run(&self, stash: Option<&LiteStash>, stop: &Stop) -> litestash_core::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut report = |encoded: litestash_core::Result<Vec<u8>>| {
            encoded.map(|encoded| answer::value(&mut out, &encoded))
        };
        let Some(stash) = stash else {
            let destination = self.destination.as_deref().ok_or_else(missing_path)?;
            let key = self.key.as_ref().map(|key| key.as_slice());
            let options = unlock(Options::new(), key, self.passphrase.as_deref());
            let goes_on = || stop.goes_on();
            let done = litestash_core::repair_while(self.path()?, destination, options, goes_on)?;
            report(typed::to_bytes(&done))?;
            return Ok(out);
        };
        match self.name.as_str() {
            "stats" => report(typed::to_bytes(&stash.stats()?))?,
            "verify" => report(typed::to_bytes(&stash.verify_while(|| stop.goes_on())?))?,
            "compact" => report(typed::to_bytes(&stash.compact_while(|| stop.goes_on())?))?,
            "backup" => report(typed::to_bytes(&stash.backup_while(self.path()?, || stop.goes_on())?))?,
            "export" => {
                let file = File::create(self.path()?)?;
                let mut file = BufWriter::new(Stoppable { file, stop });
                let options = ScanOptions { prefix: self.prefix.clone(), ..ScanOptions::default() };
                let done = stash.export(&mut file, options).map_err(|error| stop.explain(error))?;
                report(typed::to_bytes(&done))?;
            }
            "import" => {
                let file = BufReader::new(Stoppable { file: File::open(self.path()?)?, stop });
                let keep_versions = self.keep_versions.unwrap_or(false);
                let mut progress = |_: &_| stop.goes_on();
                let options = ImportOptions { keep_versions, progress: Some(&mut progress) };
                let done = stash.import(file, options).map_err(|error| stop.explain(error))?;
                report(typed::to_bytes(&done))?;
            }
            "rotate_key" => report(typed::to_bytes(&stash.rotate_key(|_| stop.goes_on())?))?,
            "change_key" => {
                let key = self.key.as_ref().ok_or_else(crate::error::malformed)?;
                stash.change_key(key).map(|()| answer::done(&mut out))?;
            }
            "change_passphrase" => {
                let passphrase = self.passphrase.as_deref().ok_or_else(crate::error::malformed)?;
                stash.change_passphrase(passphrase).map(|()| answer::done(&mut out))?;
            }
            "len" => answer::int(&mut out, i64::try_from(stash.len()?).unwrap_or(i64::MAX)),
            "sweep" => report(typed::to_bytes(&stash.sweep()?))?,
            "expire_older_than" => {
                let removed = stash.expire_older_than(self.span()?, self.prefix.as_deref())?;
                answer::int(&mut out, i64::try_from(removed).unwrap_or(i64::MAX));
            }
            "expiry_stats" => report(typed::to_bytes(&stash.expiry_stats()))?,
            "is_empty" => answer::flag(&mut out, stash.is_empty()?),
            "buckets" => report(typed::to_bytes(&stash.buckets()?))?,
            "drop_bucket" => {
                let name = self.bucket.as_deref().ok_or_else(crate::error::malformed)?;
                answer::flag(&mut out, stash.drop_bucket(name)?);
            }
            "log_changes" => stash.log_changes(self.span()?).map(|()| answer::done(&mut out))?,
            "clear" => stash.clear().map(|()| answer::done(&mut out))?,
            "sync" => stash.sync().map(|()| answer::done(&mut out))?,
            "close" => stash.close().map(|()| answer::done(&mut out))?,
            _ => return Err(crate::error::malformed()),
        }
        Ok(out)
    }
}

/// Does that on a thread of its own; its answer or its panic is the answer to `id`.
pub(crate) fn background(
    mailbox: &Arc<Mailbox>,
    id: u32,
    work: impl FnOnce() -> litestash_core::Result<Vec<u8>> + Send + 'static,
) {
    let post = Arc::clone(mailbox);
    let work = move || match catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked())) {
        Ok(answer) => post.post(id, |out| out.extend_from_slice(&answer)),
        Err(error) => post.refuse(id, &error),
    };
    if std::thread::Builder::new().name("litestash-js-task".to_owned()).spawn(work).is_err() {
        mailbox.refuse(id, &Error::new(ErrorKind::OutOfMemory, "no thread can be started"));
    }
}

/// Does a task here.
#[napi_derive::napi(catch_unwind)]
pub fn run_task(handle: Option<&External<Handle>>, task: Task) -> Result<Buffer> {
    let stop = Stop(AtomicBool::new(false));
    Work::from(task).run(handle.map(|handle| &handle.stash), &stop).map(Buffer::from).map_err(thrown)
}

/// Does a task in the background. What is returned stops it.
#[napi_derive::napi(catch_unwind)]
pub fn start_task(
    handle: Option<&External<Handle>>,
    mailbox: &External<Arc<Mailbox>>,
    id: u32,
    task: Task,
) -> External<Arc<Stop>> {
    let stop = Arc::new(Stop(AtomicBool::new(false)));
    let (stash, watched) = (handle.map(|handle| handle.stash.clone()), Arc::clone(&stop));
    let work = Work::from(task);
    background(mailbox, id, move || work.run(stash.as_ref(), &watched));
    External::new(stop)
}

/// Stops a task at its next step.
#[napi_derive::napi(catch_unwind)]
pub fn stop_task(stop: &External<Arc<Stop>>) {
    stop.0.store(true, Ordering::Relaxed);
}
