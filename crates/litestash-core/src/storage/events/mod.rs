//! What subscribers hear of: changes of rows after their commit, and reads.
//!
//! [`hub`] hands the changes of this handle to bounded queues ([`queue`]); [`watcher`] learns those of every
//! process from the table `changes` (`docs/CONTRACT.md` 9), which [`recorder`] writes while somebody watches.

mod hub;
mod queue;
pub(super) mod recorder;
mod watcher;

use crate::contract::key::{Key, KeyRef};
use crate::contract::route::ShardId;
use crate::contract::version::Version;
use std::sync::Arc;

pub(crate) use hub::Hub;
pub(crate) use queue::{Queue, Received};
pub(crate) use recorder::AHEAD_US_MAX;
pub(crate) use watcher::Watcher;

/// Events that wait in a subscription, unless its filter says otherwise.
const CAPACITY_DEFAULT: usize = 8192;

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum EventKind {
    /// A value was stored: by a set, an increment, a new deadline, an import. Every write that makes a
    /// version.
    Set = 1,
    /// The row was deleted by a caller.
    Delete = 2,
    /// The row was removed because its deadline had passed.
    Expire = 3,
    /// The row was removed to make room.
    Evict = 4,
    /// Every row of a shard was deleted at once; no single rows are named.
    Clear = 5,
    /// The value was read by its key, and was there.
    Access = 6,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Set, Self::Delete, Self::Expire, Self::Evict, Self::Clear, Self::Access];

    /// The name in text: `set`, `delete`, `expire`, `evict`, `clear`, `access`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Expire => "expire",
            Self::Evict => "evict",
            Self::Clear => "clear",
            Self::Access => "access",
        }
    }

    /// The number of a change in the table `changes`.
    pub(super) fn number(self) -> i64 {
        i64::from(self as u8)
    }

    /// The change with that number; an access is none.
    fn of_change(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind != Self::Access && kind.number() == number)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This handle of the stash or a clone of it.
    Local,
    /// Another process, or another handle that this process opened.
    Other,
}

/// Whose changes a subscription hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scope {
    /// Those made through the handle that was subscribed to and its clones.
    #[default]
    Local,
    /// Those of everybody who writes the directory.
    AllProcesses,
}

/// Which keys a subscription hears of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeyFilter {
    /// Every key.
    #[default]
    All,
    /// This one.
    Exact(Key),
    /// Text keys that begin with this.
    Prefix(String),
}

impl KeyFilter {
    fn matches(&self, key: KeyRef<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Exact(wanted) => wanted.as_ref() == key,
            Self::Prefix(prefix) => matches!(key, KeyRef::Text(text) if text.starts_with(prefix.as_str())),
        }
    }
}

/// What a subscription hears of. The default: every change of every key that this handle makes.
///
/// ```
/// use litestash_core::{EventKind, Filter};
/// let filter = Filter::new().kinds([EventKind::Set, EventKind::Delete]).prefix("user:").all_processes();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Filter {
    kinds: u8,
    pub(crate) keys: KeyFilter,
    pub(crate) scope: Scope,
    pub(crate) capacity: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self { kinds: CHANGES, keys: KeyFilter::All, scope: Scope::Local, capacity: CAPACITY_DEFAULT }
    }
}

/// Every kind but [`EventKind::Access`].
const CHANGES: u8 = EventKind::Set.bit()
    | EventKind::Delete.bit()
    | EventKind::Expire.bit()
    | EventKind::Evict.bit()
    | EventKind::Clear.bit();

