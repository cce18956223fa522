//! Events of one handle: what is told, in which order, and that nobody is harmed by who listens.

use crate::support::{check_kind, keys_of_one_shard, stash, stash_at_now, wait_until};
use litestash_core::{
    Action, Deadline, Durability, ErrorKind, Event, EventKind, Filter, ImportOptions, Key, KeyFilter,
    LiteStash, Op, Options, Origin, Scope, SetOptions, Subscription,
};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn waiting(events: &Subscription) -> Vec<Event> {
    std::iter::from_fn(|| events.try_recv()).collect()
}

fn kinds(events: &Subscription) -> Vec<(EventKind, Option<Key>)> {
    waiting(events).into_iter().map(|event| (event.kind, event.key)).collect()
}

#[test]
fn every_operation_tells_what_it_changed() {
    let (_dir, stash, clock) = stash_at_now();
    let events = stash.subscribe(Filter::new()).unwrap();
    let told = |what: &str, kinds: &[EventKind]| {
        let found: Vec<_> = waiting(&events);
        assert_eq!(found.iter().map(|event| event.kind).collect::<Vec<_>>(), kinds, "{what}");
        assert!(found.iter().all(|event| {
            event.key.as_ref().is_none_or(|key| *key == Key::from("a"))
                && (event.origin, event.missed, event.bucket.is_none()) == (Origin::Local, 0, true)
        }));
        found
    };
    use EventKind::{Clear, Delete, Expire, Set};
    let version = stash.set("a", &1).unwrap();
    assert_eq!(told("set", &[Set])[0].version, Some(version));
    stash.increment("a", 1).unwrap();
    let version = stash.entry("a").unwrap().unwrap().version;
    assert_eq!(told("increment", &[Set])[0].version, Some(version));
    stash.add("a", &1).unwrap();
    stash.get("a").unwrap();
    stash.compare_and_set("a", Some(&7), &1).unwrap();
    stash.persist("a").unwrap();
    told("conditions that fail and reads", &[]);
    assert!(stash.delete("a").unwrap());
    assert_eq!(told("delete", &[Delete])[0].version, Some(version));
    assert!(!stash.delete("a").unwrap());
    told("delete of nothing", &[]);
    stash.set_with("a", &1, SetOptions::ttl(Duration::from_secs(1))).unwrap();
    stash.expire("a", Deadline::In(Duration::from_secs(2))).unwrap();
    stash.persist("a").unwrap();
    stash.expire("a", Deadline::In(Duration::from_secs(2))).unwrap();
    told("deadlines", &[Set, Set, Set, Set]);
    clock.advance(3_000_000);
    assert!(!stash.delete("a").unwrap());
    told("delete of what has expired", &[Expire]);
    stash.set("a", &1).unwrap();
    stash.take("a").unwrap();
    told("take", &[Set, Delete]);
    stash.set("a", &1).unwrap();
    told("set", &[Set]);
    stash.clear().unwrap();
    let shard = litestash_core::contract::route::Route::of(&litestash_core::contract::hash::KeyHash::from(
        &Key::from("a"),
    ))
    .shard;
    assert_eq!(told("clear", &[Clear])[0].shard, shard.number());
    stash.clear().unwrap();
    told("clear of nothing", &[]);
    stash.get_or_set("a", SetOptions::default(), || Ok::<_, std::fmt::Error>(1)).unwrap();
    stash.delete_many(["a"]).unwrap();
    let ops = [
        Op::set("a", &1, SetOptions::default()).unwrap(),
        Op::new("a", Action::Increment(i64::MAX)).unwrap(),
        Op::delete("a").unwrap(),
    ];
    stash.apply(&ops).unwrap();
    told("batches", &[Set, Delete, Set, Delete]);
    assert_eq!(events.dropped(), 0);
}

#[test]
fn reads_of_values_are_told_to_those_who_ask() {
    let (_dir, stash) = stash();
    let version = stash.set("a", &1).unwrap();
    let events = stash.subscribe(Filter::new().kinds([EventKind::Access])).unwrap();
    let mut reads = 0;
    for round in 0..3 {
        // From the file, and from memory.
        stash.get("a").unwrap();
        stash.get_as::<i32>("a").unwrap();
        stash.get_encoded("a").unwrap();
        stash.entry("a").unwrap();
        stash.get_many(["a", "missing"]).unwrap();
        stash.get_or_set("a", SetOptions::default(), || Ok::<_, std::fmt::Error>(1)).unwrap();
        let ops = [Op::new("a", Action::Get).unwrap(), Op::set("b", &round, SetOptions::default()).unwrap()];
        stash.apply(&ops).unwrap();
        reads += 7;
    }
    // These do not look at the value.
    stash.exists("a").unwrap();
    stash.ttl("a").unwrap();
    stash.items(Default::default()).count();
    stash.get("missing").unwrap();
    let found = waiting(&events);
    assert_eq!(found.len(), reads);
    for event in found {
        assert_eq!(
            (event.kind, event.key, event.version),
            (EventKind::Access, Some("a".into()), Some(version))
        );
    }
    drop(events);
    let both = stash.subscribe(Filter::new().kinds([EventKind::Access, EventKind::Set])).unwrap();
    stash.set("c", &1).unwrap();
    stash.get("c").unwrap();
    assert_eq!(kinds(&both), [(EventKind::Set, Some("c".into())), (EventKind::Access, Some("c".into()))]);
}

