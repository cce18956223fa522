//! Looking after a stash.

use super::options::litestash_options;
use super::pointer::{Out, optional, path};
use super::scan::litestash_scan_options;
use super::types::{litestash_buffer, litestash_stash, litestash_status};
use super::{catch, entry, invalid};
use litestash_core::contract::typed;
use litestash_core::{Error, ErrorKind, ImportOptions, ImportReport, Result};
use std::ffi::{c_char, c_void};
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that an import asks for at a time.
const READ_BYTES: usize = 1 << 16;

/// Takes bytes of an export: all of them, or it returns something else than 0, which ends the export with
/// LITESTASH_CANCELLED. It must not leave but by returning.
pub type litestash_write =
    Option<unsafe extern "C" fn(context: *mut c_void, data: *const u8, length: usize) -> i32>;

/// Gives bytes to an import: as many as it likes up to `capacity`, and their number; 0 at the end; any number over
/// `capacity` ends the import with LITESTASH_CANCELLED. It is called by a thread of the library's, one at a time,
/// while litestash_import runs, and must not leave but by returning.
pub type litestash_read =
    Option<unsafe extern "C" fn(context: *mut c_void, data: *mut u8, capacity: usize) -> usize>;

/// Hears how far an import is. Anything but 0 ends it, with LITESTASH_CANCELLED; what was written stays.
pub type litestash_progress =
    Option<unsafe extern "C" fn(context: *mut c_void, lines: u64, bytes: u64, rows: u64) -> i32>;

/// How an import is done. All zero, or NULL instead: new versions from the clock, and silence.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_import_options {
    /// Called after each batch; may be NULL.
    pub progress: litestash_progress,
    /// Given to `progress` as it is.
    pub progress_context: *mut c_void,
    /// Not 0: keep the versions of the lines, and leave rows alone of which the stash has the same or a newer one.
    pub keep_versions: u32,
    /// Zero.
    pub reserved: u32,
}

/// A report as an encoded value, the form of everything that is read from a stash.
pub(super) fn give(report: &impl serde::Serialize, out: Out<litestash_buffer>) -> Result<()> {
    if !out.is_wanted() {
        return Ok(());
    }
    out.set(litestash_buffer::copy(Some(&typed::to_bytes(report)?))?)
}

/// Figures of the stash: rows, bytes, files, cache, each shard. Costs a walk over every table.
///
/// This and the other reports are encoded maps, to be read with the litestash_read functions or printed with
/// litestash_value_to_json, and to be given back with litestash_buffer_free. Unless said otherwise the place for a
/// report may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_stats(
    stash: litestash_stash,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::new(report)?;
        give(&stash.stats()?, out)
    })
}

/// Checks every file and row. The report's list `problems` is empty if the stash is sound; problems are no error of
/// the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_verify(
    stash: litestash_stash,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::new(report)?;
        give(&stash.verify()?, out)
    })
}

/// Copies what can be read of the damaged stash in the directory `source`, which nobody may have open, into a new one
/// in `destination`. What was lost is in the report.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_repair(
    source: *const c_char,
    destination: *const c_char,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let (source, destination) = (path(source)?, path(destination)?);
        let out = Out::optional(report)?;
        give(&litestash_core::repair(source, destination)?, out)
    })
}

/// litestash_repair with options (NULL: none), which say the key of an encrypted stash and how the new one is opened.
/// The new one has the same key. LITESTASH_WRONG_KEY if nothing of an encrypted stash can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_repair_with(
    source: *const c_char,
    destination: *const c_char,
    options: *const litestash_options,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let (source, destination) = (path(source)?, path(destination)?);
        let options = litestash_options::given(options)?.checked()?;
        let out = Out::optional(report)?;
        give(&litestash_core::repair_with(source, destination, options)?, out)
    })
}

