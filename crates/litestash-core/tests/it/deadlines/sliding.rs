//! Deadlines that begin anew with each use of a row.

use crate::support::{NOW_US, check_kind, stash_at_now, wait_until};
use litestash_core::{
    Condition, Deadline, Durability, ErrorKind, Expiry, FixedClock, LiteStash, Options, SetOptions, Version,
};
use std::path::Path;
use std::time::Duration;

const HOUR_US: i64 = 3_600_000_000;
const HOUR: Duration = Duration::from_secs(3600);

fn entry(stash: &LiteStash, key: &str) -> Option<(Version, Expiry)> {
    let entry = stash.entry(key).unwrap()?;
    Some((entry.version, Expiry { expires_at: entry.expires_at, idle_us: entry.idle_us }))
}

/// The hints in all shards, in order.
fn hints(dir: &Path) -> Vec<i64> {
    let mut hints = Vec::new();
    for shard in 0..16 {
        let path = dir.join(format!("shard-{shard:x}.db"));
        if path.exists() {
            let connection = rusqlite::Connection::open(path).unwrap();
            let mut query = connection.prepare("SELECT expires_at FROM expiry").unwrap();
            hints.extend(query.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(Result::unwrap));
        }
    }
    hints.sort_unstable();
    hints
}

#[test]
fn a_get_prolongs_after_an_eighth_of_the_window_and_other_looks_do_not() {
    let (dir, stash, clock) = stash_at_now();
    let version = stash.set_with("a", "value", SetOptions::idle(HOUR)).unwrap().unwrap();
    let first = Expiry { expires_at: Some(NOW_US + HOUR_US), idle_us: Some(3_600_000_000) };
    clock.advance(HOUR_US / 8 - 1);
    assert!(stash.get("a").unwrap().is_some());
    stash.sync().unwrap();
    assert_eq!(entry(&stash, "a"), Some((version, first)));

    clock.advance(HOUR_US / 2);
    assert!(stash.exists("a").unwrap());
    assert!(stash.ttl("a").unwrap().is_some());
    assert!(stash.items(Default::default()).next().is_some());
    stash.sync().unwrap();
    assert_eq!(entry(&stash, "a"), Some((version, first)));

    // Two uses; the later one counts. From the cache and from the file.
    stash.get("a").unwrap();
    clock.advance(7);
    stash.get_many(["a"]).unwrap();
    assert_eq!(entry(&stash, "a"), Some((version, first)), "a read writes nothing");
    stash.sync().unwrap();
    let used_us = NOW_US + HOUR_US / 8 - 1 + HOUR_US / 2 + 7;
    let second = Expiry { expires_at: Some(used_us + HOUR_US), ..first };
    assert_eq!(entry(&stash, "a"), Some((version, second)));
    assert_eq!(stash.expiry_stats().prolonged, 1);
    assert!(stash.verify().unwrap().is_sound());
    stash.close().unwrap();
    assert_eq!(hints(dir.path()), [NOW_US + HOUR_US, used_us + HOUR_US]);
}

#[test]
fn a_use_that_is_written_late_changes_nothing_that_was_written_since() {
    let (_dir, stash, clock) = stash_at_now();
    let used = |key: &str| {
        stash.set_with(key, &1, SetOptions::idle(HOUR)).unwrap();
        clock.advance(HOUR_US / 2);
        stash.get(key).unwrap().unwrap();
    };
    used("rewritten");
    stash.set_with("rewritten", &2, SetOptions::ttl(Duration::from_secs(1))).unwrap();
    let rewritten = entry(&stash, "rewritten");
    used("deleted");
    stash.delete("deleted").unwrap();
    used("expired");
    clock.advance(HOUR_US / 2);
    stash.sync().unwrap();
    assert_eq!(stash.get("deleted").unwrap(), None);
    assert_eq!(stash.get("expired").unwrap(), None, "an expired row never comes back");
    clock.advance(-3 * HOUR_US / 2);
    assert_eq!(entry(&stash, "rewritten"), rewritten);
    assert_eq!(stash.expiry_stats().prolonged, 0);
}

#[test]
fn uses_are_written_by_close_and_by_nobody_who_only_reads() {
    let (dir, stash, clock) = stash_at_now();
    stash.set_with("a", &1, SetOptions::idle(HOUR)).unwrap();
    clock.advance(HOUR_US / 2);
    let reader = Options::new().read_only(true).clock(clock.clone()).open(dir.path()).unwrap();
    reader.get("a").unwrap().unwrap();
    check_kind(reader.touch("a"), ErrorKind::ReadOnly);
    check_kind(reader.sweep(), ErrorKind::ReadOnly);
    check_kind(reader.expire_older_than(HOUR, None), ErrorKind::ReadOnly);
    reader.close().unwrap();
    assert_eq!(stash.expires_at("a").unwrap(), Some(Some(NOW_US + HOUR_US)));
    stash.get("a").unwrap().unwrap();
    stash.close().unwrap();
    let stash = Options::new().clock(clock).open(dir.path()).unwrap();
    assert_eq!(stash.expires_at("a").unwrap(), Some(Some(NOW_US + HOUR_US / 2 + HOUR_US)));
}

