//! Operations on one key, alone and inside a batch.

use super::invalid;
use super::members::Members;
use litestash_core::contract::interchange::{value_from_json, value_to_json};
use litestash_core::contract::msgpack;
use litestash_core::{
    Action, Condition, Deadline, Entry, Error, ErrorKind, Key, LiteStash, Op, Outcome, Result, SetOptions,
    Value, Version,
};
use std::time::Duration;

/// A key and what is done with it.
pub(super) struct Single {
    key: Key,
    work: Work,
}

enum Work {
    Get,
    Take,
    Exists,
    Delete,
    Entry,
    Set { value: Value, options: SetOptions },
    Add(Value),
    Replace(Value),
    CompareAndSet { expected: Option<Value>, value: Value },
    Increment(i64),
    IncrementFloat(f64),
    Expire(Deadline),
    Persist,
    Touch,
    Ttl,
    Check(Action),
}

/// What it answered.
pub(super) enum Answer {
    Value(Option<Value>),
    Flag(bool),
    Entry(Option<(Value, Entry)>),
    Version(Option<Version>),
    Int(i64),
    Float(f64),
    Deadline(Option<Option<i64>>),
}

impl Single {
    /// The operation of that name; its members are taken out of `members`.
    pub(super) fn parse(name: &str, members: &mut Members<'_>) -> Result<Self> {
        // An operation that is none is told before a key that is none.
        let parse: fn(&mut Members<'_>) -> Result<Work> = match name {
            "get" => |_| Ok(Work::Get),
            "take" => |_| Ok(Work::Take),
            "exists" => |_| Ok(Work::Exists),
            "delete" => |_| Ok(Work::Delete),
            "entry" => |_| Ok(Work::Entry),
            "persist" => |_| Ok(Work::Persist),
            "touch" => |_| Ok(Work::Touch),
            "ttl" => |_| Ok(Work::Ttl),
            "set" => set,
            "add" => |members| Ok(Work::Add(members.value("value")?)),
            "replace" => |members| Ok(Work::Replace(members.value("value")?)),
            "compare_and_set" => compare_and_set,
            "increment" => |members| Ok(Work::Increment(members.required_int("by")?)),
            "increment_float" => |members| Ok(Work::IncrementFloat(members.float("by")?)),
            "expire" => expire,
            "check" => check,
            _ => return Err(invalid(format!("there is no operation `{name}` here"))),
        };
        let key = members.key()?;
        Ok(Self { key, work: parse(members)? })
    }

    /// Performs it by the stash's own method of that name.
    pub(super) fn run(&self, stash: &LiteStash) -> Result<Answer> {
        let key = &self.key;
        Ok(match &self.work {
            Work::Get => Answer::Value(stash.get(key)?),
            Work::Take => Answer::Value(stash.take(key)?),
            Work::Exists => Answer::Flag(stash.exists(key)?),
            Work::Delete => Answer::Flag(stash.delete(key)?),
            Work::Entry => entry(stash.entry(key)?)?,
            Work::Set { value, options } => Answer::Version(stash.set_with(key, value, *options)?),
            Work::Add(value) => Answer::Flag(stash.add(key, value)?),
            Work::Replace(value) => Answer::Flag(stash.replace(key, value)?),
            Work::CompareAndSet { expected, value } => {
                Answer::Flag(stash.compare_and_set(key, expected.as_ref(), value)?)
            }
            Work::Increment(by) => Answer::Int(stash.increment(key, *by)?),
            Work::IncrementFloat(by) => Answer::Float(stash.increment_float(key, *by)?),
            Work::Expire(deadline) => Answer::Flag(stash.expire(key, *deadline)?),
            Work::Persist => Answer::Flag(stash.persist(key)?),
            Work::Touch => Answer::Flag(stash.touch(key)?),
            Work::Ttl => Answer::Deadline(stash.expires_at(key)?),
            Work::Check(_) => {
                let outcome = stash.apply(&[self.to_op()?])?.pop().transpose()?;
                Answer::Flag(outcome == Some(Outcome::Flag(true)))
            }
        })
    }

    /// The same for a batch.
    pub(super) fn to_op(&self) -> Result<Op> {
        let set = |value, condition| {
            Ok::<_, Error>(Action::Set { encoded: encode(value)?, options: SetOptions::when(condition) })
        };
        let action = match &self.work {
            Work::Get => Action::Get,
            Work::Take => Action::Take,
            Work::Exists => Action::Exists,
            Work::Delete => Action::Delete,
            Work::Entry | Work::Ttl => Action::Entry,
            Work::Set { value, options } => Action::Set { encoded: encode(value)?, options: *options },
            Work::Add(value) => set(value, Condition::Absent)?,
            Work::Replace(value) => set(value, Condition::Present)?,
            Work::CompareAndSet { expected, value } => Action::CompareAndSet {
                expected: expected.as_ref().map(encode).transpose()?,
                encoded: encode(value)?,
            },
            Work::Increment(by) => Action::Increment(*by),
            Work::IncrementFloat(by) => Action::IncrementFloat(*by),
            Work::Expire(deadline) => Action::Expire(*deadline),
            Work::Persist => Action::Persist,
            Work::Touch => Action::Touch,
            Work::Check(action) => action.clone(),
        };
        Op::new(&self.key, action)
    }

