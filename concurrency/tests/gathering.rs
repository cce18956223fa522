//! Commits that share a sync, under random schedules.

#![allow(missing_docs)]

use litestash_concurrency::schedules::{is_found, is_sound, is_sound_by_priority};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

/// When it is closed.
#[derive(Clone, Copy, PartialEq)]
enum Close {
    /// At any moment: what has gathered is synced all the same.
    Meanwhile,
    /// As the engine does.
    Afterwards,
}

macro_rules! scenario {
    ($gathering:ident, $close:expr) => {
        || {
            use litestash_concurrency::$gathering::Gathering;
            const THREADS: u64 = 3;
            const COMMITS: u64 = 2;
            // A commit is its number; it is durable once its bit is set.
            let gathering = Arc::new(Gathering::<Vec<u64>>::default());
            let durable = Arc::new(AtomicU64::new(0));
            let syncing = Arc::new(Mutex::new(None));
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (gathering, durable) = (Arc::clone(&gathering), Arc::clone(&durable));
                    let syncing = Arc::clone(&syncing);
                    thread::spawn(move || {
                        let sync = {
                            let durable = Arc::clone(&durable);
                            move |group: &Vec<u64>| {
                                for commit in group {
                                    let before = durable.fetch_or(1 << commit, Ordering::SeqCst);
                                    assert_eq!(before & (1 << commit), 0, "commit {commit} was synced twice");
                                }
                                true
                            }
                        };
                        for number in 0..COMMITS {
                            let commit = thread * COMMITS + number;
                            let start = || {
                                let (gathering, sync) = (Arc::clone(&gathering), sync.clone());
                                let running = thread::spawn(move || gathering.run(sync));
                                let before = syncing.lock().expect("not poisoned").replace(running);
                                assert!(before.is_none(), "one thread syncs");
                                true
                            };
                            assert!(gathering.sync(|group| group.push(commit), start, &sync));
                            let synced = durable.load(Ordering::SeqCst) & (1 << commit) != 0;
                            assert!(synced, "commit {commit} was acknowledged before its sync");
                        }
                    })
                })
                .collect();
            if $close == Close::Meanwhile {
                gathering.close();
            }
            threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
            gathering.close();
            let running = syncing.lock().expect("not poisoned").take();
            running.into_iter().for_each(|thread| thread.join().expect("the thread that syncs ends"));
            assert_eq!(durable.load(Ordering::SeqCst), (1 << (THREADS * COMMITS)) - 1);
        }
    };
}

#[test]
fn every_commit_is_synced_once_before_it_is_acknowledged() {
    is_sound(scenario!(gathering, Close::Afterwards));
    is_sound(scenario!(gathering, Close::Meanwhile));
    is_sound_by_priority(scenario!(gathering, Close::Afterwards));
}

#[test]
fn seeded_bugs_are_found() {
    assert!(is_found(scenario!(gathering_thread_not_woken, Close::Afterwards)), "a lost wake-up");
    assert!(is_found(scenario!(gathering_told_to_one, Close::Afterwards)), "an answer that not all hear");
    assert!(
        is_found(scenario!(gathering_acknowledged_unsynced, Close::Afterwards)),
        "an acknowledgement before the sync"
    );
    assert!(is_found(scenario!(gathering_left_at_the_end, Close::Meanwhile)), "commits left at the end");
}