#[test]
fn a_touch_prolongs_at_once_and_keeps_the_version() {
    let (_dir, stash, clock) = stash_at_now();
    let version = stash.set_with("sliding", &1, SetOptions::idle(HOUR)).unwrap().unwrap();
    stash.set_with("fixed", &1, SetOptions::ttl(HOUR)).unwrap();
    stash.set("plain", &1).unwrap();
    let others = [entry(&stash, "fixed"), entry(&stash, "plain")];
    clock.advance(1);
    for key in ["sliding", "fixed", "plain"] {
        assert!(stash.touch(key).unwrap(), "{key}");
    }
    assert!(!stash.touch("missing").unwrap());
    let later = Expiry { expires_at: Some(NOW_US + 1 + HOUR_US), idle_us: Some(3_600_000_000) };
    assert_eq!(entry(&stash, "sliding"), Some((version, later)));
    assert_eq!([entry(&stash, "fixed"), entry(&stash, "plain")], others);
    clock.advance(HOUR_US);
    assert!(!stash.touch("sliding").unwrap());
    assert!(stash.verify().unwrap().is_sound());
}

#[test]
fn writes_that_keep_a_sliding_deadline_begin_it_anew() {
    let (_dir, stash, clock) = stash_at_now();
    stash.set_with("n", &1, SetOptions::idle(HOUR)).unwrap();
    for write in 0..3 {
        clock.advance(HOUR_US / 2);
        match write {
            0 => assert_eq!(stash.increment("n", 1).unwrap(), 2),
            1 => assert!(stash.increment_float("n", 1.0).unwrap() > 2.0),
            _ => drop(stash.set_with("n", &7, SetOptions { keep_ttl: true, ..Default::default() }).unwrap()),
        }
        let (_, expiry) = entry(&stash, "n").unwrap();
        assert_eq!(expiry.expires_at, Some(NOW_US + (write + 1) * HOUR_US / 2 + HOUR_US));
    }
    stash.expire("n", Deadline::Idle(Duration::from_secs(1))).unwrap();
    assert_eq!(entry(&stash, "n").unwrap().1.idle_us, Some(1_000_000));
    assert!(stash.persist("n").unwrap());
    assert_eq!(entry(&stash, "n").unwrap().1, Expiry::NEVER);
    for zero in [Deadline::Idle(Duration::ZERO), Deadline::Idle(Duration::MAX)] {
        check_kind(stash.expire("n", zero), ErrorKind::InvalidArgument);
    }
}

/// Two users of one stash; the background of the one that reads prolongs, and the other sees it.
#[test]
fn the_background_prolongs_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW_US);
    let open = || Options::new().clock(clock.clone()).open(dir.path()).unwrap();
    let (one, two) = (open(), open());
    one.set_with("a", &1, SetOptions::idle(HOUR)).unwrap();
    for round in 1..4 {
        clock.advance(HOUR_US / 2);
        two.get("a").unwrap().unwrap();
        let deadline = NOW_US + round * HOUR_US / 2 + HOUR_US;
        wait_until("prolonged", Duration::from_secs(30), || {
            one.expires_at("a").unwrap() == Some(Some(deadline))
        });
    }
}

#[test]
fn a_default_time_to_live_is_for_rows_that_say_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FixedClock::new(NOW_US);
    let options = || Options::new().clock(clock.clone()).background(false);
    let stash = options().default_ttl(Some(HOUR)).open(dir.path()).unwrap();
    let relaxed = stash.with_durability(Durability::Relaxed);
    stash.set("set", &1).unwrap();
    relaxed.set("relaxed", &1).unwrap();
    stash.set_many([("many", 1)]).unwrap();
    stash.add("add", &1).unwrap();
    stash.increment("increment", 1).unwrap();
    stash.increment_float("float", 1.0).unwrap();
    stash.compare_and_set("cas", None::<&i64>, &1).unwrap();
    stash.get_or_set::<_, litestash_core::Error>("computed", SetOptions::default(), || Ok(1)).unwrap();
    stash.set_with("keep", &1, SetOptions { keep_ttl: true, ..Default::default() }).unwrap();
    stash.set_with("present", &1, SetOptions::default()).unwrap();
    stash.set_with("present", &1, SetOptions::when(Condition::Present)).unwrap();
    let keys = ["set", "relaxed", "many", "add", "increment", "float", "cas", "computed", "keep", "present"];
    for key in keys {
        assert_eq!(stash.expires_at(key).unwrap(), Some(Some(NOW_US + HOUR_US)), "{key}");
    }
    let never = SetOptions { deadline: Some(Deadline::Never), ..Default::default() };
    for handle in [&stash, &relaxed] {
        handle.set_with("never", &1, never).unwrap();
        assert_eq!(stash.expires_at("never").unwrap(), Some(None));
    }
    // What is there is kept: none, or the old one.
    stash.set_with("never", &2, SetOptions { keep_ttl: true, ..Default::default() }).unwrap();
    clock.advance(5);
    stash.increment("increment", 1).unwrap();
    assert_eq!(stash.expires_at("never").unwrap(), Some(None));
    assert_eq!(stash.expires_at("increment").unwrap(), Some(Some(NOW_US + HOUR_US)));
    stash.import(&b"{\"key\":\"imported\",\"value\":1}\n"[..], Default::default()).unwrap();
    assert_eq!(stash.expires_at("imported").unwrap(), Some(None));
    for ttl in [Duration::ZERO, Duration::MAX] {
        check_kind(options().default_ttl(Some(ttl)).open(dir.path()), ErrorKind::InvalidArgument);
    }
}
