//! The engine within another process: the requests and answers of `docs/ENGINE.md`, without pipes.

use crate::answer::Answer;
use crate::buckets::Buckets;
use crate::frame::HEAD_BYTES;
use crate::frames::Frames;
use crate::outlet::Outlet;
use crate::request::{Bucket, Request};
use crate::session::{Next, Session};
use crate::single::{Single, Telling};
use litestash_core::{Error, ErrorKind, LiteStash, Op, Outcome, Result};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

/// Payloads as long as a frame's head can say.
const PAYLOAD_BYTES_MAX: usize = u32::MAX as usize;

/// Bytes of answers that are held back while more requests wait.
const HELD_BYTES_MAX: usize = 256 << 10;

/// Where answers and events go.
pub trait Sink: Send + 'static {
    /// Takes the payload of one frame. Called by any thread of the engine, one at a time; must not wait.
    fn deliver(&mut self, payload: &[u8]);
}

/// An open stash and the thread of its session.
///
/// Dropping it ends the session, which closes the stash; that is not waited for.
#[derive(Debug)]
pub struct Embedded {
    stash: LiteStash,
    /// The stash after a `reopen` of the suite.
    #[cfg(feature = "conformance")]
    reopened: Arc<RwLock<Option<LiteStash>>>,
    buckets: Arc<RwLock<Buckets>>,
    intake: Arc<Intake>,
}

/// Requests that wait for the session's thread.
#[derive(Debug, Default)]
struct Intake {
    state: Mutex<Waiting>,
    signal: Condvar,
    /// Whether the thread has something to do. Changed with the state locked.
    is_busy: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    payloads: Vec<Vec<u8>>,
    has_ended: bool,
}

impl Embedded {
    /// Opens a stash by the payload of a hello. Returns it with the payload of the hello's answer, or the answer that
    /// says why not.
    pub fn open(hello: &[u8], sink: impl Sink) -> std::result::Result<(Self, Vec<u8>), Vec<u8>> {
        let outlet = Arc::new(Outlet::new(Box::new(Delivery(sink)), PAYLOAD_BYTES_MAX));
        let mut session = Session::new(Arc::clone(&outlet), PAYLOAD_BYTES_MAX, None);
        let mut frames = outlet.frames();
        session.take(hello, &mut frames);
        let Some(stash) = session.stash() else { return Err(payload(frames)) };
        let intake = Arc::new(Intake::default());
        let embedded = Self {
            stash,
            #[cfg(feature = "conformance")]
            reopened: Arc::default(),
            buckets: session.buckets(),
            intake: Arc::clone(&intake),
        };
        #[cfg(feature = "conformance")]
        let reopened = Arc::clone(&embedded.reopened);
        #[cfg(feature = "conformance")]
        let after_turn = move |session: &Session| {
            *reopened.write().unwrap_or_else(PoisonError::into_inner) = session.stash();
        };
        #[cfg(not(feature = "conformance"))]
        let after_turn = |_: &Session| {};
        let serve = move || serve(&mut session, &outlet, &intake, after_turn);
        match std::thread::Builder::new().name("litestash-session".into()).spawn(serve) {
            Ok(_) => Ok((embedded, payload(frames))),
            Err(error) => {
                let mut frames = Frames::new(PAYLOAD_BYTES_MAX);
                frames.push(None, &Answer::failed(&error.into()));
                Err(payload(frames))
            }
        }
    }

    /// Hands over a request, which is answered through the sink. Never waits. `false` if the session has ended: then
    /// there is no answer.
    pub fn submit(&self, payload: Vec<u8>) -> bool {
        let mut state = self.intake.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.has_ended {
            return false;
        }
        state.payloads.push(payload);
        self.intake.is_busy.store(true, Ordering::Relaxed);
        drop(state);
        self.intake.signal.notify_one();
        true
    }

    /// Whether requests that were handed over are being performed: then one more is cheaper handed over as well.
    pub fn is_busy(&self) -> bool {
        self.intake.is_busy.load(Ordering::Relaxed)
    }

    /// Performs a request for an operation on one key on this thread, and returns the payload of its answer. Waits for
    /// files and for whoever holds a shard. Other operations are `InvalidArgument` here.
    pub fn perform(&self, payload: &[u8]) -> Vec<u8> {
        let mut frames = Frames::new(PAYLOAD_BYTES_MAX);
        match Request::parse(payload) {
            Ok(request) => {
                let id = request.id;
                let answer = catch_unwind(AssertUnwindSafe(|| self.perform_request(request)));
                let panicked = |_| Err(Error::new(ErrorKind::Internal, "the operation panicked"));
                frames.push(Some(id), &answer.unwrap_or_else(panicked).into());
            }
            Err(refused) => frames.push(refused.id, &Answer::failed(&refused.error)),
        }
        self::payload(frames)
    }

