//! Reading all keys, in pages.

use crate::error::{Result, StashError, invalid};
use crate::stash::LiteStash;
use crate::value::{Item, Key};
use litestash_core as core;

/// Bytes of values after which a page ends early.
const PAGE_BYTES: usize = 1 << 20;

/// What a page is taken from. Order is that of shard, slot and hash, the same in every process.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ScanOptions {
    /// Only text keys that begin with this. Nothing: every key, of any type.
    #[uniffi(default = None)]
    pub prefix: Option<String>,
    /// Rows of a page at most, 1 to 10 000.
    #[uniffi(default = 256)]
    pub page_rows: u32,
    /// Begin behind this place: the `cursor` of an earlier page. A cursor stays valid for as long as the
    /// stash lives.
    #[uniffi(default = None)]
    pub cursor: Option<String>,
}

impl ScanOptions {
    fn to_core(&self) -> Result<core::ScanOptions> {
        if !(1..=10_000).contains(&self.page_rows) {
            return Err(invalid("a page has 1 to 10 000 rows"));
        }
        let cursor = self.cursor.as_deref().unwrap_or_default().parse()?;
        Ok(core::ScanOptions { prefix: self.prefix.clone(), limit: Some(self.page_rows as usize), cursor })
    }
}

/// Some of the keys.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<Key>,
    /// Where the next page begins; nothing behind the last.
    pub cursor: Option<String>,
    /// Damaged rows that were left out, and shards that could not be read.
    pub failures: Vec<StashError>,
}

/// Some of the rows.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ItemPage {
    /// Keys with their values.
    pub items: Vec<Item>,
    /// Where the next page begins; nothing behind the last.
    pub cursor: Option<String>,
    /// Damaged rows that were left out, and shards that could not be read.
    pub failures: Vec<StashError>,
}

struct Page<T> {
    rows: Vec<T>,
    cursor: Option<String>,
    failures: Vec<StashError>,
}

fn page<I, R, T>(
    mut rows: I,
    limit: u32,
    cursor: impl Fn(&I) -> core::Cursor,
    convert: impl Fn(R) -> (T, usize),
) -> Page<T>
where
    I: Iterator<Item = core::Result<R>>,
{
    let mut page = Page { rows: Vec::new(), cursor: None, failures: Vec::new() };
    let mut bytes = 0;
    let ended = loop {
        if bytes >= PAGE_BYTES {
            break false;
        }
        match rows.next() {
            Some(Ok(row)) => {
                let (row, size) = convert(row);
                page.rows.push(row);
                bytes += size;
            }
            Some(Err(error)) => page.failures.push(error.into()),
            None => break page.rows.len() < limit as usize,
        }
    };
    if !ended {
        page.cursor = Some(cursor(&rows).to_string());
    }
    page
}

#[uniffi::export]
impl LiteStash {
    /// A page of the keys.
    pub fn keys(&self, options: ScanOptions) -> Result<KeyPage> {
        let rows = self.inner.keys(options.to_core()?);
        let convert = |key: core::Key| (Key::from(key), 0);
        let Page { rows, cursor, failures } = page(rows, options.page_rows, core::Keys::cursor, convert);
        self.check_open()?;
        Ok(KeyPage { keys: rows, cursor, failures })
    }

    /// A page of the keys with their values, at most about 1 MiB.
    pub fn items(&self, options: ScanOptions) -> Result<ItemPage> {
        let rows = self.inner.items_encoded(options.to_core()?);
        let convert = |(key, value): (core::Key, Vec<u8>)| {
            let size = value.len();
            (Item { key: key.into(), value }, size)
        };
        let Page { rows, cursor, failures } =
            page(rows, options.page_rows, core::EncodedItems::cursor, convert);
        self.check_open()?;
        Ok(ItemPage { items: rows, cursor, failures })
    }
}

impl LiteStash {
    /// A stash that was closed meanwhile has no rows to show, which is not the end of them.
    fn check_open(&self) -> Result<()> {
        if self.is_closed() {
            Err(StashError::Closed { detail: "the stash is closed".to_owned() })
        } else {
            Ok(())
        }
    }
}
