//! A client's session: the hello, then requests in their order, runs of small ones handed over together.

use crate::PROTOCOL;
use crate::answer::Answer;
use crate::buckets::Buckets;
use crate::computations::Computations;
use crate::frames::Frames;
use crate::outlet::Outlet;
use crate::request::{Arguments, Bucket, Id, Request, malformed};
use crate::single::Single;
use crate::subscriptions::Subscriptions;
use crate::task;
use crate::tasks::{TASKS_MAX, Tasks};
use crate::whole::{self, PAGE_ROWS_MAX};
use crate::{many, settings};
use litestash_core::limits::{BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, DEPTH_MAX, KEY_BYTES_MAX, VALUES_MAX};
use litestash_core::{Error, ErrorKind, LiteStash, Map, Options, Result, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// What this engine can do beside the operations of protocol 1. Names are added, never removed.
const CAPABILITIES: &[&str] = &[
    "bucket_options",
    "buckets",
    "compression",
    "computations",
    "encryption",
    "events",
    "limits",
    "memory",
    "sliding",
    "transactions",
];

/// Bytes of keys and values that are handed over together.
const RUN_BYTES_MAX: usize = 8 << 20;

/// Whether there is more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    End,
}

/// A session.
pub(crate) struct Session {
    outlet: Arc<Outlet>,
    payload_bytes_max: usize,
    /// Where the stash is and how it is opened, if the command line said so.
    given: Option<(PathBuf, Options)>,
    stash: Option<LiteStash>,
    buckets: Arc<RwLock<Buckets>>,
    computations: Computations,
    subscriptions: Subscriptions,
    tasks: Tasks,
    run: Run,
    #[cfg(feature = "conformance")]
    clock: Option<litestash_core::FixedClock>,
    /// How the stash is opened again.
    #[cfg(feature = "conformance")]
    opened: Option<(Option<PathBuf>, Options)>,
}

/// Small operations that are performed together.
#[derive(Default)]
struct Run {
    /// Of which bucket, as the client calls it.
    bucket: Option<Box<[u8]>>,
    ids: Vec<Id>,
    singles: Vec<Single>,
    bytes: usize,
}

impl Session {
    pub(crate) fn new(
        outlet: Arc<Outlet>,
        payload_bytes_max: usize,
        given: Option<(PathBuf, Options)>,
    ) -> Self {
        Self {
            outlet,
            payload_bytes_max,
            given,
            stash: None,
            buckets: Arc::default(),
            computations: Computations::default(),
            subscriptions: Subscriptions::default(),
            tasks: Tasks::default(),
            run: Run::default(),
            #[cfg(feature = "conformance")]
            clock: None,
            #[cfg(feature = "conformance")]
            opened: None,
        }
    }

    /// Performs what a frame asks for, or keeps it for the next [`Session::settle`].
    pub(crate) fn take(&mut self, payload: &[u8], frames: &mut Frames) -> Next {
        let request = match Request::parse(payload) {
            Ok(request) => request,
            Err(refused) => {
                self.settle(frames);
                frames.push(refused.id, &Answer::failed(&refused.error));
                return if self.stash.is_some() { Next::GoOn } else { Next::End };
            }
        };
        let id = request.id;
        match catch_unwind(AssertUnwindSafe(|| self.perform(request, frames))) {
            Ok(next) => next,
            Err(_) => {
                let error = Error::new(ErrorKind::Internal, "the operation panicked");
                frames.push(Some(id), &Answer::failed(&error));
                Next::GoOn
            }
        }
    }

    fn perform(&mut self, request: Request<'_>, frames: &mut Frames) -> Next {
        let Request { id, bucket, operation, mut arguments } = request;
        if self.stash.is_none() {
            return self.greet(id, operation, &mut arguments, frames);
        }
        if self.run.bucket.as_deref() != bucket.map(|bucket| bucket.0) {
            self.settle(frames);
            self.run.bucket = bucket.map(|bucket| bucket.0.into());
        }
        let stash = match self.target(bucket) {
            Ok(stash) => stash,
            Err(error) => {
                frames.push(Some(id), &Answer::failed(&error));
                return Next::GoOn;
            }
        };
        match Single::parse(operation, &mut arguments) {
            Ok(Some(single)) => {
                // What is in memory is answered at once, unless a write before it waits.
                if single.only_reads() && self.run.singles.is_empty() {
                    frames.push(Some(id), &single.read(&stash));
                } else {
                    if self.run.is_full(&single) {
                        self.settle(frames);
                    }
                    self.run.push(id, single);
                }
                return Next::GoOn;
            }
            Ok(None) => {}
            Err(error) => {
                frames.push(Some(id), &Answer::failed(&error));
                return Next::GoOn;
            }
        }
        self.settle(frames);
        self.run.bucket = bucket.map(|bucket| bucket.0.into());
        if operation == "drop_bucket" {
            // Its handles would keep what they have open.
            self.clear_buckets();
        }
        let answer = many::run(operation, &mut arguments, &stash)
            .or_else(|| whole::run(operation, &mut arguments, &stash))
            .or_else(|| self.control(id, operation, &mut arguments, &stash));
        if let Some(answer) = answer {
            frames.push(Some(id), &answer.into());
            return Next::GoOn;
        }
        if let Some(work) = task::parse(operation, &mut arguments) {
            // What was asked for before is answered before a long wait.
            self.outlet.send(frames);
            let started = work.and_then(|work| self.tasks.start(id, work, &stash, &self.outlet));
            if let Err(error) = started {
                frames.push(Some(id), &Answer::failed(&error));
            }
            return Next::GoOn;
        }
        if operation == "close" {
            frames
                .push(Some(id), &arguments.end().and_then(|()| self.close()).map(|()| Answer::done()).into());
            return Next::End;
        }
        let error = malformed("there is no operation of this name");
        frames.push(Some(id), &Answer::failed(&error));
        Next::GoOn
    }

