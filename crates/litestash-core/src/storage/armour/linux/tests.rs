//! The armour against what a second copy of SQLite does, done by hand: its locks are those of the process.

use super::ofd::{self, DATABASE_SHARED, INDEX_IN_USE, INDEX_LOCKS};
use super::parked::FileId;
use crate::error::ErrorKind;
use crate::storage::armour::{Guard, IndexPage, available, install};
use rusqlite::Connection;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

struct Shard {
    dir: tempfile::TempDir,
    name: &'static str,
}

impl Shard {
    fn new(name: &'static str) -> Self {
        install();
        assert!(available());
        Self { dir: tempfile::tempdir().unwrap(), name }
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.dir.path().join(format!("{}{suffix}", self.name))
    }

    /// A connection that has written.
    fn connect(&self) -> Connection {
        let connection = Connection::open(self.path("")).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (1)",
            )
            .unwrap();
        connection
    }

    fn guard(&self) -> Guard {
        Guard::take(&self.path(""), None).unwrap().unwrap()
    }
}

/// What a naive copy does, or another copy of SQLite: all POSIX locks of this process on the file are gone.
fn open_and_close(path: &Path) {
    drop(File::open(path).unwrap());
}

/// Whether anybody has a lock there that a writer would meet, as seen through another open file description.
/// Closing it would drop POSIX locks, so it is not closed.
fn is_locked(path: &Path, range: ofd::Range) -> bool {
    let probe = std::mem::ManuallyDrop::new(File::open(path).unwrap());
    ofd::is_locked_elsewhere(probe.as_fd(), range).unwrap()
}

/// Whether this process, through a second copy of SQLite, could take the database file exclusively.
fn posix_exclusive(path: &Path) -> std::io::Result<()> {
    let file = std::mem::ManuallyDrop::new(File::options().read(true).write(true).open(path).unwrap());
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 0x4000_0002,
        l_len: 510,
        l_pid: 0,
    };
    // SAFETY: an open descriptor and a structure that outlives the call.
    #[expect(unsafe_code, reason = "POSIX locks have no safe form")]
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw mut lock) };
    if answer == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[test]
fn a_writer_keeps_its_locks_when_somebody_closes_the_index() {
    let shard = Shard::new("shard-0.db");
    let connection = shard.connect();
    connection.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").unwrap();
    open_and_close(&shard.path("-shm"));
    assert!(is_locked(&shard.path("-shm"), INDEX_LOCKS) && is_locked(&shard.path("-shm"), INDEX_IN_USE));
    connection.execute_batch("COMMIT").unwrap();
}

#[test]
fn databases_of_other_names_are_left_alone() {
    let other = Shard::new("other.db");
    let connection = other.connect();
    connection.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").unwrap();
    assert!(is_locked(&other.path("-shm"), INDEX_LOCKS));
    // The harm that the armour is against; here it shows that the locks are still POSIX's.
    open_and_close(&other.path("-shm"));
    assert!(!is_locked(&other.path("-shm"), INDEX_LOCKS));
    connection.execute_batch("COMMIT").unwrap();
}

