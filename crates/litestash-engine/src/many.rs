//! Operations on several keys.

use crate::answer::Answer;
use crate::loose;
use crate::request::{Arguments, malformed};
use crate::single::{Single, Telling};
use litestash_core::contract::msgpack::write;
use litestash_core::limits::BATCH_OPERATIONS_MAX;
use litestash_core::{
    Action, Error, ErrorKind, Key, LiteStash, Op, Outcome, Result, TransactionOutcome, Value, Version,
};

/// The operation of that name; `None` if it is none on several keys.
pub(crate) fn run(name: &str, arguments: &mut Arguments<'_>, stash: &LiteStash) -> Option<Result<Answer>> {
    let run: fn(&mut Arguments<'_>, &LiteStash) -> Result<Answer> = match name {
        "get_many" => get_many,
        "set_many" => set_many,
        "delete_many" => delete_many,
        "apply" => apply,
        "transaction" => transaction,
        _ => return None,
    };
    Some(run(arguments, stash))
}

fn items<'a>(arguments: &mut Arguments<'a>, what: &'static str) -> Result<Arguments<'a>> {
    let items = arguments.array(what)?;
    arguments.end()?;
    if items.len() > BATCH_OPERATIONS_MAX {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("the batch has {} operations; the limit is {BATCH_OPERATIONS_MAX}", items.len()),
        ));
    }
    Ok(items)
}

fn keys(arguments: &mut Arguments<'_>) -> Result<Vec<Key>> {
    let mut items = items(arguments, "the keys")?;
    (0..items.len()).map(|_| items.key()).collect()
}

/// Each value in an array of one, or nil for a miss.
fn get_many(arguments: &mut Arguments<'_>, stash: &LiteStash) -> Result<Answer> {
    let ops =
        keys(arguments)?.into_iter().map(|key| Op::new(key, Action::Get)).collect::<Result<Vec<_>>>()?;
    let mut out = Vec::new();
    write::array_head(&mut out, ops.len())?;
    for outcome in stash.apply(&ops)? {
        match outcome? {
            Outcome::Value(Some(encoded)) => {
                out.push(0x91);
                out.extend_from_slice(&encoded);
            }
            _ => write::nil(&mut out),
        }
    }
    Ok(Answer::encoded(out))
}

fn set_many(arguments: &mut Arguments<'_>, stash: &LiteStash) -> Result<Answer> {
    let mut items = items(arguments, "the items")?;
    let pairs = (0..items.len()).map(|_| {
        let mut pair = items.array("an item")?;
        let item = (pair.key()?, pair.raw()?.ok_or_else(|| malformed("an item has no value"))?);
        pair.end()?;
        Ok((item.0, loose::decode(item.1)?))
    });
    let pairs = pairs.collect::<Result<Vec<(Key, Value)>>>()?;
    let versions = stash.set_many(pairs)?;
    Ok(Answer::of(&versions.into_iter().map(Version::micros).collect::<Vec<_>>()))
}

fn delete_many(arguments: &mut Arguments<'_>, stash: &LiteStash) -> Result<Answer> {
    Ok(Answer::of(&stash.delete_many(keys(arguments)?)?))
}

/// Each answer as `[status, result]`.
fn apply(arguments: &mut Arguments<'_>, stash: &LiteStash) -> Result<Answer> {
    let mut items = items(arguments, "the operations")?;
    let parsed: Vec<Result<Single>> = (0..items.len()).map(|_| operation(&mut items)).collect();
    let mut ops: Vec<Op> = Vec::new();
    let parsed: Vec<Result<Telling>> = parsed
        .into_iter()
        .map(|single| {
            let (op, telling) = single?.into_parts();
            ops.push(op);
            Ok(telling)
        })
        .collect();
    let mut outcomes = stash.apply(&ops)?.into_iter();
    let mut out = Vec::new();
    write::array_head(&mut out, parsed.len())?;
    for telling in parsed {
        let answer = match telling {
            Ok(telling) => match outcomes.next() {
                Some(outcome) => telling.answer(outcome),
                None => Answer::failed(&Error::new(ErrorKind::Internal, "an operation was not answered")),
            },
            Err(error) => Answer::failed(&error),
        };
        answer.write_pair(&mut out);
    }
    Ok(Answer::encoded(out))
}

/// `{"committed": [[status, result], …]}`, or `{"refused": index}`.
fn transaction(arguments: &mut Arguments<'_>, stash: &LiteStash) -> Result<Answer> {
    let mut items = items(arguments, "the operations")?;
    let (mut ops, mut tellings): (Vec<Op>, Vec<Telling>) = (Vec::new(), Vec::new());
    for _ in 0..items.len() {
        let (op, telling) = operation(&mut items)?.into_parts();
        ops.push(op);
        tellings.push(telling);
    }
    let mut out = vec![0x81];
    match stash.transaction(&ops)? {
        TransactionOutcome::Committed(outcomes) => {
            write::text(&mut out, "committed")?;
            write::array_head(&mut out, outcomes.len())?;
            for (telling, outcome) in tellings.into_iter().zip(outcomes) {
                telling.answer(Ok(outcome)).write_pair(&mut out);
            }
        }
        TransactionOutcome::Refused { index } => {
            write::text(&mut out, "refused")?;
            write::uint(&mut out, index as u64);
        }
    }
    Ok(Answer::encoded(out))
}

fn operation(items: &mut Arguments<'_>) -> Result<Single> {
    let mut operation = items.array("an operation")?;
    let name = operation.text("the operation's name")?;
    Single::parse(name, &mut operation)?.ok_or_else(|| malformed("a batch holds operations on one key each"))
}
