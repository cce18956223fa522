use crate::support::{check_kind, stash};
use litestash_core::{ErrorKind, LiteStash, Options, ScanOptions};
use std::sync::atomic::{AtomicBool, Ordering};

/// Writers raise two counters in different shards, always the first before the second. In no consistent copy
/// is the second ahead of the first.
#[test]
fn a_backup_is_one_moment_of_all_shards() {
    let (dir, stash) = stash();
    let pairs: Vec<_> = (0..6).map(|n| (format!("first:{n}"), format!("second:{}", n * 17))).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for pair in &pairs {
            let (stash, done) = (LiteStash::open(dir.path()).unwrap(), &done);
            scope.spawn(move || {
                let mut round = 0;
                while !done.load(Ordering::Relaxed) {
                    round += 1;
                    stash.set(&pair.0, &round).unwrap();
                    stash.set(&pair.1, &round).unwrap();
                }
            });
        }
        let target = tempfile::tempdir().unwrap();
        for number in 0..20 {
            let path = target.path().join(number.to_string());
            stash.backup(&path).unwrap();
            let copy = LiteStash::open(&path).unwrap();
            for (first, second) in &pairs {
                let (a, b) = (copy.get_as::<i64>(first).unwrap(), copy.get_as::<i64>(second).unwrap());
                let (a, b) = (a.unwrap_or(0), b.unwrap_or(0));
                assert!(a == b || a == b + 1, "{first} {a}, {second} {b}");
            }
            assert!(copy.verify().unwrap().is_sound());
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_backup_holds_files_that_are_whole_and_nothing_else() {
    let (dir, stash) = stash();
    for n in 0..3000 {
        stash.set(n, &vec![n; 50]).unwrap();
    }
    let target = dir.path().join("backups/today");
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    let report = stash.backup(&target).unwrap();
    assert_eq!(report.shards, 16);
    let mut names: Vec<_> = target.read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!((names.len(), names[0].to_str()), (16, Some("shard-0.db")));
    assert_eq!(target.parent().unwrap().read_dir().unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&target), mode(&target.join("shard-0.db"))), (0o700, 0o600));
    }
    let copy = Options::new().read_only(true).open(&target).unwrap();
    let keys = |stash: &LiteStash| stash.keys(ScanOptions::default()).map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(keys(&copy), keys(&stash));
    check_kind(stash.backup(&target), ErrorKind::InvalidArgument);
    check_kind(copy.backup(dir.path().join("other")), ErrorKind::ReadOnly);
    assert!(!dir.path().join("other").exists());
}
