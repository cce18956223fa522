//! Rows kept in memory, never older than the files: a hit costs no system call and sees every process's
//! commits.
//!
//! A row is valid while the header of its shard's WAL index is what it was when the row was read, or what our
//! own commits made of it since. [`publication`] has the rules, [`segment`] the rows.

mod entry;
mod publication;
mod segment;

use super::armour::IndexPage;
use super::wal_index::{HEADER_WORDS, Header, WalIndex};
use crate::contract::key::KeyRef;
use crate::contract::limits::SHARDS;
use crate::contract::route::ShardId;
use crate::sync::{Mutex, MutexGuard};
use hashbrown::DefaultHashBuilder;
use publication::Publication;
use segment::{PINNED, Segment};
use serde::Serialize;
use std::hash::BuildHasher;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

pub(crate) use entry::{Content, Entry};

/// Parts with a lock each.
const SEGMENTS: usize = 32;

/// Figures of the read cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct CacheStats {
    /// Reads of one key that were answered from memory.
    pub hits: u64,
    /// Reads of one key that had to ask SQLite.
    pub misses: u64,
    /// Rows held, and keys known to be missing.
    pub entries: u64,
    /// Bytes they are counted as.
    pub bytes: u64,
    /// The limit of those bytes; 0 if the cache is off.
    pub bytes_max: u64,
}

/// The cache of one stash.
pub(crate) struct ReadCache {
    segments: [Padded; SEGMENTS],
    hasher: DefaultHashBuilder,
    shards: [ShardView; SHARDS],
    bytes_max: usize,
    /// Rows that wait to be written.
    pinned: AtomicUsize,
    /// Whether the pages may still be looked at.
    closed: AtomicBool,
}

/// On a cache line of its own.
#[repr(align(128))]
struct Padded(Mutex<Segment>);

struct ShardView {
    publication: Publication<HEADER_WORDS>,
    /// Where the header can be seen: null before the shard is open, and when it is not to be looked at any more.
    /// Read under the lock of a segment only, so that `close` can wait for it.
    index: AtomicPtr<AtomicU64>,
    page: Mutex<Option<IndexPage>>,
}

/// What a commit changed.
pub(crate) enum Changes {
    Rows(Vec<Arc<Entry>>),
    /// More than is worth naming: every row of the shard.
    All,
}

/// Rows beyond which a commit's changes are not named one by one.
const CHANGES_MAX: usize = 1024;

impl Changes {
    pub(crate) fn push(&mut self, entry: impl FnOnce() -> Entry) {
        match self {
            Self::Rows(rows) if rows.len() < CHANGES_MAX => rows.push(Arc::new(entry())),
            _ => *self = Self::All,
        }
    }
}

impl ReadCache {
    /// A cache of that many bytes over the whole stash; 0 turns it off.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            segments: std::array::from_fn(|_| Padded(Mutex::new(Segment::new(bytes_max / SEGMENTS)))),
            hasher: DefaultHashBuilder::default(),
            shards: std::array::from_fn(|_| ShardView {
                publication: Publication::new(),
                index: AtomicPtr::default(),
                page: Mutex::new(None),
            }),
            bytes_max,
            pinned: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Whether rows are kept that are not waiting to be written.
    pub(crate) fn is_on(&self) -> bool {
        self.bytes_max > 0
    }

    /// Says where a shard's header can be seen, until `close`.
    pub(super) fn attach(&self, shard: ShardId, page: IndexPage) {
        let view = &self.shards[shard.index()];
        let mut attached = view.page.lock();
        if attached.is_none() && !self.closed.load(Ordering::Acquire) {
            view.index.store(page.as_ptr().as_ptr(), Ordering::Release);
            *attached = Some(page);
        }
    }

    /// Answers nothing of a shard from now on, because its files were replaced.
    pub(super) fn lose(&self, shard: ShardId) {
        self.shards[shard.index()].index.store(std::ptr::null_mut(), Ordering::Release);
    }