    /// Performs what was kept, in the order in which it came.
    pub(crate) fn settle(&mut self, frames: &mut Frames) {
        if self.run.singles.is_empty() {
            return;
        }
        let Run { bucket, ids, singles, .. } = std::mem::take(&mut self.run);
        let stash = match self.target(bucket.as_deref().map(Bucket)) {
            Ok(stash) => stash,
            Err(error) => {
                ids.into_iter().for_each(|id| frames.push(Some(id), &Answer::failed(&error)));
                return;
            }
        };
        for (id, answer) in ids.into_iter().zip(answers(&stash, singles)) {
            frames.push(Some(id), &answer);
        }
    }

    /// The stash, or that bucket of it.
    fn target(&self, bucket: Option<Bucket<'_>>) -> Result<LiteStash> {
        let stash =
            self.stash.as_ref().ok_or_else(|| Error::new(ErrorKind::Closed, "the stash is closed"))?;
        let Some(bucket) = bucket else { return Ok(stash.clone()) };
        let known = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(bucket);
        match known {
            Some(bucket) => Ok(bucket),
            None => self.buckets.write().unwrap_or_else(PoisonError::into_inner).open(stash, bucket),
        }
    }

    /// The handles of buckets, for who looks into them beside the session.
    pub(crate) fn buckets(&self) -> Arc<RwLock<Buckets>> {
        Arc::clone(&self.buckets)
    }

