//! What the cache holds of a row.

use super::{Group, ShardView};
use crate::contract::key::{Key, KeyRef};
use crate::contract::record::{Expiry, Record};
use crate::contract::version::Version;
use std::borrow::Cow;
use std::sync::Arc;

/// A key and what its row holds; `None` if there is no row.
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) view: Arc<ShardView>,
    pub(crate) content: Option<Content>,
}

/// What is known of a key. That it is missing takes no share in its entry: that would cost the reader two atomic
/// operations for nothing.
pub(crate) enum Known {
    /// There is a row: the entry has a content.
    Row(Arc<Entry>),
    /// There is none.
    Missing,
}

/// A row, its checksum and its canonical form checked.
pub(crate) struct Content {
    pub(crate) version: Version,
    pub(crate) expiry: Expiry,
    pub(crate) body: Box<[u8]>,
}

impl Entry {
    /// Whether it is of that key.
    #[inline]
    pub(super) fn is_of(&self, group: Group, key: KeyRef<'_>) -> bool {
        self.key.as_ref() == key && self.view.group == group
    }

    pub(super) fn group(&self) -> Group {
        self.view.group
    }

    /// Bytes of key and body.
    pub(crate) fn size_bytes(&self) -> usize {
        self.key.as_ref().size_bytes() + self.content.as_ref().map_or(0, |content| content.body.len())
    }
}

impl Content {
    pub(crate) fn of(version: Version, record: &Record<'_>) -> Self {
        Self { version, expiry: record.expiry, body: record.body.as_ref().into() }
    }

    /// The row as if it had just been read.
    pub(crate) fn record(&self) -> Record<'_> {
        let body = Cow::Borrowed(&*self.body);
        Record { flags: self.expiry.flags(), expiry: self.expiry, body, is_canonical: true }
    }
}
