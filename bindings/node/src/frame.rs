//! Requests of JavaScript as bytes. `lib/frame.js` writes them.
//!
//! Numbers are little-endian. A request on one key is: opcode (1), kind of key (1), length of key (4), key,
//! and what the opcode asks for. `MANY` and `TRANSACTION` are: opcode, mode (1), count (4), and per request its length
//! (4) and the request.

use crate::error::malformed;
use litestash_core::contract::key::KeyRef;
use litestash_core::{
    Action, ComputeOptions, Condition, Deadline, Error, ErrorKind, Op, Result, SetOptions, Version,
};
use std::time::Duration;

pub(crate) const GET: u8 = 1;
pub(crate) const EXISTS: u8 = 2;
pub(crate) const ENTRY: u8 = 3;
pub(crate) const SET: u8 = 4;
pub(crate) const DELETE: u8 = 5;
pub(crate) const TAKE: u8 = 6;
pub(crate) const INCREMENT: u8 = 7;
pub(crate) const INCREMENT_FLOAT: u8 = 8;
pub(crate) const COMPARE_AND_SET: u8 = 9;
pub(crate) const EXPIRE: u8 = 10;
pub(crate) const PERSIST: u8 = 11;
pub(crate) const EXPIRES_AT: u8 = 12;
pub(crate) const MANY: u8 = 13;
pub(crate) const PEEK: u8 = 14;
pub(crate) const TOUCH: u8 = 15;
pub(crate) const CHECK: u8 = 16;
pub(crate) const EXPECT: u8 = 17;
pub(crate) const TRANSACTION: u8 = 18;
/// Panics, where the feature `testing` is on.
pub(crate) const PANIC: u8 = 99;

/// Reads a request from its front.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn f64(&mut self) -> Result<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// Bytes behind their length.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8]> {
        let length = self.u32()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// The key, in normal form.
    pub(crate) fn key(&mut self) -> Result<KeyRef<'a>> {
        let kind = self.u8()?;
        let bytes = self.sized()?;
        let eight = || <[u8; 8]>::try_from(bytes).map_err(|_| malformed());
        let key = match kind {
            0 => KeyRef::Text(std::str::from_utf8(bytes).map_err(|_| not_unicode())?),
            1 => KeyRef::Int(i64::from_le_bytes(eight()?)),
            2 => KeyRef::float(f64::from_le_bytes(eight()?))?,
            3 => KeyRef::Bytes(bytes),
            _ => return Err(malformed()),
        };
        key.check()
    }

    fn deadline(&mut self) -> Result<Option<Deadline>> {
        match self.u8()? {
            0 => Ok(None),
            1 => Ok(Some(Deadline::In(self.span()?))),
            2 => Ok(Some(Deadline::At(self.i64()?))),
            3 => Ok(Some(Deadline::Idle(self.span()?))),
            4 => Ok(Some(Deadline::Never)),
            _ => Err(malformed()),
        }
    }

    /// Microseconds.
    fn span(&mut self) -> Result<Duration> {
        u64::try_from(self.i64()?).map(Duration::from_micros).map_err(|_| not_positive())
    }

    fn condition(&mut self) -> Result<Condition> {
        Ok(match self.u8()? {
            0 => Condition::Always,
            1 => Condition::Absent,
            2 => Condition::Present,
            3 => Condition::Version(Version::from_micros(self.i64()?)),
            _ => return Err(malformed()),
        })
    }

    pub(crate) fn set_options(&mut self) -> Result<SetOptions> {
        let condition = self.condition()?;
        let keep_ttl = self.u8()? != 0;
        Ok(SetOptions { condition, keep_ttl, deadline: self.deadline()? })
    }

    /// How a missing value is computed: how it is stored, whether processes leave it to one of them, and, where they
    /// are not left out, the lease and the time that a value may be stale.
    pub(crate) fn compute_options(&mut self) -> Result<ComputeOptions> {
        let mut options = ComputeOptions::from(self.set_options()?);
        options.across_processes = self.u8()? != 0;
        if self.u8()? != 0 {
            options.lease = self.span()?;
        }
        if self.u8()? != 0 {
            options.stale_while_revalidate = Some(self.span()?);
        }
        Ok(options)
    }

    fn action(&mut self, opcode: u8) -> Result<Action> {
        Ok(match opcode {
            GET => Action::Get,
            EXISTS => Action::Exists,
            ENTRY | EXPIRES_AT => Action::Entry,
            SET => {
                let options = self.set_options()?;
                Action::Set { encoded: self.sized()?.to_owned(), options }
            }
            DELETE => Action::Delete,
            TAKE => Action::Take,
            INCREMENT => Action::Increment(self.i64()?),
            INCREMENT_FLOAT => Action::IncrementFloat(self.f64()?),
            COMPARE_AND_SET => {
                let expected = if self.u8()? == 0 { None } else { Some(self.sized()?.to_owned()) };
                Action::CompareAndSet { expected, encoded: self.sized()?.to_owned() }
            }
            EXPIRE => Action::Expire(self.deadline()?.ok_or_else(malformed)?),
            PERSIST => Action::Persist,
            TOUCH => Action::Touch,
            CHECK => Action::Check(self.condition()?),
            EXPECT => Action::Expect(self.sized()?.to_owned()),
            PANIC if cfg!(feature = "testing") => panic!("asked for"),
            _ => return Err(malformed()),
        })
    }
}

fn not_unicode() -> Error {
    Error::new(ErrorKind::InvalidKey, "the key's text is not valid Unicode")
}

fn not_positive() -> Error {
    Error::new(ErrorKind::InvalidArgument, "a time to live is positive")
}

/// An operation on one key, and what its answer is made of.
pub(crate) struct Request {
    pub(crate) opcode: u8,
    pub(crate) op: Op,
}

impl Request {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader(bytes);
        let opcode = reader.u8()?;
        let key = reader.key()?;
        let op = Op::new(key, reader.action(opcode)?)?;
        Ok(Self { opcode, op })
    }

    /// Whether it leaves everything as it is.
    pub(crate) fn only_reads(&self) -> bool {
        matches!(self.opcode, GET | EXISTS | ENTRY | EXPIRES_AT | CHECK | EXPECT)
    }
}

/// Many operations: each may fail for itself, or what can be refused beforehand refuses all.
pub(crate) struct Many {
    pub(crate) whole: bool,
    pub(crate) requests: Vec<Result<Request>>,
}

impl Many {
    /// Reads what follows the opcode.
    pub(crate) fn read(mut reader: Reader<'_>) -> Result<Self> {
        let whole = reader.u8()? != 0;
        let count = reader.u32()?;
        let requests = (0..count).map(|_| Ok(Request::read(reader.sized()?))).collect::<Result<Vec<_>>>()?;
        Ok(Self { whole, requests })
    }
}
