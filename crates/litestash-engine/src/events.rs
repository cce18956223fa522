//! Subscriptions: events go to the client as they come, on a thread of their own each.

use crate::answer::Answer;
use crate::outlet::Outlet;
use crate::request::{Id, Members, key, malformed};
use litestash_core::contract::msgpack;
use litestash_core::{Error, ErrorKind, EventKind, Filter, LiteStash, Result, Subscriber, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Subscriptions at once; a further one is `Busy`.
const SUBSCRIPTIONS_MAX: usize = 64;

/// The subscriptions of a session, by the number of the request that made them.
#[derive(Default)]
pub(crate) struct Subscriptions(HashMap<Id, Subscriber>);

impl Subscriptions {
    /// Sends what the filter lets through from now on.
    pub(crate) fn add(
        &mut self,
        id: Id,
        mut members: Members,
        stash: &LiteStash,
        outlet: &Arc<Outlet>,
    ) -> Result<Answer> {
        if self.0.len() >= SUBSCRIPTIONS_MAX {
            return Err(Error::new(ErrorKind::Busy, format!("there are {SUBSCRIPTIONS_MAX} subscriptions")));
        }
        if self.0.contains_key(&id) {
            return Err(malformed("there is a subscription of this number"));
        }
        let filter = filter(&mut members)?;
        members.end()?;
        let outlet = Arc::clone(outlet);
        let subscriber = stash.subscribe_with(filter, move |event| {
            if let Ok(event) = Answer::event(&event) {
                outlet.answer(Some(id), &event);
            }
        })?;
        self.0.insert(id, subscriber);
        Ok(Answer::done())
    }

    /// Ends a subscription. Returns whether there was one.
    pub(crate) fn remove(&mut self, id: Id) -> bool {
        self.0.remove(&id).is_some()
    }

    /// Ends all of them.
    pub(crate) fn end(&mut self) {
        self.0.clear();
    }
}

fn filter(members: &mut Members) -> Result<Filter> {
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
