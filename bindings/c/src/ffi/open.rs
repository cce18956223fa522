//! Opening and closing.

use super::options::{durability, litestash_options};
use super::pointer::{Out, path};
use super::types::{litestash_buffer, litestash_stash, litestash_status};
use super::{catch, entry};
use crate::handle::{self, STASHES, Stash};
use litestash_core::{LiteStash, Result};
use std::ffi::c_char;

fn opened(engine: LiteStash) -> Result<litestash_stash> {
    Ok(litestash_stash { id: STASHES.insert(Stash::opened(engine))? })
}

/// Opens the stash in that directory, which is a path that ends with a zero byte. `options` may be NULL: the
/// defaults. Shard files are opened by the first operation that needs them.
///
/// Errors: LITESTASH_NO_STASH, LITESTASH_NOT_A_STASH, LITESTASH_NETWORK_FILE_SYSTEM, LITESTASH_PERMISSION_DENIED,
/// LITESTASH_READ_ONLY, LITESTASH_INVALID_ARGUMENT, LITESTASH_IO; LITESTASH_OUT_OF_MEMORY if 4096 stashes are open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_open(
    directory: *const c_char,
    options: *const litestash_options,
    stash: *mut litestash_stash,
) -> litestash_status {
    entry!({
        let directory = path(directory)?;
        let options = litestash_options::given(options)?.checked()?;
        let out = Out::new(stash)?;
        out.set(opened(options.open(directory)?)?)
    })
}

/// Opens a stash in memory, which ends when it is closed. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_open_memory(
    options: *const litestash_options,
    stash: *mut litestash_stash,
) -> litestash_status {
    entry!({
        let options = litestash_options::given(options)?.checked()?;
        let out = Out::new(stash)?;
        out.set(opened(options.memory()?)?)
    })
}

/// A further handle of the same stash, whose writes are acknowledged at that level. Closing the stash by any handle
/// gives back all of them; litestash_release gives back one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_with_durability(
    stash: litestash_stash,
    level: u32,
    other: *mut litestash_stash,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let engine = stash.with_durability(durability(level)?);
        let out = Out::new(other)?;
        out.set(litestash_stash { id: STASHES.insert(stash.relative(engine))? })
    })
}

/// Closes the stash: waits for calls that run in other threads, moves the logs into the shard files, closes them, and
/// gives back every handle of the stash. It is closed also if there is an error, which says that relaxed writes were
/// lost, or that something is left for the next opening. A handle that was given back is LITESTASH_CLOSED.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_close(stash: litestash_stash) -> litestash_status {
    catch(|| handle::close(stash.id))
}

/// Gives back this handle only. The stash is closed with its last handle.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_release(stash: litestash_stash) -> litestash_status {
    catch(|| STASHES.retire(stash.id).map(drop))
}

/// LITESTASH_OK if the handle can be used, else why not: LITESTASH_CLOSED, or LITESTASH_INVALID_ARGUMENT for what
/// never was one.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_check(stash: litestash_stash) -> litestash_status {
    catch(|| stash.enter().map(drop))
}

/// The stash's directory as an absolute path; no bytes for a stash in memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_path(
    stash: litestash_stash,
    directory: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::new(directory)?;
        out.set(litestash_buffer::copy(stash.path().map(|path| path.as_os_str().as_encoded_bytes()))?)
    })
}

/// Whether writes are refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_is_read_only(
    stash: litestash_stash,
    read_only: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        Out::new(read_only)?.set(stash.is_read_only())
    })
}
