//! `get` and `set` of plain keys and values: a function each, without a request.

use crate::atoms;
use crate::encode::{self, Bound, Fault};
use crate::handle::{Handle, failure};
use crate::key::with_key;
use crate::{decode, encode::told};
use litestash_core::{Error, ErrorKind, Peek, SetOptions};
use rustler::{Binary, Encoder, Env, ResourceArc, Term};

/// What memory knows of a key: `{ok, Value}`, `miss`, `unknown` if only the files can tell, or an error.
#[rustler::nif]
fn peek<'a>(
    env: Env<'a>,
    handle: ResourceArc<Handle>,
    bucket: Option<Binary<'a>>,
    key: Term<'a>,
) -> Term<'a> {
    let look = |stash: &litestash_core::LiteStash| {
        with_key(key, |key| {
            stash.peek_encoded(key, |encoded| {
                (encoded.len() <= decode::QUICK_BYTES).then(|| decode::term(env, encoded))
            })
        })
    };
    let found = match bucket {
        None => handle.engine.with_stash(None, look),
        // One that is not open yet is opened where it may take its time.
        Some(name) => match name_of(&name).map(|name| handle.engine.known_bucket(name)) {
            Ok(Some(bucket)) => look(&bucket),
            Ok(None) => Ok(Peek::Unknown),
            Err(error) => Err(error),
        },
    };
    match found {
        Ok(Peek::Found(Some(Ok(term)))) => (atoms::ok(), term).encode(env),
        Ok(Peek::Found(Some(Err(error)))) | Err(error) => failure(env, &error),
        Ok(Peek::Found(None) | Peek::Unknown) => atoms::unknown().to_term(env),
        Ok(Peek::Missing) => atoms::miss().to_term(env),
    }
}

/// The value of a key: `{ok, Value}`, `miss` or an error.
#[rustler::nif(schedule = "DirtyIo")]
fn get<'a>(env: Env<'a>, handle: ResourceArc<Handle>, bucket: Option<Binary<'a>>, key: Term<'a>) -> Term<'a> {
    let found = name(bucket.as_ref()).and_then(|bucket| {
        handle.engine.with_stash(bucket, |stash| with_key(key, |key| stash.get_encoded(key)))
    });
    match found.and_then(|encoded| encoded.map(|encoded| decode::term(env, &encoded)).transpose()) {
        Ok(Some(term)) => (atoms::ok(), term).encode(env),
        Ok(None) => atoms::miss().to_term(env),
        Err(error) => failure(env, &error),
    }
}

/// Stores a value, in the turn of that number: `ok`, `protocol` as `encode` has it, or an error.
#[rustler::nif(schedule = "DirtyIo")]
fn set<'a>(
    env: Env<'a>,
    handle: ResourceArc<Handle>,
    turn: u64,
    bucket: Option<Binary<'a>>,
    key: Term<'a>,
    value: Term<'a>,
) -> Term<'a> {
    let stored = handle.in_turn(turn, || {
        let encoded = encode::bytes(value, Bound::None)?;
        let bucket = name(bucket.as_ref())?;
        handle.engine.with_stash(bucket, |stash| {
            with_key(key, |key| stash.set_encoded(key, encoded, SetOptions::default()))
        })?;
        Ok::<_, Fault>(())
    });
    match stored {
        Ok(()) => atoms::ok().to_term(env),
        Err(fault) => told(env, &fault),
    }
}

fn name<'a>(bucket: Option<&Binary<'a>>) -> litestash_core::Result<Option<&'a str>> {
    bucket.map(|bucket| name_of(bucket)).transpose()
}

fn name_of<'a>(bucket: &Binary<'a>) -> litestash_core::Result<&'a str> {
    let refused = |_| Error::new(ErrorKind::InvalidArgument, "a bucket's name is no valid Unicode");
    std::str::from_utf8(bucket.as_slice()).map_err(refused)
}
