//! Events of all processes: what foreign commits tell, exactly, also when a process is killed; and that
//! nobody pays who is not watched.

use crate::support::{again, check_kind, keys_of_one_shard, stash, stash_at_now, wait_until};
use litestash_core::{
    ErrorKind, Event, EventKind, Filter, FixedClock, Key, LiteStash, Options, Origin, Subscription, Version,
};
use rusqlite::Connection;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);

/// So long nothing may come before it is taken to be all: many looks of the watcher.
const QUIET: Duration = Duration::from_millis(1500);

fn heard(events: &Subscription) -> Vec<Event> {
    std::iter::from_fn(|| events.recv_timeout(QUIET)).collect()
}

fn plain(dir: &Path, shard: &str) -> Connection {
    Connection::open(dir.join(format!("shard-{shard}.db"))).unwrap()
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn mark(connection: &Connection) -> Option<i64> {
    let sql = "SELECT (SELECT value FROM meta WHERE name = 'watched_until')";
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn an_unwatched_stash_has_no_log_and_no_mark() {
    let (dir, stash) = stash();
    let local = stash.subscribe(Filter::new()).unwrap();
    for n in 0..200 {
        stash.set(n, &n).unwrap();
    }
    stash.delete(7).unwrap();
    stash.clear().unwrap();
    assert!(local.try_recv().is_some());
    drop(local);
    stash.close().unwrap();
    for shard in 0..16 {
        let shard = plain(dir.path(), &format!("{shard:x}"));
        assert_eq!(number(&shard, "SELECT count(*) FROM meta"), 2);
        assert_eq!(number(&shard, "SELECT count(*) FROM sqlite_schema WHERE name = 'changes'"), 0);
    }
}

#[test]
fn changes_of_another_handle_are_told_with_their_origin() {
    let (dir, stash) = stash();
    let other = LiteStash::open(dir.path()).unwrap();
    let events = stash.subscribe(Filter::new().all_processes()).unwrap();
    let second = other.subscribe(Filter::new().all_processes().key("a")).unwrap();
    let mut written = vec![
        (EventKind::Set, Some(other.set("a", &1).unwrap()), Origin::Other),
        (EventKind::Set, Some(stash.set("a", &2).unwrap()), Origin::Local),
    ];
    other.delete("a").unwrap();
    written.push((EventKind::Delete, written[1].1, Origin::Other));
    let heard = heard(&events);
    assert!(heard.iter().all(|event| event.key == Some("a".into()) && event.missed == 0));
    let told: Vec<_> = heard.iter().map(|event| (event.kind, event.version, event.origin)).collect();
    assert_eq!(told, written);
    let turned: Vec<_> = (0..3).map(|_| second.recv().unwrap().origin).collect();
    assert_eq!(turned, [Origin::Local, Origin::Other, Origin::Local]);
    other.set(b"bytes".as_slice(), &1).unwrap();
    other.set(1.5, &1).unwrap();
    other.set(-3, &1).unwrap();
    let mut keys: Vec<_> = (0..3).map(|_| events.recv().unwrap().key.unwrap()).collect();
    keys.sort();
    assert_eq!(keys, [Key::Int(-3), Key::float(1.5).unwrap(), Key::from(b"bytes".as_slice())]);
    other.clear().unwrap();
    assert!((0..3).all(|_| events.recv().unwrap().kind == EventKind::Clear));
    assert_eq!((events.dropped(), second.dropped()), (0, 0));
}

/// Says what it wrote, in the order of its writes: `wrote KEY VERSION`.
fn write_on(dir: &str, writes: usize) {
    let stash = LiteStash::open(dir).unwrap();
    let mut out = std::io::stdout().lock();
    for n in 0..writes {
        let key = format!("key:{}", n * 7919 % 1000);
        if n % 11 == 10 {
            stash.delete(&key).unwrap();
            writeln!(out, "gone {key} 0").unwrap();
        } else {
            let version = stash.set(&key, &n).unwrap();
            writeln!(out, "wrote {key} {version}").unwrap();
        }
    }
}

fn writer(test: &str, role: &str, dir: &Path) -> Child {
    again(test, role, dir).stdout(Stdio::piped()).spawn().unwrap()
}

/// What a process said that it did: (whether it wrote, key, version).
fn said(child: &mut Child) -> Vec<(bool, String, Version)> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let parse = |line: String| {
        // The test runner's own words may stand before it; the last line may be cut short.
        let line = &line[line.find("wrote ").or_else(|| line.find("gone "))?..];
        let [what, key, version] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        Some((what == "wrote", String::from(key), Version::from_micros(version.parse().ok()?)))
    };
    lines.map_while(Result::ok).filter_map(parse).collect()
}

/// Another process writes 100 000 times; every write is heard, each key's in order, and nothing else.
#[test]
fn every_write_of_another_process_is_heard() {
    const ROLE: &str = "LITESTASH_TEST_WATCHED";
    const WRITES: usize = 100_000;
    if let Ok(dir) = std::env::var(ROLE) {
        return write_on(&dir, WRITES);
    }
    let (dir, stash) = stash();
    let events = stash.subscribe(Filter::new().all_processes().capacity(2 * WRITES)).unwrap();
    let second = LiteStash::open(dir.path()).unwrap();
    let few = second.subscribe(Filter::new().all_processes().capacity(100)).unwrap();
    let mut child = writer("watch::every_write_of_another_process_is_heard", ROLE, dir.path());
    let said = said(&mut child);
    assert!(child.wait().unwrap().success());
    let heard = heard(&events);
    assert_eq!(events.dropped(), 0);
    let mut by_key = HashMap::<_, Vec<_>>::new();
    for event in &heard {
        assert_eq!((event.origin, event.missed), (Origin::Other, 0));
        let key = event.key.as_ref().unwrap().as_text().unwrap().to_owned();
        by_key.entry(key).or_default().push((event.kind == EventKind::Set, event.version.unwrap()));
    }
    // A delete of what is not there changes nothing; one of what is tells its version.
    let mut wanted = HashMap::<_, Vec<_>>::new();
    let mut live = HashMap::new();
    for (wrote, key, version) in said {
        let old = if wrote { live.insert(key.clone(), version) } else { live.remove(&key) };
        match (wrote, old) {
            (true, _) => wanted.entry(key).or_default().push((true, version)),
            (false, Some(old)) => wanted.entry(key).or_default().push((false, old)),
            (false, None) => {}
        }
    }
    assert!(heard.len() > WRITES * 9 / 10);
    assert_eq!(by_key, wanted);
    assert_eq!((&few).take(100).count() as u64 + few.dropped(), heard.len() as u64);
    for (key, version) in live {
        assert_eq!(stash.entry(&key).unwrap().unwrap().version, version);
    }
}

/// A process is killed while it writes: what it had acknowledged is heard, and what is heard is in the files.
#[test]
fn a_killed_process_is_heard_up_to_its_last_commit() {
    const ROLE: &str = "LITESTASH_TEST_KILLED";
    if let Ok(dir) = std::env::var(ROLE) {
        return write_on(&dir, usize::MAX);
    }
    for round in 0..8 {
        let (dir, stash) = stash();
        let events = stash.subscribe(Filter::new().all_processes().capacity(1 << 20)).unwrap();
        let mut child = writer("watch::a_killed_process_is_heard_up_to_its_last_commit", ROLE, dir.path());
        let first = events.recv_timeout(LONG).unwrap();
        let pipe = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).filter(|line| line.contains(" key:")).count()
        });
        std::thread::sleep(Duration::from_millis(50 + 37 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = reader.join().unwrap();
        let heard = heard(&events);
        assert_eq!(events.dropped(), 0);
        // Some deletes find nothing.
        assert!(acknowledged > 0 && heard.len() >= acknowledged * 8 / 10);
        let mut last = HashMap::new();
        for event in std::iter::once(first).chain(heard) {
            last.insert(event.key.unwrap(), (event.kind, event.version));
        }
        for (key, (kind, version)) in &last {
            let stored = stash.entry(key).unwrap().map(|entry| entry.version);
            assert_eq!(stored, version.filter(|_| *kind == EventKind::Set), "{kind:?}");
        }
        assert!(stash.keys(Default::default()).all(|key| last.contains_key(&key.unwrap())));
    }
}

