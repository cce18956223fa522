//! Events: what happens to keys goes to JavaScript as it happens, a bounded number of them at a time.

use crate::answer;
use crate::error::{Result, malformed, thrown};
use crate::frame::Reader;
use crate::mailbox::{Made, Mailbox};
use crate::pool::READS;
use crate::stash::Handle;
use crate::task::background;
use litestash_core::{Error, ErrorKind, Event, EventKind, Filter, LiteStash, Subscriber};
use napi::bindgen_prelude::{Buffer, External};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

/// Events that JavaScript has not dealt with. More wait in the engine's queue, which drops and counts them once it
/// is full.
const UNDER_WAY_MAX: usize = 1024;

/// What a subscription hears of.
#[napi_derive::napi(object)]
pub struct WatchOptions {
    /// The names of the kinds.
    pub kinds: Option<Vec<String>>,
    /// The key, as in a request.
    pub key: Option<Buffer>,
    /// What text keys begin with.
    pub prefix: Option<String>,
    /// Whether changes by other handles and processes are told.
    pub all_processes: Option<bool>,
    /// Events in the engine's queue at most.
    pub capacity: Option<f64>,
}

impl WatchOptions {
    fn filter(&self) -> litestash_core::Result<Filter> {
        let invalid = |message: &'static str| Error::new(ErrorKind::InvalidArgument, message);
        let mut filter = Filter::new();
        if let Some(names) = &self.kinds {
            let kind = |name: &String| EventKind::ALL.into_iter().find(|kind| kind.name() == name);
            let kinds: Option<Vec<_>> = names.iter().map(kind).collect();
            filter = filter.kinds(kinds.ok_or_else(|| invalid("there is no kind of event of this name"))?);
        }
        match (&self.key, &self.prefix) {
            (None, None) => {}
            (Some(key), None) => filter = filter.key(Reader(key).key()?.to_owned()),
            (None, Some(prefix)) => filter = filter.prefix(prefix.clone()),
            (Some(_), Some(_)) => return Err(invalid("key and prefix exclude each other")),
        }
        if self.all_processes == Some(true) {
            filter = filter.all_processes();
        }
        if let Some(events) = self.capacity {
            if events.trunc() != events || !(1.0..=f64::from(u32::MAX)).contains(&events) {
                return Err(invalid("capacity is a whole number, 1 or more"));
            }
            filter = filter.capacity(events as usize);
        }
        Ok(filter)
    }
}

/// How many events are under way to JavaScript.
#[derive(Default)]
struct Flow {
    state: Mutex<State>,
    signal: Condvar,
}

#[derive(Default)]
struct State {
    under_way: usize,
    ended: bool,
}

impl Flow {
    /// Waits for room for one more event; false if none is wanted any more.
    fn enter(&self) -> bool {
        let mut state = self.state.lock();
        while state.under_way >= UNDER_WAY_MAX && !state.ended {
            self.signal.wait(&mut state);
        }
        state.under_way += 1;
        !state.ended
    }

    fn leave(&self, events: usize) {
        let mut state = self.state.lock();
        state.under_way = state.under_way.saturating_sub(events);
        self.signal.notify_one();
    }

    fn end(&self) {
        self.state.lock().ended = true;
        self.signal.notify_one();
    }
}

/// Tells JavaScript of events, and, when nothing more will come, of that.
struct Teller {
    mailbox: Arc<Mailbox>,
    id: u32,
    flow: Arc<Flow>,
}

impl Teller {
    fn tell(&self, event: &Event) {
        if self.flow.enter() {
            self.mailbox.post(self.id, |out| answer::event(out, event));
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.mailbox.post(self.id, answer::done);
    }
}

/// A subscription that JavaScript holds.
pub struct Watch {
    flow: Arc<Flow>,
    subscriber: Mutex<Option<Subscriber>>,
}

impl Watch {
    fn begin(
        stash: &LiteStash,
        mailbox: &Arc<Mailbox>,
        events: u32,
        options: &WatchOptions,
    ) -> litestash_core::Result<Arc<Self>> {
        let flow = Arc::new(Flow::default());
        // Dropped on every way out of here, so that JavaScript can use the number again.
        let teller = Teller { mailbox: Arc::clone(mailbox), id: events, flow: Arc::clone(&flow) };
        let subscriber = stash.subscribe_with(options.filter()?, move |event| teller.tell(&event))?;
        Ok(Arc::new(Self { flow, subscriber: Mutex::new(Some(subscriber)) }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The subscriber's thread may wait for room, and dropping it waits for the thread.
        self.flow.end();
    }
}

/// Subscribes here and now. Events, and the end of them, are answers to `events`.
#[napi_derive::napi(catch_unwind)]
pub fn watch_now(
    handle: &External<Handle>,
    mailbox: &External<Arc<Mailbox>>,
    events: u32,
    options: WatchOptions,
) -> Result<External<Arc<Watch>>> {
    Watch::begin(&handle.stash, mailbox, events, &options).map(External::new).map_err(thrown)
}

/// Subscribes in the background; `takeWatch` has it when `id` was answered.
#[napi_derive::napi(catch_unwind)]
pub fn start_watch(
    handle: &External<Handle>,
    mailbox: &External<Arc<Mailbox>>,
    id: u32,
    events: u32,
    options: WatchOptions,
) {
    let (stash, post) = (handle.stash.clone(), Arc::clone(mailbox));
    background(mailbox, id, move || {
        post.keep(id, Made::Watch(Watch::begin(&stash, &post, events, &options)?));
        let mut out = Vec::new();
        answer::done(&mut out);
        Ok(out)
    });
}

/// The subscription that was made by that request.
#[napi_derive::napi(catch_unwind)]
pub fn take_watch(mailbox: &External<Arc<Mailbox>>, id: u32) -> Result<External<Arc<Watch>>> {
    match mailbox.take(id) {
        Some(Made::Watch(watch)) => Ok(External::new(watch)),
        _ => Err(thrown(malformed())),
    }
}

/// Says that JavaScript has dealt with so many events.
#[napi_derive::napi(catch_unwind)]
pub fn dealt_with(watch: &External<Arc<Watch>>, events: u32) {
    watch.flow.leave(events as usize);
}

/// How many events were dropped so far.
#[napi_derive::napi(catch_unwind)]
pub fn dropped_events(watch: &External<Arc<Watch>>) -> f64 {
    watch.subscriber.lock().as_ref().map_or(0, Subscriber::dropped) as f64
}

/// Ends a subscription. The last answer to its number is on its way then.
#[napi_derive::napi(catch_unwind)]
pub fn end_watch(watch: &External<Arc<Watch>>) {
    watch.flow.end();
    if let Some(subscriber) = watch.subscriber.lock().take() {
        READS.run(move || drop(subscriber));
    }
}

/// The names of the kinds, by the numbers that events have them by.
#[napi_derive::napi(catch_unwind)]
pub fn event_kinds() -> Vec<String> {
    EventKind::ALL.iter().map(|kind| kind.name().to_owned()).collect()
}
