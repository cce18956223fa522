//! The steps of the model tests, and a stash that performs them. It answers in text, which is compared with what
//! the map says.

use crate::support::{NOW_US, Stored};
use litestash_core::{
    Action, Condition, Deadline, Durability, Error, EventKind, Expiry, Filter, FixedClock, ImportOptions,
    Key, LiteStash, Op, ScanOptions, SetOptions, Subscription, TransactionOutcome, Value,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of the stash, for rows that say no deadline.
pub(super) const DEFAULT_TTL_US: u64 = 300;

/// A jump of the clock that postpones sweeps.
pub(super) const JUMP_US: i64 = 60_000_000;

#[derive(Debug, Clone)]
pub(super) enum Step {
    One(Key, Work),
    GetMany(Vec<Key>),
    SetMany(Vec<(Key, i64)>),
    DeleteMany(Vec<Key>),
    Apply(Vec<(Key, Work)>),
    Transaction(Vec<(Key, Work)>),
    GetOrSet(Key, i64),
    /// And then synced, after which it is like any other.
    Relaxed(Key, i64, Option<Deadline>),
    List,
    /// What an export holds is imported over the rows.
    Exchange,
    Clear,
    Sync,
    Sweep,
    ExpireOlderThan(u64, Option<String>),
    Pass(i64),
    SetClock(i64),
    Reopen,
    /// Any of the above but the last three, and `Relaxed`, in a bucket.
    Bucket(Box<Step>),
    DropBucket,
    Buckets,
    /// Another data key, for a stash that is encrypted.
    Rotate,
}

/// What can be done with one key, alone and in a batch.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Get,
    Exists,
    Entry,
    Set(i64, SetOptions),
    Delete,
    Take,
    Increment(i64),
    IncrementFloat(f64),
    CompareAndSet(Option<i64>, i64),
    Expire(Deadline),
    Persist,
    Touch,
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        (0..4i64).prop_map(Key::from),
        (0..6u8).prop_map(|n| Key::from(format!("a{n}"))),
        Just(Key::from("b")),
    ]
}

fn deadline() -> impl Strategy<Value = Deadline> {
    let span = |us: u64| Duration::from_micros(us);
    prop_oneof![
        3 => (1..200u64).prop_map(move |us| Deadline::In(span(us))),
        4 => (1..200u64).prop_map(move |us| Deadline::Idle(span(us))),
        1 => (-50..200i64).prop_map(|us| Deadline::At(NOW_US + us)),
        1 => Just(Deadline::Never),
    ]
}

fn set_options() -> impl Strategy<Value = SetOptions> {
    let condition = prop_oneof![
        6 => Just(Condition::Always), 1 => Just(Condition::Absent), 1 => Just(Condition::Present)
    ];
    let deadline = prop_oneof![
        4 => deadline().prop_map(|deadline| (Some(deadline), false)),
        2 => Just((None, false)),
        2 => Just((None, true)),
    ];
    (deadline, condition).prop_map(|((deadline, keep_ttl), condition)| SetOptions {
        deadline,
        keep_ttl,
        condition,
    })
}

fn work() -> impl Strategy<Value = Work> {
    prop_oneof![
        6 => Just(Work::Get),
        1 => Just(Work::Exists),
        1 => Just(Work::Entry),
        8 => (0..4i64, set_options()).prop_map(|(value, options)| Work::Set(value, options)),
        1 => Just(Work::Delete),
        1 => Just(Work::Take),
        2 => (-1..2i64).prop_map(Work::Increment),
        1 => Just(Work::IncrementFloat(0.5)),
        1 => (proptest::option::of(0..4i64), 0..4i64).prop_map(|(old, new)| Work::CompareAndSet(old, new)),
        2 => deadline().prop_map(Work::Expire),
        1 => Just(Work::Persist),
        3 => Just(Work::Touch),
    ]
}

