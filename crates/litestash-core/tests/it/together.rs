//! Many threads at one shard: their writes share commits, and nothing else.

use crate::support::{frames, keys_of_one_shard, stash};
use litestash_core::{Clock, Durability, ErrorKind, LiteStash, Options, SystemClock, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// A reader of shard 7 that does not end: the log is not started anew, so its frames count the commits.
fn hold_log(dir: &Path) -> rusqlite::Connection {
    let holder = rusqlite::Connection::open(dir.join("shard-7.db")).unwrap();
    holder.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").unwrap();
    holder
}

#[test]
fn writes_of_many_threads_share_commits_and_lose_nothing() {
    const THREADS: usize = 32;
    const ROUNDS: i64 = 25;
    let (dir, stash) = stash();
    let stash = stash.with_durability(Durability::Full);
    let keys = keys_of_one_shard(THREADS + 3);
    let (sum, steps, total) = (&keys[THREADS], &keys[THREADS + 1], &keys[THREADS + 2]);
    for key in &keys {
        stash.set(key, &0).unwrap();
    }
    let _holder = hold_log(dir.path());
    let counter = rusqlite::Connection::open(dir.path().join("shard-7.db")).unwrap();
    counter.execute_batch("SELECT count(*) FROM sqlite_schema").unwrap();
    // One thread alone: each write is a commit of a frame or more.
    let before = frames(&counter);
    for _ in 0..50 {
        stash.increment(sum, 1).unwrap();
    }
    let alone = frames(&counter) - before;
    assert!(alone >= 50, "{alone} frames for 50 commits");
    let before = frames(&counter);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (stash, keys) = (&stash, &keys);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    stash.set(&keys[thread], &round).unwrap();
                    assert_eq!(stash.get_as(&keys[thread]).unwrap(), Some(round));
                    stash.increment(sum, 1).unwrap();
                    stash.increment(total, thread as i64).unwrap();
                    if round % 5 == 0 {
                        while let Some(now) = stash.get_as::<i64>(steps).unwrap()
                            && !stash.compare_and_set(steps, Some(&now), &(now + 1)).unwrap()
                        {
                        }
                    }
                }
            });
        }
    });
    let threads = THREADS as i64;
    assert_eq!(stash.get_as(sum).unwrap(), Some(50 + threads * ROUNDS));
    assert_eq!(stash.get_as(steps).unwrap(), Some(threads * ROUNDS / 5));
    assert_eq!(stash.get_as(total).unwrap(), Some(ROUNDS * threads * (threads - 1) / 2));
    let (writes, together) = (3 * THREADS as u64 * ROUNDS as u64, frames(&counter) - before);
    assert!(together < writes * 3 / 4, "{together} frames for {writes} writes of 32 threads");
    assert!(stash.verify().unwrap().is_sound());
}

#[test]
fn an_operation_that_fails_by_itself_does_not_disturb_those_beside_it() {
    const ROUNDS: i64 = 200;
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(4);
    let [sum, text, most, list] = [&keys[0], &keys[1], &keys[2], &keys[3]];
    stash.set(text, "Ada").unwrap();
    stash.set(most, &i64::MAX).unwrap();
    stash.set(list, &[1, 2]).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..12 {
            let stash = &stash;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    match thread % 4 {
                        0 => {
                            let error = stash.increment(text, 1).unwrap_err();
                            assert_eq!(error.kind(), ErrorKind::TypeMismatch, "{error}");
                        }
                        1 => {
                            let error = stash.increment(most, 1).unwrap_err();
                            assert_eq!(error.kind(), ErrorKind::Overflow, "{error}");
                        }
                        2 => assert!(!stash.compare_and_set(list, Some(&1), &2).unwrap()),
                        _ => drop(stash.increment(sum, 1).unwrap()),
                    }
                }
            });
        }
    });
    stash.close().unwrap();
    let again = LiteStash::open(dir.path()).unwrap();
    assert_eq!(again.get_as(sum).unwrap(), Some(3 * ROUNDS));
    assert_eq!(again.get_as(text).unwrap(), Some("Ada".to_owned()));
    assert_eq!(again.get_as(most).unwrap(), Some(i64::MAX));
    assert_eq!(again.get_as(list).unwrap(), Some([1, 2]));
}

