//! The interface as a language calls it, without a language.

use crate::{
    Action, BucketOptions, Cancellation, Computation, ComputeOptions, Condition, Deadline, Durability,
    EventFilter, EventListener, Item, Key, LiteStash, OpenOptions, Operation, Outcome, Peek, ScanOptions,
    SetOptions, StashError, TimeToLive, TransactionResult, ValueTest,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

type Failed<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn key(text: &str) -> Key {
    Key::Text(text.to_owned())
}

/// A small integer as MessagePack.
fn int(int: u8) -> Vec<u8> {
    vec![int]
}

fn plain() -> SetOptions {
    SetOptions { deadline: None, keep_ttl: false, condition: None }
}

fn options() -> OpenOptions {
    OpenOptions {
        create: true,
        read_only: false,
        immutable: false,
        allow_network_file_system: false,
        durability: None,
        busy_timeout_us: None,
        value_bytes_max: None,
        cache_bytes: None,
        default_ttl_us: None,
        background: true,
        limits: None,
        encryption_key: None,
        passphrase: None,
        compression: None,
    }
}

fn memory() -> Failed<Arc<LiteStash>> {
    Ok(LiteStash::memory(options())?)
}

fn scan(page_rows: u32, cursor: Option<String>) -> ScanOptions {
    ScanOptions { prefix: None, page_rows, cursor }
}

#[test]
fn one_key() -> Failed {
    let folder = tempfile::tempdir()?;
    let stash = LiteStash::open(folder.path().display().to_string(), options())?;
    let version = stash.set(key("k"), int(1), plain())?.ok_or("not stored")?;
    assert_eq!(stash.get(key("k"))?, Some(int(1)));
    assert_eq!(stash.peek(key("k"))?, Peek::Found(int(1)));
    assert!(!matches!(stash.peek(key("none"))?, Peek::Found(_)));
    assert_eq!(stash.entry(key("k"))?.ok_or("a miss")?.version, version);
    assert!(!stash.add(key("k"), int(2), None)? && stash.replace(key("k"), int(2), None)?);
    assert!(stash.compare_and_set(key("k"), Some(int(2)), int(3))?);
    assert_eq!(stash.increment(key("k"), 4)?, 7);
    assert_eq!(stash.take(key("k"))?, Some(int(7)));
    assert!(!stash.exists(key("k"))? && !stash.delete(key("k"))?);
    assert_eq!(stash.increment_float(key("f"), 0.5)?, 0.5);
    assert!(matches!(stash.set(key("k"), vec![0xc1], plain()), Err(StashError::InvalidValue { .. })));
    assert!(matches!(stash.get(Key::Float(f64::NAN)), Err(StashError::InvalidKey { .. })));
    Ok(())
}

#[test]
fn time() -> Failed {
    let stash = memory()?;
    stash.set(key("k"), int(1), plain())?;
    assert_eq!(stash.ttl(key("k"))?, Some(TimeToLive::Forever));
    assert_eq!(stash.ttl(key("none"))?, None);
    assert!(stash.expire(key("k"), Deadline::After { us: 60_000_000 })?);
    let left = stash.ttl(key("k"))?;
    assert!(matches!(left, Some(TimeToLive::Remaining { us }) if us <= 60_000_000), "{left:?}");
    assert!(stash.touch(key("k"))? && stash.persist(key("k"))?);
    assert!(stash.expire(key("k"), Deadline::At { unix_us: 0 })? && !stash.exists(key("k"))?);
    assert_eq!(stash.expire_older_than(0, None)?, 0);
    stash.sweep()?;
    Ok(())
}

#[test]
fn many() -> Failed {
    let stash = memory()?;
    let items = (0..20).map(|n| Item { key: Key::Int(n.into()), value: int(n) }).collect();
    assert_eq!(stash.set_many(items, None)?.len(), 20);
    assert_eq!(stash.get_many(vec![Key::Int(3), Key::Int(99)])?, [Some(int(3)), None]);
    assert_eq!(stash.delete_many(vec![Key::Int(3), Key::Int(99)])?, [true, false]);
    let on = |key: Key, action| Operation { key, action };
    let bad = on(Key::Float(f64::NAN), Action::Get);
    let mut outcomes = stash
        .apply(vec![on(Key::Int(1), Action::Increment { by: 5 }), bad, on(Key::Int(2), Action::Get)])?
        .into_iter();
    assert_eq!(outcomes.next(), Some(Outcome::Int { int: 6 }));
    assert!(matches!(outcomes.next(), Some(Outcome::Failed { error: StashError::InvalidKey { .. } })));
    assert_eq!(outcomes.next(), Some(Outcome::Value { value: Some(int(2)) }));
    let check = on(Key::Int(99), Action::Check { condition: Condition::Present });
    let refused = stash.transaction(vec![on(Key::Int(1), Action::Delete), check])?;
    assert_eq!(refused, TransactionResult::Refused { index: 1 });
    assert!(stash.exists(Key::Int(1))?);
    assert_eq!(stash.count()?, 19);
    stash.clear()?;
    assert_eq!(stash.count()?, 0);
    Ok(())
}

#[test]
fn pages_end_with_the_stash() -> Failed {
    let stash = memory()?;
    for n in 0..100 {
        stash.set(Key::Int(n), int(1), plain())?;
    }
    let first = stash.keys(scan(60, None))?;
    let second = stash.items(scan(60, first.cursor.clone()))?;
    assert_eq!((first.keys.len(), second.items.len(), second.cursor), (60, 40, None));
    assert!(matches!(stash.keys(scan(0, None)), Err(StashError::InvalidArgument { .. })));
    stash.shutdown()?;
    stash.shutdown()?;
    assert!(stash.is_closed());
    assert!(matches!(stash.items(scan(60, first.cursor)), Err(StashError::Closed { .. })));
    assert!(matches!(stash.get(Key::Int(1)), Err(StashError::Closed { .. })));
    Ok(())
}

/// Gives a value, raises, or panics.
struct Foreign {
    calls: AtomicU32,
    does: fn() -> Result<Vec<u8>, StashError>,
}

impl Computation for Foreign {
    fn compute(&self) -> Result<Vec<u8>, StashError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        (self.does)()
    }
}

