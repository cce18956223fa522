//! The steps of the model tests, a stash that performs them, and a map that says what must come out. Both
//! answer in text, which is compared.

use crate::support::NOW_US;
use litestash_core::{
    Action, Condition, Deadline, Durability, Error, Expiry, FixedClock, ImportOptions, Key, LiteStash, Op,
    Options, ScanOptions, SetOptions, Value,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of the stash, for rows that say no deadline.
const DEFAULT_TTL_US: u64 = 300;

/// A jump of the clock that postpones sweeps.
const JUMP_US: i64 = 60_000_000;

#[derive(Debug, Clone)]
pub(super) enum Step {
    One(Key, Work),
    GetMany(Vec<Key>),
    SetMany(Vec<(Key, i64)>),
    DeleteMany(Vec<Key>),
    Apply(Vec<(Key, Work)>),
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
    let step = prop_oneof![
        40 => (key(), work()).prop_map(|(key, work)| Step::One(key, work)),
        2 => proptest::collection::vec(key(), 0..5).prop_map(Step::GetMany),
        2 => proptest::collection::vec((key(), 0..4i64), 0..5).prop_map(Step::SetMany),
        1 => proptest::collection::vec(key(), 0..4).prop_map(Step::DeleteMany),
        4 => proptest::collection::vec((key(), work()), 0..6).prop_map(Step::Apply),
        2 => (key(), 0..4i64).prop_map(|(key, value)| Step::GetOrSet(key, value)),
        3 => (key(), 0..4i64, proptest::option::of(deadline()))
            .prop_map(|(key, value, deadline)| Step::Relaxed(key, value, deadline)),
        2 => Just(Step::List),
        1 => Just(Step::Exchange),
        1 => Just(Step::Clear),
        2 => Just(Step::Sync),
        5 => Just(Step::Sweep),
        2 => (0..100u64, proptest::option::of(Just("a".to_owned())))
            .prop_map(|(age, prefix)| Step::ExpireOlderThan(age, prefix)),
        14 => prop_oneof![4 => 1..60i64, 1 => -40..0i64, 1 => Just(JUMP_US)].prop_map(Step::Pass),
        2 => jump.prop_map(Step::SetClock),
        2 => Just(if orderly { Step::Reopen } else { Step::Sync }),
    ];
    proptest::collection::vec(step, count)
}

/// A stash under a clock.
pub(super) struct World {
    dir: PathBuf,
    clock: FixedClock,
    stash: LiteStash,
}

fn text(result: Result<impl Debug, Error>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |answer| format!("{answer:?}"))
}

impl World {
    pub(super) fn open(dir: &Path, clock: FixedClock) -> Self {
        let options = Options::new()
            .clock(clock.clone())
            .default_ttl(Some(Duration::from_micros(DEFAULT_TTL_US)))
            .background(false);
        Self { dir: dir.to_owned(), stash: options.open(dir).unwrap(), clock }
    }

    pub(super) fn close(self) {
        self.stash.close().unwrap();
    }

    pub(super) fn perform(&mut self, step: &Step) -> String {
        let stash = &self.stash;
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
            Step::Reopen => {
                stash.close().unwrap();
                *self = Self::open(&self.dir, self.clock.clone());
                String::new()
            }
        }
    }

    /// Everything that is there.
    pub(super) fn rows(&self) -> BTreeMap<Key, (Value, i64, Expiry)> {
        let keys = self.stash.keys(ScanOptions::default()).map(Result::unwrap);
        keys.map(|key| {
            let entry = self.stash.entry(&key).unwrap().unwrap();
            let expiry = Expiry { expires_at: entry.expires_at, idle_us: entry.idle_us };
            (key, (entry.value().unwrap(), entry.version.micros(), expiry))
        })
        .collect()
    }

    pub(super) fn verify(&self) -> String {
        let report = self.stash.verify().unwrap();
        if report.is_sound() { "sound".to_owned() } else { format!("{:?}", report.problems) }
    }
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

