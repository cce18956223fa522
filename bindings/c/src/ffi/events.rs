//! Events.

use super::pointer::{Out, optional, optional_text};
use super::types::{litestash_key, litestash_stash, litestash_status, litestash_subscription};
use super::{entry, invalid};
use crate::handle::{LISTENERS, Listener};
use litestash_core::contract::msgpack;
use litestash_core::limits::KEY_BYTES_MAX;
use litestash_core::{Event, EventKind, Filter, KeyRef, Origin, Result, Value, Version};
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// A value was stored, or a row was given another deadline.
pub const LITESTASH_EVENT_SET: u32 = 1;
/// A row was deleted or taken.
pub const LITESTASH_EVENT_DELETE: u32 = 2;
/// A row whose deadline had passed was removed.
pub const LITESTASH_EVENT_EXPIRE: u32 = 4;
/// A row was removed to make room.
pub const LITESTASH_EVENT_EVICT: u32 = 8;
/// All rows of a shard were removed; there is no key.
pub const LITESTASH_EVENT_CLEAR: u32 = 16;
/// A value was read by its key, and was there. Told of this process only, and not by default.
pub const LITESTASH_EVENT_ACCESS: u32 = 32;

/// Which events are heard. All zero, or NULL instead: every change of every key that is made through this stash.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_filter {
    /// Only this key; NULL: not so. LITESTASH_EVENT_CLEAR concerns every key.
    pub key: *const litestash_key,
    /// Only text keys that begin with this; NULL: not so. Not together with a key.
    pub prefix: *const c_char,
    /// Bytes of the prefix.
    pub prefix_length: usize,
    /// How many events wait for the function at most; more are dropped and counted. 0: 8192.
    pub capacity: u64,
    /// LITESTASH_EVENT_SET and so on, or-ed. 0: all but LITESTASH_EVENT_ACCESS.
    pub kinds: u32,
    /// Not 0: the changes of everybody who writes the directory, some milliseconds after they are committed. While the
    /// subscription lives, and up to a minute longer, every writer logs its changes, which costs it about as much as
    /// another small row; shards that are missing are created.
    pub all_processes: u32,
    /// Zero.
    pub reserved: [u64; 2],
}

/// What happened. What it points at is good until the function returns. It has no value: read the key.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_event {
    /// The key in normal form, if there is one.
    pub key: litestash_key,
    /// The name of the bucket, UTF-8 without a zero byte at the end; NULL outside of buckets.
    pub bucket: *const c_char,
    /// Bytes of the bucket's name.
    pub bucket_length: usize,
    /// The version that was stored, removed or read, if it is known.
    pub version: i64,
    /// Events between the last one and this one that were dropped, because too many waited or because they could not
    /// be learned any more. A gap whose size nobody knows counts as one.
    pub missed: u64,
    /// LITESTASH_EVENT_SET and so on.
    pub kind: u32,
    /// The shard of the key; for LITESTASH_EVENT_CLEAR the one that lost its rows.
    pub shard: u32,
    /// Whether there is a key.
    pub has_key: bool,
    /// Whether the version is known.
    pub has_version: bool,
    /// Whether somebody else did it: another process, or another opening of the stash in this one.
    pub from_elsewhere: bool,
}

/// Hears of an event, on a thread of the subscription's own, one event after another. It may use the stash, also to
/// close it, and may unsubscribe; it must not leave but by returning.
pub type litestash_listener =
    Option<unsafe extern "C" fn(context: *mut c_void, event: *const litestash_event)>;

/// Looks at a value, as its encoding; NULL: the key is missing or expired. Returns whether it is as is waited for. It
/// must not leave but by returning.
pub type litestash_holds =
    Option<unsafe extern "C" fn(context: *mut c_void, value: *const u8, length: usize) -> bool>;

const KINDS: [(u32, EventKind); 6] = [
    (LITESTASH_EVENT_SET, EventKind::Set),
    (LITESTASH_EVENT_DELETE, EventKind::Delete),
    (LITESTASH_EVENT_EXPIRE, EventKind::Expire),
    (LITESTASH_EVENT_EVICT, EventKind::Evict),
    (LITESTASH_EVENT_CLEAR, EventKind::Clear),
    (LITESTASH_EVENT_ACCESS, EventKind::Access),
];

impl litestash_filter {
    /// # Safety
    ///
    /// As every exported function.
    unsafe fn checked(self) -> Result<Filter> {
        if self.reserved != [0; 2] {
            return Err(invalid("a reserved field is not zero"));
        }
        let mut filter = Filter::new();
        // SAFETY: the caller promises it, here and below.
        let prefix = unsafe { optional_text(self.prefix, self.prefix_length, KEY_BYTES_MAX) }?;
        // SAFETY: as above.
        filter = match (unsafe { optional(self.key) }?, prefix) {
            (None, None) => filter,
            (None, Some(prefix)) => filter.prefix(prefix),
            // SAFETY: as above.
            (Some(key), None) => filter.key(unsafe { key.view() }?.check()?.to_owned()),
            (Some(_), Some(_)) => return Err(invalid("a key and a prefix exclude each other")),
        };
        if self.kinds != 0 {
            let all = KINDS.iter().fold(0, |all, (bit, _)| all | bit);
            if self.kinds & !all != 0 {
                return Err(invalid("a kind of event is not known"));
            }
            let wanted = KINDS.iter().filter(|(bit, _)| self.kinds & bit != 0);
            filter = filter.kinds(wanted.map(|(_, kind)| *kind));
        }
        if self.capacity != 0 {
            filter = filter.capacity(super::options::size(self.capacity));
        }
        Ok(if self.all_processes != 0 { filter.all_processes() } else { filter })
    }
}