    fn perform_request(&self, mut request: Request<'_>) -> Result<Answer> {
        let single = Single::parse(request.operation, &mut request.arguments)?.ok_or_else(not_single)?;
        self.with_stash(request.bucket, |stash| Ok(single.perform(stash)))
    }

    /// Calls `f` with the stash, or with that bucket of it.
    pub fn with_stash<T>(
        &self,
        bucket: Option<Bucket<'_>>,
        f: impl FnOnce(&LiteStash) -> Result<T>,
    ) -> Result<T> {
        #[cfg(feature = "conformance")]
        let reopened = self.reopened.read().unwrap_or_else(PoisonError::into_inner).clone();
        #[cfg(feature = "conformance")]
        let stash = reopened.as_ref().unwrap_or(&self.stash);
        #[cfg(not(feature = "conformance"))]
        let stash = &self.stash;
        let Some(bucket) = bucket else { return f(stash) };
        match self.known_bucket(bucket) {
            Some(bucket) => f(&bucket),
            None => {
                let opened =
                    self.buckets.write().unwrap_or_else(PoisonError::into_inner).open(stash, bucket)?;
                f(&opened)
            }
        }
    }

    /// The handle of a bucket that is known already, for where nothing may wait.
    pub fn known_bucket(&self, bucket: Bucket<'_>) -> Option<LiteStash> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(bucket)
    }
}

/// A request for an operation on one key that was taken apart where it was made, to be performed elsewhere.
#[derive(Debug)]
pub struct Taken<'a> {
    /// The bucket that it is about, if it is not the stash itself.
    pub bucket: Option<Bucket<'a>>,
    /// What is to be done.
    pub op: Op,
    /// Makes the answer.
    pub teller: Teller,
}

/// How the outcome of an operation is told.
#[derive(Debug)]
pub struct Teller {
    id: u64,
    telling: Telling,
}

/// Takes a request for an operation on one key apart; or the payload of the answer that says why not.
pub fn take_apart(payload: &[u8]) -> std::result::Result<Taken<'_>, Vec<u8>> {
    let refused = |id, error: Error| {
        let mut frames = Frames::new(PAYLOAD_BYTES_MAX);
        frames.push(id, &Answer::failed(&error));
        self::payload(frames)
    };
    let mut request = Request::parse(payload).map_err(|found| refused(found.id, found.error))?;
    let single = Single::parse(request.operation, &mut request.arguments)
        .and_then(|single| single.ok_or_else(not_single))
        .map_err(|error| refused(Some(request.id), error))?;
    let (op, telling) = single.into_parts();
    Ok(Taken { bucket: request.bucket, op, teller: Teller { id: request.id, telling } })
}

impl Teller {
    /// The payload of the answer.
    pub fn payload(self, outcome: Result<Outcome>) -> Vec<u8> {
        let mut frames = Frames::new(PAYLOAD_BYTES_MAX);
        frames.push(Some(self.id), &self.telling.answer(outcome));
        payload(frames)
    }
}

fn not_single() -> Error {
    Error::new(ErrorKind::InvalidArgument, "only operations on one key are performed at once")
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.intake.end();
    }
}

impl Intake {
    /// All that waits, at least one; `None` when no more will come.
    fn wait(&self) -> Option<Vec<Vec<u8>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if !state.payloads.is_empty() {
                return Some(std::mem::take(&mut state.payloads));
            }
            self.is_busy.store(false, Ordering::Relaxed);
            if state.has_ended {
                return None;
            }
            state = self.signal.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets nobody in any more; returns who waits.
    fn end(&self) -> Vec<Vec<u8>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.has_ended = true;
        self.signal.notify_one();
        std::mem::take(&mut state.payloads)
    }
}

/// The session's thread.
fn serve(session: &mut Session, outlet: &Outlet, intake: &Intake, after_turn: impl Fn(&Session)) {
    let mut goes_on = true;
    while let Some(payloads) = intake.wait().filter(|_| goes_on) {
        let mut frames = outlet.frames();
        let mut payloads = payloads.into_iter();
        for payload in payloads.by_ref() {
            if session.take(&payload, &mut frames) == Next::End {
                goes_on = false;
                break;
            }
            if frames.bytes.len() > HELD_BYTES_MAX {
                outlet.send(&mut frames);
            }
        }
        session.settle(&mut frames);
        after_turn(session);
        if !goes_on {
            refuse(payloads.chain(intake.end()), &mut frames);
        }
        outlet.send(&mut frames);
        if !goes_on {
            break;
        }
    }
    if let Err(error) = session.close() {
        tracing::error!(%error, "the stash could not be closed in an orderly way");
    }
}

