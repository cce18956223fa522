//! Rows kept in memory, never older than the files: a hit costs no system call and sees every process's
//! commits.
//!
//! A row is valid while the header of its shard's WAL index is what it was when the row was read, or what our
//! own commits made of it since. [`publication`] has the rules, [`segment`] the rows.

mod entry;
mod publication;
mod segment;

use super::armour::IndexPage;
use super::journal::View;
use super::wal_index::{HEADER_WORDS, Header, WalIndex};
use crate::contract::key::KeyRef;
use crate::contract::route::ShardId;
use crate::sync::{Mutex, MutexGuard};
use hashbrown::DefaultHashBuilder;
use publication::Publication;
use segment::{PINNED, Segment};
use serde::Serialize;
use std::hash::{BuildHasher, Hasher};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

pub(crate) use entry::{Content, Entry, Known};

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

/// The cache of one stash and its buckets.
pub(crate) struct ReadCache {
    segments: [Padded; SEGMENTS],
    hasher: DefaultHashBuilder,
    bytes_max: usize,
    /// Rows that wait to be written.
    pinned: AtomicUsize,
    /// Groups that there were.
    groups: AtomicU64,
}

/// Whose rows: those of the stash itself or of one of its buckets. Added to the hash of a key, so that a key of
/// one is found apart from the same key of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group(u64);

