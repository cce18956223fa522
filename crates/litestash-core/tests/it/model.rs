//! Random operation sequences against a `BTreeMap`, with reopening in between.

use crate::support::Stored;
use litestash_core::{
    Action, Condition, Deadline, ErrorKind, FixedClock, Key, LiteStash, Op, Outcome, ScanOptions, SetOptions,
    Value,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::time::Duration;

/// Sequences for one run of the suite; `LITESTASH_MODEL_CASES` overrides it.
const SEQUENCES: u32 = 10_000;

/// And as many of stashes that are encrypted.
const ENCRYPTED_SEQUENCES: u32 = 1_500;

#[derive(Debug, Clone)]
enum Step {
    Set(Key, Value, Option<u32>),
    SetIf(Key, Value, Condition),
    Delete(Key),
    Take(Key),
    Get(Key),
    Increment(Key, i64),
    CompareAndSet(Key, Option<Value>, Value),
    Expire(Key, u32),
    Persist(Key),
    SetMany(Vec<(Key, Value)>),
    DeleteMany(Vec<Key>),
    Apply(Vec<(Key, i64)>),
    Clock(i32),
    List,
    Clear,
    Reopen,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    value: Value,
    version: i64,
    deadline: Option<i64>,
}

#[derive(Default)]
struct Model {
    now: i64,
    rows: BTreeMap<Key, Row>,
}

impl Model {
    fn live(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key).filter(|row| row.deadline.is_none_or(|deadline| self.now < deadline))
    }

    fn put(&mut self, key: &Key, value: Value, deadline: Option<i64>) -> i64 {
        let version = self.rows.get(key).map_or(self.now, |old| self.now.max(old.version + 1));
        self.rows.insert(key.clone(), Row { value, version, deadline });
        version
    }

    fn increment(&mut self, key: &Key, by: i64) -> Result<i64, ErrorKind> {
        let (old, deadline) = match self.live(key) {
            None => (0, None),
            Some(row) => match row.value {
                Value::Int(int) => (int, row.deadline),
                Value::Uint(_) => return Err(ErrorKind::Overflow),
                _ => return Err(ErrorKind::TypeMismatch),
            },
        };
        let sum = old.checked_add(by).ok_or(ErrorKind::Overflow)?;
        self.put(key, Value::Int(sum), deadline);
        Ok(sum)
    }
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        (0..12i64).prop_map(Key::from),
        (0..12u8).prop_map(|n| Key::from(format!("k{n}"))),
        (0..3u8).prop_map(|n| Key::from(vec![n; usize::from(n)])),
        Just(Key::float(0.5).unwrap()),
        Just(Key::from("")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        (-2..2i64).prop_map(Value::from),
        Just(Value::Int(i64::MAX)),
        Just(Value::Uint(u64::MAX)),
        Just(Value::Float(1.0)),
        "[a-c]{0,3}".prop_map(Value::from),
        (0..9000usize).prop_map(|len| Value::from(vec![7u8; len])),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let condition = prop_oneof![Just(Condition::Absent), Just(Condition::Present)];
    prop_oneof![
        8 => (key(), value(), proptest::option::of(1..50u32)).prop_map(|(k, v, ttl)| Step::Set(k, v, ttl)),
        3 => (key(), value(), condition).prop_map(|(k, v, c)| Step::SetIf(k, v, c)),
        4 => key().prop_map(Step::Delete),
        2 => key().prop_map(Step::Take),
        6 => key().prop_map(Step::Get),
        3 => (key(), prop_oneof![-3..3i64, Just(i64::MAX)]).prop_map(|(k, by)| Step::Increment(k, by)),
        3 => (key(), proptest::option::of(value()), value()).prop_map(|(k, e, v)| Step::CompareAndSet(k, e, v)),
        2 => (key(), 1..50u32).prop_map(|(k, ttl)| Step::Expire(k, ttl)),
        1 => key().prop_map(Step::Persist),
        2 => proptest::collection::vec((key(), value()), 0..8).prop_map(Step::SetMany),
        2 => proptest::collection::vec(key(), 0..8).prop_map(Step::DeleteMany),
        2 => proptest::collection::vec((key(), -3..3i64), 0..8).prop_map(Step::Apply),
        3 => (-20..60i32).prop_map(Step::Clock),
        2 => Just(Step::List),
        1 => Just(Step::Clear),
        1 => Just(Step::Reopen),
    ]
}

struct Run {
    dir: tempfile::TempDir,
    stash: LiteStash,
    stored: Stored,
    clock: FixedClock,
    model: Model,
}

impl Run {
    fn new(stored: Stored) -> Self {
        // In memory where there is such a place: what is tested here is meaning, and syncs are most of the
        // time elsewhere.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (clock, model) = (FixedClock::new(1_000), Model { now: 1_000, ..Model::default() });
        let stash = Self::open(&dir, stored, &clock);
        Self { dir, stash, stored, clock, model }
    }

    fn open(dir: &tempfile::TempDir, stored: Stored, clock: &FixedClock) -> LiteStash {
        stored.options().clock(clock.clone()).background(false).open(dir.path()).unwrap()
    }

    fn step(&mut self, step: Step) {
        let Self { stash, model, .. } = self;
        match step {
            Step::Set(key, value, ttl) => {
                let options = SetOptions {
                    deadline: ttl.map(|us| Deadline::In(Duration::from_micros(us.into()))),
                    ..SetOptions::default()
                };
                let version = stash.set_with(&key, &value, options).unwrap().unwrap();
                let expected = model.put(&key, value, ttl.map(|us| model.now + i64::from(us)));
                assert_eq!(version.micros(), expected);
            }
            Step::SetIf(key, value, condition) => {
                let done = stash.set_with(&key, &value, SetOptions::when(condition)).unwrap();
                let holds = (condition == Condition::Present) == model.live(&key).is_some();
                assert_eq!(done.map(|version| version.micros()), holds.then(|| model.put(&key, value, None)));
            }
            Step::Delete(key) => {
                let was_there = model.live(&key).is_some();
                model.rows.remove(&key);
                assert_eq!(stash.delete(&key).unwrap(), was_there);
            }
            Step::Take(key) => {
                let value = model.live(&key).map(|row| row.value.clone());
                model.rows.remove(&key);
                assert_eq!(stash.take(&key).unwrap(), value);
            }
            Step::Get(key) => {
                let row = model.live(&key);
                assert_eq!(stash.get(&key).unwrap().as_ref(), row.map(|row| &row.value));
                let entry =
                    stash.entry(&key).unwrap().map(|entry| (entry.version.micros(), entry.expires_at));
                assert_eq!(entry, row.map(|row| (row.version, row.deadline)));
            }
            Step::Increment(key, by) => {
                assert_eq!(
                    stash.increment(&key, by).map_err(|error| error.kind()),
                    model.increment(&key, by)
                );
            }
            Step::CompareAndSet(key, expected, value) => {
                let holds = model.live(&key).map(|row| &row.value) == expected.as_ref();
                assert_eq!(stash.compare_and_set(&key, expected.as_ref(), &value).unwrap(), holds);
                if holds {
                    model.put(&key, value, None);
                }
            }
            Step::Expire(key, ttl) => {
                let done = stash.expire(&key, Deadline::In(Duration::from_micros(ttl.into()))).unwrap();
                let row = model.live(&key).cloned();
                assert_eq!(done, row.is_some());
                if let Some(row) = row {
                    model.put(&key, row.value, Some(model.now + i64::from(ttl)));
                }
            }
            Step::Persist(key) => {
                let row = model.live(&key).filter(|row| row.deadline.is_some()).cloned();
                assert_eq!(stash.persist(&key).unwrap(), row.is_some());
                if let Some(row) = row {
                    model.put(&key, row.value, None);
                }
            }
            Step::SetMany(items) => {
                let versions = stash.set_many(items.clone()).unwrap();
                for ((key, value), version) in items.into_iter().zip(versions) {
                    assert_eq!(version.micros(), model.put(&key, value, None));
                }
            }
            Step::DeleteMany(keys) => {
                let done = stash.delete_many(&keys).unwrap();
                for (key, done) in keys.iter().zip(done) {
                    assert_eq!(done, model.live(key).is_some());
                    model.rows.remove(key);
                }
            }
            Step::Apply(increments) => {
                let ops: Vec<_> = increments
                    .iter()
                    .map(|(key, by)| Op::new(key, Action::Increment(*by)).unwrap())
                    .collect();
                for (result, (key, by)) in stash.apply(&ops).unwrap().into_iter().zip(&increments) {
                    let expected = model.increment(key, *by).map(Outcome::Int);
                    assert_eq!(result.map_err(|error| error.kind()), expected);
                }
            }
            Step::Clock(us) => {
                self.clock.advance(us.into());
                model.now += i64::from(us);
            }
            Step::List => self.list(),
            Step::Clear => {
                stash.clear().unwrap();
                model.rows.clear();
            }
            Step::Reopen => {
                stash.close().unwrap();
                self.stash = Self::open(&self.dir, self.stored, &self.clock);
            }
        }
    }

    fn list(&self) {
        let items: BTreeMap<_, _> = self.stash.items(ScanOptions::default()).map(Result::unwrap).collect();
        let live =
            self.model.rows.keys().filter_map(|key| Some((key.clone(), self.model.live(key)?.value.clone())));
        assert_eq!(items, live.collect());
        assert_eq!(self.stash.len().unwrap(), items.len() as u64);
    }
}

#[test]
fn random_sequences_agree_with_a_map() {
    random_sequences(Stored::Plain, SEQUENCES);
}

#[test]
fn random_sequences_of_an_encrypted_stash_agree_with_a_map() {
    random_sequences(Stored::Encrypted, ENCRYPTED_SEQUENCES);
    random_sequences(Stored::CompressedAndEncrypted, ENCRYPTED_SEQUENCES);
}

fn random_sequences(stored: Stored, cases: u32) {
    let cases =
        std::env::var("LITESTASH_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let workers = 2;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(move || {
                let config =
                    Config { cases: cases / workers, failure_persistence: None, ..Config::default() };
                TestRunner::new(config)
                    .run(&proptest::collection::vec(step(), 1..24), |steps| {
                        let mut run = Run::new(stored);
                        steps.into_iter().for_each(|step| run.step(step));
                        run.list();
                        Ok(())
                    })
                    .unwrap();
            });
        }
    });
}

#[test]
fn a_long_sequence_leaves_a_sound_stash() {
    for stored in [Stored::Plain, Stored::Compressed, Stored::CompressedAndEncrypted] {
        long_sequence(stored);
    }
}

fn long_sequence(stored: Stored) {
    let config = Config { cases: 2, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&proptest::collection::vec(step(), 1500..2000), |steps| {
            let mut run = Run::new(stored);
            steps.into_iter().for_each(|step| run.step(step));
            run.list();
            let report = run.stash.verify().unwrap();
            prop_assert!(report.is_sound(), "{:?}", report.problems);
            Ok(())
        })
        .unwrap();
}
