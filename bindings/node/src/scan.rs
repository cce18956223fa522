//! Iterations, a page at a time.

use crate::answer::{self, Sink};
use crate::error::{Result, panicked, thrown};
use crate::frame::Reader;
use crate::mailbox::Mailbox;
use crate::pool::READS;
use crate::stash::Handle;
use litestash_core::contract::hash::KeyHash;
use litestash_core::{Cursor, EncodedItems, Key, Keys, ScanOptions};
use napi::bindgen_prelude::{Buffer, External};
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Rows in one page, and bytes after which it ends early.
const PAGE_ROWS: usize = 256;
const PAGE_BYTES: usize = 256 << 10;

/// An iteration that JavaScript holds.
pub struct Scan(Mutex<Rows>);

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

    /// A page: whether it is the last one (1), then per row its length (4) and the row: an error's answer, or
    /// the kind of the key (1), its length (4), the key, and, unless only keys are wanted, the value.
    fn page(&mut self) -> Vec<u8> {
        let mut page = vec![0];
        let mut row = Vec::new();
        for _ in 0..PAGE_ROWS {
            row.clear();
            match self.next() {
                None => {
                    page[0] = 1;
                    break;
                }
                Some(Ok((key, value))) => {
                    put_key(&mut row, &key);
                    row.put(&value.unwrap_or_default());
                }
                Some(Err(error)) => answer::error(&mut row, &error),
            }
            page.put(&(row.len() as u32).to_le_bytes());
            page.put(&row);
            if page.len() > PAGE_BYTES {
                break;
            }
        }
        page
    }
}

/// The form of `frame::Reader::key`.
fn put_key(out: &mut Vec<u8>, key: &Key) {
    let mut put = |kind: u8, bytes: &[u8]| {
        out.put(&[kind]);
        out.put(&(bytes.len() as u32).to_le_bytes());
        out.put(bytes);
    };
    match key {
        Key::Text(text) => put(0, text.as_bytes()),
        Key::Int(int) => put(1, &int.to_le_bytes()),
        Key::Float(float) => put(2, &float.get().to_le_bytes()),
        Key::Bytes(bytes) => put(3, bytes),
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
    Ok(External::new(Arc::new(Scan(Mutex::new(rows)))))
}

/// The next page, read here.
#[napi_derive::napi(catch_unwind)]
pub fn scan_page(scan: &External<Arc<Scan>>) -> Buffer {
    Buffer::from(scan.0.lock().page())
}

/// The next page, read in the background and sent as the answer to `id`.
#[napi_derive::napi(catch_unwind)]
pub fn send_scan_page(scan: &External<Arc<Scan>>, mailbox: &External<Arc<Mailbox>>, id: u32) {
    let (scan, mailbox) = (Arc::clone(scan), Arc::clone(mailbox));
    READS.run(move || match catch_unwind(AssertUnwindSafe(|| scan.0.lock().page())) {
        Ok(page) => mailbox.post(id, |out| answer::value(out, &page)),
        Err(_) => mailbox.refuse(id, &panicked()),
    });
}

/// The cursor behind the row whose key stands, as in a request, in `key`.
#[napi_derive::napi(catch_unwind)]
pub fn cursor_behind(key: Buffer) -> Result<String> {
    let key = Reader(&key).key().map_err(thrown)?;
    Ok(KeyHash::of(key).to_string())
}