    fn clear_buckets(&self) {
        self.buckets.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn control(
        &mut self,
        id: Id,
        operation: &str,
        arguments: &mut Arguments<'_>,
        stash: &LiteStash,
    ) -> Option<Result<Answer>> {
        match operation {
            "subscribe" => {
                let options = arguments.options();
                Some(options.and_then(|options| self.subscriptions.add(id, options, stash, &self.outlet)))
            }
            "unsubscribe" => {
                let id = arguments.index("the number of the subscription");
                Some(id.and_then(|id| {
                    arguments.end()?;
                    Ok(Answer::of(&self.subscriptions.remove(id)))
                }))
            }
            "begin_compute" => Some(self.computations.begin(id, arguments, stash)),
            "end_compute" => Some(self.computations.end(arguments)),
            "ping" => Some(arguments.end().map(|()| Answer::done())),
            "cancel" => {
                let id = arguments.index("the number of the operation");
                Some(id.and_then(|id| {
                    arguments.end()?;
                    Ok(Answer::of(&self.tasks.cancel(id)))
                }))
            }
            "hello" => Some(Err(malformed("there was a hello already"))),
            #[cfg(feature = "conformance")]
            "tick" => Some(self.tick(arguments)),
            #[cfg(feature = "conformance")]
            "reopen" => Some(self.reopen()),
            #[cfg(feature = "conformance")]
            "watch" => Some(arguments.index("the microseconds").and_then(|us| {
                stash.log_changes(std::time::Duration::from_micros(us))?;
                Ok(Answer::done())
            })),
            _ => None,
        }
    }

    #[cfg(feature = "conformance")]
    fn tick(&self, arguments: &mut Arguments<'_>) -> Result<Answer> {
        let clock = self.clock.as_ref().ok_or_else(|| malformed("the clock is the system's"))?;
        clock.advance(arguments.int("the microseconds")?);
        Ok(Answer::done())
    }

    #[cfg(feature = "conformance")]
    fn reopen(&mut self) -> Result<Answer> {
        self.close()?;
        let opened = self.opened.clone().ok_or_else(|| malformed("there was no hello"))?;
        self.stash = Some(open(opened.0, opened.1)?);
        Ok(Answer::done())
    }

    /// The first request: without it there is nothing to work on.
    fn greet(&mut self, id: Id, operation: &str, arguments: &mut Arguments<'_>, frames: &mut Frames) -> Next {
        let opened = if operation == "hello" {
            self.open(arguments)
        } else {
            Err(malformed("the first request is a hello"))
        };
        match opened {
            Ok(hello) => {
                frames.push(Some(id), &hello);
                Next::GoOn
            }
            Err(error) => {
                frames.push(Some(id), &Answer::failed(&error));
                Next::End
            }
        }
    }

    fn open(&mut self, arguments: &mut Arguments<'_>) -> Result<Answer> {
        let mut members = arguments.options()?;
        match members.size("protocol")? {
            Some(PROTOCOL) => {}
            Some(other) => {
                return Err(Error::new(
                    ErrorKind::UnsupportedFormat,
                    format!("this engine speaks protocol {PROTOCOL}, not {other}"),
                ));
            }
            None => return Err(malformed("protocol is missing")),
        }
        let client = members.text("client")?.unwrap_or_default();
        tracing::info!(client, "hello");
        let directory = members.text("dir")?;
        let in_memory = members.flag("memory")?.unwrap_or(false);
        let settings = settings::take(&mut members)?;
        members.end()?;
        let options = settings.options;
        let (path, options) = match (self.given.take(), directory, in_memory) {
            (Some((path, options)), None, false) => (Some(path), options),
            (None, Some(directory), false) => (Some(PathBuf::from(directory)), options),
            (None, None, true) => (None, options),
            (Some(_), _, _) => return Err(malformed("the engine was started for a directory already")),
            (None, Some(_), true) => return Err(malformed("dir and memory exclude each other")),
            (None, None, false) => return Err(malformed("dir is missing")),
        };
        #[cfg(feature = "conformance")]
        {
            self.opened = Some((path.clone(), options.clone()));
        }
        let stash = open(path, options)?;
        let hello = self.hello();
        self.stash = Some(stash);
        #[cfg(feature = "conformance")]
        {
            self.clock = settings.clock;
        }
        Ok(Answer::value(&hello))
    }

    fn hello(&self) -> Value {
        let size = |size: usize| Value::Int(size as i64);
        let limits = Map::from([
            ("batch_bytes".into(), size(BATCH_BYTES_MAX)),
            ("batch_operations".into(), size(BATCH_OPERATIONS_MAX)),
            ("depth".into(), size(DEPTH_MAX)),
            ("frame_bytes".into(), size(self.payload_bytes_max)),
            ("key_bytes".into(), size(KEY_BYTES_MAX)),
            ("page_rows".into(), Value::Int(PAGE_ROWS_MAX as i64)),
            ("tasks".into(), size(TASKS_MAX)),
            ("values".into(), size(VALUES_MAX)),
        ]);
        let names = CAPABILITIES.iter().map(|name| Value::Text((*name).into())).collect();
        Value::Map(Map::from([
            ("capabilities".into(), Value::Array(names)),
            ("engine".into(), Value::Text(env!("CARGO_PKG_VERSION").into())),
            ("limits".into(), Value::Map(limits)),
            ("protocol".into(), Value::Int(PROTOCOL as i64)),
            ("sqlite".into(), Value::Text(litestash_core::sqlite_version().into())),
        ]))
    }

    /// Waits for the long operations and closes the stash. Closing again does nothing.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.tasks.finish();
        self.subscriptions.end();
        self.computations.clear();
        self.clear_buckets();
        match self.stash.take() {
            Some(stash) => stash.close(),
            None => Ok(()),
        }
    }

    /// The stash, once a hello has opened it and until it is closed.
    pub(crate) fn stash(&self) -> Option<LiteStash> {
        self.stash.clone()
    }

    /// Whether there was a hello.
    #[cfg(feature = "program")]
    pub(crate) fn has_begun(&self) -> bool {
        self.stash.is_some()
    }
}

/// The stash in a directory, or one in memory.
fn open(path: Option<PathBuf>, options: Options) -> Result<LiteStash> {
    match path {
        Some(path) => options.open(path),
        None => options.memory(),
    }
}

/// The answers to operations that are performed together.
fn answers(stash: &LiteStash, singles: Vec<Single>) -> Vec<Answer> {
    let panicked = || Answer::failed(&Error::new(ErrorKind::Internal, "the operation panicked"));
    let singles = match <[Single; 1]>::try_from(singles) {
        // A write by itself costs less than a transaction.
        Ok([single]) => {
            let answer = catch_unwind(AssertUnwindSafe(|| single.perform(stash)));
            return vec![answer.unwrap_or_else(|_| panicked())];
        }
        Err(singles) => singles,
    };
    let (ops, tellings): (Vec<_>, Vec<_>) = singles.into_iter().map(Single::into_parts).unzip();
    match catch_unwind(AssertUnwindSafe(|| stash.apply(&ops))) {
        Ok(Ok(outcomes)) => {
            tellings.into_iter().zip(outcomes).map(|(telling, outcome)| telling.answer(outcome)).collect()
        }
        Ok(Err(error)) => tellings.iter().map(|_| Answer::failed(&error)).collect(),
        Err(_) => tellings.iter().map(|_| panicked()).collect(),
    }
}

impl Run {
    fn is_full(&self, next: &Single) -> bool {
        self.ids.len() >= BATCH_OPERATIONS_MAX || self.bytes + next.size_bytes() > RUN_BYTES_MAX
    }

    fn push(&mut self, id: Id, single: Single) {
        self.bytes += single.size_bytes();
        self.ids.push(id);
        self.singles.push(single);
    }
}