impl Filter {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these kinds. Default: all but [`EventKind::Access`].
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        self.kinds = kinds.into_iter().fold(0, |kinds, kind| kinds | kind.bit());
        self
    }

    /// Only these keys. Default: all. An [`EventKind::Clear`] concerns every key and is never left out for
    /// its keys.
    pub fn keys(mut self, keys: KeyFilter) -> Self {
        self.keys = keys;
        self
    }

    /// Only this key.
    pub fn key(self, key: impl Into<Key>) -> Self {
        self.keys(KeyFilter::Exact(key.into()))
    }

    /// Only text keys that begin with `prefix`.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.keys(KeyFilter::Prefix(prefix.into()))
    }

    /// Whose changes. Default: [`Scope::Local`].
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The changes of everybody who writes the directory.
    pub fn all_processes(self) -> Self {
        self.scope(Scope::AllProcesses)
    }

    /// How many events wait for the subscriber at most; more are not queued but counted. Default: 8192.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    pub(crate) fn has(&self, kind: EventKind) -> bool {
        self.kinds & kind.bit() != 0
    }

    /// Whether any kind of change is asked for.
    pub(crate) fn has_changes(&self) -> bool {
        self.kinds & CHANGES != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kinds == 0
    }

    fn matches(&self, change: &Change) -> bool {
        self.has(change.kind) && change.key.as_ref().is_none_or(|key| self.keys.matches(key.as_ref()))
    }
}

/// What a subscriber hears. It has no value: whoever needs it reads the key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To which key; `None` for [`EventKind::Clear`].
    pub key: Option<Key>,
    /// The name of the stash's bucket, if it is one.
    pub bucket: Option<Arc<str>>,
    /// The version that was stored, removed or read, where it is known.
    pub version: Option<Version>,
    /// Who did it.
    pub origin: Origin,
    /// The shard of the key; for [`EventKind::Clear`] the one that lost its rows.
    pub shard: u8,
    /// Events that this subscription should have had between the last one and this one, and that were dropped
    /// because its queue was full, or could not be learned any more. A gap whose size nobody knows counts as
    /// one.
    pub missed: u64,
}

/// A change or an access, before it is known who hears of it.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) kind: EventKind,
    pub(crate) key: Option<Key>,
    pub(crate) version: Option<Version>,
    pub(crate) origin: Origin,
}

impl Change {
    /// Every row of a shard is gone.
    pub(in crate::storage) fn cleared(origin: Origin) -> Self {
        Self { kind: EventKind::Clear, key: None, version: None, origin }
    }

    fn event(&self, shard: ShardId, bucket: Option<&Arc<str>>) -> Event {
        Event {
            kind: self.kind,
            key: self.key.clone(),
            bucket: bucket.cloned(),
            version: self.version,
            origin: self.origin,
            shard: shard.number(),
            missed: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: EventKind, key: Option<Key>) -> Change {
        Change { kind, key, version: None, origin: Origin::Local }
    }

    #[test]
    fn a_filter_chooses_by_kind_and_key() {
        let set = |key: Key| change(EventKind::Set, Some(key));
        let all = Filter::new();
        assert!(all.matches(&set(1.into())) && !all.matches(&change(EventKind::Access, Some(1.into()))));
        let one = Filter::new().key("a");
        assert!(one.matches(&set("a".into())) && !one.matches(&set("ab".into())));
        let prefix = Filter::new().prefix("a").kinds([EventKind::Set]);
        assert!(prefix.matches(&set("ab".into())) && !prefix.matches(&set(1.into())));
        assert!(!prefix.matches(&change(EventKind::Clear, None)));
        assert!(one.matches(&change(EventKind::Clear, None)));
        assert!(Filter::new().kinds([]).is_empty() && !all.is_empty());
    }

    #[test]
    fn changes_have_the_numbers_of_the_contract() {
        let page = include_str!("../../../../../docs/CONTRACT.md");
        for kind in EventKind::ALL {
            let row = format!("| {} | `{}` |", kind.number(), kind.name());
            assert_eq!(page.contains(&row), kind != EventKind::Access, "{row}");
            assert_eq!(EventKind::of_change(kind.number()), (kind != EventKind::Access).then_some(kind));
        }
        assert_eq!(EventKind::of_change(recorder::BEGIN), None);
    }
}
