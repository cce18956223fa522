//! The objects behind handles, and the tables they are in.

use crate::builder::Builder;
use crate::table::{Guard, Table};
use litestash_core::{EncodedItems, Error, ErrorKind, Key, Keys, LiteStash, Result, Subscriber};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Handles of stashes that can be open at the same time. A stash has one, and one for each level of durability and
/// each bucket that was asked for.
const STASHES_MAX: usize = 4096;

/// Iterations, values being built, and subscriptions, at the same time.
const OTHERS_MAX: usize = 1 << 14;

pub(crate) static STASHES: Table<Stash, STASHES_MAX, 8> = Table::new(1, "stashes");
pub(crate) static ITERATIONS: Table<Single<Iteration>, OTHERS_MAX, 1> = Table::new(2, "iterators");
pub(crate) static BUILDERS: Table<Single<Builder>, OTHERS_MAX, 1> = Table::new(3, "builders");
pub(crate) static LISTENERS: Table<Listener, OTHERS_MAX, 1> = Table::new(4, "subscriptions");

/// A stash in use by a call.
pub(crate) type StashGuard = Guard<Stash, 8>;

/// A handle of a stash, and what it has in common with the other handles of that stash.
pub(crate) struct Stash {
    pub(crate) engine: LiteStash,
    family: u64,
    /// The stash that this is a bucket of.
    root: Option<u64>,
}

impl std::ops::Deref for Stash {
    type Target = LiteStash;

    fn deref(&self) -> &LiteStash {
        &self.engine
    }
}

impl Stash {
    /// A stash that was just opened.
    pub(crate) fn opened(engine: LiteStash) -> Self {
        Self { engine, family: new_family(), root: None }
    }

    /// The same stash by another handle of the engine.
    pub(crate) fn relative(&self, engine: LiteStash) -> Self {
        Self { engine, family: self.family, root: self.root }
    }

    /// A bucket of this stash.
    pub(crate) fn bucket_of(&self, engine: LiteStash) -> Self {
        Self { engine, family: new_family(), root: Some(self.family) }
    }
}

fn new_family() -> u64 {
    static FAMILIES: AtomicU64 = AtomicU64::new(0);
    FAMILIES.fetch_add(1, Ordering::Relaxed)
}

/// Closes a stash: gives back all of its handles and of its buckets', then waits for what runs.
pub(crate) fn close(number: u64) -> Result<()> {
    let stash = STASHES.retire(number)?;
    STASHES.retire_where(|other| other.family == stash.family || other.root == Some(stash.family));
    stash.engine.close()
}

/// Something that one thread uses at a time.
pub(crate) struct Single<T>(Mutex<T>);

impl<T> Single<T> {
    pub(crate) fn new(object: T) -> Self {
        Self(Mutex::new(object))
    }

    /// `Busy` if another call uses it right now, so that misuse is an error and not a wait.
    pub(crate) fn claim(&self) -> Result<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(claimed) => Ok(claimed),
            // A panic left it as it was between two steps, which is no danger to memory.
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(ErrorKind::Busy, "another thread uses this iterator or builder"))
            }
        }
    }
}

/// A function that hears of events.
pub(crate) struct Listener(Mutex<Option<Subscriber>>);

impl Listener {
    pub(crate) fn new(subscriber: Subscriber) -> Self {
        Self(Mutex::new(Some(subscriber)))
    }

    fn subscriber(&self) -> MutexGuard<'_, Option<Subscriber>> {
        // Nothing in here panics, and nothing is half done in between.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many events were dropped. `Closed` if the subscription was ended meanwhile.
    pub(crate) fn dropped(&self) -> Result<u64> {
        let ended = || Error::new(ErrorKind::Closed, "the subscription was ended");
        self.subscriber().as_ref().map(Subscriber::dropped).ok_or_else(ended)
    }

    /// Ends the subscription, whoever else uses its handle, and waits for the function.
    pub(crate) fn end(&self) {
        let subscriber = self.subscriber().take();
        drop(subscriber);
    }
}

/// An iteration, and the row that its caller looks at.
pub(crate) struct Iteration {
    rows: Rows,
    current: Option<(Key, Vec<u8>)>,
}

/// What is iterated over.
pub(crate) enum Rows {
    Keys(Keys),
    Items(EncodedItems),
}

impl Iteration {
    pub(crate) fn new(rows: Rows) -> Self {
        Self { rows, current: None }
    }

    /// Moves to the next row; `None` at the end.
    pub(crate) fn advance(&mut self) -> Result<Option<&(Key, Vec<u8>)>> {
        self.current = None;
        let row = match &mut self.rows {
            Rows::Keys(keys) => keys.next().map(|key| key.map(|key| (key, Vec::new()))),
            Rows::Items(items) => items.next(),
        };
        self.current = row.transpose()?;
        Ok(self.current.as_ref())
    }

    pub(crate) fn has_values(&self) -> bool {
        matches!(self.rows, Rows::Items(_))
    }

    pub(crate) fn cursor(&self) -> litestash_core::Cursor {
        match &self.rows {
            Rows::Keys(keys) => keys.cursor(),
            Rows::Items(items) => items.cursor(),
        }
    }
}
