//! Iterating over keys, values and items: lazily, in the order of shard, slot and hash, resumable.

use super::op::damaged;
use super::open::LiteStash;
use crate::contract::hash::KeyHash;
use crate::contract::key::Key;
use crate::contract::msgpack;
use crate::contract::record::Expiry;
use crate::contract::route::{Route, ShardId, Slot};
use crate::contract::value::Value;
use crate::contract::version::Version;
use crate::error::{Error, Result};
use crate::storage::row::{self, ScannedRow};
use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

/// Rows fetched in one short read transaction.
const PAGE_ROWS: usize = 256;

/// Bytes of values after which a page ends early.
const PAGE_BYTES: usize = 1 << 20;

/// Where an iteration stands: behind the row with this hash. Valid for as long as the stash
/// lives, whatever is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor(Option<KeyHash>);

impl Cursor {
    /// The beginning.
    pub const START: Self = Self(None);
}

/// Text to keep or send: the empty text for the beginning, else 128 hexadecimal digits.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |hash| hash.fmt(f))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::START);
        }
        let malformed = || Error::invalid_argument("a cursor is 128 hexadecimal digits, or empty");
        if text.len() != 2 * KeyHash::LEN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        let mut hash = [0; KeyHash::LEN];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| malformed())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| malformed())?;
        }
        Ok(Self(Some(KeyHash(hash))))
    }
}

/// What an iteration goes over. The default: everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanOptions {
    /// Only text keys that begin with this. `None`: every key, of any type.
    pub prefix: Option<String>,
    /// At most so many rows.
    pub limit: Option<usize>,
    /// Begin behind this place.
    pub cursor: Cursor,
}

impl ScanOptions {
    /// Only text keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: Some(prefix.into()), ..Self::default() }
    }
}

/// What an iteration fetches of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Keys,
    Rows,
}

/// A row in the buffer of an iteration.
pub(crate) struct FetchedRow {
    pub(crate) key: Key,
    pub(crate) body: Vec<u8>,
    pub(crate) expiry: Expiry,
    pub(crate) version: Version,
}

/// The engine of all iterators.
pub(crate) struct Scan {
    stash: LiteStash,
    prefix: Option<String>,
    want: Want,
    left: Option<usize>,
    /// Where the next page begins; `None` behind the end.
    next: Option<Page>,
    buffer: VecDeque<(KeyHash, Result<FetchedRow>)>,
    yielded: Cursor,
}

#[derive(Debug, Clone, Copy)]
struct Page {
    shard: ShardId,
    slot: Slot,
    after: Option<KeyHash>,
}

impl Page {
    fn behind(cursor: Cursor) -> Option<Self> {
        match cursor.0 {
            Some(hash) => {
                let route = Route::of(&hash);
                Some(Self { shard: route.shard, slot: route.slot, after: Some(hash) })
            }
            None => Some(Self { shard: ShardId::new(0)?, slot: Slot::new(0)?, after: None }),
        }
    }

    fn route(self) -> Route {
        Route { shard: self.shard, slot: self.slot }
    }

    fn next_table(self) -> Option<Self> {
        match Slot::new(self.slot.number() + 1) {
            Some(slot) => Some(Self { slot, after: None, ..self }),
            None => self.next_shard(),
        }
    }

    fn next_shard(self) -> Option<Self> {
        Some(Self { shard: ShardId::new(self.shard.number() + 1)?, slot: Slot::new(0)?, after: None })
    }
}

impl Scan {
    pub(crate) fn rows(stash: &LiteStash, options: ScanOptions) -> Self {
        Self::new(stash, options, Want::Rows)
    }

    /// Rows without their values.
    pub(super) fn keys(stash: &LiteStash, options: ScanOptions) -> Self {
        Self::new(stash, options, Want::Keys)
    }

    fn new(stash: &LiteStash, options: ScanOptions, want: Want) -> Self {
        Self {
            stash: stash.clone(),
            prefix: options.prefix,
            want,
            left: options.limit,
            next: Page::behind(options.cursor),
            buffer: VecDeque::new(),
            yielded: options.cursor,
        }
    }

