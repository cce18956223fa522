//! Operations on the stash as a whole that are answered in turn.

use crate::answer::{Answer, write_key};
use crate::request::{Arguments, malformed};
use litestash_core::contract::msgpack::{self, write};
use litestash_core::{Cursor, Error, Items, Key, Keys, LiteStash, Result, ScanOptions, Value, Values};
use std::time::Duration;

/// Rows of a page unless the client says.
const PAGE_ROWS_DEFAULT: u64 = 256;

/// Rows of a page at most.
pub(crate) const PAGE_ROWS_MAX: u64 = 10_000;

/// Bytes after which a page ends early.
const PAGE_BYTES: usize = 1 << 20;

/// The operation of that name; `None` if it is none of these.
pub(crate) fn run(name: &str, arguments: &mut Arguments<'_>, stash: &LiteStash) -> Option<Result<Answer>> {
    let run: fn(&mut Arguments<'_>, &LiteStash) -> Result<Answer> = match name {
        "keys" => |arguments, stash| {
            let options = scan_options(arguments)?;
            page(options, |options| stash.keys(options), |key, out| write_key(out, &key), Keys::cursor)
        },
        "values" => |arguments, stash| {
            let options = scan_options(arguments)?;
            let write = |value, out: &mut Vec<u8>| msgpack::encode(&value, out);
            page(options, |options| stash.values(options), write, Values::cursor)
        },
        "items" => |arguments, stash| {
            page(scan_options(arguments)?, |options| stash.items(options), write_item, Items::cursor)
        },
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

fn write_item((key, value): (Key, Value), out: &mut Vec<u8>) -> Result<()> {
    out.push(0x92);
    write_key(out, &key)?;
    msgpack::encode(&value, out)
}

/// `{"cursor": where to go on, or nil behind the end, "errors": […], "items": […]}`.
fn page<I: Iterator<Item = Result<T>>, T>(
    options: ScanOptions,
    open: impl FnOnce(ScanOptions) -> I,
    mut write_row: impl FnMut(T, &mut Vec<u8>) -> Result<()>,
    cursor: impl Fn(&I) -> Cursor,
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
    write_errors(&mut out, &errors)?;
    write::text(&mut out, "items")?;
    write::array_head(&mut out, count)?;
    out.append(&mut items);
    Ok(Answer::encoded(out))
}

fn write_errors(out: &mut Vec<u8>, errors: &[Error]) -> Result<()> {
    write::array_head(out, errors.len())?;
    for error in errors {
        write::text(out, &error.to_string())?;
    }
    Ok(())
}