/// Several processes that watch and write at once hear the same of each shard, in the same order.
#[test]
fn two_watchers_in_two_processes_hear_the_same() {
    const ROLE: &str = "LITESTASH_TEST_WATCHERS";
    const WRITES: usize = 5_000;
    let told = |events: &Subscription| -> Vec<_> {
        let shard = |event: &Event| event.shard;
        let mut heard = heard(events);
        heard.sort_by_key(shard);
        let line = |event: &Event| {
            format!(
                "heard {:?} {} {}",
                event.kind,
                event.key.as_ref().unwrap().as_text().unwrap(),
                event.version.unwrap()
            )
        };
        assert_eq!((heard.len(), events.dropped()), (2 * WRITES, 0));
        heard.iter().map(line).collect()
    };
    let write = |stash: &LiteStash| {
        for n in 0..WRITES {
            stash.set(format!("key:{}", n % 500), &n).unwrap();
        }
    };
    if let Ok(dir) = std::env::var(ROLE) {
        let stash = LiteStash::open(dir).unwrap();
        let events = stash.subscribe(Filter::new().all_processes().capacity(1 << 20)).unwrap();
        println!("ready");
        std::io::stdin().lines().next();
        write(&stash);
        for line in told(&events) {
            println!("{line}");
        }
        return;
    }
    let (dir, stash) = stash();
    let events = stash.subscribe(Filter::new().all_processes().capacity(1 << 20)).unwrap();
    let mut child = again("watch::two_watchers_in_two_processes_hear_the_same", ROLE, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with("ready")));
    writeln!(child.stdin.take().unwrap()).unwrap();
    write(&stash);
    let here = told(&events);
    let there: Vec<_> = lines.filter(|line| line.starts_with("heard")).collect();
    assert!(child.wait().unwrap().success());
    assert!(here == there, "the watchers heard different things");
}

