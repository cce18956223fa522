//! Erlang terms to canonical MessagePack. What a term stands for is in `LiteStash.Value`, which does the same in
//! Elixir.

use crate::atoms;
use crate::calendar::Civil;
use litestash_core::contract::msgpack::write;
use litestash_core::{Error, ErrorKind, Timestamp};
use rustler::types::list::ListIterator;
use rustler::types::map::MapIterator;
use rustler::{Binary, Encoder, Env, Term, TermType};
use std::borrow::Cow;

/// Bytes and terms that may be encoded on a normal scheduler.
const QUICK_BYTES: usize = 64 << 10;
const QUICK_TERMS: usize = 4096;

/// Deeper than anything that the engine lets through, requests around values included; refused here, before the
/// stack of a scheduler ends.
const DEPTH_MAX: usize = 80;

/// Why a term has no encoding, or none yet.
pub(crate) enum Fault {
    /// It has none.
    Refused(Error),
    /// It takes too long for a normal scheduler.
    Large,
    /// A struct that the protocol `LiteStash.Encodable` has to be asked about.
    Protocol,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// How much work may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// What a normal scheduler has time for.
    Quick,
    /// All of it.
    None,
}

/// The encoding of a term.
pub(crate) fn bytes(term: Term<'_>, bound: Bound) -> Result<Vec<u8>, Fault> {
    let mut encoder = Encoding { out: Vec::with_capacity(128), terms: 0, bound };
    encoder.value(term, 0)?;
    Ok(encoder.out)
}

struct Encoding {
    out: Vec<u8>,
    terms: usize,
    bound: Bound,
}

impl Encoding {
    fn value(&mut self, term: Term<'_>, depth: usize) -> Result<(), Fault> {
        self.terms += 1;
        if depth > DEPTH_MAX {
            return Err(Error::new(ErrorKind::TooLarge, "the value is nested too deep").into());
        }
        if self.bound == Bound::Quick && (self.terms > QUICK_TERMS || self.out.len() > QUICK_BYTES) {
            return Err(Fault::Large);
        }
        match term.get_type() {
            TermType::Binary => {
                let bytes = Binary::from_term(term).map_err(|_| refused("a bitstring is no value"))?;
                if self.bound == Bound::Quick && bytes.len() > QUICK_BYTES {
                    return Err(Fault::Large);
                }
                match std::str::from_utf8(bytes.as_slice()) {
                    Ok(text) => write::text(&mut self.out, text)?,
                    Err(_) => write::bytes(&mut self.out, bytes.as_slice())?,
                }
            }
            TermType::Integer => match (term.decode::<i64>(), term.decode::<u64>()) {
                (Ok(int), _) => write::int(&mut self.out, int),
                (_, Ok(int)) => write::uint(&mut self.out, int),
                _ => return Err(refused("an integer is out of range")),
            },
            TermType::Float => {
                let float = term.decode::<f64>().map_err(|_| refused("a float that is none"))?;
                write::float(&mut self.out, float);
            }
            TermType::Atom => {
                if atoms::nil() == term {
                    write::nil(&mut self.out);
                } else if let Ok(flag) = term.decode::<bool>() {
                    write::bool(&mut self.out, flag);
                } else {
                    write::text(&mut self.out, &atom_text(term)?)?;
                }
            }
            TermType::List => self.list(term, depth)?,
            TermType::Map => self.map(term, depth)?,
            _ => return Err(refused("a tuple, function, pid, port or reference is no value")),
        }
        Ok(())
    }

    fn list(&mut self, term: Term<'_>, depth: usize) -> Result<(), Fault> {
        let length = term.list_length().map_err(|_| refused("an improper list is no value"))?;
        if self.bound == Bound::Quick && length > QUICK_TERMS {
            return Err(Fault::Large);
        }
        write::array_head(&mut self.out, length)?;
        let list: ListIterator<'_> = term.decode().map_err(|_| refused("an improper list is no value"))?;
        for element in list {
            self.value(element, depth + 1)?;
        }
        Ok(())
    }