impl Group {
    /// Different for each number, with bits that are spread like those of a hash.
    fn numbered(number: u64) -> Self {
        Self(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// On a cache line of its own.
#[repr(align(128))]
struct Padded(Mutex<Segment>);

/// One shard as the cache sees it.
pub(crate) struct ShardView {
    group: Group,
    shard: ShardId,
    /// While the journal has something new, rows are not shown before somebody looked into it.
    journal: Arc<View>,
    /// Whether rows are kept that are not waiting to be written.
    keeps: bool,
    /// Whether the shard was used since somebody looked.
    used: AtomicBool,
    closed: AtomicBool,
    publication: Publication<HEADER_WORDS>,
    /// Where the header can be seen: null before the shard is open, and when it is not to be looked at any more.
    /// Read under the lock of a segment only, so that `detach` can wait for it.
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

impl ShardView {
    /// Whether rows are kept that are not waiting to be written.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Notes that the shard is used.
    #[inline]
    pub(super) fn touch(&self) {
        // Mostly it is noted already, and a load leaves the cache line with whoever has it.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the shard was used since this was last asked.
    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// Says where the shard's header can be seen, until `detach`.
    pub(super) fn attach(&self, page: IndexPage) {
        let mut attached = self.page.lock();
        if attached.is_none() && !self.closed.load(Ordering::SeqCst) {
            self.index.store(page.as_ptr().as_ptr(), Ordering::SeqCst);
            *attached = Some(page);
        }
    }
}

impl ReadCache {
    /// A cache of that many bytes over the whole stash; 0 turns it off.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            segments: std::array::from_fn(|_| Padded(Mutex::new(Segment::new(bytes_max / SEGMENTS)))),
            hasher: DefaultHashBuilder::default(),
            bytes_max,
            pinned: AtomicUsize::new(0),
            groups: AtomicU64::new(0),
        }
    }

    /// A group of its own for shards that belong together.
    pub(crate) fn new_group(&self) -> Group {
        Group::numbered(self.groups.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether any rows are kept that are not waiting to be written.
    fn is_on(&self) -> bool {
        self.bytes_max > 0
    }

    /// A view of a shard of that group, of which rows are kept if `keeps`.
    pub(super) fn view(&self, group: Group, shard: ShardId, journal: Arc<View>, keeps: bool) -> ShardView {
        ShardView {
            group,
            shard,
            journal,
            keeps: keeps && self.is_on(),
            used: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            publication: Publication::new(),
            index: AtomicPtr::default(),
            page: Mutex::new(None),
        }
    }

    /// Answers nothing of these shards until they are attached again, and lets go of their files.
    pub(super) fn detach<'a>(&self, views: impl Iterator<Item = &'a ShardView> + Clone) {
        for view in views.clone() {
            view.index.store(std::ptr::null_mut(), Ordering::SeqCst);
        }
        self.wait_for_readers();
        for view in views {
            view.page.lock().take();
            // Another log may begin with the same header.
            view.publication.drop_rows();
        }
    }

    /// Waits for the reads that run now: one that had seen a page has its segment's lock.
    pub(super) fn wait_for_readers(&self) {
        for Padded(segment) in &self.segments {
            drop(segment.lock());
        }
    }

    /// A shard's header as it is, if it can be seen.
    pub(super) fn header(&self, view: &ShardView) -> Option<Header> {
        // Under the lock of any segment `detach` waits before it lets go of the page.
        let _page_stays = self.segments[view.shard.index()].0.lock();
        NonNull::new(view.index.load(Ordering::SeqCst)).map(WalIndex::at).and_then(WalIndex::header)
    }

    /// [`ReadCache::detach`], for good.
    pub(crate) fn close<'a>(&self, views: impl Iterator<Item = &'a ShardView> + Clone) {
        views.clone().for_each(|view| {
            view.closed.store(true, Ordering::SeqCst);
            view.journal.hide();
        });
        self.detach(views);
    }

    /// Of the bytes alone: keys of different types may share a hash, and what `Hash` adds to tell them apart is a
    /// good part of a hit.
    #[inline]
    fn hash(&self, group: Group, key: KeyRef<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        match key {
            KeyRef::Text(text) => hasher.write(text.as_bytes()),
            KeyRef::Bytes(bytes) => hasher.write(bytes),
            KeyRef::Int(int) => hasher.write_i64(int),
            KeyRef::Float(float) => hasher.write_u64(float.get().to_bits()),
        }
        hasher.finish().wrapping_add(group.0)
    }

    fn hash_of(&self, entry: &Entry) -> u64 {
        self.hash(entry.view.group, entry.key.as_ref())
    }

    fn segment(&self, hash: u64) -> MutexGuard<'_, Segment> {
        // The table uses the upper and the lowest bits.
        self.segments[(hash >> 24) as usize % SEGMENTS].0.lock()
    }

    /// The newest state of a key, if it is known; else a miss is counted.
    #[inline]
    pub(crate) fn get(&self, group: Group, key: KeyRef<'_>) -> Option<Known> {
        self.look(group, key, 1)
    }

    /// [`ReadCache::get`] for who will not ask SQLite next: only a hit is counted.
    #[inline]
    pub(crate) fn peek(&self, group: Group, key: KeyRef<'_>) -> Option<Known> {
        self.look(group, key, 0)
    }

    #[inline]
    fn look(&self, group: Group, key: KeyRef<'_>, misses: u64) -> Option<Known> {
        if !self.is_on() && self.pinned.load(Ordering::Acquire) == 0 {
            return None;
        }
        let hash = self.hash(group, key);
        let mut segment = self.segment(hash);
        let found = segment.hit(hash, group, key, |epoch, entry| {
            let view = &entry.view;
            let index = NonNull::new(view.index.load(Ordering::SeqCst)).map(WalIndex::at);
            let header = index.and_then(WalIndex::header);
            let is_valid = header
                .is_some_and(|header| view.publication.epoch_at(header.words()) == Some(epoch))
                && view.journal.is_quiet(view.shard);
            if is_valid {
                view.touch();
            }
            is_valid
        });
        if found.is_none() {
            segment.misses += misses;
        }
        found
    }

    /// Keeps what was read at `header`, unless `is_current` denies that the header still is that.
    pub(super) fn fill(&self, header: &Header, is_current: impl Fn() -> bool, entry: Entry) {
        let Some(epoch) = entry.view.publication.adopt(header.words(), is_current) else { return };
        let hash = self.hash_of(&entry);
        let entry = Arc::new(entry);
        let mut segment = self.segment(hash);
        let pinned = segment.epoch_of(hash, &entry) == Some(PINNED);
        if !pinned && entry.view.publication.may_fill(header.words(), epoch) {
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
        view: &ShardView,
        released: &[Arc<Entry>],
        changes: Changes,
        before: Option<Header>,
        after: Option<Header>,
    ) {
        let publication = &view.publication;
        let publishing = match (before, after) {
            (Some(before), Some(after)) if view.keeps && after.is_one_commit_after(&before) => {
                publication.begin(before.words())
            }
            _ => None,
        };
        for entry in released {
            let hash = self.hash_of(entry);
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
            let hash = self.hash_of(&entry);
            let mut segment = self.segment(hash);
            // What waits to be written is newer than what was written.
            if segment.epoch_of(hash, &entry) != Some(PINNED) {
                segment.put(hash, entry, publishing.epoch());
            }
        }
        publishing.finish(after.words());
    }

    /// Holds a row that waits to be written: reads of its key find it from now on.
    pub(super) fn pin(&self, entry: &Arc<Entry>) {
        self.pinned.fetch_add(1, Ordering::AcqRel);
        let hash = self.hash_of(entry);
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