    /// The batch's outcome as the answer of this operation.
    pub(super) fn answer(&self, outcome: Outcome) -> Result<Answer> {
        Ok(match (&self.work, outcome) {
            (Work::Add(_) | Work::Replace(_), Outcome::Version(version)) => Answer::Flag(version.is_some()),
            (Work::Ttl, Outcome::Entry(entry)) => Answer::Deadline(entry.map(|entry| entry.expires_at)),
            (_, Outcome::Entry(found)) => entry(found)?,
            (_, Outcome::Value(encoded)) => {
                Answer::Value(encoded.map(|encoded| msgpack::decode(&encoded)).transpose()?)
            }
            (_, Outcome::Flag(flag)) => Answer::Flag(flag),
            (_, Outcome::Version(version)) => Answer::Version(version),
            (_, Outcome::Int(int)) => Answer::Int(int),
            (_, Outcome::Float(float)) => Answer::Float(float),
            _ => return Err(Error::new(ErrorKind::Internal, "the batch answered with an unknown outcome")),
        })
    }
}

impl Answer {
    pub(super) fn to_json(&self) -> String {
        let null = || "null".to_owned();
        match self {
            Self::Value(value) => value.as_ref().map_or_else(null, |value| format!("{{{}}}", member(value))),
            Self::Flag(flag) => flag.to_string(),
            Self::Entry(None) => null(),
            Self::Entry(Some((value, entry))) => entry_json(value, entry),
            Self::Version(version) => version.map_or_else(null, |version| version.to_string()),
            Self::Int(int) => int.to_string(),
            Self::Float(float) => {
                let mut json = String::new();
                value_to_json(&Value::Float(*float), &mut json);
                json
            }
            Self::Deadline(None) => null(),
            Self::Deadline(Some(deadline)) => format!("{{\"expires_at\":{}}}", or_null(*deadline)),
        }
    }
}

/// `{"value", "version", "expires_at", "size"}`, and `"idle_us"` if its deadline slides.
pub(crate) fn entry_json(value: &Value, entry: &Entry) -> String {
    format!(
        "{{{},\"version\":{},\"expires_at\":{},\"size\":{}{}}}",
        member(value),
        entry.version,
        or_null(entry.expires_at),
        entry.size_bytes(),
        entry.idle_us.map_or_else(String::new, |idle| format!(",\"idle_us\":{idle}")),
    )
}

/// `"value":V`
fn member(value: &Value) -> String {
    let mut json = String::from("\"value\":");
    value_to_json(value, &mut json);
    json
}

fn or_null(number: Option<i64>) -> String {
    number.map_or_else(|| "null".to_owned(), |number| number.to_string())
}

fn entry(entry: Option<Entry>) -> Result<Answer> {
    let with_value = |entry: Entry| Ok::<_, Error>((entry.value()?, entry));
    Ok(Answer::Entry(entry.map(with_value).transpose()?))
}

fn encode(value: &Value) -> Result<Vec<u8>> {
    let mut encoded = Vec::new();
    msgpack::encode(value, &mut encoded)?;
    Ok(encoded)
}

fn set(members: &mut Members<'_>) -> Result<Work> {
    let value = members.value("value")?;
    let deadline = deadline(members)?;
    let keep_ttl = members.flag("keep_ttl")?;
    let condition = condition(members)?;
    Ok(Work::Set { value, options: SetOptions { deadline, keep_ttl, condition } })
}

fn condition(members: &mut Members<'_>) -> Result<Condition> {
    let Some(json) = members.take("if") else { return Ok(Condition::Always) };
    match value_from_json(json).ok().as_ref().and_then(Value::as_text) {
        Some("absent") => Ok(Condition::Absent),
        Some("present") => Ok(Condition::Present),
        _ => {
            let mut object = Members::parse(json)
                .map_err(|_| invalid("`if` is \"absent\", \"present\" or {\"version\": N}"))?;
            let version = object.required_int("version")?;
            object.finish()?;
            Ok(Condition::Version(Version::from_micros(version)))
        }
    }
}

fn deadline(members: &mut Members<'_>) -> Result<Option<Deadline>> {
    let mut span = |name: &str| {
        let span = members.int(name)?.map(|us| match u64::try_from(us) {
            Ok(us) => Ok(Duration::from_micros(us)),
            Err(_) => Err(invalid(format!("`{name}` is at least 1"))),
        });
        span.transpose()
    };
    let (ttl, idle) = (span("ttl_us")?, span("idle_us")?);
    let at = members.int_or_null("expires_at")?;
    match (ttl, idle, at) {
        (None, None, None) => Ok(None),
        (Some(ttl), None, None) => Ok(Some(Deadline::In(ttl))),
        (None, Some(idle), None) => Ok(Some(Deadline::Idle(idle))),
        (None, None, Some(Some(at))) => Ok(Some(Deadline::At(at))),
        (None, None, Some(None)) => Ok(Some(Deadline::Never)),
        _ => Err(invalid("`ttl_us`, `idle_us` and `expires_at` exclude each other")),
    }
}

fn expire(members: &mut Members<'_>) -> Result<Work> {
    let deadline = deadline(members)?.map(Work::Expire);
    deadline.ok_or_else(|| invalid("`expire` needs `ttl_us`, `idle_us` or `expires_at`"))
}

fn check(members: &mut Members<'_>) -> Result<Work> {
    match (members.optional_value("expected")?, condition(members)?) {
        (Some(expected), Condition::Always) => Ok(Work::Check(Action::Expect(encode(&expected)?))),
        (None, condition) if condition != Condition::Always => Ok(Work::Check(Action::Check(condition))),
        _ => Err(invalid("`check` needs either `if` or `expected`")),
    }
}

fn compare_and_set(members: &mut Members<'_>) -> Result<Work> {
    // Left out is not nil: it stands for a key that is not there.
    let expected = members.optional_value("expected")?;
    Ok(Work::CompareAndSet { expected, value: members.value("value")? })
}
