//! Knowing without a lock whether the journal has changed since a shard last looked into it.

use crate::contract::limits::SHARDS;
use crate::contract::route::ShardId;
use crate::storage::armour::IndexPage;
use crate::storage::wal_index::WalIndex;
use crate::sync::{AtomicU64, Mutex, Ordering};
use std::ptr::NonNull;
use std::sync::atomic::AtomicPtr;

/// What each shard has seen of the journal, and the journal's WAL index.
pub(crate) struct View {
    /// Null while there is no journal, and when it is not to be looked at any more.
    index: AtomicPtr<std::sync::atomic::AtomicU64>,
    page: Mutex<Option<IndexPage>>,
    /// The fingerprint of the header when the journal had nothing for a shard that the shard did not have.
    /// Zero before that was looked up.
    seen: [AtomicU64; SHARDS],
}

impl Default for View {
    fn default() -> Self {
        Self {
            index: AtomicPtr::default(),
            page: Mutex::new(None),
            seen: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl View {
    /// Says where the header can be seen, until [`View::hide`].
    pub(super) fn attach(&self, page: IndexPage) {
        let mut attached = self.page.lock();
        if attached.is_none() {
            self.index.store(page.as_ptr().as_ptr(), Ordering::Release);
            *attached = Some(page);
        }
    }

    /// Shows nothing from now on. The page is kept until [`View::detach`], for who looks at it right now.
    pub(crate) fn hide(&self) {
        self.index.store(std::ptr::null_mut(), Ordering::SeqCst);
    }

    /// Lets go of the page, once nobody can be looking at it.
    pub(crate) fn detach(&self) {
        self.page.lock().take();
    }

    /// Whether a row that was read from that shard before may be shown: nothing was added to the journal since
    /// the shard last looked. Only where [`View::hide`] and [`View::detach`] wait for the caller to end.
    #[inline]
    pub(crate) fn is_quiet(&self, shard: ShardId) -> bool {
        match NonNull::new(self.index.load(Ordering::SeqCst)) {
            None => true,
            Some(page) => self.is_quiet_at(shard, page),
        }
    }

    #[inline(never)]
    fn is_quiet_at(&self, shard: ShardId, page: NonNull<std::sync::atomic::AtomicU64>) -> bool {
        WalIndex::at(page).header().is_some_and(|header| header.fingerprint() == self.seen(shard))
    }

    pub(super) fn seen(&self, shard: ShardId) -> u64 {
        self.seen[shard.index()].load(Ordering::Acquire)
    }

    pub(super) fn has_seen(&self, shard: ShardId, fingerprint: u64) {
        self.seen[shard.index()].store(fingerprint, Ordering::Release);
    }
}
