//! Answers: `[id, status, result]` (`docs/ENGINE.md` 2).

use crate::frame::HEAD_BYTES;
use crate::request::Id;
use litestash_core::contract::msgpack::{self, write};
use litestash_core::contract::typed;
use litestash_core::{Error, ErrorKind, Event, Key, KeyRef, Origin, Result, Value};
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
    pub(crate) fn value(value: &Value) -> Self {
        let mut result = Vec::new();
        match msgpack::encode(value, &mut result) {
            Ok(()) => Self::encoded(result),
            Err(error) => Self::failed(&error),
        }
    }

    /// An error, with what a client decides by.
    pub(crate) fn failed(error: &Error) -> Self {
        let kind = error.kind();
        let mut result = Vec::new();
        let text = |out: &mut Vec<u8>, text: &str| {
            // A text of ours is far from the 4 GiB at which this fails.
            let _ = write::text(out, text);
        };
        result.push(0x84);
        text(&mut result, "kind");
        text(&mut result, kind.name());
        text(&mut result, "message");
        text(&mut result, error.message());
        text(&mut result, "number");
        write::uint(&mut result, kind.number().into());
        text(&mut result, "retry");
        text(&mut result, kind.retry().name());
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

    /// `[status, result]`, as an element of a batch's answer.
    pub(crate) fn write_pair(&self, out: &mut Vec<u8>) {
        out.push(0x92);
        out.push(self.status as u8);
        out.extend_from_slice(&self.result);
    }
}

impl From<Result<Self>> for Answer {
    fn from(result: Result<Self>) -> Self {
        result.unwrap_or_else(|error| Self::failed(&error))
    }
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

/// Frames of answers, to be sent together.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) bytes: Vec<u8>,
    payload_bytes_max: usize,
}

impl Frames {
    pub(crate) fn new(payload_bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), payload_bytes_max }
    }

    /// Adds an answer; one that is longer than a frame may be becomes the error that says so.
    pub(crate) fn push(&mut self, id: Option<Id>, answer: &Answer) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        self.bytes.push(0x93);
        match id {
            Some(id) => write::uint(&mut self.bytes, id),
            None => write::nil(&mut self.bytes),
        }
        self.bytes.push(answer.status as u8);
        self.bytes.extend_from_slice(&answer.result);
        let payload = self.bytes.len() - start - HEAD_BYTES;
        match u32::try_from(payload) {
            Ok(length) if payload <= self.payload_bytes_max => {
                self.bytes[start..start + HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
            }
            _ => {
                self.bytes.truncate(start);
                let error = Error::new(ErrorKind::TooLarge, "the answer is longer than a frame may be");
                self.push(id, &Answer::failed(&error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_fits_no_frame_becomes_an_error() {
        let mut frames = Frames::new(200);
        frames.push(Some(3), &Answer::encoded(vec![0xc4; 300]));
        assert_eq!(frames.bytes[4..7], [0x93, 3, 1]);
        assert!(frames.bytes.len() < 204);
    }
}
