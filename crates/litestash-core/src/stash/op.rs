//! One operation on one key, and what it does inside a write transaction. Single calls
//! and batches both end here.

use crate::contract::format::Format;
use crate::contract::key::{Key, KeyRef, ToKey};
use crate::contract::msgpack::{self, write};
use crate::contract::record::{Expiry, Record};
use crate::contract::route::Place;
use crate::contract::typed;
use crate::contract::value::Value;
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::row::{Removal, StoredRow, WriteTxn};
use serde::Serialize;
use std::time::Duration;

/// When a value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// That long after the write. At least one microsecond.
    In(Duration),
    /// At that Unix time in microseconds. One that has passed makes the row expired at once.
    At(i64),
    /// That long after the last use of the row: each get, write and touch begins the time anew. At least one
    /// microsecond. (Gets are noted and written in the background, and only once an eighth of the time has
    /// passed, so a row ends between seven eighths of it and all of it after its last use.)
    Idle(Duration),
    /// Not at all, also where the stash has a default time to live.
    Never,
}

impl Deadline {
    pub(crate) fn resolve(self, now_us: i64) -> Result<Expiry> {
        let behind_now = |span: Duration| match u64::try_from(span.as_micros()) {
            Ok(0) => Err(Error::invalid_argument("a time to live is at least one microsecond")),
            Ok(us) => Expiry::sliding(now_us, us).ok_or_else(too_long),
            Err(_) => Err(too_long()),
        };
        match self {
            Self::Never => Ok(Expiry::NEVER),
            Self::At(deadline) => Ok(Expiry::at(deadline)),
            Self::In(ttl) => behind_now(ttl).map(|expiry| Expiry { idle_us: None, ..expiry }),
            Self::Idle(idle) => behind_now(idle),
        }
    }
}

fn too_long() -> Error {
    Error::invalid_argument("the time to live is too long")
}

/// What must hold for a value to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    Always,
    /// The key is missing or expired.
    Absent,
    /// The key is there and not expired.
    Present,
    /// The key is there, not expired, and has this version.
    Version(Version),
}

impl Condition {
    /// Whether it holds for a key with that row.
    fn holds(self, live: Option<&Live>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => live.is_none(),
            Self::Present => live.is_some(),
            Self::Version(version) => live.is_some_and(|live| live.version == version),
        }
    }
}

/// How a value is stored. The default: always, with the stash's default time to live, if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetOptions {
    /// The deadline; without one that of the stash's default time to live, or none.
    pub deadline: Option<Deadline>,
    /// Keep the deadline that the row has now; a sliding one begins anew. Not together with `deadline`.
    pub keep_ttl: bool,
    /// What must hold.
    pub condition: Condition,
}

impl SetOptions {
    /// With a time to live.
    pub fn ttl(ttl: Duration) -> Self {
        Self { deadline: Some(Deadline::In(ttl)), ..Self::default() }
    }

    /// With a time to live that each use of the row begins anew: [`Deadline::Idle`].
    pub fn idle(idle: Duration) -> Self {
        Self { deadline: Some(Deadline::Idle(idle)), ..Self::default() }
    }

    /// Only if that holds.
    pub fn when(condition: Condition) -> Self {
        Self { condition, ..Self::default() }
    }
}

/// What is stored under a key, with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The value's canonical encoding.
    pub encoded: Vec<u8>,
    /// The row's version: the time of its last write.
    pub version: Version,
    /// When it ends, Unix time in microseconds.
    pub expires_at: Option<i64>,
    /// Microseconds after its last use that it ends, if its deadline slides.
    pub idle_us: Option<u64>,
}

impl Entry {
    /// The value.
    pub fn value(&self) -> Result<Value> {
        msgpack::decode(&self.encoded)
    }

    /// Bytes of the value's canonical encoding.
    pub fn size_bytes(&self) -> usize {
        self.encoded.len()
    }
}

/// An operation for [`LiteStash::apply`](super::LiteStash::apply): a key and what to do with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    pub(super) key: Key,
    pub(super) action: Action,
}