/// Sequences of steps; `orderly` ones close and reopen the stash too.
pub(super) fn steps(count: Range<usize>, orderly: bool) -> impl Strategy<Value = Vec<Step>> {
    let jump =
        prop_oneof![Just(JUMP_US + 1), Just(-JUMP_US - 1), Just(JUMP_US), -100..100i64, Just(3_600_000_000),];
    let single = prop_oneof![
        40 => (key(), work()).prop_map(|(key, work)| Step::One(key, work)),
        2 => proptest::collection::vec(key(), 0..5).prop_map(Step::GetMany),
        2 => proptest::collection::vec((key(), 0..4i64), 0..5).prop_map(Step::SetMany),
        1 => proptest::collection::vec(key(), 0..4).prop_map(Step::DeleteMany),
        4 => proptest::collection::vec((key(), work()), 0..6).prop_map(Step::Apply),
        6 => proptest::collection::vec((key(), work()), 0..6).prop_map(Step::Transaction),
        2 => (key(), 0..4i64).prop_map(|(key, value)| Step::GetOrSet(key, value)),
        2 => Just(Step::List),
        1 => Just(Step::Exchange),
        1 => Just(Step::Clear),
        2 => Just(Step::Sync),
        5 => Just(Step::Sweep),
        2 => (0..100u64, proptest::option::of(Just("a".to_owned())))
            .prop_map(|(age, prefix)| Step::ExpireOlderThan(age, prefix)),
    ]
    .boxed();
    let step = prop_oneof![
        56 => single.clone(),
        14 => single.prop_map(|step| Step::Bucket(Box::new(step))),
        3 => (key(), 0..4i64, proptest::option::of(deadline()))
            .prop_map(|(key, value, deadline)| Step::Relaxed(key, value, deadline)),
        2 => Just(Step::DropBucket),
        1 => Just(Step::Buckets),
        1 => Just(Step::Rotate),
        14 => prop_oneof![4 => 1..60i64, 1 => -40..0i64, 1 => Just(JUMP_US)].prop_map(Step::Pass),
        2 => jump.prop_map(Step::SetClock),
        2 => Just(if orderly { Step::Reopen } else { Step::Sync }),
    ];
    proptest::collection::vec(step, count)
}

/// A stash under a clock.
pub(super) struct World {
    dir: PathBuf,
    stored: Stored,
    clock: FixedClock,
    stash: LiteStash,
    events: Subscription,
}

fn text(result: Result<impl Debug, Error>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |answer| format!("{answer:?}"))
}

impl World {
    pub(super) fn open(dir: &Path, stored: Stored, clock: FixedClock) -> Self {
        let options = stored
            .options()
            .clock(clock.clone())
            .default_ttl(Some(Duration::from_micros(DEFAULT_TTL_US)))
            .background(false);
        let stash = options.open(dir).unwrap();
        let events = stash.subscribe(Filter::new()).unwrap();
        Self { dir: dir.to_owned(), stored, stash, events, clock }
    }

    pub(super) fn close(self) {
        self.stash.close().unwrap();
    }

    pub(super) fn perform(&mut self, step: &Step) -> String {
        match step {
            Step::Bucket(step) => {
                let bucket = self.stash.bucket("b").unwrap();
                self.perform_in(&bucket, step)
            }
            Step::Reopen => {
                self.stash.close().unwrap();
                *self = Self::open(&self.dir, self.stored, self.clock.clone());
                String::new()
            }
            _ => self.perform_in(&self.stash.clone(), step),
        }
    }

    /// What subscribers heard of the last step, in any order; of several shards that were cleared once.
    pub(super) fn take_told(&mut self) -> Vec<String> {
        let told = std::iter::from_fn(|| self.events.try_recv()).map(|event| {
            assert_eq!(event.missed, 0);
            let (kind, key) = (event.kind.name(), event.key);
            match (event.kind, key) {
                (EventKind::Clear, _) => kind.to_owned(),
                (EventKind::Set, Some(key)) => format!("{kind} {key:?} {}", event.version.unwrap().micros()),
                (_, key) => format!("{kind} {:?}", key.unwrap()),
            }
        });
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        told.dedup_by(|a, b| a == b && a == "clear");
        told
    }