/// Answers what came too late.
fn refuse(payloads: impl Iterator<Item = Vec<u8>>, frames: &mut Frames) {
    let error = Error::new(ErrorKind::Closed, "the stash is closed");
    for payload in payloads {
        let id = Request::parse(&payload).map_or_else(|refused| refused.id, |request| Some(request.id));
        frames.push(id, &Answer::failed(&error));
    }
}

/// The one frame's payload.
fn payload(frames: Frames) -> Vec<u8> {
    let mut bytes = frames.bytes;
    bytes.drain(..HEAD_BYTES.min(bytes.len()));
    bytes
}

/// Takes frames apart again.
struct Delivery<S>(S);

impl<S: Sink> Write for Delivery<S> {
    fn write(&mut self, frames: &[u8]) -> std::io::Result<usize> {
        let mut rest = frames;
        while let Some((head, after)) = rest.split_first_chunk::<HEAD_BYTES>() {
            // The outlet writes whole frames.
            let length = after.len().min(u32::from_be_bytes(*head) as usize);
            let (payload, after) = after.split_at(length);
            self.0.deliver(payload);
            rest = after;
        }
        Ok(frames.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    struct Post(Sender<Vec<u8>>);

    impl Sink for Post {
        fn deliver(&mut self, payload: &[u8]) {
            let _ = self.0.send(payload.to_vec());
        }
    }

    fn open(dir: &std::path::Path) -> (Embedded, Receiver<Vec<u8>>) {
        let (post, answers) = channel();
        let path = dir.to_str().unwrap();
        let mut hello = b"\x93\x01\xa5hello\x82\xa3dir\xd9".to_vec();
        hello.push(u8::try_from(path.len()).unwrap());
        hello.extend_from_slice(path.as_bytes());
        hello.extend_from_slice(b"\xa8protocol\x01");
        let (embedded, answer) = Embedded::open(&hello, Post(post)).unwrap();
        assert_eq!(answer[..3], [0x93, 1, 0]);
        (embedded, answers)
    }

    fn next(answers: &Receiver<Vec<u8>>) -> Vec<u8> {
        answers.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn requests_are_performed_here_or_answered_through_the_sink() {
        let dir = tempfile::tempdir().unwrap();
        let (embedded, answers) = open(dir.path());
        let stored = embedded.perform(b"\x94\x07\xa3set\xa1k\x05");
        assert_eq!(stored[..3], [0x93, 7, 0]);
        assert!(embedded.submit(b"\x93\x08\xa3get\xa1k".to_vec()));
        assert_eq!(next(&answers), [0x93, 8, 0, 5]);
        while embedded.is_busy() {
            std::thread::yield_now();
        }
        assert_eq!(embedded.perform(b"\x93\x09\x92\xa1b\xa3get\xa1k"), [0x93, 9, 2, 0xc0]);
        assert_eq!(embedded.perform(b"\x92\x0a\xa3len")[..3], [0x93, 10, 1]);
        assert_eq!(embedded.perform(b"\xc1")[..3], [0x93, 0xc0, 1]);
    }

    #[test]
    fn after_a_close_nothing_is_let_in_and_everything_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let (embedded, answers) = open(dir.path());
        let mut sent = 0;
        for id in 0..100_u8 {
            let name = if id == 50 { b"\xa5close" } else { b"\xa4ping\x00" };
            let payload = [&[0x92, id][..], &name[..if id == 50 { 6 } else { 5 }]].concat();
            sent += u32::from(embedded.submit(payload));
        }
        for _ in 0..sent {
            next(&answers);
        }
        while embedded.submit(b"\x92\x01\xa4ping".to_vec()) {
            next(&answers);
        }
        let refused = embedded.perform(b"\x93\x08\xa3get\xa1k");
        assert_eq!(refused[..3], [0x93, 8, 1]);
    }

    #[test]
    fn dropping_it_closes_the_stash() {
        let dir = tempfile::tempdir().unwrap();
        let (embedded, answers) = open(dir.path());
        embedded.perform(b"\x94\x07\xa3set\xa1k\x05");
        let stash = embedded.stash.clone();
        drop(embedded);
        // The sink goes when the session's thread has ended.
        assert!(answers.recv_timeout(Duration::from_secs(20)).is_err());
        assert!(stash.is_closed());
    }

    #[test]
    fn a_hello_that_is_refused_opens_nothing() {
        let (post, _answers) = channel();
        let answer = Embedded::open(b"\x92\x01\xa5hello", Post(post)).err().unwrap();
        assert_eq!(answer[..3], [0x93, 1, 1]);
    }
}
