//! Several processes on one directory. The long forms are the examples `soak` and `crash`.

use crate::support::stash;
use litestash_core::LiteStash;
use std::process::{Command, Stdio};

const ROLE: &str = "LITESTASH_TEST_PROCESS";

/// Four processes raise shared and private counters; no increment is lost.
#[test]
fn increments_of_several_processes_add_up() {
    const ROUNDS: i64 = 300;
    if let Ok(dir) = std::env::var(ROLE) {
        let stash = LiteStash::open(dir).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for round in 0..ROUNDS {
                        stash.increment("shared", 1).unwrap();
                        stash.increment(round % 40, 1).unwrap();
                    }
                });
            }
        });
        return;
    }
    let (dir, stash) = stash();
    let children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "processes::increments_of_several_processes_add_up"])
                .env(ROLE, dir.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(stash.get_as("shared").unwrap(), Some(8 * ROUNDS));
    let sum: i64 = (0..40).map(|key| stash.get_as::<i64>(key).unwrap().unwrap()).sum();
    assert_eq!(sum, 8 * ROUNDS);
    assert!(stash.verify().unwrap().is_sound());
}

/// Threads that all create the same shards, through separate handles.
#[test]
fn creating_shards_at_once_creates_each_once() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let dir = &dir;
                scope.spawn(move || {
                    let stash = LiteStash::open(dir.path()).unwrap();
                    for n in 0..40 {
                        stash.set(n * 4 + thread, &thread).unwrap();
                    }
                });
            }
        });
        let stash = LiteStash::open(dir.path()).unwrap();
        assert_eq!(stash.len().unwrap(), 160);
        assert!(stash.verify().unwrap().is_sound());
        stash.close().unwrap();
        assert!(dir.path().read_dir().unwrap().all(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            name.starts_with("shard-") && name.ends_with(".db")
        }));
    }
}