#[test]
fn nobody_is_alone_with_a_guarded_shard() {
    let shard = Shard::new("shard-1.db");
    let connection = shard.connect();
    let guard = shard.guard();
    open_and_close(&shard.path(""));
    open_and_close(&shard.path("-shm"));
    assert_eq!(posix_exclusive(&shard.path("")).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert!(is_locked(&shard.path("-shm"), INDEX_IN_USE));
    // Two guards do not hurt each other, nor does the end of one.
    drop(shard.guard());
    assert_eq!(posix_exclusive(&shard.path("")).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    connection.execute_batch("INSERT INTO t VALUES (3)").unwrap();
    guard.release();
    posix_exclusive(&shard.path("")).unwrap();
}

#[test]
fn a_guard_that_is_begun_keeps_the_log_before_anything_is_opened() {
    let shard = Shard::new("shard-7.db");
    // In a process of its own, another connection would have left the log like this.
    let connection = shard.connect();
    open_and_close(&shard.path(""));
    posix_exclusive(&shard.path("")).unwrap();
    open_and_close(&shard.path(""));
    let begun = Guard::begin(&shard.path("")).unwrap();
    assert!(begun.is_some());
    assert_eq!(posix_exclusive(&shard.path("")).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    let guard = Guard::take(&shard.path(""), begun).unwrap().unwrap();
    assert!(guard.still_named());
    assert_eq!(posix_exclusive(&shard.path("")).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(guard);
    drop(Guard::begin(&shard.path("")).unwrap());
    posix_exclusive(&shard.path("")).unwrap();
    drop(connection);
}

#[test]
fn a_file_that_is_not_in_wal_mode_is_left_to_sqlite() {
    let shard = Shard::new("shard-8.db");
    std::fs::write(shard.path(""), "").unwrap();
    assert!(Guard::begin(&shard.path("")).unwrap().is_none());
    Connection::open(shard.path("")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(Guard::begin(&shard.path("")).unwrap().is_none());
    // It takes the lock that a guard excludes.
    drop(shard.connect());
    assert!(Guard::begin(&shard.path("")).unwrap().is_some());
}

#[test]
fn the_last_connection_removes_the_log_after_the_release_and_not_before() {
    let shard = Shard::new("shard-2.db");
    let connection = shard.connect();
    let guard = shard.guard();
    drop(connection);
    assert!(shard.path("-wal").exists() && shard.path("-shm").exists());
    let connection = shard.connect();
    guard.release();
    guard.release();
    drop(connection);
    drop(guard);
    assert!(!shard.path("-wal").exists() && !shard.path("-shm").exists());
    let rows: i64 = shard.connect().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 3);
}

#[test]
fn a_guard_dropped_too_early_costs_no_lock() {
    let shard = Shard::new("shard-3.db");
    let connection = shard.connect();
    for _ in 0..50 {
        drop(shard.guard());
    }
    assert!(is_locked(&shard.path(""), DATABASE_SHARED), "the connection's own lock");
    // Parked, and taken up again by the next guard; the probe above is the third.
    let open = |file: Option<FileId>| {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap();
        entries
            .flatten()
            .filter(|entry| {
                std::fs::metadata(entry.path()).is_ok_and(|found| {
                    use std::os::unix::fs::MetadataExt;
                    file == Some(FileId::new(found.dev(), found.ino()))
                })
            })
            .count()
    };
    assert_eq!(open(FileId::of_path(&shard.path(""))), 3);
    drop(connection);
}

#[test]
fn the_page_shows_commits_and_outlives_the_connection() {
    let shard = Shard::new("shard-4.db");
    let connection = shard.connect();
    let guard = shard.guard();
    let page: IndexPage = guard.index_page().unwrap();
    // SAFETY: the page is mapped while it lives.
    #[expect(unsafe_code, reason = "the pointer is what others use")]
    let word =
        |index| unsafe { page.as_ptr().add(index).as_ref() }.load(std::sync::atomic::Ordering::Relaxed);
    let header = || std::array::from_fn::<u64, 12, _>(word);
    let before = header();
    assert_eq!(before[..6], before[6..]);
    connection.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    let after = header();
    assert_ne!(before, after);
    drop(connection);
    assert_eq!(header(), after);
}

#[test]
fn files_that_lost_their_names_are_noticed() {
    let shard = Shard::new("shard-5.db");
    let connection = shard.connect();
    let guard = shard.guard();
    assert!(guard.still_named());
    for suffix in ["", "-wal", "-shm"] {
        let (path, away) = (shard.path(suffix), shard.path("-away"));
        std::fs::rename(&path, &away).unwrap();
        assert!(!guard.still_named(), "{suffix}: gone");
        std::fs::write(&path, "another").unwrap();
        assert!(!guard.still_named(), "{suffix}: replaced");
        std::fs::rename(&away, &path).unwrap();
        assert!(guard.still_named(), "{suffix}");
    }
    drop(connection);
}

#[test]
fn a_connection_to_files_that_were_replaced_is_refused() {
    let shard = Shard::new("shard-6.db");
    let connection = shard.connect();
    let index = shard.path("-shm");
    std::fs::rename(&index, shard.path("-away")).unwrap();
    assert_eq!(Guard::take(&shard.path(""), None).unwrap_err().kind(), ErrorKind::Busy);
    std::fs::write(&index, vec![0; 32_768]).unwrap();
    assert_eq!(Guard::take(&shard.path(""), None).unwrap_err().kind(), ErrorKind::Busy);
    std::fs::rename(shard.path("-away"), &index).unwrap();
    assert!(shard.guard().still_named());
    std::fs::remove_file(shard.path("-wal")).unwrap();
    assert_eq!(Guard::take(&shard.path(""), None).unwrap_err().kind(), ErrorKind::Busy);
    drop(connection);
}