/// Gives the space of deleted rows back to the file system, in small steps beside other work, and empties the logs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_compact(
    stash: litestash_stash,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::optional(report)?;
        give(&stash.compact()?, out)
    })
}

/// Copies the stash as it is at one moment into the directory `destination`, which is made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_backup(
    stash: litestash_stash,
    destination: *const c_char,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let destination = path(destination)?;
        let out = Out::optional(report)?;
        give(&stash.backup(destination)?, out)
    })
}

/// Makes everything acknowledged so far durable against a power cut.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_sync(stash: litestash_stash) -> litestash_status {
    catch(|| stash.enter()?.sync())
}

/// Where an export goes.
struct ForeignWriter {
    write: unsafe extern "C" fn(*mut c_void, *const u8, usize) -> i32,
    context: *mut c_void,
    refused: bool,
}

impl Write for ForeignWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: the header asks for a function that can be called with that context; the bytes are there.
        if unsafe { (self.write)(self.context, bytes.as_ptr(), bytes.len()) } == 0 {
            return Ok(bytes.len());
        }
        self.refused = true;
        Err(io::Error::other("the function that takes the export refused"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes every row that `options` name (NULL: all) as JSON Lines (docs/INTERCHANGE.md), expired rows left out. A
/// damaged row is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_export(
    stash: litestash_stash,
    options: *const litestash_scan_options,
    write: litestash_write,
    context: *mut c_void,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let options = litestash_scan_options::given(options)?;
        let write = write.ok_or_else(|| invalid("there is no function to take the export"))?;
        let out = Out::optional(report)?;
        let mut writer = ForeignWriter { write, context, refused: false };
        let exported = stash.export(&mut writer, options);
        give(&exported.map_err(|error| cancelled_if(writer.refused, error))?, out)
    })
}

fn cancelled_if(refused: bool, error: Error) -> Error {
    if refused {
        Error::new(ErrorKind::Cancelled, "a callback asked for it").with_source(error)
    } else {
        error
    }
}

/// Where an import comes from.
struct ForeignReader<'a> {
    read: unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> usize,
    context: *mut c_void,
    refused: &'a AtomicBool,
}

// SAFETY: the header asks for a function that a thread of the library's may call, one at a time.
unsafe impl Send for ForeignReader<'_> {}

impl Read for ForeignReader<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the header asks for a function that can be called with that context; the room is there.
        let read = unsafe { (self.read)(self.context, room.as_mut_ptr(), room.len()) };
        if read <= room.len() {
            return Ok(read);
        }
        self.refused.store(true, Ordering::SeqCst);
        Err(io::Error::other("the function that gives the import refused"))
    }
}

/// Reads JSON Lines and stores each row. Lines that are no row are counted and named in the report; the others are
/// written in large batches, each atomic per shard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_import(
    stash: litestash_stash,
    read: litestash_read,
    context: *mut c_void,
    options: *const litestash_import_options,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let read = read.ok_or_else(|| invalid("there is no function to give the import"))?;
        let given = optional(options)?;
        if given.is_some_and(|options| options.reserved != 0) {
            return Err(invalid("a reserved field is not zero"));
        }
        let out = Out::optional(report)?;
        let refused = AtomicBool::new(false);
        let input = BufReader::with_capacity(READ_BYTES, ForeignReader { read, context, refused: &refused });
        let progress = given.and_then(|options| Some((options.progress?, options.progress_context)));
        let mut hear = |so_far: &ImportReport| match progress {
            // The function can be called with that context, as the header asks.
            Some((hear, context)) => hear(context, so_far.lines, so_far.bytes, so_far.rows) == 0,
            None => true,
        };
        let options = ImportOptions {
            keep_versions: given.is_some_and(|options| options.keep_versions != 0),
            progress: Some(&mut hear),
        };
        let imported = stash.import(input, options);
        give(&imported.map_err(|error| cancelled_if(refused.load(Ordering::SeqCst), error))?, out)
    })
}
