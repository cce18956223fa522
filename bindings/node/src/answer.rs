//! Answers for JavaScript as bytes. `lib/answer.js` reads them: a tag and what belongs to it, little-endian.

use crate::frame::EXPIRES_AT;
use litestash_core::{
    Entry, Error, Event, EventKind, Key, Origin, Outcome, Result, TransactionOutcome, Version,
};

const MISSING: u8 = 0;
const VALUE: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const ENTRY: u8 = 4;
const VERSION: u8 = 5;
const NO_VERSION: u8 = 6;
const INT: u8 = 7;
const FLOAT: u8 = 8;
const NO_DEADLINE: u8 = 9;
const DEADLINE: u8 = 10;
const LIST: u8 = 11;
const UNKNOWN: u8 = 12;
const DONE: u8 = 13;
const COMMITTED: u8 = 14;
const REFUSED: u8 = 15;
const EVENT: u8 = 16;
const MINE: u8 = 17;
const ELSEWHERE: u8 = 18;
const ERROR: u8 = 255;

/// Where an answer goes: a buffer of JavaScript's, or, from where that is full, one of our own.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// JavaScript's buffer.
pub(crate) struct Scratch<'a> {
    buffer: &'a mut [u8],
    used: usize,
    /// The whole answer, once it did not fit.
    pub(crate) large: Option<Vec<u8>>,
}

impl<'a> Scratch<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, used: 0, large: None }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

impl Sink for Scratch<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(large) = &mut self.large {
            return large.extend_from_slice(bytes);
        }
        match self.buffer.get_mut(self.used..self.used + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            None => self.large = Some([&self.buffer[..self.used], bytes].concat()),
        }
    }
}

pub(crate) fn missing(out: &mut impl Sink) {
    out.put(&[MISSING]);
}

pub(crate) fn unknown(out: &mut impl Sink) {
    out.put(&[UNKNOWN]);
}

pub(crate) fn done(out: &mut impl Sink) {
    out.put(&[DONE]);
}

/// The caller is to compute.
pub(crate) fn mine(out: &mut impl Sink) {
    out.put(&[MINE]);
}

/// Somebody else computes.
pub(crate) fn elsewhere(out: &mut impl Sink) {
    out.put(&[ELSEWHERE]);
}

pub(crate) fn value(out: &mut impl Sink, encoded: &[u8]) {
    out.put(&[VALUE]);
    out.put(encoded);
}

pub(crate) fn flag(out: &mut impl Sink, flag: bool) {
    out.put(&[if flag { TRUE } else { FALSE }]);
}

pub(crate) fn int(out: &mut impl Sink, int: i64) {
    out.put(&[INT]);
    out.put(&int.to_le_bytes());
}

pub(crate) fn version(out: &mut impl Sink, version: Option<i64>) {
    match version {
        Some(version) => {
            out.put(&[VERSION]);
            out.put(&version.to_le_bytes());
        }
        None => out.put(&[NO_VERSION]),
    }
}

pub(crate) fn deadline(out: &mut impl Sink, deadline: Option<i64>) {
    match deadline {
        Some(deadline) => {
            out.put(&[DEADLINE]);
            out.put(&deadline.to_le_bytes());
        }
        None => out.put(&[NO_DEADLINE]),
    }
}

fn entry(out: &mut impl Sink, entry: &Entry) {
    out.put(&[ENTRY]);
    out.put(&entry.version.micros().to_le_bytes());
    out.put(&[u8::from(entry.expires_at.is_some()) | u8::from(entry.idle_us.is_some()) << 1]);
    out.put(&entry.expires_at.unwrap_or(0).to_le_bytes());
    out.put(&entry.idle_us.unwrap_or(0).to_le_bytes());
    out.put(&entry.encoded);
}

pub(crate) fn error(out: &mut impl Sink, error: &Error) {
    out.put(&[ERROR]);
    out.put(&error.kind().number().to_le_bytes());
    out.put(error.message().as_bytes());
}

/// What an operation answered.
pub(crate) fn outcome(out: &mut impl Sink, opcode: u8, answered: &Result<Outcome>) {
    match answered {
        Ok(Outcome::Value(None) | Outcome::Entry(None)) => missing(out),
        Ok(Outcome::Value(Some(encoded))) => value(out, encoded),
        Ok(Outcome::Entry(Some(found))) if opcode == EXPIRES_AT => deadline(out, found.expires_at),
        Ok(Outcome::Entry(Some(found))) => entry(out, found),
        Ok(Outcome::Flag(yes)) => flag(out, *yes),
        Ok(Outcome::Version(written)) => version(out, written.map(|version| version.micros())),
        Ok(Outcome::Int(sum)) => int(out, *sum),
        Ok(Outcome::Float(sum)) => {
            out.put(&[FLOAT]);
            out.put(&sum.to_le_bytes());
        }
        Ok(_) => error(out, &crate::error::malformed()),
        Err(failure) => error(out, failure),
    }
}

/// Many answers, each behind its length.
pub(crate) fn list<'a>(out: &mut impl Sink, answers: impl ExactSizeIterator<Item = &'a [u8]>) {
    out.put(&[LIST]);
    out.put(&(answers.len() as u32).to_le_bytes());
    for answer in answers {
        out.put(&(answer.len() as u32).to_le_bytes());
        out.put(answer);
    }
}

/// What became of a transaction.
pub(crate) fn transaction(out: &mut impl Sink, opcodes: &[u8], outcome: TransactionOutcome) {
    match outcome {
        TransactionOutcome::Refused { index } => {
            out.put(&[REFUSED]);
            out.put(&(index as u32).to_le_bytes());
        }
        TransactionOutcome::Committed(outcomes) => {
            let answers = opcodes.iter().zip(outcomes).map(|(opcode, done)| {
                let mut answer = Vec::new();
                self::outcome(&mut answer, *opcode, &Ok(done));
                answer
            });
            let answers: Vec<_> = answers.collect();
            out.put(&[COMMITTED]);
            list(out, answers.iter().map(Vec::as_slice));
        }
    }
}

/// Something that happened.
pub(crate) fn event(out: &mut Vec<u8>, event: &Event) {
    let kind = EventKind::ALL.iter().position(|kind| *kind == event.kind).unwrap_or(0);
    out.put(&[EVENT, kind as u8, u8::from(event.origin == Origin::Local), event.shard]);
    out.put(&event.missed.to_le_bytes());
    out.put(&[u8::from(event.version.is_some()) | u8::from(event.key.is_some()) << 1]);
    out.put(&event.version.map_or(0, Version::micros).to_le_bytes());
    if let Some(found) = &event.key {
        key(out, found);
    }
}

/// A key in the form of `frame::Reader::key`.
pub(crate) fn key(out: &mut Vec<u8>, key: &Key) {
    let mut put = |kind: u8, bytes: &[u8]| {
        out.put(&[kind]);
        out.put(&(bytes.len() as u32).to_le_bytes());
        out.put(bytes);
    };
    match key {
        Key::Text(text) => put(0, text.as_bytes()),
        Key::Int(int) => put(1, &int.to_le_bytes()),
        Key::Float(float) => put(2, &float.get().to_le_bytes()),
        Key::Bytes(bytes) => put(3, bytes),
    }
}