#[test]
fn computations() -> Failed {
    let stash = memory()?;
    let given = ComputeOptions {
        deadline: None,
        across_processes: true,
        lease_us: None,
        stale_while_revalidate_us: None,
    };
    let compute = |does| Arc::new(Foreign { calls: AtomicU32::new(0), does });
    let once = compute(|| Ok(vec![7]));
    for _ in 0..3 {
        assert_eq!(stash.get_or_set(key("k"), given, once.clone())?, int(7));
    }
    assert_eq!(once.calls.load(Ordering::Relaxed), 1);
    let raising = compute(|| Err(StashError::DiskFull { detail: "mine".into() }));
    let raised = stash.get_or_set(key("raising"), given, raising);
    assert_eq!(raised, Err(StashError::DiskFull { detail: "mine".into() }));
    let wrong = compute(|| Ok(vec![0xc1]));
    assert!(matches!(stash.get_or_set(key("wrong"), given, wrong), Err(StashError::InvalidValue { .. })));
    assert!(!stash.exists(key("raising"))? && !stash.exists(key("wrong"))?);
    Ok(())
}

struct Hearing {
    heard: AtomicU32,
    raises: bool,
}

impl EventListener for Hearing {
    fn on_event(&self, event: crate::Event) -> Result<(), StashError> {
        assert!(event.key.is_some());
        self.heard.fetch_add(1, Ordering::Relaxed);
        if self.raises { Err(StashError::Internal { detail: "mine".into() }) } else { Ok(()) }
    }
}

