//! Answers: `[id, status, result]` (`docs/ENGINE.md` 2).

use litestash_core::contract::msgpack::write;
use litestash_core::contract::typed;
use litestash_core::{Error, Event, Key, KeyRef, Origin, Result};
use serde::Serialize;

/// The second element of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Done = 0,
    Failed = 1,
    /// Done, and there is no such row: told from a stored nil.
    Missing = 2,
    /// No answer: something that the client asked to hear of.
    Event = 3,
}

/// What an operation answered: its status, and the canonical bytes of its result.
#[derive(Debug)]
pub(crate) struct Answer {
    status: Status,
    result: Vec<u8>,
}

impl Answer {
    /// Nothing to tell but that it was done.
    pub(crate) fn done() -> Self {
        Self::of(&())
    }

    /// There is no such row.
    pub(crate) fn missing() -> Self {
        Self { status: Status::Missing, result: vec![0xc0] }
    }

    /// A canonical encoding.
    pub(crate) fn encoded(result: Vec<u8>) -> Self {
        Self { status: Status::Done, result }
    }

    /// A canonical encoding, or a miss.
    pub(crate) fn found(result: Option<Vec<u8>>) -> Self {
        result.map_or_else(Self::missing, Self::encoded)
    }

    /// Anything that can be serialised.
    pub(crate) fn of(result: &(impl Serialize + ?Sized)) -> Self {
        typed::to_bytes(result).map_or_else(|error| Self::failed(&error), Self::encoded)
    }

    /// A value.
    #[cfg(feature = "sessions")]
    pub(crate) fn value(value: &litestash_core::Value) -> Self {
        let mut result = Vec::new();
        match litestash_core::contract::msgpack::encode(value, &mut result) {
            Ok(()) => Self::encoded(result),
            Err(error) => Self::failed(&error),
        }
    }

    /// An error, with what a client decides by.
    pub(crate) fn failed(error: &Error) -> Self {
        let mut result = Vec::new();
        // A text of ours is far from the 4 GiB at which this fails.
        let _ = write_error(error, &mut result);
        Self { status: Status::Failed, result }
    }

    /// An event.
    pub(crate) fn event(event: &Event) -> Result<Self> {
        let mut out = vec![0x86];
        write::text(&mut out, "key")?;
        match &event.key {
            Some(key) => write_key(&mut out, key)?,
            None => write::nil(&mut out),
        }
        write::text(&mut out, "kind")?;
        write::text(&mut out, event.kind.name())?;
        write::text(&mut out, "missed")?;
        write::uint(&mut out, event.missed);
        write::text(&mut out, "own")?;
        write::bool(&mut out, event.origin == Origin::Local);
        write::text(&mut out, "shard")?;
        write::uint(&mut out, event.shard.into());
        write::text(&mut out, "version")?;
        match event.version {
            Some(version) => write::int(&mut out, version.micros()),
            None => write::nil(&mut out),
        }
        Ok(Self { status: Status::Event, result: out })
    }

    /// Whether there is no such row, and the result.
    pub(crate) fn into_parts(self) -> (bool, Vec<u8>) {
        (self.status == Status::Missing, self.result)
    }

    /// Status and result.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.status as u8);
        out.extend_from_slice(&self.result);
    }

    /// `[status, result]`, as an element of a batch's answer.
    pub(crate) fn write_pair(&self, out: &mut Vec<u8>) {
        out.push(0x92);
        self.write(out);
    }
}

impl From<Result<Self>> for Answer {
    fn from(result: Result<Self>) -> Self {
        result.unwrap_or_else(|error| Self::failed(&error))
    }
}

/// Appends an error as a map.
pub(crate) fn write_error(error: &Error, out: &mut Vec<u8>) -> Result<()> {
    let kind = error.kind();
    out.push(0x84);
    write::text(out, "kind")?;
    write::text(out, kind.name())?;
    write::text(out, "message")?;
    write::text(out, error.message())?;
    write::text(out, "number")?;
    write::uint(out, kind.number().into());
    write::text(out, "retry")?;
    write::text(out, kind.retry().name())
}

/// Appends a key.
pub(crate) fn write_key(out: &mut Vec<u8>, key: &Key) -> Result<()> {
    match key.as_ref() {
        KeyRef::Text(text) => write::text(out, text)?,
        KeyRef::Int(int) => write::int(out, int),
        KeyRef::Float(float) => write::float(out, float.get()),
        KeyRef::Bytes(bytes) => write::bytes(out, bytes)?,
    }
    Ok(())
}