/// Panics each time that many calls were made, once it is armed.
#[derive(Clone)]
struct Treacherous {
    every: u64,
    armed: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    panics: Arc<AtomicU64>,
}

impl Clock for Treacherous {
    fn now_us(&self) -> i64 {
        if self.armed.load(Ordering::SeqCst)
            && self.calls.fetch_add(1, Ordering::SeqCst) % self.every == self.every - 1
        {
            self.panics.fetch_add(1, Ordering::SeqCst);
            // Without the message on standard error that `panic!` writes.
            std::panic::resume_unwind(Box::new("the clock fell down"));
        }
        SystemClock.now_us()
    }
}

/// A panic may come before a write, in a commit of its own, or in one that others share.
#[test]
fn a_panic_in_one_write_is_its_callers_and_nobody_elses() {
    const THREADS: usize = 12;
    const ROUNDS: i64 = 300;
    let clock =
        Treacherous { every: 37, armed: Arc::default(), calls: Arc::default(), panics: Arc::default() };
    let dir = tempfile::tempdir().unwrap();
    let stash = Options::new().clock(clock.clone()).open(dir.path()).unwrap();
    let keys = keys_of_one_shard(THREADS + 1);
    let sum = &keys[THREADS];
    let (done, caught) = (AtomicI64::new(0), AtomicU64::new(0));
    clock.armed.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        for own in &keys[..THREADS] {
            let (stash, done, caught) = (&stash, &done, &caught);
            scope.spawn(move || {
                let mut last = None;
                let count = |panic: Box<dyn std::any::Any + Send>| {
                    assert_eq!(panic.downcast_ref(), Some(&"the clock fell down"));
                    caught.fetch_add(1, Ordering::SeqCst);
                };
                for round in 0..ROUNDS {
                    match catch_unwind(AssertUnwindSafe(|| stash.increment(sum, 1))) {
                        Ok(answer) => {
                            answer.unwrap();
                            done.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(panic) => count(panic),
                    }
                    match catch_unwind(AssertUnwindSafe(|| stash.set(own, &round))) {
                        Ok(answer) => {
                            answer.unwrap();
                            last = Some(round);
                        }
                        Err(panic) => count(panic),
                    }
                    assert_eq!(stash.get_as::<i64>(own).unwrap(), last, "not what panicked");
                }
            });
        }
    });
    clock.armed.store(false, Ordering::SeqCst);
    assert_eq!(stash.get_as(sum).unwrap(), Some(done.into_inner()));
    let (caught, thrown) = (caught.into_inner(), clock.panics.load(Ordering::SeqCst));
    // One that broke a shared commit may be run again, and succeed.
    assert!(0 < caught && caught <= thrown, "{caught} of {thrown}");
    assert!(stash.verify().unwrap().is_sound());
    stash.close().unwrap();
}

#[test]
fn a_close_among_writers_keeps_what_was_acknowledged_and_refuses_the_rest() {
    const THREADS: usize = 16;
    for round in 0..8u64 {
        let (dir, stash) = stash();
        let keys = keys_of_one_shard(2 * THREADS);
        let levels = [Durability::Normal, Durability::Full, Durability::Relaxed];
        let acknowledged = AtomicU64::new(0);
        let last: Vec<[Option<u64>; 2]> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (acknowledged, keys) = (&acknowledged, &keys[2 * thread..2 * thread + 2]);
                    let stash = stash.with_durability(levels[thread % 3]);
                    scope.spawn(move || {
                        let mut last = [None; 2];
                        for number in 0.. {
                            let at = number as usize % 2;
                            let answer = match thread % 4 {
                                0 => stash.set_many([(&keys[at], number)]).map(drop),
                                1 => stash.increment(&keys[at], 1).map(drop),
                                _ => stash.set(&keys[at], &number).map(drop),
                            };
                            match answer {
                                Ok(()) if thread % 4 == 1 => last[at] = Some(last[at].unwrap_or(0) + 1),
                                Ok(()) => last[at] = Some(number),
                                Err(error) => {
                                    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                                    return last;
                                }
                            }
                            acknowledged.fetch_add(1, Ordering::SeqCst);
                        }
                        last
                    })
                })
                .collect();
            while acknowledged.load(Ordering::SeqCst) < 40 + round * 60 {
                std::thread::yield_now();
            }
            stash.close().unwrap();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let again = LiteStash::open(dir.path()).unwrap();
        for (keys, last) in keys.chunks(2).zip(&last) {
            for (key, last) in keys.iter().zip(last) {
                assert_eq!(again.get_as::<u64>(key).unwrap(), *last, "{key} in round {round}");
            }
        }
        assert!(last.iter().flatten().any(Option::is_some));
        assert!(again.verify().unwrap().is_sound());
    }
}