    fn map(&mut self, term: Term<'_>, depth: usize) -> Result<(), Fault> {
        if let Ok(name) = term.map_get(atoms::struct_key()) {
            return self.structure(name, term);
        }
        let size = term.map_size().map_err(|_| refused("a map that is none"))?;
        if self.bound == Bound::Quick && size > QUICK_TERMS {
            return Err(Fault::Large);
        }
        write::map_head(&mut self.out, size)?;
        let members = MapIterator::new(term).ok_or_else(|| refused("a map that is none"))?;
        let members = members.map(|(key, value)| Ok((text_key(key)?, value)));
        let mut members = members.collect::<Result<Vec<_>, Fault>>()?;
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(refused("a map has a key twice, as an atom and as text"));
        }
        for (key, value) in members {
            write::text(&mut self.out, &key)?;
            self.value(value, depth + 1)?;
        }
        Ok(())
    }

    fn structure(&mut self, name: Term<'_>, term: Term<'_>) -> Result<(), Fault> {
        let data = || {
            let data = term.map_get(atoms::data()).and_then(Binary::from_term);
            data.map_err(|_| refused("the struct's data is no binary"))
        };
        if atoms::bytes_struct() == name {
            let data = data()?;
            if self.bound == Bound::Quick && data.len() > QUICK_BYTES {
                return Err(Fault::Large);
            }
            write::bytes(&mut self.out, data.as_slice())?;
        } else if atoms::vector_struct() == name {
            let data = data()?;
            let (chunks, []) = data.as_slice().as_chunks::<4>() else {
                return Err(refused("a vector has 4 bytes for each number"));
            };
            if self.bound == Bound::Quick && data.len() > QUICK_BYTES {
                return Err(Fault::Large);
            }
            let floats: Vec<f32> = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
            write::vector(&mut self.out, &floats)?;
        } else if atoms::non_finite_struct() == name {
            let kind = term.map_get(atoms::kind()).map_err(|_| refused("a number of no kind"))?;
            write::float(&mut self.out, non_finite(kind).ok_or_else(|| refused("a number of no kind"))?);
        } else if atoms::timestamp_struct() == name {
            let member = |name: rustler::Atom| term.map_get(name);
            let seconds = member(atoms::seconds()).and_then(|seconds| seconds.decode::<i64>());
            let nanoseconds = member(atoms::nanoseconds()).and_then(|nanos| nanos.decode::<u32>());
            let moment = seconds.ok().zip(nanoseconds.ok());
            let moment = moment.and_then(|(seconds, nanos)| Timestamp::new(seconds, nanos));
            write::timestamp(&mut self.out, moment.ok_or_else(|| refused("a timestamp that is none"))?);
        } else if atoms::date_time_struct() == name {
            write::timestamp(&mut self.out, date_time(term)?);
        } else {
            return Err(Fault::Protocol);
        }
        Ok(())
    }
}

/// The number that a `LiteStash.NonFinite` of that kind stands for.
pub(crate) fn non_finite(kind: Term<'_>) -> Option<f64> {
    let kinds = [
        (atoms::nan(), f64::NAN),
        (atoms::infinity(), f64::INFINITY),
        (atoms::negative_infinity(), f64::NEG_INFINITY),
    ];
    kinds.into_iter().find(|(name, _)| *name == kind).map(|(_, float)| float)
}

/// A `DateTime` of the ISO calendar; one of another calendar is for Elixir to convert.
fn date_time(term: Term<'_>) -> Result<Timestamp, Fault> {
    let member = |name: rustler::Atom| term.map_get(name);
    if !member(atoms::calendar()).is_ok_and(|calendar| atoms::iso_calendar() == calendar) {
        return Err(Fault::Protocol);
    }
    let number = |name| {
        let number = member(name).and_then(|number| number.decode::<i64>());
        number.map_err(|_| refused("a DateTime that is none"))
    };
    let civil = Civil {
        year: number(atoms::year())?,
        month: number(atoms::month())?,
        day: number(atoms::day())?,
        hour: number(atoms::hour())?,
        minute: number(atoms::minute())?,
        second: number(atoms::second())?,
    };
    let microsecond = member(atoms::microsecond()).and_then(|pair| pair.decode::<(u32, u32)>());
    let (microsecond, _) = microsecond.map_err(|_| refused("a DateTime that is none"))?;
    let seconds = civil.to_seconds() - number(atoms::utc_offset())? - number(atoms::std_offset())?;
    let nanoseconds = microsecond.saturating_mul(1000);
    Timestamp::new(seconds, nanoseconds).ok_or_else(|| refused("a DateTime that is none"))
}

fn text_key(key: Term<'_>) -> Result<Cow<'_, str>, Fault> {
    let refused = || refused("a map key is neither text nor an atom");
    match key.get_type() {
        TermType::Atom => Ok(Cow::Owned(atom_text(key)?)),
        TermType::Binary => {
            let key = Binary::from_term(key).map_err(|_| refused())?;
            std::str::from_utf8(key.as_slice()).map(Cow::Borrowed).map_err(|_| refused())
        }
        _ => Err(refused()),
    }
}

pub(crate) fn atom_text(atom: Term<'_>) -> Result<String, Fault> {
    atom.atom_to_string().map_err(|_| refused("an atom that is none"))
}

fn refused(message: &'static str) -> Fault {
    Error::new(ErrorKind::InvalidValue, message).into()
}

/// The encoding of a term: `{ok, Bytes}`, `{error, …}`, `large` if it takes too long for a normal scheduler,
/// `protocol` if it holds a struct that Elixir has to convert.
#[rustler::nif]
fn encode<'a>(env: Env<'a>, term: Term<'a>) -> Term<'a> {
    answer(env, bytes(term, Bound::Quick))
}

/// `encode` of anything.
#[rustler::nif(schedule = "DirtyCpu")]
fn encode_large<'a>(env: Env<'a>, term: Term<'a>) -> Term<'a> {
    answer(env, bytes(term, Bound::None))
}

fn answer<'a>(env: Env<'a>, encoded: Result<Vec<u8>, Fault>) -> Term<'a> {
    match encoded {
        Ok(encoded) => (atoms::ok(), crate::decode::binary(env, &encoded)).encode(env),
        Err(fault) => told(env, &fault),
    }
}

/// What Elixir hears of a fault.
pub(crate) fn told<'a>(env: Env<'a>, fault: &Fault) -> Term<'a> {
    match fault {
        Fault::Refused(error) => crate::handle::failure(env, error),
        Fault::Large => atoms::large().to_term(env),
        Fault::Protocol => atoms::protocol().to_term(env),
    }
}
