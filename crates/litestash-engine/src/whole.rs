//! Operations on the stash as a whole that are answered in turn.

use crate::answer::{Answer, write_key};
use crate::request::{Arguments, malformed};
use litestash_core::contract::msgpack::{self, write};
use litestash_core::{Cursor, EncodedItems, Error, Key, Keys, LiteStash, Result, ScanOptions, Values};
use std::time::Duration;

/// Rows of a page unless the client says.
const PAGE_ROWS_DEFAULT: u64 = 256;

/// Rows of a page at most.
pub(crate) const PAGE_ROWS_MAX: u64 = 10_000;

/// Bytes after which a page ends early.
const PAGE_BYTES: usize = 1 << 20;

/// The operation of that name; `None` if it is none of these.
pub(crate) fn run(name: &str, arguments: &mut Arguments<'_>, stash: &LiteStash) -> Option<Result<Answer>> {
    let as_text = |error: &Error, out: &mut Vec<u8>| write::text(out, &error.to_string());
    if let Some(page) = scan(name, arguments, stash, as_text) {
        return Some(page);
    }
    let run: fn(&mut Arguments<'_>, &LiteStash) -> Result<Answer> = match name {
        "len" => |arguments, stash| {
            arguments.end()?;
            Ok(Answer::of(&stash.len()?))
        },
        "sweep" => |arguments, stash| {
            arguments.end()?;
            Ok(Answer::of(&stash.sweep()?))
        },
        "expire_older_than" => |arguments, stash| {
            let age = arguments.index("the age in microseconds")?;
            let mut members = arguments.options()?;
            let prefix = members.text("prefix")?;
            members.end()?;
            Ok(Answer::of(&stash.expire_older_than(Duration::from_micros(age), prefix.as_deref())?))
        },
        "buckets" => |arguments, stash| {
            arguments.end()?;
            Ok(Answer::of(&stash.buckets()?))
        },
        "drop_bucket" => |arguments, stash| {
            let name = arguments.text("the bucket's name")?;
            arguments.end()?;
            Ok(Answer::of(&stash.drop_bucket(name)?))
        },
        "clear" => |arguments, stash| {
            arguments.end()?;
            stash.clear()?;
            Ok(Answer::done())
        },
        _ => return None,
    };
    Some(run(arguments, stash))
}

/// A page of `keys`, `values` or `items`; `None` for another name. `write_error` says how damaged rows are told of.
pub(crate) fn scan(
    name: &str,
    arguments: &mut Arguments<'_>,
    stash: &LiteStash,
    write_error: fn(&Error, &mut Vec<u8>) -> Result<()>,
) -> Option<Result<Answer>> {
    if !matches!(name, "keys" | "values" | "items") {
        return None;
    }
    let page = |options| match name {
        "keys" => {
            let write = |key, out: &mut Vec<u8>| write_key(out, &key);
            page(options, |options| stash.keys(options), write, Keys::cursor, write_error)
        }
        "values" => {
            let write = |value, out: &mut Vec<u8>| msgpack::encode(&value, out);
            page(options, |options| stash.values(options), write, Values::cursor, write_error)
        }
        _ => page(
            options,
            |options| stash.items_encoded(options),
            write_item,
            EncodedItems::cursor,
            write_error,
        ),
    };
    Some(scan_options(arguments).and_then(page))
}

/// `prefix`, `limit`, `cursor`, and nothing else.
fn scan_options(arguments: &mut Arguments<'_>) -> Result<ScanOptions> {
    let mut members = arguments.options()?;
    let prefix = members.text("prefix")?;
    let limit = members.size("limit")?.unwrap_or(PAGE_ROWS_DEFAULT);
    if limit > PAGE_ROWS_MAX {
        return Err(malformed(format!("limit is at most {PAGE_ROWS_MAX}")));
    }
    let cursor: Cursor = members.text("cursor")?.unwrap_or_default().parse()?;
    members.end()?;
    Ok(ScanOptions { prefix, limit: Some(limit as usize), cursor })
}

fn write_item((key, encoded): (Key, Vec<u8>), out: &mut Vec<u8>) -> Result<()> {
    out.push(0x92);
    write_key(out, &key)?;
    out.extend_from_slice(&encoded);
    Ok(())
}

/// `{"cursor": where to go on, or nil behind the end, "errors": […], "items": […]}`.
fn page<I: Iterator<Item = Result<T>>, T>(
    options: ScanOptions,
    open: impl FnOnce(ScanOptions) -> I,
    mut write_row: impl FnMut(T, &mut Vec<u8>) -> Result<()>,
    cursor: impl Fn(&I) -> Cursor,
    write_error: fn(&Error, &mut Vec<u8>) -> Result<()>,
) -> Result<Answer> {
    let limit = options.limit;
    let mut rows = open(options);
    let (mut items, mut count, mut errors) = (Vec::new(), 0, Vec::new());
    let mut ended = false;
    while items.len() < PAGE_BYTES {
        match rows.next() {
            Some(Ok(row)) => {
                write_row(row, &mut items)?;
                count += 1;
            }
            Some(Err(error)) => errors.push(error),
            None => {
                ended = true;
                break;
            }
        }
    }
    // The iterator ends at the limit as well; then there may be more.
    let more = !ended || limit == Some(count);
    let mut out = vec![0x83];
    write::text(&mut out, "cursor")?;
    match more {
        true => write::text(&mut out, &cursor(&rows).to_string())?,
        false => write::nil(&mut out),
    }
    write::text(&mut out, "errors")?;
    write::array_head(&mut out, errors.len())?;
    errors.iter().try_for_each(|error| write_error(error, &mut out))?;
    write::text(&mut out, "items")?;
    write::array_head(&mut out, count)?;
    out.append(&mut items);
    Ok(Answer::encoded(out))
}