/// What an [`Op`] does. Values are canonical encodings, checked when the operation is made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Answers [`Outcome::Value`].
    Get,
    /// Answers [`Outcome::Flag`].
    Exists,
    /// Answers [`Outcome::Entry`].
    Entry,
    /// Answers [`Outcome::Version`].
    Set {
        /// The canonical encoding.
        encoded: Vec<u8>,
        /// How.
        options: SetOptions,
    },
    /// Answers [`Outcome::Flag`]: was it there.
    Delete,
    /// Get and delete. Answers [`Outcome::Value`].
    Take,
    /// Adds to an integer. Answers [`Outcome::Int`].
    Increment(i64),
    /// Adds to a float. Answers [`Outcome::Float`].
    IncrementFloat(f64),
    /// Stores `encoded` if the row holds `expected`, or is absent. Answers [`Outcome::Flag`].
    CompareAndSet {
        /// The canonical encoding that must be there; `None`: nothing may be there.
        expected: Option<Vec<u8>>,
        /// The canonical encoding to store.
        encoded: Vec<u8>,
    },
    /// Gives a row a new deadline. Answers [`Outcome::Flag`]: was it there.
    Expire(Deadline),
    /// Takes a row's deadline away. Answers [`Outcome::Flag`]: did it have one.
    Persist,
    /// Begins a sliding deadline anew. Answers [`Outcome::Flag`]: was it there.
    Touch,
    /// Asks whether that holds. Answers [`Outcome::Flag`]; where it does not, a
    /// [transaction](super::LiteStash::transaction) is refused.
    Check(Condition),
    /// Asks whether the key holds a value of that canonical encoding. As [`Action::Check`].
    Expect(Vec<u8>),
}

/// What an [`Op`] answered.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The canonical encoding, or `None` for a miss.
    Value(Option<Vec<u8>>),
    /// Yes or no.
    Flag(bool),
    /// The row, or `None` for a miss.
    Entry(Option<Entry>),
    /// The version written, or `None` if the condition did not hold.
    Version(Option<Version>),
    /// The number after an increment.
    Int(i64),
    /// The number after an increment.
    Float(f64),
}

impl Op {
    /// An operation. `InvalidKey` or `TooLarge` for the key; `InvalidValue` or `TooLarge` if an encoded value
    /// is not canonical.
    pub fn new(key: impl ToKey, action: Action) -> Result<Self> {
        match &action {
            Action::Set { encoded, .. } | Action::Expect(encoded) => msgpack::validate(encoded)?,
            Action::CompareAndSet { expected, encoded } => {
                expected.as_deref().map_or(Ok(()), msgpack::validate)?;
                msgpack::validate(encoded)?;
            }
            _ => {}
        }
        Ok(Self { key: key.to_key()?.into_owned(), action })
    }

    /// Stores any `Serialize`.
    pub fn set<V: Serialize + ?Sized>(key: impl ToKey, value: &V, options: SetOptions) -> Result<Self> {
        let key = key.to_key()?.into_owned();
        Ok(Self { key, action: Action::Set { encoded: typed::to_bytes(value)?, options } })
    }

    /// Deletes.
    pub fn delete(key: impl ToKey) -> Result<Self> {
        Self::new(key, Action::Delete)
    }

    /// The key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What is done with it.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Bytes this operation counts as in a batch.
    pub(super) fn size_bytes(&self) -> usize {
        self.key.as_ref().size_bytes() + self.action.size_bytes()
    }
}

impl Action {
    /// Bytes of the value that is to be stored.
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Set { encoded, .. } | Self::CompareAndSet { encoded, .. } | Self::Expect(encoded) => {
                encoded.len()
            }
            _ => 0,
        }
    }

    /// Whether it stores a row where there is none, so that a missing shard must be created.
    pub(super) fn creates(&self) -> bool {
        match self {
            Self::Set { options, .. } => matches!(options.condition, Condition::Always | Condition::Absent),
            Self::Increment(_) | Self::IncrementFloat(_) => true,
            Self::CompareAndSet { expected, .. } => expected.is_none(),
            _ => false,
        }
    }

    /// Whether it only reads.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self, Self::Get | Self::Exists | Self::Entry | Self::Check(_) | Self::Expect(_))
    }

    /// Whether it prolongs a row of that expiry by reading it.
    #[inline]
    pub(super) fn uses(&self, expiry: Expiry) -> bool {
        expiry.idle_us.is_some() && matches!(self, Self::Get)
    }

    /// Whether it reads the value without changing it, which subscribers can hear of.
    pub(super) fn reads_value(&self) -> bool {
        matches!(self, Self::Get | Self::Entry)
    }

    /// Checks what can be checked before any I/O.
    pub(super) fn check(&self, value_bytes_max: usize, now_us: i64) -> Result<()> {
        match self {
            Self::Set { encoded, options } => {
                check_size(encoded, value_bytes_max)?;
                match options.deadline {
                    Some(_) if options.keep_ttl => {
                        Err(Error::invalid_argument("keep_ttl and a deadline exclude each other"))
                    }
                    Some(deadline) => deadline.resolve(now_us).map(drop),
                    None => Ok(()),
                }
            }
            Self::CompareAndSet { encoded, .. } => check_size(encoded, value_bytes_max),
            Self::Expire(deadline) => deadline.resolve(now_us).map(drop),
            Self::IncrementFloat(by) if !by.is_finite() => {
                Err(Error::invalid_argument("a float is incremented by a finite number"))
            }
            _ => Ok(()),
        }
    }

    /// The answer where there is no row, for an action that does not create one.
    pub(super) fn on_missing(&self) -> Outcome {
        match self {
            Self::Get | Self::Take => Outcome::Value(None),
            Self::Entry => Outcome::Entry(None),
            Self::Set { .. } => Outcome::Version(None),
            Self::Check(condition) => Outcome::Flag(condition.holds(None)),
            _ => Outcome::Flag(false),
        }
    }

    /// The answer of an action that only reads, for a row that is there.
    pub(super) fn on_read(&self, row: &Live) -> Outcome {
        match self {
            Self::Exists => Outcome::Flag(true),
            Self::Entry => Outcome::Entry(Some(row.entry())),
            Self::Check(condition) => Outcome::Flag(condition.holds(Some(row))),
            Self::Expect(encoded) => Outcome::Flag(*encoded == row.body),
            _ => Outcome::Value(Some(row.body.clone())),
        }
    }
}

