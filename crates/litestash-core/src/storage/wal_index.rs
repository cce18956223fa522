//! Looking at a shard's WAL-index header, which tells in a nanosecond whether any
//! process has committed since.
//!
//! The header is the first 48 bytes of the `-shm` file, stored twice, and SQLite has that page mapped
//! (<https://www.sqlite.org/walformat.html>, 2.1). A commit of any process changes it before it is
//! acknowledged: the change counter, the frame count and the cumulative checksums. So equal headers mean that
//! nothing happened in between.

use rusqlite::{Connection, ffi};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// The header in 8-byte words; a second copy of it follows.
pub(super) const HEADER_WORDS: usize = 48 / 8;

/// Bytes of a page of the WAL index.
const INDEX_PAGE_BYTES: i32 = 32_768;

/// The version of the index's layout; the first four bytes of the header.
const INDEX_VERSION: u32 = 3_007_000;

/// Where SQLite's locks are. The bytes are never read or written, because on some systems they cannot be.
const LOCK_BYTES: usize = 120;

/// WAL frames beyond which read transactions are not kept open, unless the database file has all of them: a
/// writer can start the log anew only in a moment without readers of it, so a long log needs such moments.
pub(super) const FRAMES_KEPT_MAX: u32 = 2000;

/// What the header said at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header([u64; HEADER_WORDS]);

/// How far a log is (<https://www.sqlite.org/walformat.html>, 2.1 and 4.1). The checksum is one of all frames, so logs
/// in the same state have the same commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogState {
    /// Valid frames.
    pub(crate) frames: u32,
    /// That of the last of them.
    pub(crate) checksum: [u32; 2],
    /// Of the log since it was begun, as they stand in it.
    pub(crate) salts: [u8; 8],
}

impl Header {
    /// The header as it is.
    pub(super) fn words(&self) -> &[u64; HEADER_WORDS] {
        &self.0
    }

    /// The number of valid frames in the log: bytes 16 to 19, in the host's byte order.
    pub(super) fn frames(&self) -> u32 {
        first_half(self.0[2])
    }

    /// Pages of the database as of the last commit in the log: bytes 20 to 23. Zero if the log was empty when the
    /// index was made, and then the file's size is what counts.
    pub(super) fn pages(&self) -> u32 {
        let [.., a, b, c, d] = self.0[2].to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    }

    /// Where the log is: bytes 16 to 19 and 24 to 39.
    pub(super) fn log_state(&self) -> LogState {
        let [a, b, c, d, e, f, g, h] = self.0[3].to_ne_bytes();
        LogState {
            frames: self.frames(),
            checksum: [[a, b, c, d], [e, f, g, h]].map(u32::from_ne_bytes),
            salts: self.0[4].to_ne_bytes(),
        }
    }

    /// The change counter, bytes 8 to 11: one more with every commit, from zero after a recovery.
    fn changes(&self) -> u32 {
        first_half(self.0[1])
    }

    /// A number that another header has only by chance, and never zero.
    pub(super) fn fingerprint(&self) -> u64 {
        let mix = |mixed: u64, word: &u64| (mixed.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0.iter().fold(1, mix) | 1
    }

    /// Whether exactly one commit lies between the two: the caller's own, given that it is one of those
    /// between. (A transaction that changed no row is none.)
    pub(super) fn is_one_commit_after(&self, before: &Self) -> bool {
        self.changes() == before.changes().wrapping_add(1)
    }
}

/// The 32-bit integer in the first four bytes of a word.
fn first_half(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// The mapped first page of a connection's WAL index.
#[derive(Clone, Copy)]
pub(super) struct WalIndex(NonNull<AtomicU64>);

impl WalIndex {
    /// The page, if this connection has it mapped: it is on a file, in WAL mode, and has read before.
    ///
    /// The result must not be used after the connection is closed or leaves WAL mode.
    pub(super) fn of(connection: &Connection) -> Option<Self> {
        let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
        let mut page: *mut c_void = std::ptr::null_mut();
        // SAFETY: the handle is that of an open connection; FILE_POINTER stores a pointer to its file object,
        // which lives as long as the connection
        // (<https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html>). The file object's methods are
        // those of its VFS; version 2 and later have xShmMap, which is called as SQLite itself calls it for
        // the first page, without extending.
        #[expect(unsafe_code, reason = "SQLite's file methods have no safe form")]
        unsafe {
            let answer = ffi::sqlite3_file_control(
                connection.handle(),
                c"main".as_ptr(),
                ffi::SQLITE_FCNTL_FILE_POINTER,
                (&raw mut file).cast(),
            );
            let methods = file.as_ref().and_then(|file| file.pMethods.as_ref())?;
            if answer != ffi::SQLITE_OK || methods.iVersion < 2 {
                return None;
            }
            if methods.xShmMap?(file, 0, INDEX_PAGE_BYTES, 0, &raw mut page) != ffi::SQLITE_OK {
                return None;
            }
        }
        NonNull::new(page.cast()).map(Self)
    }

    /// The page at that address, where a guard has mapped it. The result must not be used longer than it is.
    pub(super) fn at(page: NonNull<AtomicU64>) -> Self {
        Self(page)
    }

    /// The header now, or `None` while it is being written.
    #[inline]
    pub(super) fn header(self) -> Option<Header> {
        let header = Header(std::array::from_fn(|word| self.word(word)));
        // The second copy is written first and read last; equal copies are a whole header.
        fence(Ordering::Acquire);
        let same = (0..HEADER_WORDS)
            .fold(true, |same, word| same & (self.word(HEADER_WORDS + word) == header.0[word]));
        fence(Ordering::Acquire);
        // Before a log exists the page is all zeros.
        (same && header.0[0] != 0).then_some(header)
    }

    /// How many frames of the log are in the database file: the four bytes behind the header's copies.
    pub(super) fn backfilled(self) -> u32 {
        first_half(self.word(2 * HEADER_WORDS))
    }

    /// Whether a read transaction on this state may be kept open without keeping the log
    /// from being started anew.
    pub(super) fn may_be_kept(self, header: &Header, frames_max: u32) -> bool {
        header.frames() < frames_max || header.frames() == self.backfilled()
    }

    /// Whether the page is laid out as this module knows it.
    pub(super) fn has_known_layout(self) -> bool {
        let version = self.word(0).to_ne_bytes();
        u32::from_ne_bytes([version[0], version[1], version[2], version[3]]) == INDEX_VERSION
    }

    /// The eight bytes that SQLite's locks stand for, as two words that all processes share. SQLite gives them
    /// no meaning; they are zero when the first connection of all processes has opened the index.
    pub(super) fn lock_words(&self) -> [&AtomicU32; 2] {
        let words = self.0.cast::<AtomicU32>();
        // SAFETY: the page is mapped for as long as the connection is open, which outlives the borrow, for
        // writing too, or `of` would have had another answer; it is aligned to a memory page and longer than
        // the words, and everybody uses these only as atomic words.
        #[expect(unsafe_code, reason = "the page is memory that SQLite mapped")]
        unsafe {
            [words.add(LOCK_BYTES / 4).as_ref(), words.add(LOCK_BYTES / 4 + 1).as_ref()]
        }
    }

    fn word(self, word: usize) -> u64 {
        // SAFETY: the page is mapped for as long as the connection is open, aligned to a memory
        // page, and longer than the words read here. Other threads and processes write it; it is
        // only read here, as atomic words.
        #[expect(unsafe_code, reason = "the page is memory that SQLite mapped")]
        unsafe {
            self.0.add(word).as_ref().load(Ordering::Relaxed)
        }
    }
}
