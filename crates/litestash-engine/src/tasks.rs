//! Long operations of a session: each on a thread of its own, answered when it is done.

use crate::answer::Answer;
use crate::outlet::Outlet;
use crate::request::{Id, malformed};
use crate::task::Work;
use litestash_core::{Error, ErrorKind, LiteStash, Result};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Tasks at once; a further one is `Busy`.
pub(crate) const TASKS_MAX: usize = 8;

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