#[derive(Debug, Clone, PartialEq)]
struct Row {
    value: Value,
    version: i64,
    expiry: Expiry,
}

/// A use that is to be written.
struct Note {
    version: i64,
    expiry: Expiry,
    at_us: i64,
}

/// What must come out.
pub(super) struct Model {
    now: i64,
    boot: i64,
    rows: BTreeMap<Key, Row>,
    hints: BTreeSet<(i64, Key)>,
    notes: BTreeMap<Key, Note>,
    /// Both clocks when a sweep last looked.
    seen: (i64, i64),
    postponed_until: Option<i64>,
    relaxed: i64,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            now: NOW_US,
            boot: 0,
            rows: BTreeMap::new(),
            hints: BTreeSet::new(),
            notes: BTreeMap::new(),
            seen: (NOW_US, 0),
            postponed_until: None,
            relaxed: i64::MIN,
        }
    }

    pub(super) fn now_us(&self) -> i64 {
        self.now
    }

    pub(super) fn rows(&self) -> BTreeMap<Key, (Value, i64, Expiry)> {
        let live = self.rows.iter().filter(|(_, row)| !self.expired(row));
        live.map(|(key, row)| (key.clone(), (row.value.clone(), row.version, row.expiry))).collect()
    }

    /// The process is lost with all that was only in its memory.
    pub(super) fn crash(&mut self) {
        self.notes.clear();
        self.boot = 0;
        self.opened();
    }

    fn opened(&mut self) {
        (self.seen, self.postponed_until, self.relaxed) = ((self.now, self.boot), None, i64::MIN);
    }

    fn expired(&self, row: &Row) -> bool {
        row.expiry.expires_at.is_some_and(|deadline| self.now >= deadline)
    }

    fn live(&self, key: &Key) -> Option<Row> {
        self.rows.get(key).filter(|row| !self.expired(row)).cloned()
    }

    fn expiry(&self, deadline: Option<Deadline>) -> Expiry {
        let behind = |span: Duration| self.now + span.as_micros() as i64;
        match deadline.unwrap_or(Deadline::In(Duration::from_micros(DEFAULT_TTL_US))) {
            Deadline::Never => Expiry::NEVER,
            Deadline::At(at) => Expiry::at(at),
            Deadline::In(ttl) => Expiry::at(behind(ttl)),
            Deadline::Idle(idle) => {
                Expiry { expires_at: Some(behind(idle)), idle_us: Some(idle.as_micros() as u64) }
            }
        }
    }

    fn renewed(expiry: Expiry, at: i64) -> Expiry {
        match expiry.idle_us {
            Some(idle) => Expiry { expires_at: Some(at + idle as i64), ..expiry },
            None => expiry,
        }
    }

    fn kept(&self, old: Option<&Row>) -> Expiry {
        old.map_or_else(|| self.expiry(None), |row| Self::renewed(row.expiry, self.now))
    }

    fn put_at(&mut self, key: &Key, value: Value, expiry: Expiry, now: i64) -> i64 {
        let version = self.rows.get(key).map_or(now, |old| now.max(old.version + 1));
        self.hints.extend(expiry.expires_at.map(|deadline| (deadline, key.clone())));
        self.rows.insert(key.clone(), Row { value, version, expiry });
        version
    }

    fn put(&mut self, key: &Key, value: Value, expiry: Expiry) -> i64 {
        self.put_at(key, value, expiry, self.now)
    }

    fn redate(&mut self, key: &Key, expiry: Expiry) {
        self.hints.extend(expiry.expires_at.map(|deadline| (deadline, key.clone())));
        if let Some(row) = self.rows.get_mut(key) {
            row.expiry = expiry;
        }
    }

    fn get(&mut self, key: &Key) -> Option<Value> {
        let row = self.live(key)?;
        if let (Some(idle), Some(deadline)) = (row.expiry.idle_us, row.expiry.expires_at) {
            // An eighth of the window has passed, rounded up.
            let set_at = deadline - idle as i64;
            let eighth = idle.div_ceil(8) as i64;
            if self.now - set_at >= eighth {
                let at_us = self.now;
                let note = self.notes.entry(key.clone()).or_insert(Note {
                    version: row.version,
                    expiry: row.expiry,
                    at_us,
                });
                if (note.version, note.expiry) != (row.version, row.expiry) {
                    *note = Note { version: row.version, expiry: row.expiry, at_us };
                }
                note.at_us = note.at_us.max(at_us);
            }
        }
        Some(row.value)
    }

    fn write_notes(&mut self) {
        for (key, note) in std::mem::take(&mut self.notes) {
            if let Some(row) = self.live(&key)
                && (row.version, row.expiry) == (note.version, note.expiry)
            {
                self.redate(&key, Self::renewed(row.expiry, note.at_us));
            }
        }
    }

    fn sweep(&mut self) -> (u64, u64, bool) {
        self.write_notes();
        let (wall, boot) = (self.now - self.seen.0, self.boot - self.seen.1);
        self.seen = (self.now, self.boot);
        if (wall - boot).abs() > JUMP_US {
            self.postponed_until = Some(self.boot + JUMP_US);
        } else if self.postponed_until.is_some_and(|until| self.boot >= until) {
            self.postponed_until = None;
        }
        if self.postponed_until.is_some() {
            return (0, 0, true);
        }
        let (rows, hints, now) = (self.rows.len(), self.hints.len(), self.now);
        self.hints.retain(|(deadline, _)| *deadline > now);
        self.rows.retain(|_, row| row.expiry.expires_at.is_none_or(|deadline| deadline > now));
        ((rows - self.rows.len()) as u64, (hints - self.hints.len()) as u64, false)
    }

    fn add(&mut self, key: &Key, by: Value) -> Result<Value, &'static str> {
        let old = self.live(key);
        let sum = match (old.as_ref().map(|row| &row.value), by) {
            (None, Value::Int(by)) => Value::Int(by),
            (Some(Value::Int(old)), Value::Int(by)) => Value::Int(old + by),
            (None, Value::Float(by)) => Value::Float(by),
            (Some(Value::Int(old)), Value::Float(by)) => Value::Float(*old as f64 + by),
            (Some(Value::Float(old)), Value::Float(by)) => Value::Float(old + by),
            _ => return Err("TypeMismatch"),
        };
        let expiry = self.kept(old.as_ref());
        self.put(key, sum.clone(), expiry);
        Ok(sum)
    }

    fn work(&mut self, key: &Key, work: &Work) -> String {
        match work {
            Work::Get => format!("{:?}", self.get(key)),
            Work::Exists => format!("{:?}", self.live(key).is_some()),
            Work::Entry => {
                let row = self.live(key);
                format!("{:?}", row.map(|row| (row.version, row.expiry.expires_at, row.expiry.idle_us)))
            }
            Work::Set(value, options) => {
                let old = self.live(key);
                let holds = match options.condition {
                    Condition::Absent => old.is_none(),
                    Condition::Present => old.is_some(),
                    _ => true,
                };
                let expiry =
                    if options.keep_ttl { self.kept(old.as_ref()) } else { self.expiry(options.deadline) };
                format!("{:?}", holds.then(|| self.put(key, Value::from(*value), expiry)))
            }
            Work::Delete => {
                let old = self.live(key);
                self.rows.remove(key);
                format!("{:?}", old.is_some())
            }
            Work::Take => {
                let old = self.live(key);
                self.rows.remove(key);
                format!("{:?}", old.map(|row| row.value))
            }
            Work::Increment(by) => match self.add(key, Value::from(*by)) {
                Ok(sum) => sum.as_int().unwrap().to_string(),
                Err(error) => error.to_owned(),
            },
            Work::IncrementFloat(by) => match self.add(key, Value::Float(*by)) {
                Ok(Value::Float(sum)) => format!("{sum:?}"),
                Ok(_) => unreachable!("a float and anything is a float"),
                Err(error) => error.to_owned(),
            },
            Work::CompareAndSet(expected, value) => {
                let holds = self.live(key).map(|row| row.value) == expected.map(Value::from);
                if holds {
                    self.put(key, Value::from(*value), self.expiry(None));
                }
                format!("{holds:?}")
            }
            Work::Expire(deadline) => {
                let old = self.live(key);
                if let Some(row) = &old {
                    self.put(key, row.value.clone(), self.expiry(Some(*deadline)));
                }
                format!("{:?}", old.is_some())
            }
            Work::Persist => {
                let old = self.live(key).filter(|row| row.expiry != Expiry::NEVER);
                if let Some(row) = &old {
                    self.put(key, row.value.clone(), Expiry::NEVER);
                }
                format!("{:?}", old.is_some())
            }
            Work::Touch => {
                let old = self.live(key);
                if let Some(row) = &old {
                    let renewed = Self::renewed(row.expiry, self.now);
                    if renewed != row.expiry {
                        self.redate(key, renewed);
                    }
                }
                format!("{:?}", old.is_some())
            }
        }
    }

    pub(super) fn step(&mut self, step: &Step) -> String {
        match step {
            Step::One(key, work) => self.work(key, work),
            Step::GetMany(keys) => {
                format!("{:?}", keys.iter().map(|key| self.get(key)).collect::<Vec<_>>())
            }
            Step::SetMany(items) => {
                let mut put = |key, value: i64| self.put(key, Value::from(value), self.expiry(None));
                format!("{:?}", items.iter().map(|(key, value)| put(key, *value)).collect::<Vec<_>>())
            }
            Step::DeleteMany(keys) => {
                let mut delete = |key| {
                    let old = self.live(key);
                    self.rows.remove(key);
                    old.is_some()
                };
                format!("{:?}", keys.iter().map(&mut delete).collect::<Vec<_>>())
            }
            Step::Apply(works) => {
                let answers = works.iter().map(|(key, work)| self.work(key, work));
                format!("{}", answers.filter(|answer| answer != "TypeMismatch").count())
            }
            Step::GetOrSet(key, value) => {
                let found = self.get(key).unwrap_or_else(|| {
                    self.put(key, Value::from(*value), self.expiry(None));
                    Value::from(*value)
                });
                format!("{found:?}")
            }
            Step::Relaxed(key, value, deadline) => {
                self.relaxed = self.now.max(self.relaxed.saturating_add(1));
                let (expiry, relaxed) = (self.expiry(*deadline), self.relaxed);
                self.put_at(key, Value::from(*value), expiry, relaxed);
                self.write_notes();
                format!("{relaxed:?}")
            }
            Step::List => {
                let rows = self.rows().into_iter().map(|(key, (value, ..))| (key, value));
                let items: Vec<_> = rows.collect();
                format!("{items:?} {}", items.len())
            }
            Step::Exchange => {
                let rows = self.rows();
                for (key, (value, _, expiry)) in &rows {
                    self.put(key, value.clone(), *expiry);
                }
                rows.len().to_string()
            }
            Step::Clear => {
                self.rows.clear();
                self.hints.clear();
                "()".to_owned()
            }
            Step::Sync => {
                self.write_notes();
                "()".to_owned()
            }
            Step::Sweep => format!("{:?}", self.sweep()),
            Step::ExpireOlderThan(age, prefix) => {
                let before = self.now - *age as i64;
                let begins = |key: &Key| {
                    prefix.as_ref().is_none_or(|p| key.as_text().is_some_and(|t| t.starts_with(p)))
                };
                let live = self.rows();
                let old: Vec<_> = live
                    .iter()
                    .filter(|(key, (_, version, _))| begins(key) && *version < before)
                    .map(|(key, _)| key)
                    .collect();
                old.iter().for_each(|key| drop(self.rows.remove(key)));
                old.len().to_string()
            }
            Step::Pass(us) => {
                self.now += us;
                self.boot += us;
                String::new()
            }
            Step::SetClock(us) => {
                self.now += us;
                String::new()
            }
            Step::Reopen => {
                self.write_notes();
                self.opened();
                String::new()
            }
        }
    }
}