/// fork() at moments when other threads hold whatever locks there are.
#[test]
#[cfg(target_os = "linux")]
fn a_child_forked_among_writers_is_refused_at_once_and_the_parent_goes_on() {
    use crate::support::wait_until;
    use std::time::Duration;
    const FORKS: usize = 40;
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(6);
    stash.set(&keys[0], &0).unwrap();
    let stopped = AtomicBool::new(false);
    let relaxed = stash.with_durability(Durability::Relaxed);
    let sums = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|thread| {
                let (stash, relaxed, keys, stopped) = (&stash, &relaxed, &keys, &stopped);
                scope.spawn(move || {
                    let mut sum = 0;
                    while !stopped.load(Ordering::SeqCst) {
                        sum += 1;
                        assert_eq!(stash.increment(&keys[thread], 1).unwrap(), sum);
                        relaxed.set(&keys[4], &sum).unwrap();
                    }
                    sum
                })
            })
            .collect();
        wait_until("they write", Duration::from_secs(20), || stash.get_as(&keys[3]).unwrap() > Some(20));
        for round in 0..FORKS {
            std::thread::sleep(Duration::from_micros(300 * round as u64 % 2500));
            #[expect(unsafe_code, reason = "fork has no safe form")]
            // SAFETY: the child only calls into LiteStash, which must cope with exactly this, and leaves by
            // _exit.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let forked = |kind: Option<ErrorKind>| kind == Some(ErrorKind::Forked);
                let told = [
                    forked(stash.get(&keys[0]).err().map(|error| error.kind())),
                    forked(stash.set(&keys[0], &-1).err().map(|error| error.kind())),
                    forked(stash.increment(&keys[0], 1).err().map(|error| error.kind())),
                    forked(relaxed.set(&keys[0], &-1).err().map(|error| error.kind())),
                    forked(stash.sync().err().map(|error| error.kind())),
                    forked(stash.stats().err().map(|error| error.kind())),
                    stash.close().is_ok(),
                ];
                #[expect(unsafe_code, reason = "ends the last handles, and _exit has no safe form")]
                // SAFETY: the child's only thread ends right after, so the handles are not used again; _exit
                // ends the child without running the parent's exit handlers.
                unsafe {
                    drop(std::ptr::read(&relaxed));
                    drop(std::ptr::read(&stash));
                    libc::_exit(if told == [true; 7] { 0 } else { 1 })
                }
            }
            let mut status = 0;
            let mut ended = || {
                #[expect(unsafe_code, reason = "waitpid for a raw fork")]
                // SAFETY: asks for the child forked above; `status` outlives the call.
                let waited = unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) };
                waited == child
            };
            let since = std::time::Instant::now();
            while !ended() {
                if since.elapsed() > Duration::from_secs(20) {
                    stopped.store(true, Ordering::SeqCst);
                    #[expect(unsafe_code, reason = "kill for a raw fork")]
                    // SAFETY: the child forked above, which has not been waited for.
                    unsafe {
                        libc::kill(child, libc::SIGKILL)
                    };
                    panic!("the child of round {round} hangs");
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            if status != 0 {
                stopped.store(true, Ordering::SeqCst);
                panic!("the child of round {round} ended with {status}");
            }
        }
        stopped.store(true, Ordering::SeqCst);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<i64>>()
    });
    stash.close().unwrap();
    let again = LiteStash::open(dir.path()).unwrap();
    for (key, sum) in keys.iter().zip(&sums) {
        assert_eq!(again.get(key).unwrap(), Some(Value::Int(*sum)));
    }
    assert!(again.get_as::<i64>(&keys[4]).unwrap().is_some_and(|last| sums.contains(&last)));
    assert!(again.verify().unwrap().is_sound());
}