/// The log is trimmed, by age and by number, and a mark that nobody renews goes away with it.
#[test]
fn the_log_stays_short_and_ends() {
    let (dir, stash, clock) = stash_at_now();
    let events = stash.subscribe(Filter::new().all_processes()).unwrap();
    let keys = keys_of_one_shard(2);
    let count = "SELECT count(*) FROM changes";
    let look = || plain(dir.path(), "7");
    for n in 0..300 {
        stash.set(&keys[0], &n).unwrap();
    }
    assert_eq!(number(&look(), count), 301);
    // A clock that stands still renews nothing: the watcher renews 40 s before the end.
    clock.advance(30_000_000);
    wait_until("renewed", LONG, || mark(&look()) == Some(crate::support::NOW_US + 90_000_000));
    clock.advance(31_000_000);
    for n in 0..30 {
        stash.set(&keys[0], &n).unwrap();
    }
    // Each deletes up to 18 of the lowest numbers.
    assert_eq!(number(&look(), count), 30);
    drop(events);
    drop(look());
    // A look that was under way when the subscription ended could renew the mark once more.
    std::thread::sleep(Duration::from_millis(100));
    clock.advance(200_000_000);
    stash.set(&keys[0], &1).unwrap();
    let shard = look();
    assert_eq!((mark(&shard), number(&shard, count)), (None, 1));
    let newest = number(&shard, "SELECT max(number) FROM changes");
    stash.set(&keys[1], &1).unwrap();
    assert_eq!(number(&shard, "SELECT max(number) FROM changes"), newest);
    drop(shard);
    let events = stash.subscribe(Filter::new().all_processes()).unwrap();
    let shard = look();
    assert_eq!(number(&shard, "SELECT max(number) FROM changes WHERE kind = 0"), newest + 1);
    stash.set(&keys[1], &1).unwrap();
    assert_eq!((events.recv().unwrap().key, events.dropped()), (Some(keys[1].as_str().into()), 0));
}

