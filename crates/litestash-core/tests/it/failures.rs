//! What the surroundings can do to a stash: no permission, no space, no network file system,
//! fork, locks held by others.

use crate::support::{check_kind, stash};
#[cfg(target_os = "linux")]
use crate::support::{on_small_file_system, wait_until};
use litestash_core::{Durability, ErrorKind, LiteStash, Options, ScanOptions};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_missing_stash_is_not_created_against_the_options() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    check_kind(Options::new().create(false).open(&missing), ErrorKind::NoStash);
    check_kind(Options::new().create(false).open(dir.path()), ErrorKind::NoStash);
    check_kind(Options::new().read_only(true).open(&missing), ErrorKind::NoStash);
    assert!(!missing.exists());
    check_kind(Options::new().value_bytes_max(0).open(dir.path()), ErrorKind::InvalidArgument);
    check_kind(Options::new().value_bytes_max(1 << 40).open(dir.path()), ErrorKind::InvalidArgument);
    check_kind(Options::new().read_only(true).memory(), ErrorKind::InvalidArgument);
}

#[test]
fn a_read_only_stash_reads_beside_a_writer_and_changes_nothing() {
    let (dir, stash) = stash();
    stash.set("k", &1).unwrap();
    let reader = Options::new().read_only(true).open(dir.path()).unwrap();
    assert!(reader.is_read_only());
    assert_eq!(reader.get_as("k").unwrap(), Some(1));
    stash.set("k", &2).unwrap();
    assert_eq!(reader.get_as("k").unwrap(), Some(2));
    check_kind(reader.set("k", &3), ErrorKind::ReadOnly);
    check_kind(reader.delete("k"), ErrorKind::ReadOnly);
    check_kind(reader.clear(), ErrorKind::ReadOnly);
    check_kind(reader.compact(), ErrorKind::ReadOnly);
    assert_eq!(reader.len().unwrap(), 1);
    assert!(reader.verify().unwrap().is_sound());
    reader.close().unwrap();
    assert_eq!(stash.get_as("k").unwrap(), Some(2));
}

#[test]
fn a_value_over_the_limit_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().value_bytes_max(100).open(dir.path()).unwrap();
    check_kind(stash.set("k", &"x".repeat(200)), ErrorKind::TooLarge);
    check_kind(stash.set_many([("a", "short".to_owned()), ("k", "x".repeat(200))]), ErrorKind::TooLarge);
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    stash.set("k", &"x".repeat(98)).unwrap();
}

