//! Operations that take long: each on a thread of its own, answered when it is done.

use crate::answer::Answer;
use crate::outlet::Outlet;
use crate::request::{Arguments, Id, malformed};
use litestash_core::{Error, ErrorKind, ImportOptions, LiteStash, Result, ScanOptions, Zeroizing};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Tasks at once; a further one is `Busy`.
pub(crate) const TASKS_MAX: usize = 8;

type Work = Box<dyn FnOnce(&LiteStash, &Arc<AtomicBool>) -> Result<Answer> + Send>;

/// The task of that name with its arguments; `None` if there is none of that name.
pub(crate) fn parse(name: &str, arguments: &mut Arguments<'_>) -> Option<Result<Work>> {
    let parse: fn(&mut Arguments<'_>) -> Result<Work> = match name {
        "stats" => |arguments| plain(arguments, |stash| Ok(Answer::of(&stash.stats()?))),
        "verify" => |arguments| plain(arguments, |stash| Ok(Answer::of(&stash.verify()?))),
        "compact" => |arguments| plain(arguments, |stash| Ok(Answer::of(&stash.compact()?))),
        "sync" => |arguments| plain(arguments, |stash| stash.sync().map(|()| Answer::done())),
        "backup" => |arguments| {
            let path = arguments.text("the directory")?.to_owned();
            plain(arguments, move |stash| Ok(Answer::of(&stash.backup(&path)?)))
        },
        "rotate_key" => rotate_key,
        "change_key" => |arguments| {
            let key = Zeroizing::new(arguments.bytes("the key")?.to_vec());
            plain(arguments, move |stash| stash.change_key(&*key).map(|()| Answer::done()))
        },
        "change_passphrase" => |arguments| {
            let passphrase = Zeroizing::new(arguments.text("the passphrase")?.to_owned());
            plain(arguments, move |stash| stash.change_passphrase(&passphrase).map(|()| Answer::done()))
        },
        "export" => export,
        "import" => import,
        _ => return None,
    };
    Some(parse(arguments))
}

fn plain(
    arguments: &mut Arguments<'_>,
    work: impl FnOnce(&LiteStash) -> Result<Answer> + Send + 'static,
) -> Result<Work> {
    arguments.end()?;
    Ok(Box::new(move |stash, _| work(stash)))
}

/// A writer that fails once it was told to stop.
struct Stoppable<W> {
    inner: W,
    stop: Arc<AtomicBool>,
}

impl<W: Write> Write for Stoppable<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("cancelled"));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

fn rotate_key(arguments: &mut Arguments<'_>) -> Result<Work> {
    arguments.end()?;
    Ok(Box::new(|stash, stop| {
        let report = stash.rotate_key(|_| !stop.load(Ordering::Relaxed))?;
        Ok(Answer::of(&report))
    }))
}

fn export(arguments: &mut Arguments<'_>) -> Result<Work> {
    let path = arguments.text("the file")?.to_owned();
    let mut members = arguments.options()?;
    let options = ScanOptions { prefix: members.text("prefix")?, ..ScanOptions::default() };
    members.end()?;
    Ok(Box::new(move |stash, stop| {
        let file = File::create_new(&path)?;
        let mut out = BufWriter::new(Stoppable { inner: file, stop: Arc::clone(stop) });
        let exported = stash.export(&mut out, options);
        if stop.load(Ordering::Relaxed) {
            // Half an export is none.
            std::fs::remove_file(&path)?;
            return Err(Error::new(ErrorKind::Cancelled, "the export was cancelled"));
        }
        Ok(Answer::of(&exported?))
    }))
}

fn import(arguments: &mut Arguments<'_>) -> Result<Work> {
    let path = arguments.text("the file")?.to_owned();
    let mut members = arguments.options()?;
    let keep_versions = members.flag("keep_versions")?.unwrap_or(false);
    members.end()?;
    Ok(Box::new(move |stash, stop| {
        let input = BufReader::with_capacity(1 << 20, File::open(&path)?);
        let mut goes_on = |_: &_| !stop.load(Ordering::Relaxed);
        let options = ImportOptions { keep_versions, progress: Some(&mut goes_on) };
        Ok(Answer::of(&stash.import(input, options)?))
    }))
}

/// The tasks that run.
#[derive(Default)]
pub(crate) struct Tasks(Arc<Mutex<HashMap<Id, Task>>>);

struct Task {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tasks {
    fn running(&self) -> MutexGuard<'_, HashMap<Id, Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task, which answers by itself.
    pub(crate) fn start(&self, id: Id, work: Work, stash: &LiteStash, outlet: &Arc<Outlet>) -> Result<()> {
        let mut running = self.running();
        if running.len() >= TASKS_MAX {
            return Err(Error::new(ErrorKind::Busy, format!("{TASKS_MAX} long operations are running")));
        }
        if running.contains_key(&id) {
            return Err(malformed("an operation with this number is running"));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (stash, outlet, tasks) = (stash.clone(), Arc::clone(outlet), Self(Arc::clone(&self.0)));
        let told = Arc::clone(&stop);
        let run = move || {
            let answer = catch_unwind(AssertUnwindSafe(|| Answer::from(work(&stash, &told))));
            let answer = answer.unwrap_or_else(|_| {
                Answer::failed(&Error::new(ErrorKind::Internal, "the operation panicked"))
            });
            // Before the answer, so that who reads it can use the number again.
            tasks.running().remove(&id);
            outlet.answer(Some(id), &answer);
        };
        let thread = std::thread::Builder::new().name("litestash-task".into()).spawn(run)?;
        running.insert(id, Task { stop, thread: Some(thread) });
        Ok(())
    }

    /// Asks a task to stop. Returns whether it was running.
    pub(crate) fn cancel(&self, id: Id) -> bool {
        self.running().get(&id).is_some_and(|task| {
            task.stop.store(true, Ordering::Relaxed);
            true
        })
    }

    /// Waits for all of them.
    pub(crate) fn finish(&self) {
        loop {
            let thread = self.running().values_mut().find_map(|task| task.thread.take());
            match thread {
                // One that panicked outside its work has nothing to answer.
                Some(thread) => drop(thread.join()),
                None => return,
            }
        }
    }
}