/// A mark in the past with more log than one step deletes becomes 0, and goes with the last of it.
#[test]
fn a_long_log_is_taken_down_in_steps() {
    let (dir, stash, clock) = stash_at_now();
    drop(stash.subscribe(Filter::new().all_processes()).unwrap());
    let keys = keys_of_one_shard(1);
    for n in 0..600 {
        stash.set(&keys[0], &n).unwrap();
    }
    clock.advance(3_600_000_000);
    let look = || {
        let shard = plain(dir.path(), "7");
        (mark(&shard), number(&shard, "SELECT count(*) FROM changes"))
    };
    let mut found = Vec::new();
    for n in 0..4 {
        stash.set(&keys[0], &n).unwrap();
        found.push(look());
    }
    assert_eq!(found, [(Some(0), 345), (Some(0), 89), (None, 1), (None, 1)]);
}

/// A clock that was an hour ahead and is set right: writers do not log for it, and the watcher begins anew,
/// with a gap.
#[test]
fn a_clock_set_back_ends_a_watch_and_begins_another() {
    let (dir, stash, clock) = stash_at_now();
    let events = stash.subscribe(Filter::new().all_processes()).unwrap();
    let keys = keys_of_one_shard(2);
    stash.set(&keys[0], &1).unwrap();
    assert_eq!(events.recv().unwrap().missed, 0);
    clock.advance(-7_200_000_000);
    let until = crate::support::NOW_US - 7_200_000_000 + 60_000_000;
    wait_until("marked anew", LONG, || mark(&plain(dir.path(), "7")) == Some(until));
    stash.set(&keys[1], &1).unwrap();
    let event = events.recv().unwrap();
    assert_eq!((event.key, event.missed > 0), (Some(keys[1].as_str().into()), true));
    check_kind(stash.log_changes(Duration::from_secs(3601)), ErrorKind::InvalidArgument);
}

/// A watcher that could not follow hears how much it missed.
#[test]
fn a_gap_in_the_log_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(crate::support::NOW_US);
    let stash = Options::new().clock(clock.clone()).open(dir.path()).unwrap();
    let keys = keys_of_one_shard(1);
    let events = stash.subscribe(Filter::new().all_processes()).unwrap();
    stash.set(&keys[0], &1).unwrap();
    assert_eq!(events.recv().unwrap().missed, 0);
    {
        // Ten changes that are trimmed before anybody looks, and one that is there: in one commit.
        let shard = plain(dir.path(), "7");
        shard
            .execute_batch(
                "BEGIN IMMEDIATE; \
             INSERT INTO changes SELECT max(number) + 11, at, 5, 1, slot, key_hash, key, 77 FROM changes; \
             COMMIT;",
            )
            .unwrap();
    }
    let event = events.recv().unwrap();
    assert_eq!(
        (event.missed, event.version, event.origin),
        (10, Some(Version::from_micros(77)), Origin::Other)
    );
    {
        // A row that cannot be read, and a log that begins anew.
        let shard = plain(dir.path(), "7");
        shard.execute_batch("UPDATE changes SET kind = 99, number = number + 1 WHERE number = 13").unwrap();
        shard.execute_batch("DELETE FROM changes WHERE number < 10").unwrap();
    }
    wait_until("counted", LONG, || events.dropped() == 11);
    {
        plain(dir.path(), "7").execute_batch("DELETE FROM changes").unwrap();
    }
    stash.set(&keys[0], &1).unwrap();
    let event = events.recv().unwrap();
    assert!(event.missed >= 2 && event.origin == Origin::Local);
    assert_eq!(events.dropped(), 10 + event.missed);
}

/// The fast path of a plain set sees a mark that another process sets, at its next write.
#[test]
fn a_watch_that_begins_between_two_plain_sets_hears_the_second() {
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(1);
    let watcher = LiteStash::open(dir.path()).unwrap();
    for round in 0..30 {
        stash.set(&keys[0], &round).unwrap();
        let events = watcher.subscribe(Filter::new().all_processes()).unwrap();
        let version = stash.set(&keys[0], &round).unwrap();
        let event = events.recv_timeout(LONG).unwrap();
        assert_eq!((event.version, event.origin, event.missed), (Some(version), Origin::Other, 0));
    }
}

