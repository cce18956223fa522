//! Subscriptions: events go to the client as they come, on a thread of their own each.

use crate::answer::Answer;
use crate::events::filter;
use crate::outlet::Outlet;
use crate::request::{Id, Members, malformed};
use litestash_core::{Error, ErrorKind, LiteStash, Result, Subscriber};
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