#[test]
fn filters_choose_and_bad_ones_are_refused() {
    let (_dir, stash) = stash();
    let users = stash.subscribe(Filter::new().prefix("user:").kinds([EventKind::Delete])).unwrap();
    let seven = stash.subscribe(Filter::new().key(7)).unwrap();
    let none = stash.subscribe(Filter::new().keys(KeyFilter::Exact("no".into()))).unwrap();
    for key in ["user:1", "user:2", "other"] {
        stash.set(key, &1).unwrap();
        stash.delete(key).unwrap();
    }
    stash.set(7.0, &1).unwrap();
    assert_eq!(
        kinds(&users),
        [(EventKind::Delete, Some("user:1".into())), (EventKind::Delete, Some("user:2".into()))]
    );
    assert_eq!(kinds(&seven), [(EventKind::Set, Some(7.into()))]);
    assert_eq!(kinds(&none), []);
    for bad in [
        Filter::new().kinds([]),
        Filter::new().capacity(0),
        Filter::new().kinds([EventKind::Access]).all_processes(),
    ] {
        check_kind(stash.subscribe(bad), ErrorKind::InvalidArgument);
    }
    let memory = LiteStash::memory().unwrap();
    let events = memory.subscribe(Filter::new().scope(Scope::AllProcesses)).unwrap();
    memory.set("a", &1).unwrap();
    assert_eq!(kinds(&events).len(), 1);
}

/// Eight threads write a few keys through three levels; what is heard of each key is exactly its commits, in
/// their order.
#[test]
fn events_of_a_key_come_in_the_order_of_its_commits() {
    const ROUNDS: i64 = 400;
    let (_dir, stash) = stash();
    let keys = keys_of_one_shard(5);
    let events = stash.subscribe(Filter::new().capacity(1 << 20)).unwrap();
    let acknowledged = Mutex::new(HashMap::<String, Vec<i64>>::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (stash, keys, acknowledged) = (&stash, &keys, &acknowledged);
            scope.spawn(move || {
                let level = if thread == 0 { Durability::Full } else { Durability::Normal };
                let stash = stash.with_durability(level);
                for round in 0..if thread == 0 { ROUNDS / 10 } else { ROUNDS } {
                    let key = &keys[(thread + round) as usize % keys.len()];
                    let version = stash.set(key, &round).unwrap();
                    acknowledged.lock().unwrap().entry(key.clone()).or_default().push(version.micros());
                }
            });
        }
    });
    let mut heard = HashMap::<String, Vec<i64>>::new();
    for event in waiting(&events) {
        assert_eq!((event.kind, event.missed), (EventKind::Set, 0));
        heard
            .entry(event.key.unwrap().as_text().unwrap().into())
            .or_default()
            .push(event.version.unwrap().micros());
    }
    assert_eq!(events.dropped(), 0);
    let mut acknowledged = acknowledged.into_inner().unwrap();
    assert_eq!(heard.len(), keys.len());
    for (key, versions) in &heard {
        assert!(versions.is_sorted_by(|a, b| a < b), "{key} out of order");
        let acknowledged = acknowledged.get_mut(key).unwrap();
        acknowledged.sort_unstable();
        assert_eq!(versions, acknowledged, "{key}");
    }
}

#[test]
fn relaxed_writes_are_told_when_they_are_written() {
    let (_dir, stash) = stash();
    let relaxed = stash.with_durability(Durability::Relaxed);
    let events = stash.subscribe(Filter::new()).unwrap();
    let mut last = None;
    for round in 0..1000 {
        last = Some(relaxed.set("a", &round).unwrap());
    }
    stash.sync().unwrap();
    let heard = waiting(&events);
    assert!((1..=1000).contains(&heard.len()));
    assert!(heard.is_sorted_by_key(|event| event.version));
    assert_eq!(heard.last().unwrap().version, last);
}