    fn fetch(&mut self, page: Page) -> Result<()> {
        self.stash.inner.usable()?;
        let shard = self.stash.inner.shard(page.shard);
        let after = page.after.map_or(Vec::new(), |hash| hash.0.to_vec());
        // Rows that the prefix leaves out count for the page but not for the limit.
        let limit = self.left.filter(|_| self.prefix.is_none()).map_or(PAGE_ROWS, |left| left.min(PAGE_ROWS));
        let mut rows = VecDeque::new();
        let found = shard.read(|database| {
            rows.clear();
            let mut bytes = 0;
            row::scan(database.connection(), self.stash.inner.format(), page.route(), &after, limit, |row| {
                if let Some(prefix) = &self.prefix
                    && !row.has_text_prefix(prefix)?
                {
                    return Ok(ControlFlow::Continue(()));
                }
                let hash = row.place.hash;
                let fetched = fetch_row(&row, self.want);
                bytes += fetched.as_ref().map_or(0, |row| row.body.len());
                rows.push_back((hash, fetched));
                Ok(if bytes > PAGE_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
        })?;
        self.buffer = rows;
        self.next = match found {
            None => page.next_shard(),
            Some(None) => page.next_table(),
            Some(last) => Some(Page { after: last, ..page }),
        };
        Ok(())
    }
}

fn fetch_row(row: &ScannedRow<'_>, want: Want) -> Result<FetchedRow> {
    let record = row.record()?;
    let body = if want == Want::Rows { record.body.into_owned() } else { Vec::new() };
    Ok(FetchedRow { key: row.key()?, body, expiry: record.expiry, version: row.stored()?.version })
}

impl Iterator for Scan {
    type Item = Result<FetchedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == Some(0) {
            return None;
        }
        loop {
            while let Some((hash, row)) = self.buffer.pop_front() {
                self.yielded = Cursor(Some(hash));
                // Looked at now and not when the page was fetched: the row may have expired since.
                let expired = |row: &FetchedRow| row.expiry.has_passed(|| self.stash.inner.now_us());
                if row.as_ref().is_ok_and(expired) {
                    continue;
                }
                self.left = self.left.map(|left| left - 1);
                return Some(row);
            }
            let page = self.next?;
            if let Err(error) = self.fetch(page) {
                // The rest of this shard cannot be read; the others can.
                self.next = page.next_shard().filter(|_| self.stash.inner.usable().is_ok());
                return Some(Err(error));
            }
        }
    }
}

macro_rules! iterator {
    ($(#[doc = $doc:literal])+ $name:ident => $item:ty, |$row:ident| $map:expr) => {
        $(#[doc = $doc])+
        ///
        /// Rows come in the order of shard, slot and hash, each at most once, in pages of short read
        /// transactions; rows written meanwhile are seen if they lie ahead. An `Err` stands for one damaged
        /// row, or for the rest of a shard that cannot be read; the iteration goes on behind it.
        pub struct $name(Scan);

        impl $name {
            /// The place behind the last row returned, to go on from later with [`ScanOptions::cursor`].
            pub fn cursor(&self) -> Cursor {
                self.0.yielded
            }
        }

        impl Iterator for $name {
            type Item = Result<$item>;

            fn next(&mut self) -> Option<Self::Item> {
                self.0.next().map(|row| row.and_then(|$row| $map))
            }
        }
    };
}

iterator!(
    /// Iterator over keys.
    Keys => Key, |row| Ok(row.key)
);
iterator!(
    /// Iterator over values.
    Values => Value, |row| decode(&row.body)
);
iterator!(
    /// Iterator over keys and values.
    Items => (Key, Value), |row| Ok((row.key, decode(&row.body)?))
);
iterator!(
    /// Iterator over keys and the canonical MessagePack of their values.
    EncodedItems => (Key, Vec<u8>), |row| {
        msgpack::validate(&row.body).map_err(damaged)?;
        Ok((row.key, row.body))
    }
);

fn decode(body: &[u8]) -> Result<Value> {
    msgpack::decode(body).map_err(damaged)
}

impl LiteStash {
    /// The keys.
    pub fn keys(&self, options: ScanOptions) -> Keys {
        Keys(Scan::new(self, options, Want::Keys))
    }

    /// The values.
    pub fn values(&self, options: ScanOptions) -> Values {
        Values(Scan::rows(self, options))
    }

    /// The keys with their values.
    pub fn items(&self, options: ScanOptions) -> Items {
        Items(Scan::rows(self, options))
    }

    /// The keys with their values as canonical MessagePack.
    pub fn items_encoded(&self, options: ScanOptions) -> EncodedItems {
        EncodedItems(Scan::rows(self, options))
    }

    /// How many rows there are, expired ones left out. Costs a walk over the index of every table.
    pub fn len(&self) -> Result<u64> {
        self.inner.usable()?;
        let now_us = self.inner.now_us();
        let mut rows = 0;
        for shard in self.inner.shards() {
            let count = shard.read_snapshot(|database| {
                let connection = database.connection();
                let mut stored = 0;
                for slot in Slot::all() {
                    stored += row::count(connection, slot)?;
                }
                let expired: u64 = row::count_expired(connection, now_us)?.iter().sum();
                Ok(stored - expired)
            })?;
            rows += count.unwrap_or(0);
        }
        Ok(rows)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> Result<bool> {
        match self.keys(ScanOptions { limit: Some(1), ..ScanOptions::default() }).next() {
            None => Ok(true),
            Some(Ok(_)) => Ok(false),
            Some(Err(error)) => Err(error),
        }
    }

    /// Deletes every row, one transaction per shard. The files stay;
    /// [`LiteStash::compact`] gives their space back.
    pub fn clear(&self) -> Result<()> {
        self.inner.usable()?;
        for shard in self.inner.shards() {
            shard.write_existing(self.level, |txn| txn.clear())?;
        }
        Ok(())
    }
}