#[test]
fn listeners_that_raise_are_counted_and_called_again() -> Failed {
    let stash = memory()?;
    let filter = EventFilter { kinds: None, key: None, prefix: None, all_processes: false, capacity: None };
    let listener = |raises| Arc::new(Hearing { heard: AtomicU32::new(0), raises });
    let (quiet, loud) = (listener(false), listener(true));
    let subscriptions =
        [stash.subscribe(filter.clone(), quiet.clone())?, stash.subscribe(filter, loud.clone())?];
    for n in 0..3 {
        stash.set(Key::Int(n), int(1), plain())?;
    }
    while quiet.heard.load(Ordering::Relaxed) < 3 || subscriptions[1].failed() < 3 {
        std::thread::yield_now();
    }
    assert_eq!((subscriptions[0].failed(), subscriptions[0].dropped()), (0, 0));
    subscriptions[0].cancel();
    assert!(subscriptions[0].is_ended());
    stash.shutdown()?;
    while !subscriptions[1].is_ended() {
        std::thread::yield_now();
    }
    Ok(())
}

struct IsThere(AtomicBool);

impl ValueTest for IsThere {
    fn holds(&self, value: Option<Vec<u8>>) -> bool {
        self.0.store(true, Ordering::Relaxed);
        value == Some(int(1))
    }
}

#[test]
fn a_value_is_waited_for() -> Failed {
    let stash = memory()?;
    let test = Arc::new(IsThere(AtomicBool::new(false)));
    assert!(!stash.wait_for(key("k"), 1000, test.clone())?);
    let waiting = {
        let (stash, test) = (Arc::clone(&stash), Arc::clone(&test));
        std::thread::spawn(move || stash.wait_for(key("k"), 60_000_000, test))
    };
    stash.set(key("k"), int(1), plain())?;
    assert!(waiting.join().map_err(|_| "it panicked")??);
    Ok(())
}

#[test]
fn care() -> Failed {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let given = OpenOptions { encryption_key: Some(vec![7; 32]), ..options() };
    let stash = LiteStash::open(path("stash"), given)?;
    for n in 0..50 {
        stash.set(Key::Int(n), int(1), plain())?;
    }
    assert!(stash.is_encrypted() && !stash.is_read_only());
    assert_eq!(stash.path(), Some(path("stash")));
    assert_eq!(stash.rotate_key(None)?.resealed, 50);
    assert_eq!(stash.verify(None)?.problems, []);
    assert_eq!(stash.stats()?.rows, 50);
    stash.sync()?;
    stash.compact()?;
    let stopped = Cancellation::new();
    stopped.cancel();
    let exported = stash.export_lines(path("lines"), None, Some(Arc::clone(&stopped)));
    assert!(matches!(exported, Err(StashError::Cancelled { .. })), "{exported:?}");
    assert_eq!(stash.export_lines(path("lines"), None, None)?.rows, 50);
    let other = LiteStash::open(path("other"), options())?;
    let imported = other.import_lines(path("lines"), false, Some(stopped));
    assert!(matches!(imported, Err(StashError::Cancelled { .. })), "{imported:?}");
    assert_eq!(other.import_lines(path("lines"), false, None)?.rows, 50);
    stash.backup(path("copy"), None)?;
    stash.change_passphrase("open sesame".into())?;
    stash.shutdown()?;
    assert!(matches!(LiteStash::open(path("stash"), options()), Err(StashError::WrongKey { .. })));
    Ok(())
}

#[test]
fn buckets_and_other_handles() -> Failed {
    let stash = memory()?;
    let inherited = || BucketOptions {
        durability: None,
        value_bytes_max: None,
        default_ttl_us: None,
        limits: None,
        cache: true,
    };
    let bucket = stash.bucket("users".into(), inherited())?;
    bucket.set(key("k"), int(1), plain())?;
    assert_eq!((stash.buckets()?, stash.count()?), (vec!["users".to_owned()], 0));
    assert!(matches!(stash.bucket("".into(), inherited()), Err(StashError::InvalidArgument { .. })));
    let relaxed = stash.with_durability(Durability::Relaxed);
    assert_eq!((relaxed.durability(), stash.durability()), (Durability::Relaxed, Durability::Normal));
    assert!(stash.drop_bucket("users".into())? && bucket.get(key("k"))?.is_none());
    relaxed.shutdown()?;
    assert!(stash.is_closed());
    Ok(())
}