/// More rows in an import than any list of changes holds, and fewer places than rows.
#[test]
fn an_import_is_told_or_counted_whole() {
    const ROWS: usize = 100_000;
    let (_dir, stash) = stash();
    let all = stash.subscribe(Filter::new().capacity(ROWS)).unwrap();
    let few = stash.subscribe(Filter::new().capacity(1000)).unwrap();
    let lines: String = (0..ROWS).map(|n| format!("{{\"key\":{n},\"value\":{n}}}\n")).collect();
    let report = stash.import(lines.as_bytes(), ImportOptions::default()).unwrap();
    assert_eq!(report.rows, ROWS as u64);
    let mut keys: Vec<_> = waiting(&all).into_iter().map(|event| event.key.unwrap()).collect();
    keys.sort_unstable();
    assert_eq!((keys.len(), all.dropped()), (ROWS, 0));
    keys.dedup();
    assert_eq!(keys.len(), ROWS);
    let heard = waiting(&few).len() as u64;
    assert_eq!((heard, heard + few.dropped()), (1000, ROWS as u64));
    stash.set("next", &1).unwrap();
    assert_eq!(few.recv().unwrap().missed, ROWS as u64 - 1000);
}

/// A subscriber that never reads, one that panics each time, and one that writes what it hears of.
#[test]
fn subscribers_harm_nobody() {
    let (_dir, stash) = stash();
    let never = stash.subscribe(Filter::new().prefix("in:").capacity(10)).unwrap();
    let panics = stash.subscribe_with(Filter::new().prefix("in:"), |_| panic!("a test's own panic")).unwrap();
    let (done, finished) = mpsc::channel();
    let writer = stash.clone();
    let echoes = stash.subscribe_with(Filter::new().prefix("in:"), move |event| {
        // The same shards, from inside.
        writer.set(event.key.unwrap().as_text().unwrap().replace("in:", "out:"), &1).unwrap();
        let nested = writer.subscribe(Filter::new()).unwrap();
        writer.increment("count", 1).unwrap();
        assert!(nested.try_recv().is_some());
        done.send(()).unwrap();
    });
    let echoes = echoes.unwrap();
    for n in 0..500 {
        stash.set(format!("in:{n}"), &n).unwrap();
    }
    for _ in 0..500 {
        finished.recv_timeout(LONG).unwrap();
    }
    assert_eq!(stash.get_as("count").unwrap(), Some(500));
    assert!((0..500).all(|n| stash.exists(format!("out:{n}")).unwrap()));
    wait_until("the panics", LONG, || panics.panicked() == 500);
    assert_eq!((panics.dropped(), echoes.panicked(), echoes.dropped()), (0, 0, 0));
    assert_eq!((never.dropped(), waiting(&never).len()), (490, 10));
    drop(echoes);
    stash.set("in:after", &1).unwrap();
    assert!(!stash.exists("out:after").unwrap());
}

#[test]
fn closing_ends_subscriptions_after_what_waits() {
    let (_dir, stash) = stash();
    let events = stash.subscribe(Filter::new()).unwrap();
    let all = stash.subscribe(Filter::new().all_processes()).unwrap();
    let heard = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&heard);
    let subscriber = stash
        .subscribe_with(Filter::new(), move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    let waits = stash.subscribe(Filter::new().key("never")).unwrap();
    let waiter = std::thread::spawn(move || waits.recv());
    stash.with_durability(Durability::Relaxed).set("b", &1).unwrap();
    stash.set("a", &1).unwrap();
    assert!(!events.is_ended());
    stash.close().unwrap();
    check_kind(stash.subscribe(Filter::new()), ErrorKind::Closed);
    check_kind(stash.subscribe(Filter::new().all_processes()), ErrorKind::Closed);
    check_kind(stash.wait_for("a", LONG, |_| true), ErrorKind::Closed);
    assert_eq!(waiter.join().unwrap(), None);
    assert_eq!((&events).count(), 2);
    assert_eq!((&all).count(), 2);
    assert!(events.is_ended() && all.is_ended());
    wait_until("the function to end", LONG, || subscriber.is_ended());
    assert_eq!(heard.load(Ordering::SeqCst), 2);
}

/// A function may close the stash, and drop its own subscriber.
#[test]
fn a_function_may_end_everything() {
    let (_dir, stash) = stash();
    let own = stash.clone();
    let slot = Arc::new(Mutex::new(None));
    let inside = Arc::clone(&slot);
    let (done, finished) = mpsc::channel();
    let mut subscriber = Some(
        stash
            .subscribe_with(Filter::new(), move |_| {
                let subscriber: Option<litestash_core::Subscriber> = inside.lock().unwrap().take();
                assert!(subscriber.is_some());
                drop(subscriber);
                own.close().unwrap();
                done.send(()).unwrap();
            })
            .unwrap(),
    );
    *slot.lock().unwrap() = subscriber.take();
    stash.set("a", &1).unwrap();
    finished.recv_timeout(LONG).unwrap();
    assert!(stash.is_closed());
}

