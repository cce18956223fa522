//! The commit queue under random schedules.

#![allow(missing_docs)]

use litestash_concurrency::schedules::{is_found, is_sound, is_sound_by_priority};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

/// When a leader tells the others.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    CommitFirst,
    /// A seeded bug.
    TellFirst,
}

macro_rules! scenario {
    ($queue:ident, $order:expr) => {
        move || {
            use litestash_concurrency::$queue::{CommitQueue, Leader, Turn};
            const THREADS: u64 = 3;
            const JOBS: u64 = 2;
            // A job is its number; it is committed once its bit is set.
            let queue = Arc::new(CommitQueue::<u64>::new(1));
            let committed = Arc::new(AtomicU64::new(0));
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (queue, committed) = (Arc::clone(&queue), Arc::clone(&committed));
                    thread::spawn(move || {
                        let commit = |job: u64| {
                            let before = committed.fetch_or(1 << job, Ordering::SeqCst);
                            assert_eq!(before & (1 << job), 0, "job {job} was done twice");
                        };
                        let serve = |mut leader: Leader<'_, u64>| {
                            let mut group = leader.take();
                            let jobs: Vec<u64> = group.iter_mut().map(|left| *left.job()).collect();
                            if $order == Order::TellFirst {
                                group.drain(..).for_each(|left| left.done());
                            }
                            jobs.into_iter().for_each(commit);
                            group.into_iter().for_each(|left| left.done());
                        };
                        for number in 0..JOBS {
                            let job = thread * JOBS + number;
                            match queue.try_lead() {
                                Some(leader) => {
                                    commit(job);
                                    serve(leader);
                                }
                                None => match queue.leave(job, 1) {
                                    Turn::Lead(leader, job) => {
                                        commit(job);
                                        serve(leader);
                                    }
                                    Turn::Done(_) => {}
                                    Turn::Lost | Turn::Closed => panic!("nobody was lost, nothing closed"),
                                },
                            }
                            let acknowledged = committed.load(Ordering::SeqCst) & (1 << job) != 0;
                            assert!(acknowledged, "job {job} was acknowledged before its commit");
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
            queue.close();
            assert!(queue.try_lead().is_none());
            assert_eq!(committed.load(Ordering::SeqCst), (1 << (THREADS * JOBS)) - 1);
        }
    };
}

#[test]
fn every_job_is_done_and_acknowledged_after_its_commit() {
    is_sound(scenario!(queue, Order::CommitFirst));
    is_sound_by_priority(scenario!(queue, Order::CommitFirst));
}

#[test]
fn seeded_bugs_are_found() {
    assert!(is_found(scenario!(queue_lost_wake_up, Order::CommitFirst)), "a lost wake-up");
    assert!(is_found(scenario!(queue_left_to_nobody, Order::CommitFirst)), "a job left to nobody");
    assert!(is_found(scenario!(queue_acknowledged_undone, Order::CommitFirst)), "a job not done");
    assert!(is_found(scenario!(queue_no_room_told, Order::CommitFirst)), "a wait for room without an end");
    assert!(is_found(scenario!(queue_not_listening, Order::CommitFirst)), "a wait that nobody knows of");
    assert!(is_found(scenario!(queue, Order::TellFirst)), "an acknowledgement before the commit");
}
