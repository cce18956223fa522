//! Operations on one key: from arguments to the core's operation, and from its outcome to the answer.

use crate::answer::Answer;
use crate::request::{Arguments, Members, malformed};
#[cfg(feature = "sessions")]
use litestash_core::LiteStash;
use litestash_core::contract::msgpack::write;
use litestash_core::{Action, Condition, Deadline, Entry, Op, Outcome, Result, SetOptions, Value, Version};
use std::time::Duration;

/// How an outcome is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// As it is.
    Plain,
    /// A version is told as whether there is one.
    Stored,
    /// Of an entry, the deadline alone.
    Deadline,
}

/// An operation on one key.
#[derive(Debug)]
pub(crate) struct Single {
    op: Op,
    telling: Telling,
}

impl Single {
    /// The operation of that name; `None` if it is none on one key.
    pub(crate) fn parse(name: &str, arguments: &mut Arguments<'_>) -> Result<Option<Self>> {
        let (parse, telling): (fn(&mut Arguments<'_>) -> Result<Action>, _) = match name {
            "get" => (|_| Ok(Action::Get), Telling::Plain),
            "exists" => (|_| Ok(Action::Exists), Telling::Plain),
            "entry" => (|_| Ok(Action::Entry), Telling::Plain),
            "ttl" => (|_| Ok(Action::Entry), Telling::Deadline),
            "take" => (|_| Ok(Action::Take), Telling::Plain),
            "delete" => (|_| Ok(Action::Delete), Telling::Plain),
            "persist" => (|_| Ok(Action::Persist), Telling::Plain),
            "set" => (|arguments| set(arguments, None), Telling::Plain),
            "add" => (|arguments| set(arguments, Some(Condition::Absent)), Telling::Stored),
            "replace" => (|arguments| set(arguments, Some(Condition::Present)), Telling::Stored),
            "increment" => (increment, Telling::Plain),
            "increment_float" => {
                (|arguments| Ok(Action::IncrementFloat(arguments.float("the amount")?)), Telling::Plain)
            }
            "compare_and_set" => (compare_and_set, Telling::Plain),
            "expire" => (expire, Telling::Plain),
            "touch" => (|_| Ok(Action::Touch), Telling::Plain),
            "check" => (check, Telling::Plain),
            _ => return Ok(None),
        };
        let key = arguments.key()?;
        let action = parse(arguments)?;
        arguments.end()?;
        Ok(Some(Self { op: Op::new(key, action)?, telling }))
    }

    /// Whether it reads one key and nothing else, so that it can be answered from memory.
    #[cfg(feature = "sessions")]
    pub(crate) fn only_reads(&self) -> bool {
        matches!(self.op.action(), Action::Get | Action::Exists | Action::Entry)
    }

    /// The answer of an operation that only reads.
    #[cfg(feature = "sessions")]
    pub(crate) fn read(&self, stash: &LiteStash) -> Answer {
        let key = self.op.key();
        let outcome = match self.op.action() {
            Action::Get => stash.get_encoded(key).map(Outcome::Value),
            Action::Exists => stash.exists(key).map(Outcome::Flag),
            _ => stash.entry(key).map(Outcome::Entry),
        };
        self.telling.answer(outcome)
    }

    /// The answer of the operation, by itself.
    #[cfg(feature = "sessions")]
    pub(crate) fn perform(self, stash: &LiteStash) -> Answer {
        if self.only_reads() {
            return self.read(stash);
        }
        self.telling.answer(stash.perform(&self.op))
    }

    /// The operation, and how its outcome is told.
    pub(crate) fn into_parts(self) -> (Op, Telling) {
        (self.op, self.telling)
    }

    /// Bytes of key and value, as a batch counts them.
    #[cfg(feature = "sessions")]
    pub(crate) fn size_bytes(&self) -> usize {
        let value = match self.op.action() {
            Action::Set { encoded, .. } | Action::CompareAndSet { encoded, .. } => encoded.len(),
            _ => 0,
        };
        self.op.key().as_ref().size_bytes() + value
    }
}

impl Telling {
    /// The answer for an outcome.
    pub(crate) fn answer(self, outcome: Result<Outcome>) -> Answer {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return Answer::failed(&error),
        };
        match (outcome, self) {
            (Outcome::Value(value), _) => Answer::found(value),
            (Outcome::Flag(flag), _) => Answer::of(&flag),
            (Outcome::Version(version), Telling::Stored) => Answer::of(&version.is_some()),
            (Outcome::Version(version), _) => Answer::of(&version.map(Version::micros)),
            (Outcome::Int(int), _) => Answer::of(&int),
            (Outcome::Float(float), _) => Answer::of(&float),
            (Outcome::Entry(None), _) => Answer::missing(),
            (Outcome::Entry(Some(entry)), Telling::Deadline) => Answer::of(&entry.expires_at),
            (Outcome::Entry(Some(entry)), _) => entry_answer(&entry).into(),
            (_, _) => Answer::failed(&malformed("this version of the protocol cannot tell that outcome")),
        }
    }
}