#[test]
fn a_shard_held_by_another_connection_is_busy_and_then_free() {
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().busy_timeout(Duration::from_millis(100)).open(dir.path()).unwrap();
    stash.set("user:1001", &1).unwrap();
    let holder = rusqlite::Connection::open(dir.path().join("shard-2.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    check_kind(stash.set("user:1001", &2), ErrorKind::Busy);
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert_eq!(stash.get_as("user:1001").unwrap(), Some(1));
    let patient = Options::new().busy_timeout(Duration::from_secs(20)).open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| patient.set("user:1001", &3));
        std::thread::sleep(Duration::from_millis(50));
        holder.execute_batch("ROLLBACK").unwrap();
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(stash.get_as("user:1001").unwrap(), Some(3));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_and_nothing_acknowledged_is_lost() {
    on_small_file_system("size=4m", |path| {
        let stash = LiteStash::open(path.join("stash")).unwrap();
        let mut stored = 0;
        let full = loop {
            match stash.set(stored, &vec![stored; 2000]) {
                Ok(_) => stored += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::DiskFull, "{full}");
        assert!(stored > 10, "{stored}");
        for key in 0..stored {
            assert_eq!(stash.get_as::<Vec<i32>>(key).unwrap(), Some(vec![key; 2000]), "{key}");
        }
        assert_eq!(stash.get(stored).unwrap(), None);
        std::fs::write(path.join("filler"), "").unwrap();
        stash.close().unwrap_or_else(|error| assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}"));
        let again = LiteStash::open(path.join("stash")).unwrap();
        assert_eq!(again.keys(ScanOptions::default()).filter(Result::is_ok).count(), stored as usize);
        assert!(again.verify().unwrap().is_sound());
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_file_system_can_be_read_and_says_that_it_cannot_be_written() {
    on_small_file_system("size=8m", |path| {
        let stash = LiteStash::open(path).unwrap();
        stash.set_many((0..100).map(|n| (n, n))).unwrap();
        stash.close().unwrap();
        // A child that another test just started has our descriptors until its program runs.
        wait_until("nothing open for writing", Duration::from_secs(20), || {
            Command::new("mount").args(["-o", "remount,ro"]).arg(path).output().unwrap().status.success()
        });
        let reader = Options::new().read_only(true).open(path).unwrap();
        assert_eq!(reader.len().unwrap(), 100);
        assert_eq!(reader.get_as(7).unwrap(), Some(7));
        let writer = LiteStash::open(path).unwrap();
        check_kind(writer.set(7, &8), ErrorKind::ReadOnly);
        let missing = Options::new().open(path.join("new"));
        check_kind(missing, ErrorKind::ReadOnly);
    });
}

/// What this test program does when it is started as somebody without rights: tries to use the stash in the
/// directory given.
#[test]
#[cfg(unix)]
fn no_permission_is_said() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const DIRECTORY: &str = "LITESTASH_TEST_NO_PERMISSION";
    if let Some(dir) = std::env::var_os(DIRECTORY) {
        check_kind(
            LiteStash::open(Path::new(&dir).join("closed")).and_then(|stash| stash.get(7)),
            ErrorKind::PermissionDenied,
        );
        let open = Path::new(&dir).join("open");
        check_kind(LiteStash::open(&open).and_then(|stash| stash.set(7, &1)), ErrorKind::ReadOnly);
        let reader = Options::new().immutable(true).open(&open).unwrap();
        assert_eq!(reader.get_as(7).unwrap(), Some(7));
        check_kind(
            Options::new().read_only(true).open(&open).and_then(|stash| stash.get(7)),
            ErrorKind::ReadOnly,
        );
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: becoming another user needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for (name, mode) in [("closed", 0o700), ("open", 0o755)] {
        let path = dir.path().join(name);
        let stash = LiteStash::open(&path).unwrap();
        stash.set_many((0..50).map(|n| (n, n))).unwrap();
        stash.close().unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        for file in path.read_dir().unwrap().map(Result::unwrap) {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
    // The program itself may lie where another user cannot look. Copied by another process: a child that another
    // test forks meanwhile would keep it open for writing, and it could not be started.
    let program = dir.path().join("program");
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status();
    assert!(copied.unwrap().success());
    let child = Command::new(&program)
        .args(["--exact", "failures::no_permission_is_said", "--nocapture"])
        .env(DIRECTORY, dir.path())
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

/// After fork() the child's handle is dead, and neither using nor dropping it hurts the parent.
#[test]
#[cfg(target_os = "linux")]
fn a_forked_child_is_told_and_the_parent_unhurt() {
    let dir = tempfile::tempdir().unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    stash.set("k", &1).unwrap();
    #[expect(unsafe_code, reason = "fork has no safe form")]
    // SAFETY: the child only calls into LiteStash, which must cope with exactly this, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let told = stash.get("k").is_err_and(|error| error.kind() == ErrorKind::Forked)
            && stash.set("k", &2).is_err_and(|error| error.kind() == ErrorKind::Forked);
        drop(stash);
        #[expect(unsafe_code, reason = "_exit has no safe form")]
        // SAFETY: ends the child at once, without running the parent's exit handlers.
        unsafe {
            libc::_exit(if told { 0 } else { 1 })
        }
    }
    let mut status = 0;
    #[expect(unsafe_code, reason = "waitpid for a raw fork")]
    // SAFETY: waits for the child forked above; `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!((waited, status), (child, 0));
    stash.set("k", &3).unwrap();
    assert_eq!(stash.get_as("k").unwrap(), Some(3));
    let other = LiteStash::open(dir.path()).unwrap();
    assert_eq!(other.get_as("k").unwrap(), Some(3));
}

/// A child forked in any moment, also while other threads are in SQLite and hold its locks, can open the stash
/// anew and use it.
#[test]
#[cfg(target_os = "linux")]
fn a_child_forked_among_busy_threads_can_open_the_stash_anew() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let dir = tempfile::tempdir().unwrap();
    let stash = LiteStash::open(dir.path()).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (stash, stop, path) = (&stash, &stop, dir.path());
            scope.spawn(move || {
                for round in 0_u64.. {
                    stash.set(format!("{thread}"), &round).unwrap();
                    if round % 16 == 0 {
                        LiteStash::open(path).unwrap().get("child").unwrap();
                    }
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let ended: Vec<_> = (0_i32..40).map(|number| forked_child_sets(dir.path(), number)).collect();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(ended, [0; 40]);
    });
    assert_eq!(stash.get_as("child").unwrap(), Some(39));
}

/// The status with which a forked child ends that writes this number. One that hangs is ended by a signal.
#[cfg(target_os = "linux")]
fn forked_child_sets(path: &std::path::Path, number: i32) -> i32 {
    #[expect(unsafe_code, reason = "fork has no safe form")]
    // SAFETY: the child only calls into LiteStash, which must cope with exactly this, and leaves by _exit.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::alarm(20);
            let written = LiteStash::open(path).and_then(|anew| anew.set("child", &number));
            libc::_exit(i32::from(written.is_err()));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        status
    }
}

/// A disk that fails while a commit is written: the outcome is unknown, and the shard goes on afterwards.
///
/// The failure is injected below SQLite, for the whole process, so the test runs in a process of its own.
#[test]
#[cfg(target_os = "linux")]
fn a_commit_that_fails_is_indeterminate_and_the_shard_recovers() {
    use std::sync::atomic::{AtomicBool, Ordering};
    const ROLE: &str = "LITESTASH_TEST_FAILING_DISK";
    static FAILING: AtomicBool = AtomicBool::new(false);

    extern "C" fn pwrite(file: i32, bytes: *const libc::c_void, count: usize, offset: libc::off_t) -> isize {
        #[expect(unsafe_code, reason = "stands in for pwrite(2)")]
        // SAFETY: SQLite calls this as pwrite(2) and vouches for the arguments; errno is this thread's own.
        unsafe {
            if FAILING.load(Ordering::SeqCst) {
                *libc::__errno_location() = libc::EIO;
                return -1;
            }
            libc::pwrite(file, bytes, count, offset)
        }
    }

    if std::env::var_os(ROLE).is_none() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "failures::a_commit_that_fails_is_indeterminate_and_the_shard_recovers",
                "--nocapture",
            ])
            .env(ROLE, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        return;
    }
    #[expect(unsafe_code, reason = "SQLite's system calls are replaced through its C interface")]
    // SAFETY: the default VFS lives as long as the process; the function has pwrite's signature
    // (<https://www.sqlite.org/c3ref/vfs.html>).
    unsafe {
        use rusqlite::ffi;
        let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
        let replace = (*vfs).xSetSystemCall.unwrap();
        let call: unsafe extern "C" fn() = std::mem::transmute(pwrite as *const ());
        for name in [c"pwrite", c"pwrite64"] {
            assert_eq!(replace(vfs, name.as_ptr(), Some(call)), ffi::SQLITE_OK);
        }
    }
    let (dir, stash) = stash();
    stash.set("user:1001", &1).unwrap();
    assert_eq!(ErrorKind::Indeterminate.retry(), litestash_core::Retry::AfterReading);
    let writes: [&dyn Fn() -> Result<(), litestash_core::Error>; 3] =
        [&|| stash.set("user:1001", &-1).map(drop), &|| stash.increment("user:1001", 100).map(drop), &|| {
            stash.set_many([("user:1001", -1)]).map(drop)
        }];
    for (write, value) in writes.iter().zip(2..) {
        FAILING.store(true, Ordering::SeqCst);
        check_kind(write(), ErrorKind::Indeterminate);
        // While the disk goes on failing, so does the next write, or the opening before it.
        let next = stash.set("user:1001", &-1).unwrap_err().kind();
        assert!(matches!(next, ErrorKind::Io | ErrorKind::Indeterminate), "{next}");
        FAILING.store(false, Ordering::SeqCst);
        assert_eq!(stash.get_as("user:1001").unwrap(), Some(value - 1));
        stash.set("user:1001", &value).unwrap();
        assert_eq!(stash.get_as("user:1001").unwrap(), Some(value));
    }
    // Relaxed writes wait until the disk takes them, and whoever waits for that is told.
    let relaxed = stash.with_durability(Durability::Relaxed);
    FAILING.store(true, Ordering::SeqCst);
    for value in 100..200 {
        relaxed.set("user:1001", &value).unwrap();
        relaxed.set(value, &value).unwrap();
        assert_eq!(stash.get_as("user:1001").unwrap(), Some(value));
    }
    let told = relaxed.sync().unwrap_err().kind();
    assert!(matches!(told, ErrorKind::Io | ErrorKind::Indeterminate), "{told}");
    std::thread::sleep(Duration::from_millis(30));
    assert!(relaxed.sync().is_err());
    assert_eq!(stash.get_as("user:1001").unwrap(), Some(199));
    FAILING.store(false, Ordering::SeqCst);
    relaxed.sync().unwrap();
    relaxed.set("user:1001", &4).unwrap();
    stash.close().unwrap();
    let again = LiteStash::open(dir.path()).unwrap();
    assert_eq!(again.get_as("user:1001").unwrap(), Some(4));
    assert!((100..200).all(|value| again.get_as(value).unwrap() == Some(value)));
    assert!(again.verify().unwrap().is_sound());
}