    /// Answers nothing from now on, and lets go of the files.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for view in &self.shards {
            view.index.store(std::ptr::null_mut(), Ordering::SeqCst);
        }
        // A read that had seen a page has its segment's lock.
        for Padded(segment) in &self.segments {
            drop(segment.lock());
        }
        for view in &self.shards {
            view.page.lock().take();
        }
    }

    /// The shard's header as it is, if it can be seen.
    pub(super) fn header(&self, shard: ShardId) -> Option<Header> {
        // Under the lock of any segment `close` waits before it lets go of the page.
        let _page_stays = self.segments[shard.index()].0.lock();
        let index = self.shards[shard.index()].index.load(Ordering::SeqCst);
        NonNull::new(index).map(WalIndex::at).and_then(WalIndex::header)
    }

    fn hash(&self, key: KeyRef<'_>) -> u64 {
        self.hasher.hash_one(key)
    }

    fn segment(&self, hash: u64) -> MutexGuard<'_, Segment> {
        // The table uses the upper and the lowest bits.
        self.segments[(hash >> 24) as usize % SEGMENTS].0.lock()
    }

    /// The newest state of a key, if it is known.
    #[inline]
    pub(crate) fn get(&self, key: KeyRef<'_>) -> Option<Arc<Entry>> {
        if !self.is_on() && self.pinned.load(Ordering::Acquire) == 0 {
            return None;
        }
        let hash = self.hash(key);
        self.segment(hash).hit(hash, key, |epoch, entry| {
            let view = &self.shards[entry.shard.index()];
            let index = NonNull::new(view.index.load(Ordering::SeqCst)).map(WalIndex::at);
            let header = index.and_then(WalIndex::header);
            header.is_some_and(|header| view.publication.epoch_at(header.words()) == Some(epoch))
        })
    }

    /// Keeps what was read at `header`, unless `is_current` denies that the header still is that.
    pub(super) fn fill(&self, header: &Header, is_current: impl Fn() -> bool, entry: Entry) {
        let view = &self.shards[entry.shard.index()];
        let Some(epoch) = view.publication.adopt(header.words(), is_current) else { return };
        let hash = self.hash(entry.key.as_ref());
        let entry = Arc::new(entry);
        let mut segment = self.segment(hash);
        let pinned = segment.epoch_of(hash, entry.key.as_ref()) == Some(PINNED);
        if !pinned && view.publication.may_fill(header.words(), epoch) {
            segment.put(hash, entry, epoch);
        }
    }

    /// Takes in a commit of our own, which made `after` of the header `before`; `released` are rows that were
    /// pinned and are written now. If anybody else committed as well, the shard's rows are out of date
    /// instead.
    ///
    /// Only for the holder of the shard's writer lock, and before the commit is acknowledged.
    pub(super) fn publish(
        &self,
        shard: ShardId,
        released: &[Arc<Entry>],
        changes: Changes,
        before: Option<Header>,
        after: Option<Header>,
    ) {
        let publication = &self.shards[shard.index()].publication;
        let publishing = match (before, after) {
            (Some(before), Some(after)) if self.is_on() && after.is_one_commit_after(&before) => {
                publication.begin(before.words())
            }
            _ => None,
        };
        for entry in released {
            let hash = self.hash(entry.key.as_ref());
            self.segment(hash).release(hash, entry, publishing.as_ref().map(|publishing| publishing.epoch()));
        }
        self.pinned.fetch_sub(released.len(), Ordering::Release);
        let (Some(publishing), Some(after)) = (publishing, after) else { return };
        let Changes::Rows(rows) = changes else {
            drop(publishing);
            publication.drop_rows();
            return;
        };
        for entry in rows {
            let hash = self.hash(entry.key.as_ref());
            let mut segment = self.segment(hash);
            // What waits to be written is newer than what was written.
            if segment.epoch_of(hash, entry.key.as_ref()) != Some(PINNED) {
                segment.put(hash, entry, publishing.epoch());
            }
        }
        publishing.finish(after.words());
    }

    /// Holds a row that waits to be written: reads of its key find it from now on.
    pub(super) fn pin(&self, entry: &Arc<Entry>) {
        self.pinned.fetch_add(1, Ordering::AcqRel);
        let hash = self.hash(entry.key.as_ref());
        self.segment(hash).put(hash, Arc::clone(entry), PINNED);
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let mut stats = CacheStats { bytes_max: self.bytes_max as u64, ..CacheStats::default() };
        for Padded(segment) in &self.segments {
            let segment = segment.lock();
            let (entries, bytes) = segment.size();
            stats.entries += entries as u64;
            stats.bytes += bytes as u64;
            stats.hits += segment.hits;
            stats.misses += segment.misses;
        }
        stats
    }
}
