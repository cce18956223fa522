//! Operations on several keys.

use super::members::{self, Members};
use super::single::{Answer, Single};
use super::{error_json, json_list};
use litestash_core::contract::interchange::value_from_json;
use litestash_core::{Error, Key, LiteStash, Op, Result, TransactionOutcome, Value};
use serde_json::value::RawValue;

fn keys(mut members: Members<'_>) -> Result<Vec<Key>> {
    let keys = members.list::<&RawValue>("keys")?;
    members.finish()?;
    keys.into_iter().map(|key| members::key(key.get())).collect()
}

pub(super) fn get_many(stash: &LiteStash, members: Members<'_>) -> Result<String> {
    let values = stash.get_many(keys(members)?)?;
    Ok(json_list(values.into_iter().map(|value| Answer::Value(value).to_json())))
}

pub(super) fn set_many(stash: &LiteStash, mut members: Members<'_>) -> Result<String> {
    let items = members.list::<(&RawValue, &RawValue)>("items")?;
    members.finish()?;
    let item =
        |(key, value): (&RawValue, &RawValue)| Ok((members::key(key.get())?, value_from_json(value.get())?));
    let items = items.into_iter().map(item).collect::<Result<Vec<(Key, Value)>>>()?;
    Ok(json_list(stash.set_many(items)?.into_iter().map(|version| version.to_string())))
}

pub(super) fn delete_many(stash: &LiteStash, members: Members<'_>) -> Result<String> {
    Ok(json_list(stash.delete_many(keys(members)?)?.into_iter().map(|flag| flag.to_string())))
}

/// What is refused has its error as result; the others are handed to the stash together.
pub(super) fn apply(stash: &LiteStash, mut members: Members<'_>) -> Result<String> {
    let operations = members.list::<&RawValue>("operations")?;
    members.finish()?;
    let mut ops = Vec::with_capacity(operations.len());
    let mut parsed = Vec::with_capacity(operations.len());
    for operation in operations {
        parsed.push(parse(operation.get()).map(|(single, op)| {
            ops.push(op);
            single
        }));
    }
    let mut outcomes = stash.apply(&ops)?.into_iter();
    let mut result = |parsed: Result<Single>| {
        let single = parsed?;
        // There are as many outcomes as operations.
        let outcome = outcomes.next().ok_or_else(|| {
            Error::new(litestash_core::ErrorKind::Internal, "the batch left out an operation")
        })?;
        Ok::<_, Error>(single.answer(outcome?)?.to_json())
    };
    Ok(json_list(parsed.into_iter().map(|parsed| result(parsed).unwrap_or_else(|error| error_json(&error)))))
}

/// What is refused refuses all of them.
pub(super) fn transaction(stash: &LiteStash, mut members: Members<'_>) -> Result<String> {
    let operations = members.list::<&RawValue>("operations")?;
    members.finish()?;
    let parsed: Vec<_> = operations.iter().map(|json| parse(json.get())).collect::<Result<_>>()?;
    let (parsed, ops): (Vec<_>, Vec<_>) = parsed.into_iter().unzip();
    match stash.transaction(&ops)? {
        TransactionOutcome::Refused { index } => Ok(format!("{{\"refused\":{index}}}")),
        TransactionOutcome::Committed(outcomes) => {
            let result = |(single, outcome): (&Single, _)| Ok(single.answer(outcome)?.to_json());
            let results = parsed.iter().zip(outcomes).map(result).collect::<Result<Vec<_>>>()?;
            Ok(format!("{{\"committed\":{}}}", json_list(results)))
        }
    }
}

fn parse(json: &str) -> Result<(Single, Op)> {
    let mut members = Members::parse(json)?;
    let name = members.required_text("op")?;
    let single = Single::parse(&name, &mut members)?;
    members.finish()?;
    let op = single.to_op()?;
    Ok((single, op))
}