/// The function of a C program, and what it is given.
struct ForeignListener {
    hear: unsafe extern "C" fn(*mut c_void, *const litestash_event),
    context: *mut c_void,
}

// SAFETY: the header says that the function is called by another thread.
unsafe impl Send for ForeignListener {}

impl ForeignListener {
    fn hear(&self, event: &Event) {
        let bucket = event.bucket.as_deref();
        let given = litestash_event {
            key: litestash_key::of(event.key.as_ref().map_or(KeyRef::Int(0), |key| key.as_ref())),
            bucket: bucket.map_or(std::ptr::null(), |name| name.as_ptr().cast()),
            bucket_length: bucket.map_or(0, str::len),
            version: event.version.map_or(0, Version::micros),
            missed: event.missed,
            kind: KINDS.iter().find(|(_, kind)| *kind == event.kind).map_or(0, |(bit, _)| *bit),
            shard: event.shard.into(),
            has_key: event.key.is_some(),
            has_version: event.version.is_some(),
            from_elsewhere: event.origin == Origin::Other,
        };
        // SAFETY: the header asks for a function that can be called with that context until the subscription was
        // given back.
        unsafe { (self.hear)(self.context, &raw const given) };
    }
}

/// Calls `listener` for what happens to keys from now on: after the commit, once for each change, those of one key in
/// the order of their commits. `filter` may be NULL. Nobody waits for the function; what it is too slow for is dropped
/// and counted. The subscription ends when the stash is closed, after the function was called for what waited; give it
/// back with litestash_unsubscribe in any case, and keep `context` until then.
///
/// LITESTASH_INVALID_ARGUMENT for LITESTASH_EVENT_ACCESS of all processes; with `all_processes` also the errors of
/// every write, LITESTASH_READ_ONLY among them. LITESTASH_OUT_OF_MEMORY if 16384 subscriptions are there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_subscribe(
    stash: litestash_stash,
    filter: *const litestash_filter,
    listener: litestash_listener,
    context: *mut c_void,
    subscription: *mut litestash_subscription,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let filter = match optional(filter)? {
            Some(filter) => filter.checked()?,
            None => Filter::new(),
        };
        let hear = listener.ok_or_else(|| invalid("there is no function to hear of events"))?;
        let out = Out::new(subscription)?;
        let listener = ForeignListener { hear, context };
        let subscriber = stash.subscribe_with(filter, move |event| listener.hear(&event))?;
        out.set(litestash_subscription { id: LISTENERS.insert(Listener::new(subscriber))? })
    })
}

/// How many events were dropped so far.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_subscription_dropped(
    subscription: litestash_subscription,
    dropped: *mut u64,
) -> litestash_status {
    entry!({
        let listener = subscription.enter()?;
        let out = Out::new(dropped)?;
        out.set(listener.dropped()?)
    })
}

/// Ends a subscription and gives it back. Waits for a call of the function that runs, unless it is that call which does
/// this; afterwards the function is not called any more. One that is all zero does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_unsubscribe(subscription: litestash_subscription) -> litestash_status {
    super::catch(|| match subscription.id {
        0 => Ok(()),
        id => {
            LISTENERS.retire(id)?.end();
            Ok(())
        }
    })
}

/// Asks everybody who writes the stash to log changes for so many microseconds, at most an hour, as a subscription to
/// all processes does while it lives. Creates the shards that are missing. For programs that read the log themselves.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_log_changes(stash: litestash_stash, duration_us: u64) -> litestash_status {
    super::catch(|| stash.enter()?.log_changes(Duration::from_micros(duration_us)))
}

/// Waits until a key's value is as `holds` wants it, or so many microseconds have passed. `held`: whether it is. The
/// writes of this stash are seen at once, those of others within some milliseconds; a value that is written over in
/// less time may never be looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_wait_for(
    stash: litestash_stash,
    key: litestash_key,
    timeout_us: u64,
    holds: litestash_holds,
    context: *mut c_void,
    held: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let holds = holds.ok_or_else(|| invalid("there is no function to look at the value"))?;
        let out = Out::new(held)?;
        let look = |value: Option<&Value>| {
            let mut encoded = Vec::new();
            // What was read can be encoded.
            let missing = value.is_none_or(|value| msgpack::encode(value, &mut encoded).is_err());
            let data = if missing { std::ptr::null() } else { encoded.as_ptr() };
            // The function can be called with that context, as the header asks.
            holds(context, data, encoded.len())
        };
        out.set(stash.wait_for(key, Duration::from_micros(timeout_us), look)?)
    })
}