    fn perform_in(&self, stash: &LiteStash, step: &Step) -> String {
        match step {
            Step::One(key, work) => perform(stash, key, work),
            Step::GetMany(keys) => text(stash.get_many(keys)),
            Step::SetMany(items) => text(
                stash
                    .set_many(items.clone())
                    .map(|versions| versions.into_iter().map(|version| version.micros()).collect::<Vec<_>>()),
            ),
            Step::DeleteMany(keys) => text(stash.delete_many(keys)),
            Step::Apply(works) => {
                let ops: Vec<_> =
                    works.iter().map(|(key, work)| Op::new(key, action(work)).unwrap()).collect();
                let outcomes = stash.apply(&ops).unwrap().into_iter();
                let kinds = outcomes.map(|outcome| outcome.map_err(|error| error.kind()));
                format!("{}", kinds.filter(Result::is_ok).count())
            }
            Step::Transaction(works) => {
                let ops: Vec<_> =
                    works.iter().map(|(key, work)| Op::new(key, action(work)).unwrap()).collect();
                match stash.transaction(&ops) {
                    Ok(TransactionOutcome::Committed(outcomes)) => format!("committed {}", outcomes.len()),
                    Ok(TransactionOutcome::Refused { index }) => format!("refused {index}"),
                    Err(error) => format!("{:?}", error.kind()),
                }
            }
            Step::DropBucket => text(stash.drop_bucket("b")),
            Step::Buckets => text(stash.buckets()),
            Step::Rotate => text(stash.rotate_key(|_| true).map(|report| report.finished)),
            Step::GetOrSet(key, value) => {
                text(stash.get_or_set::<Value, Error>(key, SetOptions::default(), || Ok(Value::from(*value))))
            }
            Step::Relaxed(key, value, deadline) => {
                let options = SetOptions { deadline: *deadline, ..SetOptions::default() };
                let relaxed = stash.with_durability(Durability::Relaxed);
                let answer = relaxed.set_with(key, value, options).map(|version| version.unwrap().micros());
                stash.sync().unwrap();
                text(answer)
            }
            Step::List => {
                let mut items: Vec<_> = stash.items(ScanOptions::default()).map(Result::unwrap).collect();
                items.sort_by(|a, b| a.0.cmp(&b.0));
                format!("{items:?} {}", stash.len().unwrap())
            }
            Step::Exchange => {
                let mut lines = Vec::new();
                stash.export(&mut lines, ScanOptions::default()).unwrap();
                text(stash.import(lines.as_slice(), ImportOptions::default()).map(|report| report.rows))
            }
            Step::Clear => text(stash.clear()),
            Step::Sync => text(stash.sync()),
            Step::Sweep => {
                let report = stash.sweep();
                text(report.map(|report| (report.rows, report.hints, report.postponed)))
            }
            Step::ExpireOlderThan(age, prefix) => {
                text(stash.expire_older_than(Duration::from_micros(*age), prefix.as_deref()))
            }
            Step::Pass(us) => {
                self.clock.advance(*us);
                String::new()
            }
            Step::SetClock(us) => {
                self.clock.set_by(*us);
                String::new()
            }
            Step::Bucket(_) | Step::Reopen => unreachable!("done by `perform`"),
        }
    }

    /// Everything that is there.
    pub(super) fn rows(&self) -> BTreeMap<Key, (Value, i64, Expiry)> {
        rows_of(&self.stash)
    }

    /// And in the bucket.
    pub(super) fn bucket_rows(&self) -> BTreeMap<Key, (Value, i64, Expiry)> {
        rows_of(&self.stash.bucket("b").unwrap())
    }

    pub(super) fn verify(&self) -> String {
        let report = self.stash.verify().unwrap();
        if report.is_sound() { "sound".to_owned() } else { format!("{:?}", report.problems) }
    }
}

fn rows_of(stash: &LiteStash) -> BTreeMap<Key, (Value, i64, Expiry)> {
    let keys = stash.keys(ScanOptions::default()).map(Result::unwrap);
    keys.map(|key| {
        let entry = stash.entry(&key).unwrap().unwrap();
        let expiry = Expiry { expires_at: entry.expires_at, idle_us: entry.idle_us };
        (key, (entry.value().unwrap(), entry.version.micros(), expiry))
    })
    .collect()
}

fn encode(value: i64) -> Vec<u8> {
    let mut encoded = Vec::new();
    litestash_core::contract::msgpack::encode(&Value::from(value), &mut encoded).unwrap();
    encoded
}

fn action(work: &Work) -> Action {
    match work {
        Work::Get => Action::Get,
        Work::Exists => Action::Exists,
        Work::Entry => Action::Entry,
        Work::Set(value, options) => Action::Set { encoded: encode(*value), options: *options },
        Work::Delete => Action::Delete,
        Work::Take => Action::Take,
        Work::Increment(by) => Action::Increment(*by),
        Work::IncrementFloat(by) => Action::IncrementFloat(*by),
        Work::CompareAndSet(expected, value) => {
            Action::CompareAndSet { expected: expected.map(encode), encoded: encode(*value) }
        }
        Work::Expire(deadline) => Action::Expire(*deadline),
        Work::Persist => Action::Persist,
        Work::Touch => Action::Touch,
    }
}

fn perform(stash: &LiteStash, key: &Key, work: &Work) -> String {
    match work {
        Work::Get => text(stash.get(key)),
        Work::Exists => text(stash.exists(key)),
        Work::Entry => text(
            stash
                .entry(key)
                .map(|entry| entry.map(|entry| (entry.version.micros(), entry.expires_at, entry.idle_us))),
        ),
        Work::Set(value, options) => {
            text(stash.set_with(key, value, *options).map(|version| version.map(|version| version.micros())))
        }
        Work::Delete => text(stash.delete(key)),
        Work::Take => text(stash.take(key)),
        Work::Increment(by) => text(stash.increment(key, *by)),
        Work::IncrementFloat(by) => text(stash.increment_float(key, *by)),
        Work::CompareAndSet(expected, value) => text(stash.compare_and_set(key, expected.as_ref(), value)),
        Work::Expire(deadline) => text(stash.expire(key, *deadline)),
        Work::Persist => text(stash.persist(key)),
        Work::Touch => text(stash.touch(key)),
    }
}
