//! Where answers go: one stream for all threads.

use crate::answer::Answer;
use crate::frames::Frames;
use crate::request::Id;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The stream of answers. Whoever sends waits until the client has room for it: so nothing piles up here for a
/// client that does not read.
pub(crate) struct Outlet {
    stream: Mutex<Box<dyn Write + Send>>,
    payload_bytes_max: usize,
    broken: AtomicBool,
}

impl Outlet {
    pub(crate) fn new(stream: Box<dyn Write + Send>, payload_bytes_max: usize) -> Self {
        Self { stream: Mutex::new(stream), payload_bytes_max, broken: AtomicBool::new(false) }
    }

    /// Room for answers that are sent together.
    pub(crate) fn frames(&self) -> Frames {
        Frames::new(self.payload_bytes_max)
    }

    /// Sends frames. If the client has gone away they are lost, and [`Outlet::is_broken`].
    pub(crate) fn send(&self, frames: &mut Frames) {
        if frames.bytes.is_empty() || self.is_broken() {
            return;
        }
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if stream.write_all(&frames.bytes).and_then(|()| stream.flush()).is_err() {
            self.broken.store(true, Ordering::Release);
        }
        frames.bytes.clear();
    }

    /// Sends one answer.
    pub(crate) fn answer(&self, id: Option<Id>, answer: &Answer) {
        let mut frames = self.frames();
        frames.push(id, answer);
        self.send(&mut frames);
    }

    /// Whether the client has gone away.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}
