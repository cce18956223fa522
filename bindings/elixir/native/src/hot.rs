//! `get` and `set` of plain keys and values: a function each, without a request.

use crate::atoms;
use crate::encode::{self, Bound, Fault};
use crate::handle::{Handle, failure};
use crate::key::with_key;
use crate::writer::Answer;
use crate::{decode, encode::told};
use litestash_core::{Action, Op, Peek, SetOptions};
use litestash_engine::request::Bucket;
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
    let found = match place(bucket.as_ref()) {
        None => handle.engine.with_stash(None, look),
        // One that is not open yet is opened where it may take its time.
        Some(bucket) => match handle.engine.known_bucket(bucket) {
            Some(bucket) => look(&bucket),
            None => Ok(Peek::Unknown),
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
    let found =
        handle.engine.with_stash(place(bucket.as_ref()), |stash| with_key(key, |key| stash.get_encoded(key)));
    match found.and_then(|encoded| encoded.map(|encoded| decode::term(env, &encoded)).transpose()) {
        Ok(Some(term)) => (atoms::ok(), term).encode(env),
        Ok(None) => atoms::miss().to_term(env),
        Err(error) => failure(env, &error),
    }
}

/// Stores a value: `done`; `ok` if the answer comes as a message, `{Reference, ok}` or `{Reference, {error, …}}`;
/// `protocol` or `large` as `encode` has it, or an error.
#[rustler::nif]
fn store<'a>(
    env: Env<'a>,
    handle: ResourceArc<Handle>,
    reference: Term<'a>,
    bucket: Option<Binary<'a>>,
    key: Term<'a>,
    value: Term<'a>,
) -> Term<'a> {
    let leave = || {
        let encoded = encode::bytes(value, Bound::Quick)?;
        let set = Action::Set { encoded, options: SetOptions::default() };
        let op = with_key(key, |key| Op::new(key, set))?;
        Ok::<_, Fault>(handle.writer.leave(env, reference, place(bucket.as_ref()), op, None)?)
    };
    match leave() {
        Ok(None) => atoms::ok().to_term(env),
        Ok(Some(Answer { outcome: Ok(_), .. })) => atoms::done().to_term(env),
        Ok(Some(answer)) => answer.into_term(env),
        Err(fault) => told(env, &fault),
    }
}

fn place<'a>(bucket: Option<&'a Binary<'_>>) -> Option<Bucket<'a>> {
    bucket.map(|bucket| Bucket(bucket.as_slice()))
}
