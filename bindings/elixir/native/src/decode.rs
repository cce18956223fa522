//! Canonical MessagePack to Erlang terms.

use crate::atoms;
use crate::calendar::Civil;
use litestash_core::contract::msgpack::read::{Reader, Token};
use litestash_core::{Error, Result, Timestamp};
use rustler::{Encoder, Env, NewBinary, Term};

/// Bytes that may be decoded on a normal scheduler.
pub(crate) const QUICK_BYTES: usize = 64 << 10;

/// Deeper than anything that the engine lets through, requests and answers around values included.
const DEPTH_MAX: usize = 80;

/// The term that `bytes` encode.
pub(crate) fn term<'a>(env: Env<'a>, bytes: &[u8]) -> Result<Term<'a>> {
    let mut decoder = Decoder { env, reader: Reader::new(bytes), keys: Vec::new(), values: Vec::new() };
    let term = decoder.value(0)?;
    if decoder.reader.rest().is_empty() { Ok(term) } else { Err(unreadable()) }
}

struct Decoder<'a, 'b> {
    env: Env<'a>,
    reader: Reader<'b>,
    /// The keys and values of all containers that are open, so that no container needs an allocation of its own.
    keys: Vec<Term<'a>>,
    values: Vec<Term<'a>>,
}

impl<'a> Decoder<'a, '_> {
    fn value(&mut self, depth: usize) -> Result<Term<'a>> {
        if depth > DEPTH_MAX {
            return Err(unreadable());
        }
        let env = self.env;
        Ok(match self.reader.token()? {
            Token::Nil => atoms::nil().to_term(env),
            Token::Bool(value) => value.encode(env),
            Token::Int(int) => int.encode(env),
            Token::Uint(int) => int.encode(env),
            Token::Float(float) => number(env, float)?,
            Token::Text(text) => binary(env, text.as_bytes()),
            Token::Bytes(bytes) => bytes_term(env, bytes)?,
            Token::Timestamp(timestamp) => moment(env, timestamp)?,
            Token::Vector(payload) => one_member(env, atoms::vector_struct(), binary(env, payload))?,
            Token::Array(len) => {
                let base = self.values.len();
                for _ in 0..len {
                    let value = self.value(depth + 1)?;
                    self.values.push(value);
                }
                let list = self.values[base..].encode(env);
                self.values.truncate(base);
                list
            }
            Token::Map(len) => {
                let (key_base, base) = (self.keys.len(), self.values.len());
                for _ in 0..len {
                    let Token::Text(key) = self.reader.token()? else { return Err(unreadable()) };
                    self.keys.push(binary(env, key.as_bytes()));
                    let value = self.value(depth + 1)?;
                    self.values.push(value);
                }
                let map = map(env, &self.keys[key_base..], &self.values[base..])?;
                self.keys.truncate(key_base);
                self.values.truncate(base);
                map
            }
        })
    }
}

/// A binary with those bytes.
pub(crate) fn binary<'a>(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
    let mut binary = NewBinary::new(env, bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    binary.into()
}

/// Bytes that are UTF-8 would be written back as text, so they come in a struct.
fn bytes_term<'a>(env: Env<'a>, bytes: &[u8]) -> Result<Term<'a>> {
    let term = binary(env, bytes);
    match std::str::from_utf8(bytes) {
        Ok(_) => one_member(env, atoms::bytes_struct(), term),
        Err(_) => Ok(term),
    }
}

fn number<'a>(env: Env<'a>, float: f64) -> Result<Term<'a>> {
    if float.is_finite() {
        return Ok(float.encode(env));
    }
    let kind = match float {
        f64::INFINITY => atoms::infinity(),
        f64::NEG_INFINITY => atoms::negative_infinity(),
        _ => atoms::nan(),
    };
    let keys = [atoms::struct_key().to_term(env), atoms::kind().to_term(env)];
    map(env, &keys, &[atoms::non_finite_struct().to_term(env), kind.to_term(env)])
}

fn moment<'a>(env: Env<'a>, timestamp: Timestamp) -> Result<Term<'a>> {
    let (seconds, nanoseconds) = (timestamp.seconds(), timestamp.nanoseconds());
    let civil = Civil::from_seconds(seconds).filter(|_| nanoseconds % 1000 == 0);
    let Some(civil) = civil else {
        let keys = [atoms::struct_key(), atoms::seconds(), atoms::nanoseconds()].map(|key| key.to_term(env));
        let name = atoms::timestamp_struct().to_term(env);
        return map(env, &keys, &[name, seconds.encode(env), nanoseconds.encode(env)]);
    };
    let microsecond = nanoseconds / 1000;
    let precision = if microsecond == 0 { 0 } else { 6 };
    let keys = [
        atoms::struct_key(),
        atoms::calendar(),
        atoms::year(),
        atoms::month(),
        atoms::day(),
        atoms::hour(),
        atoms::minute(),
        atoms::second(),
        atoms::microsecond(),
        atoms::time_zone(),
        atoms::zone_abbr(),
        atoms::utc_offset(),
        atoms::std_offset(),
    ];
    let values = [
        atoms::date_time_struct().to_term(env),
        atoms::iso_calendar().to_term(env),
        civil.year.encode(env),
        civil.month.encode(env),
        civil.day.encode(env),
        civil.hour.encode(env),
        civil.minute.encode(env),
        civil.second.encode(env),
        (microsecond, precision).encode(env),
        binary(env, b"Etc/UTC"),
        binary(env, b"UTC"),
        0.encode(env),
        0.encode(env),
    ];
    map(env, &keys.map(|key| key.to_term(env)), &values)
}

/// A struct with the one member `data`.
fn one_member<'a>(env: Env<'a>, name: rustler::Atom, data: Term<'a>) -> Result<Term<'a>> {
    let keys = [atoms::struct_key().to_term(env), atoms::data().to_term(env)];
    map(env, &keys, &[name.to_term(env), data])
}

fn map<'a>(env: Env<'a>, keys: &[Term<'a>], values: &[Term<'a>]) -> Result<Term<'a>> {
    Term::map_from_term_arrays(env, keys, values).map_err(|_| unreadable())
}

fn unreadable() -> Error {
    Error::new(litestash_core::ErrorKind::Internal, "an encoding that the engine gave cannot be read")
}

/// The term of an encoding; `large` if it takes too long for a normal scheduler.
#[rustler::nif]
fn decode<'a>(env: Env<'a>, bytes: rustler::Binary<'a>) -> Term<'a> {
    if bytes.len() > QUICK_BYTES {
        return atoms::large().to_term(env);
    }
    answer(env, &bytes)
}

/// `decode` of anything.
#[rustler::nif(schedule = "DirtyCpu")]
fn decode_large<'a>(env: Env<'a>, bytes: rustler::Binary<'a>) -> Term<'a> {
    answer(env, &bytes)
}

fn answer<'a>(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
    match term(env, bytes) {
        Ok(term) => (atoms::ok(), term).encode(env),
        Err(error) => crate::handle::failure(env, &error),
    }
}
