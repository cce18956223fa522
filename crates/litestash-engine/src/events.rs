//! What a client asks to hear of.

use crate::request::{Members, key, malformed};
use litestash_core::contract::msgpack;
use litestash_core::{EventKind, Filter, Result, Value};

/// What a subscription hears of.
pub(crate) fn filter(members: &mut Members) -> Result<Filter> {
    let mut filter = Filter::new();
    if let Some(kinds) = members.take("kinds") {
        let Value::Array(names) = kinds else { return Err(malformed("kinds is no array")) };
        filter = filter.kinds(names.iter().map(kind).collect::<Result<Vec<_>>>()?);
    }
    match (members.take("key"), members.text("prefix")?) {
        (None, None) => {}
        (None, Some(prefix)) => filter = filter.prefix(prefix),
        (Some(value), None) => {
            let mut encoded = Vec::new();
            msgpack::encode(&value, &mut encoded)?;
            filter = filter.key(key(&encoded)?);
        }
        (Some(_), Some(_)) => return Err(malformed("key and prefix exclude each other")),
    }
    if members.flag("all_processes")?.unwrap_or(false) {
        filter = filter.all_processes();
    }
    if let Some(events) = members.size("capacity")? {
        filter = filter.capacity(usize::try_from(events).map_err(|_| malformed("capacity is too large"))?);
    }
    Ok(filter)
}

fn kind(name: &Value) -> Result<EventKind> {
    let all = [
        EventKind::Set,
        EventKind::Delete,
        EventKind::Expire,
        EventKind::Evict,
        EventKind::Clear,
        EventKind::Access,
    ];
    all.into_iter()
        .find(|kind| *name == Value::Text(kind.name().into()))
        .ok_or_else(|| malformed("there is no kind of event of this name"))
}
