//! Iterations, a page at a time.

use crate::answer::{self, Sink};
use crate::error::{Result, malformed, panicked, thrown};
use crate::mailbox::Mailbox;
use crate::pool::READS;
use crate::stash::Handle;
use litestash_core::{Cursor, EncodedItems, Key, Keys, ScanOptions};
use napi::bindgen_prelude::{Buffer, External};
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Rows in one page, and bytes after which it ends early.
const PAGE_ROWS: usize = 256;
const PAGE_BYTES: usize = 256 << 10;

/// An iteration that JavaScript holds.
pub struct Scan {
    rows: Mutex<Rows>,
    /// Never held while rows are read.
    places: Mutex<Places>,
}

/// The places on the page that was read last.
#[derive(Default)]
struct Places {
    /// The page's number, from 1 on.
    page: u32,
    /// In front of it, and behind each of its rows.
    cursors: Vec<Cursor>,
}

enum Rows {
    Keys(Keys),
    Items(EncodedItems),
}

impl Rows {
    fn next(&mut self) -> Option<litestash_core::Result<(Key, Option<Vec<u8>>)>> {
        match self {
            Self::Keys(keys) => keys.next().map(|key| key.map(|key| (key, None))),
            Self::Items(items) => items.next().map(|item| item.map(|(key, value)| (key, Some(value)))),
        }
    }

    fn cursor(&self) -> Cursor {
        match self {
            Self::Keys(keys) => keys.cursor(),
            Self::Items(items) => items.cursor(),
        }
    }
}

impl Scan {
    /// A page: whether it is the last one (1), then per row its length (4) and the row: an error's answer, or
    /// the kind of the key (1), its length (4), the key, and, unless only keys are wanted, the value.
    fn page(&self) -> Vec<u8> {
        let mut rows = self.rows.lock();
        let mut page = vec![0];
        let mut row = Vec::new();
        let mut cursors = vec![rows.cursor()];
        for _ in 0..PAGE_ROWS {
            row.clear();
            match rows.next() {
                None => {
                    page[0] = 1;
                    break;
                }
                Some(Ok((key, value))) => {
                    answer::key(&mut row, &key);
                    row.put(&value.unwrap_or_default());
                }
                Some(Err(error)) => answer::error(&mut row, &error),
            }
            cursors.push(rows.cursor());
            page.put(&(row.len() as u32).to_le_bytes());
            page.put(&row);
            if page.len() > PAGE_BYTES {
                break;
            }
        }
        let mut places = self.places.lock();
        *places = Places { page: places.page + 1, cursors };
        page
    }

    /// Behind so many rows of that page. JavaScript asks for the next page when it is behind the last row of one.
    fn cursor(&self, page: u32, rows: u32) -> Option<Cursor> {
        let places = self.places.lock();
        places.cursors.get(if page == places.page { rows as usize } else { 0 }).copied()
    }
}

/// Begins an iteration. Nothing is read yet.
#[napi_derive::napi(catch_unwind)]
pub fn scan(
    handle: &External<Handle>,
    with_values: bool,
    prefix: Option<String>,
    limit: Option<f64>,
    cursor: String,
) -> Result<External<Arc<Scan>>> {
    let cursor: Cursor = cursor.parse().map_err(thrown)?;
    let options = ScanOptions { prefix, limit: limit.map(|limit| limit as usize), cursor };
    let rows = match with_values {
        true => Rows::Items(handle.stash.items_encoded(options)),
        false => Rows::Keys(handle.stash.keys(options)),
    };
    Ok(External::new(Arc::new(Scan { rows: Mutex::new(rows), places: Mutex::default() })))
}

/// The next page, read here.
#[napi_derive::napi(catch_unwind)]
pub fn scan_page(scan: &External<Arc<Scan>>) -> Buffer {
    Buffer::from(scan.page())
}

/// The next page, read in the background and sent as the answer to `id`.
#[napi_derive::napi(catch_unwind)]
pub fn send_scan_page(scan: &External<Arc<Scan>>, mailbox: &External<Arc<Mailbox>>, id: u32) {
    let (scan, mailbox) = (Arc::clone(scan), Arc::clone(mailbox));
    READS.run(move || match catch_unwind(AssertUnwindSafe(|| scan.page())) {
        Ok(page) => mailbox.post(id, |out| answer::value(out, &page)),
        Err(_) => mailbox.refuse(id, &panicked()),
    });
}

/// The cursor behind so many rows of a page; pages are numbered from 1 on.
#[napi_derive::napi(catch_unwind)]
pub fn scan_cursor(scan: &External<Arc<Scan>>, page: u32, rows: u32) -> Result<String> {
    scan.cursor(page, rows).map(|cursor| cursor.to_string()).ok_or_else(|| thrown(malformed()))
}
