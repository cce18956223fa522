//! A shard's WAL index, its first page, in memory of our own.

use crate::storage::fork;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// Bytes of a page of the WAL index (<https://www.sqlite.org/walformat.html>, 2).
pub(super) const INDEX_PAGE_BYTES: usize = 32_768;

/// The first page of a `-shm`, mapped for reading until it is dropped.
///
/// Nobody cuts the file short while the shard's guard holds its lock, so reading it cannot fault. It must
/// not be read after the guard was released, nor in a forked child, which does not have it.
pub(crate) struct IndexPage {
    page: NonNull<AtomicU64>,
    generation: u64,
}

// SAFETY: the mapping belongs to the process and not to a thread, and is only read, as atomic words.
#[expect(unsafe_code, reason = "see the safety comment")]
unsafe impl Send for IndexPage {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "see the safety comment")]
unsafe impl Sync for IndexPage {}

impl IndexPage {
    /// `None` if the file has no whole page yet, or the system refuses.
    pub(super) fn map(index: BorrowedFd<'_>) -> Option<Self> {
        let size = rustix::fs::fstat(index).ok()?.st_size;
        if usize::try_from(size).ok()? < INDEX_PAGE_BYTES {
            return None;
        }
        // SAFETY: a new mapping at an address of the system's choice touches no other memory. A mapping keeps
        // the open file description, and with it locks; DONTFORK keeps it from a child.
        #[expect(unsafe_code, reason = "a memory map has no safe form")]
        let page = unsafe {
            let flags = (ProtFlags::READ, MapFlags::SHARED);
            let page = mmap(std::ptr::null_mut(), INDEX_PAGE_BYTES, flags.0, flags.1, index, 0).ok()?;
            if madvise(page, INDEX_PAGE_BYTES, Advice::LinuxDontFork).is_err() {
                let _ = munmap(page, INDEX_PAGE_BYTES);
                return None;
            }
            page
        };
        Some(Self { page: NonNull::new(page.cast())?, generation: fork::generation() })
    }

    /// The first of the page's words, for as long as this value lives.
    pub(crate) fn as_ptr(&self) -> NonNull<AtomicU64> {
        self.page
    }
}

impl Drop for IndexPage {
    fn drop(&mut self) {
        // A child does not have the mapping; something else may be at its address.
        if fork::generation() != self.generation {
            return;
        }
        // SAFETY: the mapping made in `map`, which nobody can use any more.
        #[expect(unsafe_code, reason = "a memory map has no safe form")]
        let result = unsafe { munmap(self.page.as_ptr().cast(), INDEX_PAGE_BYTES) };
        if let Err(error) = result {
            tracing::warn!(%error, "a page of a WAL index could not be unmapped");
        }
    }
}
