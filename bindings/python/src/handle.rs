//! A stash that a forked child opens anew.

use crate::error::Outcome;
use litestash_core::{BucketOptions, Durability, Error, ErrorKind, LiteStash, Options};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// How a handle came to be, and comes to be again in a child.
pub(crate) enum Source {
    Directory { path: PathBuf, options: Box<Options> },
    Memory,
    Bucket { parent: Arc<Handle>, name: String, options: Option<BucketOptions> },
    Level { parent: Arc<Handle>, level: Durability },
}

/// A stash, and the one that replaced it after a fork, and so on.
pub(crate) struct Handle {
    source: Source,
    closed: AtomicBool,
    first: Opened,
    /// The clock of tests.
    #[cfg(feature = "testing")]
    pub(crate) clock: Option<litestash_core::FixedClock>,
}

struct Opened {
    stash: LiteStash,
    /// In children the parent's stash stays where it is: nothing of it may be touched.
    next: OnceLock<Box<Opened>>,
}

impl Handle {
    pub(crate) fn new(source: Source, memory: Option<Options>) -> Outcome<Self> {
        let stash = match memory {
            Some(options) => options.memory()?,
            None => open(&source)?,
        };
        Ok(Self {
            source,
            closed: AtomicBool::new(false),
            first: Opened { stash, next: OnceLock::new() },
            #[cfg(feature = "testing")]
            clock: None,
        })
    }

    /// The same with the clock that it was opened with.
    #[cfg(feature = "testing")]
    pub(crate) fn with_clock(mut self, clock: Option<litestash_core::FixedClock>) -> Self {
        self.clock = clock;
        self
    }

    fn newest(&self) -> &Opened {
        let mut newest = &self.first;
        while let Some(next) = newest.next.get() {
            newest = next;
        }
        newest
    }

    /// The stash.
    #[inline]
    pub(crate) fn stash(&self) -> &LiteStash {
        &self.newest().stash
    }

    /// Runs an operation; in a forked child on the stash opened anew.
    #[inline]
    pub(crate) fn run<T>(&self, f: impl Fn(&LiteStash) -> Outcome<T>) -> Outcome<T> {
        match f(self.stash()) {
            Err(error) if error.kind() == ErrorKind::Forked => {
                self.reopen(error)?;
                f(self.stash())
            }
            done => done,
        }
    }

    /// The stash, for an operation that cannot be done twice: opened anew if this is a forked child.
    pub(crate) fn ready(&self) -> Outcome<&LiteStash> {
        match self.stash().peek_encoded("", |_| ()) {
            Err(error) if error.kind() == ErrorKind::Forked => self.reopen(error)?,
            _ => {}
        }
        Ok(self.stash())
    }

    /// Opens the stash anew in a forked child. (A fork's child has one thread; should two of a child's come here at
    /// once, one of the two stashes is closed again.)
    #[cold]
    pub(crate) fn reopen(&self, forked: Error) -> Outcome<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the stash is closed"));
        }
        if matches!(self.source, Source::Memory) {
            return Err(forked);
        }
        let newest = self.newest();
        let _ = newest.next.set(Box::new(Opened { stash: open(&self.source)?, next: OnceLock::new() }));
        Ok(())
    }

    pub(crate) fn close(&self) -> Outcome<()> {
        self.closed.store(true, Ordering::Release);
        self.stash().close()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.stash().is_closed()
    }

    /// The handle of a bucket.
    pub(crate) fn bucket(self: &Arc<Self>, name: &str, options: Option<BucketOptions>) -> Outcome<Self> {
        Self::new(Source::Bucket { parent: Arc::clone(self), name: name.to_owned(), options }, None)
    }

    /// A handle with another durability.
    pub(crate) fn with_durability(self: &Arc<Self>, level: Durability) -> Outcome<Self> {
        Self::new(Source::Level { parent: Arc::clone(self), level }, None)
    }

    /// Whether it is gone with its process.
    pub(crate) fn is_in_memory(&self) -> bool {
        match &self.source {
            Source::Directory { .. } => false,
            Source::Memory => true,
            Source::Bucket { parent, .. } | Source::Level { parent, .. } => parent.is_in_memory(),
        }
    }
}

fn open(source: &Source) -> Outcome<LiteStash> {
    match source {
        Source::Directory { path, options } => options.as_ref().clone().open(path),
        Source::Memory => Options::new().memory(),
        Source::Bucket { parent, name, options } => parent.run(|stash| match options {
            Some(options) => stash.bucket_with(name, options.clone()),
            None => stash.bucket(name),
        }),
        Source::Level { parent, level } => Ok(parent.ready()?.with_durability(*level)),
    }
}
