//! What must come out of the steps of the model tests, by a map and plain rules.

use super::world::{DEFAULT_TTL_US, JUMP_US, Step, Work};
use crate::support::{NOW_US, Stored};
use litestash_core::{Condition, Deadline, Expiry, Key, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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

/// The stash itself, or its bucket.
#[derive(Default)]
struct Place {
    rows: BTreeMap<Key, Row>,
    hints: BTreeSet<(i64, Key)>,
    notes: BTreeMap<Key, Note>,
    /// Whether anything was ever stored.
    is_there: bool,
}

/// What must come out.
pub(super) struct Model {
    now: i64,
    boot: i64,
    is_encrypted: bool,
    places: [Place; 2],
    /// Which of them the step is about: 1 is the bucket.
    at: usize,
    /// What subscribers to the stash itself hear of a step.
    told: Vec<String>,
    /// Both clocks when a sweep last looked.
    seen: (i64, i64),
    postponed_until: Option<i64>,
    relaxed: i64,
}

impl Model {
    pub(super) fn new(stored: Stored) -> Self {
        Self {
            now: NOW_US,
            boot: 0,
            is_encrypted: matches!(stored, Stored::Encrypted | Stored::CompressedAndEncrypted),
            places: Default::default(),
            at: 0,
            told: Vec::new(),
            seen: (NOW_US, 0),
            postponed_until: None,
            relaxed: i64::MIN,
        }
    }

    fn place(&self) -> &Place {
        &self.places[self.at]
    }

    fn place_mut(&mut self) -> &mut Place {
        &mut self.places[self.at]
    }

    /// Those rows are of the bucket.
    pub(super) fn bucket_rows(&mut self) -> BTreeMap<Key, (Value, i64, Expiry)> {
        self.at = 1;
        let rows = self.rows();
        self.at = 0;
        rows
    }

    /// What subscribers hear of the last step, in any order; of several shards that were cleared once.
    pub(super) fn take_told(&mut self) -> Vec<String> {
        let mut told = std::mem::take(&mut self.told);
        told.sort_unstable();
        told.dedup_by(|a, b| a == b && a == "clear");
        told
    }

    fn tell(&mut self, event: impl FnOnce() -> String) {
        if self.at == 0 {
            self.told.push(event());
        }
    }

    pub(super) fn now_us(&self) -> i64 {
        self.now
    }

    pub(super) fn rows(&self) -> BTreeMap<Key, (Value, i64, Expiry)> {
        let live = self.place().rows.iter().filter(|(_, row)| !self.expired(row));
        live.map(|(key, row)| (key.clone(), (row.value.clone(), row.version, row.expiry))).collect()
    }

    /// The process is lost with all that was only in its memory.
    pub(super) fn crash(&mut self) {
        self.places.iter_mut().for_each(|place| place.notes.clear());
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
        self.place().rows.get(key).filter(|row| !self.expired(row)).cloned()
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
        let place = self.place_mut();
        let version = place.rows.get(key).map_or(now, |old| now.max(old.version + 1));
        place.hints.extend(expiry.expires_at.map(|deadline| (deadline, key.clone())));
        place.rows.insert(key.clone(), Row { value, version, expiry });
        place.is_there = true;
        self.tell(|| format!("set {key:?} {version}"));
        version
    }

    fn put(&mut self, key: &Key, value: Value, expiry: Expiry) -> i64 {
        self.put_at(key, value, expiry, self.now)
    }

    fn redate(&mut self, key: &Key, expiry: Expiry) {
        self.place_mut().hints.extend(expiry.expires_at.map(|deadline| (deadline, key.clone())));
        if let Some(row) = self.place_mut().rows.get_mut(key) {
            row.expiry = expiry;
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Row> {
        let old = self.live(key);
        if self.place_mut().rows.remove(key).is_some() {
            let kind = if old.is_some() { "delete" } else { "expire" };
            self.tell(|| format!("{kind} {key:?}"));
        }
        old
    }

    fn get(&mut self, key: &Key) -> Option<Value> {
        let row = self.live(key)?;
        if let (Some(idle), Some(deadline)) = (row.expiry.idle_us, row.expiry.expires_at) {
            // An eighth of the window has passed, rounded up.
            let set_at = deadline - idle as i64;
            let eighth = idle.div_ceil(8) as i64;
            if self.now - set_at >= eighth {
                let at_us = self.now;
                let note = self.place_mut().notes.entry(key.clone()).or_insert(Note {
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
        for (key, note) in std::mem::take(&mut self.place_mut().notes) {
            if let Some(row) = self.live(&key)
                && (row.version, row.expiry) == (note.version, note.expiry)
            {
                self.redate(&key, Self::renewed(row.expiry, note.at_us));
            }
        }
    }

    /// Of the bucket alone if that is where the step is done.
    fn write_notes_of_all(&mut self) {
        self.write_notes();
        if self.at == 0 {
            self.at = 1;
            self.write_notes();
            self.at = 0;
        }
    }

    /// All of it, or nothing but the uses, which are no part of it.
    fn transaction(&mut self, works: &[(Key, Work)]) -> String {
        let (rows, hints) = (self.place().rows.clone(), self.place().hints.clone());
        let (is_there, told) = (self.place().is_there, self.told.len());
        for (index, (key, work)) in works.iter().enumerate() {
            let answer = self.work(key, work);
            let is_refused = match work {
                Work::Set(_, options) => options.condition != Condition::Always && answer == "None",
                Work::CompareAndSet(..) => answer == "false",
                _ => false,
            };
            if is_refused || answer == "TypeMismatch" {
                let place = self.place_mut();
                (place.rows, place.hints, place.is_there) = (rows, hints, is_there);
                self.told.truncate(told);
                return if is_refused { format!("refused {index}") } else { answer };
            }
        }
        format!("committed {}", works.len())
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
        let (rows, hints, now) = (self.place().rows.len(), self.place().hints.len(), self.now);
        self.place_mut().hints.retain(|(deadline, _)| *deadline > now);
        let is_over = |row: &Row| row.expiry.expires_at.is_some_and(|deadline| deadline <= now);
        let over = self.place_mut().rows.extract_if(.., |_, row| is_over(row)).collect::<Vec<_>>();
        for (key, _) in over {
            self.tell(|| format!("expire {key:?}"));
        }
        ((rows - self.place().rows.len()) as u64, (hints - self.place().hints.len()) as u64, false)
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
                let old = self.remove(key);
                format!("{:?}", old.is_some())
            }
            Work::Take => {
                let old = self.remove(key);
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
                format!("{:?}", keys.iter().map(|key| self.remove(key).is_some()).collect::<Vec<_>>())
            }
            Step::Apply(works) => {
                let answers = works.iter().map(|(key, work)| self.work(key, work));
                format!("{}", answers.filter(|answer| answer != "TypeMismatch").count())
            }
            Step::Transaction(works) => self.transaction(works),
            Step::Bucket(step) => {
                self.at = 1;
                let answer = self.step(step);
                self.at = 0;
                answer
            }
            Step::DropBucket => {
                let dropped = std::mem::take(&mut self.places[1]);
                // Uses that were noted meet no row any more.
                self.places[1].notes = dropped.notes;
                dropped.is_there.to_string()
            }
            Step::Buckets => (if self.places[1].is_there { r#"["b"]"# } else { "[]" }).to_owned(),
            Step::Rotate if self.is_encrypted => {
                // It ends with a sync.
                self.write_notes_of_all();
                "true".to_owned()
            }
            Step::Rotate => "InvalidArgument".to_owned(),
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
                self.write_notes_of_all();
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
                if !self.place().rows.is_empty() {
                    self.tell(|| "clear".to_owned());
                }
                self.place_mut().rows.clear();
                self.place_mut().hints.clear();
                "()".to_owned()
            }
            Step::Sync => {
                self.write_notes_of_all();
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
                for key in &old {
                    self.place_mut().rows.remove(*key);
                    self.tell(|| format!("expire {key:?}"));
                }
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
                self.write_notes_of_all();
                self.opened();
                String::new()
            }
        }
    }
}