fn entry_answer(entry: &Entry) -> Result<Answer> {
    let mut out = vec![0x85];
    let mut number = |name, number: Option<i64>| {
        write::text(&mut out, name)?;
        match number {
            Some(number) => write::int(&mut out, number),
            None => write::nil(&mut out),
        }
        Ok::<_, litestash_core::Error>(())
    };
    number("expires_at", entry.expires_at)?;
    number("idle_us", entry.idle_us.and_then(|us| i64::try_from(us).ok()))?;
    write::text(&mut out, "size")?;
    write::uint(&mut out, entry.size_bytes() as u64);
    write::text(&mut out, "value")?;
    out.extend_from_slice(&entry.encoded);
    write::text(&mut out, "version")?;
    write::int(&mut out, entry.version.micros());
    Ok(Answer::encoded(out))
}

fn set(arguments: &mut Arguments<'_>, condition: Option<Condition>) -> Result<Action> {
    let encoded = arguments.value()?.into_owned();
    if arguments.is_empty() {
        let options = SetOptions { condition: condition.unwrap_or_default(), ..SetOptions::default() };
        return Ok(Action::Set { encoded, options });
    }
    let mut members = arguments.options()?;
    let options = set_options(&mut members, condition)?;
    members.end()?;
    Ok(Action::Set { encoded, options })
}

/// How a value is stored: `ttl_us` or `expires_at`, `keep_ttl`, and `if` unless the operation has a condition.
pub(crate) fn set_options(members: &mut Members, condition: Option<Condition>) -> Result<SetOptions> {
    let condition = match (condition, members.take("if")) {
        (Some(condition), None) => condition,
        (None, None) => Condition::Always,
        (None, Some(Value::Text(word))) if word == "absent" => Condition::Absent,
        (None, Some(Value::Text(word))) if word == "present" => Condition::Present,
        (None, Some(Value::Map(mut map))) if map.len() == 1 => match map.remove("version") {
            Some(Value::Int(version)) => Condition::Version(Version::from_micros(version)),
            _ => return Err(malformed("if is none of absent, present and {version: number}")),
        },
        _ => return Err(malformed("if is none of absent, present and {version: number}")),
    };
    let keep_ttl = members.flag("keep_ttl")?.unwrap_or(false);
    Ok(SetOptions { deadline: deadline(members)?, keep_ttl, condition })
}

/// `ttl_us`, `idle_us`, `expires_at` or `never`.
pub(crate) fn deadline(members: &mut Members) -> Result<Option<Deadline>> {
    let duration = |us: i64| match u64::try_from(us) {
        Ok(us) if us > 0 => Ok(Duration::from_micros(us)),
        _ => Err(malformed("a time to live is at least 1")),
    };
    let given = [
        members.int("ttl_us")?.map(|us| duration(us).map(Deadline::In)).transpose()?,
        members.int("idle_us")?.map(|us| duration(us).map(Deadline::Idle)).transpose()?,
        members.int("expires_at")?.map(Deadline::At),
        members.flag("never")?.filter(|never| *never).map(|_| Deadline::Never),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (deadline, None) => Ok(deadline),
        _ => Err(malformed("ttl_us, idle_us, expires_at and never exclude each other")),
    }
}

/// `[value]` that has to be there, or options with `if`.
fn check(arguments: &mut Arguments<'_>) -> Result<Action> {
    if let Some(mut expected) = arguments.optional_array()? {
        let encoded = expected.value()?.into_owned();
        expected.end()?;
        return Ok(Action::Expect(encoded));
    }
    let mut members = arguments.options()?;
    let options = set_options(&mut members, None)?;
    members.end()?;
    if options == SetOptions::default() || options.deadline.is_some() || options.keep_ttl {
        return Err(malformed("what is checked is missing"));
    }
    Ok(Action::Check(options.condition))
}

fn increment(arguments: &mut Arguments<'_>) -> Result<Action> {
    let by = if arguments.is_empty() { 1 } else { arguments.int("the amount")? };
    Ok(Action::Increment(by))
}

fn compare_and_set(arguments: &mut Arguments<'_>) -> Result<Action> {
    let mut expected = arguments.array("what is expected")?;
    let expected = match expected.len() {
        0 => None,
        1 => Some(expected.value()?.into_owned()),
        _ => return Err(malformed("what is expected is an array of at most one value")),
    };
    Ok(Action::CompareAndSet { expected, encoded: arguments.value()?.into_owned() })
}

fn expire(arguments: &mut Arguments<'_>) -> Result<Action> {
    let mut members = arguments.options()?;
    let deadline = deadline(&mut members)?;
    members.end()?;
    Ok(Action::Expire(deadline.ok_or_else(|| malformed("a deadline is missing"))?))
}