fn check_size(encoded: &[u8], max: usize) -> Result<()> {
    if encoded.len() > max {
        return Err(Error::too_large(format!(
            "the value has {} bytes; the stash's limit is {max}",
            encoded.len()
        )));
    }
    Ok(())
}

/// A row that is there and not expired, its CRC and its body's form checked.
pub(super) struct Live {
    pub(super) version: Version,
    pub(super) expiry: Expiry,
    pub(super) body: Vec<u8>,
}

impl Live {
    /// The row, or `None` if it is expired.
    pub(super) fn read(
        format: &Format,
        place: &Place,
        row: StoredRow<'_>,
        now_us: impl FnOnce() -> i64,
    ) -> Result<Option<Self>> {
        let record = row.record(format, place)?;
        if record.expiry.has_passed(now_us) {
            return Ok(None);
        }
        Self::of(row.version, &record).map(Some).map_err(damaged)
    }

    /// A row that is not expired.
    pub(super) fn of(version: Version, record: &Record<'_>) -> Result<Self> {
        msgpack::validate(&record.body)?;
        Ok(Self { version, expiry: record.expiry, body: record.body.to_vec() })
    }

    pub(super) fn entry(&self) -> Entry {
        let Expiry { expires_at, idle_us } = self.expiry;
        Entry { encoded: self.body.clone(), version: self.version, expires_at, idle_us }
    }
}

/// When an action is performed, and what follows from that for what it stores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now_us: i64,
    /// For rows that are made without saying a deadline.
    pub(super) default_ttl: Option<Duration>,
}

impl Moment {
    /// The expiry of a row that is written with that deadline.
    pub(super) fn expiry(&self, deadline: Option<Deadline>) -> Result<Expiry> {
        match deadline.or(self.default_ttl.map(Deadline::In)) {
            None => Ok(Expiry::NEVER),
            Some(deadline) => deadline.resolve(self.now_us),
        }
    }

    /// The expiry of a row that is written and keeps what it has, if it is there.
    fn kept(&self, old: Option<&Live>) -> Result<Expiry> {
        match old {
            Some(old) => Ok(old.expiry.renewed(self.now_us)),
            None => self.expiry(None),
        }
    }
}

