//! What several topics need.

use litestash_core::{Compression, Error, ErrorKind, FixedClock, LiteStash, Options};
use std::ffi::OsStr;
use std::fmt::Debug;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// 2026-01-02T03:04:05.678901Z
pub(crate) const NOW_US: i64 = 1_767_323_045_678_901;

/// How a stash stores its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Plain,
    Compressed,
    Encrypted,
    CompressedAndEncrypted,
}

impl Stored {
    /// Options for such a stash. Bodies that are worth it are compressed from 16 bytes on.
    pub(crate) fn options(self) -> Options {
        let options = Options::new();
        let options = match self {
            Self::Plain | Self::Encrypted => options,
            Self::Compressed | Self::CompressedAndEncrypted => {
                options.compression(Compression { min_bytes: 16, level: 1 })
            }
        };
        match self {
            Self::Plain | Self::Compressed => options,
            Self::Encrypted | Self::CompressedAndEncrypted => options.encryption_key([7; 32]),
        }
    }
}

/// A stash in a directory of its own.
pub(crate) fn stash() -> (TempDir, LiteStash) {
    let dir = tempfile::tempdir().unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    (dir, stash)
}

/// A stash whose clock stands at [`NOW_US`].
pub(crate) fn stash_at_now() -> (TempDir, LiteStash, FixedClock) {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW_US);
    let stash = Options::new().clock(clock.clone()).background(false).open(dir.path()).unwrap();
    (dir, stash, clock)
}

/// Insists on the kind of an error.
#[track_caller]
pub(crate) fn check_kind<T: Debug>(result: Result<T, Error>, kind: ErrorKind) {
    assert_eq!(result.unwrap_err().kind(), kind);
}

/// Runs `f` on a small file system of its own; `None` where this user may not mount one.
#[cfg(target_os = "linux")]
pub(crate) fn on_small_file_system(options: &str, f: impl FnOnce(&Path)) -> Option<()> {
    let point = tempfile::tempdir().unwrap();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(point.path()).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("SKIPPED: this user may not mount a file system");
        return None;
    }
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(point.path())));
    assert!(Command::new("umount").arg("-l").arg(point.path()).status().unwrap().success());
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
    Some(())
}

/// Whether the engine can look at the WAL index here, without which nothing is cached.
pub(crate) const CACHES: bool = cfg!(all(target_os = "linux", target_pointer_width = "64"));

/// Text keys of shard 7: they share its lock, its log and its queue.
pub(crate) fn keys_of_one_shard(count: usize) -> Vec<String> {
    keys_of_shard(7, count)
}

/// Text keys of that shard.
pub(crate) fn keys_of_shard(number: u8, count: usize) -> Vec<String> {
    use litestash_core::contract::{hash::KeyHash, key::KeyRef, route::Route};
    let shard = |key: &str| Route::of(&KeyHash::of(KeyRef::Text(key))).shard.number();
    (0..).map(|n| format!("key:{n}")).filter(|key| shard(key) == number).take(count).collect()
}

/// Frames in the log. A transaction of one row is one frame or more, and a page that several writes of a
/// transaction change is one.
pub(crate) fn frames(counter: &rusqlite::Connection) -> u64 {
    counter.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, i64>(1)).unwrap().unsigned_abs()
}

/// This test program again, to run one test, which finds `value` in the variable `role`.
pub(crate) fn again(test: &str, role: &str, value: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(role, value);
    command
}

/// Waits until that holds, for longer than any machine should need.
#[track_caller]
pub(crate) fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Random numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}