/// While one thread begins to watch again and again, another writes without a pause: what it is told was
/// written after the watch began is heard.
#[test]
fn nothing_is_lost_while_a_watch_begins() {
    let (dir, stash) = stash();
    let keys = keys_of_one_shard(3);
    let watcher = LiteStash::open(dir.path()).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (send, acknowledged) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                let key = &keys[n % 3];
                let version = stash.set(key, &n).unwrap();
                send.send((key.clone(), version)).unwrap();
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
            }
            drop(stash);
        });
        for _ in 0..20 {
            let events = watcher.subscribe(Filter::new().all_processes().capacity(1 << 20)).unwrap();
            let before: Vec<_> = acknowledged.try_iter().collect();
            let first = acknowledged.recv().unwrap();
            let second = acknowledged.recv().unwrap();
            drop(before);
            // The first may have begun before; the second did not.
            let found = std::iter::from_fn(|| events.recv_timeout(LONG))
                .any(|event| event.version == Some(second.1) && event.key == Some(second.0.as_str().into()));
            assert!(found, "{first:?} {second:?}");
            assert_eq!(events.dropped(), 0);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[cfg(unix)]
#[test]
#[expect(unsafe_code, reason = "fork has no safe form")]
fn a_forked_child_hears_nothing_and_ends_well() {
    let (dir, stash) = stash();
    let events = stash.subscribe(Filter::new()).unwrap();
    let all = stash.subscribe(Filter::new().all_processes()).unwrap();
    let subscriber = stash.subscribe_with(Filter::new(), |_| {}).unwrap();
    stash.set("a", &1).unwrap();
    // SAFETY: the child only uses what this test is about, and leaves without running what belongs to the
    // parent.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let silent = events.recv().is_none() && all.recv().is_none() && events.is_ended();
        let refused = stash.subscribe(Filter::new()).is_err();
        drop((events, all, subscriber, stash));
        let anew = LiteStash::open(dir.path()).unwrap();
        let own = anew.subscribe(Filter::new().all_processes()).unwrap();
        anew.set("child", &1).unwrap();
        let heard = own.recv_timeout(LONG).is_some_and(|event| event.origin == Origin::Local);
        drop(own);
        let closed = anew.close().is_ok();
        std::mem::forget(dir);
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(i32::from(!(silent && refused && heard && closed))) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    let heard = heard(&all);
    let told: Vec<_> = heard.iter().map(|event| (event.key.clone().unwrap(), event.origin)).collect();
    assert_eq!(told, [("a".into(), Origin::Local), ("child".into(), Origin::Other)]);
    assert_eq!(kinds_of(&events), 1);
}

#[cfg(unix)]
fn kinds_of(events: &Subscription) -> usize {
    std::iter::from_fn(|| events.try_recv()).count()
}

#[test]
fn a_watcher_hears_that_a_bucket_was_dropped_and_of_the_one_made_anew() {
    let (dir, stash) = stash();
    let other = LiteStash::open(dir.path()).unwrap();
    let keys = keys_of_one_shard(2);
    let bucket = stash.bucket("b").unwrap();
    let events = bucket.subscribe(Filter::new().all_processes()).unwrap();
    let writes = other.bucket("b").unwrap();
    writes.set(&keys[0], &1).unwrap();
    assert_eq!(heard(&events).iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Set]);
    assert!(other.drop_bucket("b").unwrap());
    let after_drop = heard(&events);
    assert_eq!(after_drop.len(), 16);
    assert!(after_drop.iter().all(|event| event.kind == EventKind::Clear && event.missed == 1));
    // Who only watches does not bring it back.
    assert_eq!(stash.buckets().unwrap(), [""; 0]);
    // What is written before the watcher has asked for it is a gap; everything after that is told.
    writes.set(&keys[0], &2).unwrap();
    let file = || plain(&dir.path().join("buckets/b"), &format!("{:x}", bucket.shard_of(&keys[0]).unwrap()));
    wait_until("the new shard is watched", LONG, || mark(&file()).is_some());
    writes.set(&keys[1], &3).unwrap();
    let anew = heard(&events);
    let last = anew.last().unwrap();
    assert_eq!(
        (last.kind, &last.key, last.origin),
        (EventKind::Set, &Some(Key::from(keys[1].as_str())), Origin::Other)
    );
    assert!(anew.iter().map(|event| event.missed).sum::<u64>() <= 1 && (last.missed == 1 || anew.len() == 2));
}