#[test]
fn a_subscription_does_not_keep_the_stash_open() {
    let (dir, stash) = stash();
    let events = stash.subscribe(Filter::new().all_processes()).unwrap();
    stash.set("a", &1).unwrap();
    drop(stash);
    assert_eq!(events.recv().unwrap().key, Some("a".into()));
    assert_eq!(events.recv(), None);
    let files = dir.path().read_dir().unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(files.into_iter().all(|name| name.ends_with(".db")));
}

#[test]
fn waiting_for_a_value_sees_it_come() {
    let (dir, stash) = stash();
    let other = LiteStash::open(dir.path()).unwrap();
    assert!(!stash.wait_for("job", Duration::ZERO, |value| value.is_some()).unwrap());
    std::thread::scope(|scope| {
        let waiter = scope
            .spawn(|| stash.wait_for("job", LONG, |value| value == Some(&litestash_core::Value::Int(3))));
        for n in 1..=3 {
            other.set("job", &n).unwrap();
        }
        assert!(waiter.join().unwrap().unwrap());
        let gone = scope.spawn(|| stash.wait_for("job", LONG, |value| value.is_none()));
        stash.delete("job").unwrap();
        assert!(gone.join().unwrap().unwrap());
    });
}

#[test]
fn a_read_only_stash_tells_of_reads_only() {
    let (dir, stash) = stash();
    stash.set("a", &1).unwrap();
    let reader = Options::new().read_only(true).open(dir.path()).unwrap();
    check_kind(reader.subscribe(Filter::new().all_processes()), ErrorKind::ReadOnly);
    let events = reader.subscribe(Filter::new().kinds([EventKind::Access])).unwrap();
    reader.get("a").unwrap();
    assert_eq!(kinds(&events), [(EventKind::Access, Some("a".into()))]);
}

#[test]
fn a_transaction_over_several_shards_wakes_who_waits() {
    let (_dir, stash) = stash();
    let events = stash.subscribe(Filter::new()).unwrap();
    let (ready, waits) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        ready.send(()).unwrap();
        (0..20).map(|_| events.recv_timeout(LONG).map(|event| event.kind)).collect::<Vec<_>>()
    });
    waits.recv().unwrap();
    let sets = |from: i64| {
        let sets = (from..from + 10).map(|key| Op::set(key, &key, SetOptions::default()).unwrap());
        stash.transaction(&sets.collect::<Vec<_>>()).unwrap();
    };
    let began = std::time::Instant::now();
    sets(0);
    // Nothing else is written: only the transactions themselves can wake the reader.
    wait_until("the reader waits again", LONG, || began.elapsed() > Duration::from_millis(50));
    sets(10);
    assert_eq!(reader.join().unwrap(), [Some(EventKind::Set); 20]);
    assert!(began.elapsed() < LONG / 2, "an event was found by the time-out only");
}

#[test]
fn a_bucket_that_is_dropped_is_told_as_cleared_between_old_rows_and_new_ones() {
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(3);
    let other = LiteStash::open(dir.path()).unwrap();
    let memory = LiteStash::memory().unwrap();
    for (stash, by_other) in [(&stash, false), (&stash, true), (&memory, false)] {
        let bucket = stash.bucket("b").unwrap();
        bucket.set(&keys[0], &1).unwrap();
        // Another shard, which nothing is heard of but that it is gone.
        bucket.set("elsewhere", &1).unwrap();
        let events = bucket.subscribe(Filter::new()).unwrap();
        let of_one = bucket.subscribe(Filter::new().key(keys[1].as_str())).unwrap();
        bucket.set(&keys[1], &1).unwrap();
        let drops = if by_other { &other } else { stash };
        assert!(drops.drop_bucket("b").unwrap());
        bucket.set(&keys[1], &2).unwrap();
        let shard = bucket.shard_of(&keys[1]).unwrap();
        let told = waiting(&events);
        let here = |event: &&Event| usize::from(event.shard) == shard;
        let of_shard: Vec<_> = told.iter().filter(here).map(|event| event.kind).collect();
        assert_eq!(of_shard, [EventKind::Set, EventKind::Clear, EventKind::Set]);
        assert!(told.iter().all(|event| event.bucket.as_deref() == Some("b") && event.missed == 0));
        if !by_other {
            let elsewhere: Vec<_> =
                told.iter().filter(|event| !here(event)).map(|event| event.kind).collect();
            assert_eq!(elsewhere, [EventKind::Clear]);
        }
        let kinds: Vec<_> =
            kinds(&of_one).into_iter().map(|(kind, _)| kind).filter(|kind| *kind == EventKind::Set).collect();
        assert_eq!(kinds.len(), 2);
        assert!(stash.drop_bucket("b").unwrap());
    }
}