/// Performs an action inside a write transaction. An error leaves the row as it was.
pub(super) fn execute(
    txn: &mut WriteTxn<'_>,
    place: &Place,
    key: KeyRef<'_>,
    action: &Action,
    moment: &Moment,
) -> Result<Outcome> {
    let slot = place.route.slot;
    let now_us = moment.now_us;
    let live = |txn: &mut WriteTxn<'_>| {
        let format = txn.format();
        txn.get(slot, &place.hash, |row| Live::read(format, place, row, || now_us)).map(Option::flatten)
    };
    let put =
        |txn: &mut WriteTxn<'_>, expiry: Expiry, body: &[u8]| txn.put(&place.row(key, expiry, body), now_us);
    match action {
        Action::Get | Action::Exists | Action::Entry | Action::Check(_) | Action::Expect(_) => {
            let Some(row) = live(txn)? else { return Ok(action.on_missing()) };
            if action.uses(row.expiry) {
                txn.note_use(key, (slot, &place.hash), row.version, row.expiry, now_us);
            }
            if action.reads_value() {
                txn.accessed(key, row.version);
            }
            Ok(action.on_read(&row))
        }
        Action::Set { encoded, options } => {
            let mut expiry = moment.expiry(options.deadline)?;
            if options.keep_ttl || options.condition != Condition::Always {
                let old = live(txn)?;
                if !options.condition.holds(old.as_ref()) {
                    return Ok(Outcome::Version(None));
                }
                if options.keep_ttl {
                    expiry = moment.kept(old.as_ref())?;
                }
            }
            put(txn, expiry, encoded).map(|version| Outcome::Version(Some(version)))
        }
        Action::Delete => {
            // A damaged row can be deleted too; only its deadline cannot be known then.
            let was_live = match live(txn) {
                Ok(row) => row.is_some(),
                Err(error) if error.kind() == ErrorKind::Corrupt && !error.is_from_sqlite() => true,
                Err(error) => return Err(error),
            };
            Ok(Outcome::Flag(txn.delete(slot, &place.hash, key, removal(was_live))? && was_live))
        }
        Action::Take => {
            let row = live(txn)?;
            txn.delete(slot, &place.hash, key, removal(row.is_some()))?;
            Ok(Outcome::Value(row.map(|row| row.body)))
        }
        Action::Increment(by) => {
            let old = live(txn)?;
            let sum = match &old {
                Some(row) => add_int(&row.body, *by)?,
                None => *by,
            };
            let mut body = Vec::new();
            write::int(&mut body, sum);
            put(txn, moment.kept(old.as_ref())?, &body)?;
            Ok(Outcome::Int(sum))
        }
        Action::IncrementFloat(by) => {
            let old = live(txn)?;
            let sum = match &old {
                Some(row) => add_float(&row.body, *by)?,
                None => 0.0 + *by,
            };
            let mut body = Vec::new();
            write::float(&mut body, sum);
            put(txn, moment.kept(old.as_ref())?, &body)?;
            Ok(Outcome::Float(sum))
        }
        Action::CompareAndSet { expected, encoded } => {
            let old = live(txn)?;
            if old.as_ref().map(|row| row.body.as_slice()) != expected.as_deref() {
                return Ok(Outcome::Flag(false));
            }
            put(txn, moment.expiry(None)?, encoded)?;
            Ok(Outcome::Flag(true))
        }
        Action::Expire(deadline) => {
            let Some(row) = live(txn)? else { return Ok(Outcome::Flag(false)) };
            put(txn, deadline.resolve(now_us)?, &row.body)?;
            Ok(Outcome::Flag(true))
        }
        Action::Persist => match live(txn)? {
            Some(row) if row.expiry != Expiry::NEVER => {
                put(txn, Expiry::NEVER, &row.body)?;
                Ok(Outcome::Flag(true))
            }
            _ => Ok(Outcome::Flag(false)),
        },
        Action::Touch => {
            let Some(row) = live(txn)? else { return Ok(Outcome::Flag(false)) };
            let expiry = row.expiry.renewed(now_us);
            if expiry != row.expiry {
                txn.redate(&place.row(key, expiry, &row.body), row.version)?;
            }
            Ok(Outcome::Flag(true))
        }
    }
}

/// What a caller's delete is to a row: one whose deadline had passed was gone before.
fn removal(was_live: bool) -> Removal {
    if was_live { Removal::Deleted } else { Removal::Expired }
}

/// A stored body that is not canonical is damage, whoever wrote it; a value of another
/// type than asked for is not.
pub(crate) fn damaged(error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::TooLarge => {
            Error::corrupt("the stored value is not canonical").with_source(error)
        }
        _ => error,
    }
}

fn overflow() -> Error {
    Error::new(ErrorKind::Overflow, "the number would leave its range")
}

fn not_a_number(value: &Value, wanted: &str) -> Error {
    Error::new(ErrorKind::TypeMismatch, format!("the stored value is {}, not {wanted}", value.type_name()))
}

/// Integers stay within i64.
fn add_int(body: &[u8], by: i64) -> Result<i64> {
    match msgpack::decode(body)? {
        Value::Int(int) => int.checked_add(by).ok_or_else(overflow),
        Value::Uint(_) => Err(overflow()),
        other => Err(not_a_number(&other, "an integer")),
    }
}

/// A stored integer becomes a float if that is exact: up to 2⁵³.
fn add_float(body: &[u8], by: f64) -> Result<f64> {
    const EXACT: u64 = 1 << 53;
    let old = match msgpack::decode(body)? {
        Value::Float(float) => float,
        Value::Int(int) if int.unsigned_abs() <= EXACT => int as f64,
        Value::Int(_) | Value::Uint(_) => return Err(overflow()),
        other => return Err(not_a_number(&other, "a number")),
    };
    let sum = old + by;
    if sum.is_finite() { Ok(sum) } else { Err(overflow()) }
}
