use crate::support::{check_kind, stash};
use litestash_core::{Begun, ComputeOptions, ErrorKind, LiteStash, SetOptions};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn never() -> Result<i32, std::io::Error> {
    panic!("must not be computed")
}

#[test]
fn many_callers_share_one_computation() {
    let (_dir, stash) = stash();
    let (computed, barrier) = (AtomicU32::new(0), Barrier::new(16));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                barrier.wait();
                let value = stash.get_or_set("k", SetOptions::default(), || {
                    computed.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(50));
                    Ok::<_, std::io::Error>(42)
                });
                assert_eq!(value.unwrap(), 42);
            });
        }
    });
    assert_eq!(computed.load(Ordering::SeqCst), 1);
    assert_eq!(stash.get_or_set("k", SetOptions::default(), never).unwrap(), 42);
}

#[test]
fn a_nil_is_a_value_to_keep() {
    let (_dir, stash) = stash();
    stash.get_or_set("k", SetOptions::default(), || Ok::<_, std::io::Error>(None::<i32>)).unwrap();
    let kept: Option<i32> = stash.get_or_set("k", SetOptions::default(), || never().map(Some)).unwrap();
    assert_eq!(kept, None);
}

#[test]
fn a_failed_computation_stores_nothing_and_the_next_one_runs() {
    let (_dir, stash) = stash();
    let failed =
        stash.get_or_set("k", SetOptions::default(), || Err::<i32, _>(std::io::Error::other("no luck")));
    check_kind(failed, ErrorKind::ComputeFailed);
    assert!(!stash.exists("k").unwrap());
    assert_eq!(stash.get_or_set("k", SetOptions::default(), || Ok::<_, std::io::Error>(1)).unwrap(), 1);
}

#[test]
fn after_a_panic_one_of_those_who_waited_computes() {
    let (_dir, stash) = stash();
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let crashing = scope.spawn(|| {
            stash.get_or_set("k", SetOptions::default(), || -> Result<i32, std::io::Error> {
                barrier.wait();
                std::thread::sleep(Duration::from_millis(50));
                panic!("on purpose")
            })
        });
        barrier.wait();
        let value = stash.get_or_set("k", SetOptions::default(), || Ok::<_, std::io::Error>(7));
        assert_eq!(value.unwrap(), 7);
        assert!(crashing.join().is_err());
    });
}

#[test]
fn asking_for_the_own_key_is_an_error_and_not_a_deadlock() {
    let (_dir, stash) = stash();
    let inner = stash.clone();
    let outer =
        stash.get_or_set("k", SetOptions::default(), || inner.get_or_set("k", SetOptions::default(), never));
    check_kind(outer, ErrorKind::ComputeFailed);
}

#[test]
fn a_value_written_meanwhile_wins() {
    let (_dir, stash) = stash();
    let other = stash.clone();
    let value = stash.get_or_set("k", SetOptions::default(), || {
        other.set("k", &"theirs").map_err(|error| error.to_string())?;
        Ok::<_, String>("ours".to_owned())
    });
    assert_eq!(value.unwrap(), "theirs");
}

#[test]
fn a_turn_to_compute_is_held_by_no_thread() {
    let (dir, stash) = stash();
    let other = LiteStash::open(dir.path()).unwrap();
    let begin = |stash: &LiteStash| stash.begin_get_or_set("k", ComputeOptions::default(), false).unwrap();
    let Begun::Mine(given_up) = begin(&stash) else { panic!("nothing is stored") };
    assert!(matches!(begin(&stash), Begun::Elsewhere));
    assert!(matches!(begin(&other), Begun::Elsewhere));
    drop(given_up);
    let Begun::Mine(failing) = begin(&other) else { panic!("the turn was given up") };
    let waiting = {
        let other = other.clone();
        std::thread::spawn(move || {
            other.get_or_set("k", SetOptions::default(), || Ok::<_, std::io::Error>(1))
        })
    };
    std::thread::sleep(Duration::from_millis(30));
    let error = litestash_core::Error::new(ErrorKind::ComputeFailed, "no luck");
    check_kind(failing.finish(Err(error)), ErrorKind::ComputeFailed);
    // Whoever waited was told; who came later computed.
    assert!(matches!(waiting.join().unwrap(), Err(_) | Ok(1)));
    other.delete("k").unwrap();
    let Begun::Mine(computation) = begin(&stash) else { panic!("it failed") };
    let finished = std::thread::spawn(move || computation.finish(Ok(vec![7])).unwrap());
    assert_eq!(*finished.join().unwrap(), [7]);
    for stash in [&stash, &other] {
        assert!(matches!(begin(stash), Begun::Found(found) if *found == [7]));
    }
}

#[test]
fn what_is_stale_is_found_while_the_next_is_computed() {
    let stash = LiteStash::memory().unwrap();
    let options = ComputeOptions {
        set: SetOptions::ttl(Duration::from_millis(1)),
        stale_while_revalidate: Some(Duration::from_secs(60)),
        ..ComputeOptions::default()
    };
    let begin = || stash.begin_get_or_set("k", options, false).unwrap();
    let Begun::Mine(first) = begin() else { panic!("nothing is stored") };
    first.finish(Ok(vec![1])).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    let Begun::Mine(second) = begin() else { panic!("it is stale") };
    assert!(matches!(begin(), Begun::Found(found) if *found == [1]));
    assert_eq!(*second.finish(Ok(vec![2])).unwrap(), [2]);
}
