//! A library to preload (`LD_PRELOAD`) that records what a process writes under one directory.
//!
//! It stands before the functions of libc through which Rust's standard library and SQLite change files, calls
//! them, and appends an event to a log. `LITESTASH_RECORD_DIRECTORY` names the directory (an
//! absolute path without symbolic links, empty at first) and `LITESTASH_RECORD_LOG` the log; without them nothing
//! is recorded. strace could do the same and would have to be installed, and it halves the speed.
//!
//! The order of the log is the order of effects: a change and its event are one step under one lock. A sync
//! runs outside that lock; its event is appended when it has returned and says how many events there were when
//! it began, because it promises nothing about later ones. `-shm` files are left out: they are shared memory and
//! worth nothing after a power cut. What the workload writes to the file `notes` is an event and goes nowhere else.
//!
//! A change that does not come by here (raw system calls, memory maps) is found by the replayer, which compares
//! the end of the recording with the files. A sync that does not come by can only raise a false alarm.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "functions of libc are replaced, and called by address")]

#[expect(dead_code, reason = "the replayer decodes")]
mod event;
mod recorder;

use libc::{AT_FDCWD, c_char, c_int, c_uint, c_void, dev_t, mode_t, off_t, size_t, ssize_t};
use recorder::{RECORDER, Recorder, Target};
use std::ffi::CStr;
use std::time::Duration;

/// The function that this library hides, as the type asked for.
macro_rules! hidden {
    ($name:literal as fn($($argument:ty),*) -> $result:ty) => {{
        static ADDRESS: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        let name: &std::ffi::CStr = $name;
        // SAFETY: the name is a C string, and the pseudo handle needs no library to be open.
        let address = *ADDRESS.get_or_init(|| unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) } as usize);
        if address == 0 {
            // SAFETY: always.
            unsafe { libc::abort() };
        }
        // SAFETY: libc's function of that name has that signature.
        unsafe { std::mem::transmute::<usize, unsafe extern "C" fn($($argument),*) -> $result>(address) }
    }};
}
pub(crate) use hidden;

/// The path relative to the recorded directory, if it is one that is recorded.
fn recorded(recorder: &Recorder, directory: c_int, path: *const c_char) -> Option<String> {
    // SAFETY: the caller passes a path as the replaced function demands it: a C string.
    let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
    recorder.relative(directory, path)
}

/// Opens a file as `real` does and remembers what its descriptor stands for.
fn open_as(directory: c_int, path: *const c_char, flags: c_int, real: impl FnOnce() -> c_int) -> c_int {
    let Some(mut recorder) = RECORDER.lock() else { return real() };
    let path = recorded(&recorder, directory, path);
    let descriptor = real();
    if descriptor >= 0 {
        recorder.opened(descriptor, path, flags & libc::O_CREAT != 0, flags & libc::O_TRUNC != 0);
    }
    descriptor
}

/// Replaces `open`.
///
/// # Safety
///
/// As of `open(2)`. The mode is read from where the calling conventions of Linux put a third argument.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let real = hidden!(c"open" as fn(*const c_char, c_int, c_uint) -> c_int);
    // SAFETY: the arguments are the caller's.
    open_as(AT_FDCWD, path, flags, || unsafe { real(path, flags, mode) })
}

/// Replaces `open64`.
///
/// # Safety
///
/// As of `open(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let real = hidden!(c"open64" as fn(*const c_char, c_int, c_uint) -> c_int);
    // SAFETY: the arguments are the caller's.
    open_as(AT_FDCWD, path, flags, || unsafe { real(path, flags, mode) })
}

/// Replaces `openat`.
///
/// # Safety
///
/// As of `openat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let real = hidden!(c"openat" as fn(c_int, *const c_char, c_int, c_uint) -> c_int);
    // SAFETY: the arguments are the caller's.
    open_as(directory, path, flags, || unsafe { real(directory, path, flags, mode) })
}

/// Replaces `openat64`.
///
/// # Safety
///
/// As of `openat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    let real = hidden!(c"openat64" as fn(c_int, *const c_char, c_int, c_uint) -> c_int);
    // SAFETY: the arguments are the caller's.
    open_as(directory, path, flags, || unsafe { real(directory, path, flags, mode) })
}

/// Replaces `close`.
///
/// # Safety
///
/// As of `close(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    let real = hidden!(c"close" as fn(c_int) -> c_int);
    let mut recorder = RECORDER.lock();
    if let Some(recorder) = &mut recorder {
        recorder.closed(descriptor);
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real(descriptor) }
}

/// Writes as `real` does. `offset`: where, if not at the descriptor's position.
fn write_as(
    descriptor: c_int,
    data: *const c_void,
    length: size_t,
    offset: Option<off_t>,
    real: impl FnOnce() -> ssize_t,
) -> ssize_t {
    let Some(mut recorder) = RECORDER.lock() else { return real() };
    let Some(target) = recorder.target(descriptor) else {
        drop(recorder);
        return real();
    };
    let written = if target == Target::Notes { length.cast_signed() } else { real() };
    if written > 0 {
        // SAFETY: the caller vouches for `length` bytes, and no more than that were written.
        let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), written.cast_unsigned()) };
        // SAFETY: always; the position is behind what was written, also with `O_APPEND`.
        let position = || unsafe { libc::lseek(descriptor, 0, libc::SEEK_CUR) } - off_t::from(written as i64);
        recorder.written(&target, data, || offset.unwrap_or_else(position).cast_unsigned());
    }
    written
}

/// Replaces `write`.
///
/// # Safety
///
/// As of `write(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(descriptor: c_int, data: *const c_void, length: size_t) -> ssize_t {
    let real = hidden!(c"write" as fn(c_int, *const c_void, size_t) -> ssize_t);
    // SAFETY: the arguments are the caller's.
    write_as(descriptor, data, length, None, || unsafe { real(descriptor, data, length) })
}

/// Replaces `pwrite`.
///
/// # Safety
///
/// As of `pwrite(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, data: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    let real = hidden!(c"pwrite" as fn(c_int, *const c_void, size_t, off_t) -> ssize_t);
    // SAFETY: the arguments are the caller's.
    write_as(fd, data, length, Some(offset), || unsafe { real(fd, data, length, offset) })
}

/// Replaces `pwrite64`.
///
/// # Safety
///
/// As of `pwrite(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, data: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    let real = hidden!(c"pwrite64" as fn(c_int, *const c_void, size_t, off_t) -> ssize_t);
    // SAFETY: the arguments are the caller's.
    write_as(fd, data, length, Some(offset), || unsafe { real(fd, data, length, offset) })
}

/// Writes several parts as `real` does, one behind the other, which is one write.
///
/// # Safety
///
/// `parts` are `count` parts as of `pwritev(2)`.
unsafe fn write_parts_as(
    descriptor: c_int,
    parts: *const libc::iovec,
    count: c_int,
    offset: off_t,
    real: impl FnOnce() -> ssize_t,
) -> ssize_t {
    // SAFETY: the caller vouches for the parts and for what they point to.
    let parts = unsafe { std::slice::from_raw_parts(parts, usize::try_from(count).unwrap_or(0)) };
    // SAFETY: as above.
    let part =
        |part: &libc::iovec| unsafe { std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len) };
    let whole = parts.iter().map(part).collect::<Vec<_>>().concat();
    write_as(descriptor, whole.as_ptr().cast(), whole.len(), Some(offset), real)
}

/// Replaces `pwritev`.
///
/// # Safety
///
/// As of `pwritev(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev(
    fd: c_int,
    parts: *const libc::iovec,
    count: c_int,
    offset: off_t,
) -> ssize_t {
    let real = hidden!(c"pwritev" as fn(c_int, *const libc::iovec, c_int, off_t) -> ssize_t);
    // SAFETY: the arguments are the caller's.
    unsafe { write_parts_as(fd, parts, count, offset, || real(fd, parts, count, offset)) }
}

/// Changes a file's size as `real` does, to what it then is.
fn resize_as(descriptor: c_int, real: impl FnOnce() -> c_int) -> c_int {
    let Some(mut recorder) = RECORDER.lock() else { return real() };
    let result = real();
    if result == 0
        && let Some(Target::File(file)) = recorder.target(descriptor)
    {
        // SAFETY: all zeros is a value of this struct of numbers.
        let mut status: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a struct of the right type.
        if unsafe { libc::fstat(descriptor, &raw mut status) } == 0 {
            recorder.resized(file, status.st_size.cast_unsigned());
        }
    }
    result
}

/// Replaces `ftruncate`.
///
/// # Safety
///
/// As of `ftruncate(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(descriptor: c_int, size: off_t) -> c_int {
    let real = hidden!(c"ftruncate" as fn(c_int, off_t) -> c_int);
    // SAFETY: the arguments are the caller's.
    resize_as(descriptor, || unsafe { real(descriptor, size) })
}

/// Replaces `ftruncate64`.
///
/// # Safety
///
/// As of `ftruncate(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(descriptor: c_int, size: off_t) -> c_int {
    let real = hidden!(c"ftruncate64" as fn(c_int, off_t) -> c_int);
    // SAFETY: the arguments are the caller's.
    resize_as(descriptor, || unsafe { real(descriptor, size) })
}

/// Replaces `fallocate`.
///
/// # Safety
///
/// As of `fallocate(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fallocate(descriptor: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    let real = hidden!(c"fallocate" as fn(c_int, c_int, off_t, off_t) -> c_int);
    // SAFETY: the arguments are the caller's.
    resize_as(descriptor, || unsafe { real(descriptor, mode, offset, length) })
}

/// Replaces `posix_fallocate`.
///
/// # Safety
///
/// As of `posix_fallocate(3)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate(descriptor: c_int, offset: off_t, length: off_t) -> c_int {
    let real = hidden!(c"posix_fallocate" as fn(c_int, off_t, off_t) -> c_int);
    // SAFETY: the arguments are the caller's.
    resize_as(descriptor, || unsafe { real(descriptor, offset, length) })
}

/// What a sync takes at least. In memory it would be over at once, and no two would meet.
const SYNC: Duration = Duration::from_micros(150);

/// Syncs as `real` does, which covers only what was written before it began.
fn sync_as(descriptor: c_int, real: impl FnOnce() -> c_int) -> c_int {
    let begun = RECORDER.lock().map(|recorder| (recorder.target(descriptor), recorder.events()));
    if matches!(begun, Some((Some(_), _))) {
        std::thread::sleep(SYNC);
    }
    let result = real();
    if let (0, Some((Some(target), events)), Some(mut recorder)) = (result, begun, RECORDER.lock()) {
        recorder.synced(&target, events);
    }
    result
}

/// Replaces `fsync`.
///
/// # Safety
///
/// As of `fsync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(descriptor: c_int) -> c_int {
    let real = hidden!(c"fsync" as fn(c_int) -> c_int);
    // SAFETY: the arguments are the caller's.
    sync_as(descriptor, || unsafe { real(descriptor) })
}

/// Replaces `fdatasync`, which also syncs a size that is needed to read the data.
///
/// # Safety
///
/// As of `fdatasync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    let real = hidden!(c"fdatasync" as fn(c_int) -> c_int);
    // SAFETY: the arguments are the caller's.
    sync_as(descriptor, || unsafe { real(descriptor) })
}

/// Changes one directory entry as `real` does.
fn entry_as(
    directory: c_int,
    path: *const c_char,
    record: impl FnOnce(&mut Recorder, String),
    real: impl FnOnce() -> c_int,
) -> c_int {
    let Some(mut recorder) = RECORDER.lock() else { return real() };
    let path = recorded(&recorder, directory, path);
    let result = real();
    if let (0, Some(path)) = (result, path) {
        record(&mut recorder, path);
    }
    result
}

/// Replaces `unlink`.
///
/// # Safety
///
/// As of `unlink(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let real = hidden!(c"unlink" as fn(*const c_char) -> c_int);
    // SAFETY: the arguments are the caller's.
    entry_as(AT_FDCWD, path, Recorder::unlinked, || unsafe { real(path) })
}

/// Replaces `unlinkat`.
///
/// # Safety
///
/// As of `unlinkat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    let real = hidden!(c"unlinkat" as fn(c_int, *const c_char, c_int) -> c_int);
    // SAFETY: the arguments are the caller's.
    entry_as(directory, path, Recorder::unlinked, || unsafe { real(directory, path, flags) })
}

/// Replaces `mkdir`.
///
/// # Safety
///
/// As of `mkdir(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let real = hidden!(c"mkdir" as fn(*const c_char, mode_t) -> c_int);
    // SAFETY: the arguments are the caller's.
    entry_as(AT_FDCWD, path, Recorder::made_directory, || unsafe { real(path, mode) })
}

/// Replaces `mkdirat`.
///
/// # Safety
///
/// As of `mkdirat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdirat(directory: c_int, path: *const c_char, mode: mode_t) -> c_int {
    let real = hidden!(c"mkdirat" as fn(c_int, *const c_char, mode_t) -> c_int);
    // SAFETY: the arguments are the caller's.
    entry_as(directory, path, Recorder::made_directory, || unsafe { real(directory, path, mode) })
}

/// Replaces `mknodat`.
///
/// # Safety
///
/// As of `mknodat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mknodat(
    directory: c_int,
    path: *const c_char,
    mode: mode_t,
    device: dev_t,
) -> c_int {
    let real = hidden!(c"mknodat" as fn(c_int, *const c_char, mode_t, dev_t) -> c_int);
    // SAFETY: the arguments are the caller's.
    entry_as(directory, path, Recorder::made_file, || unsafe { real(directory, path, mode, device) })
}

/// Changes two directory entries as `real` does.
fn entries_as(
    from: (c_int, *const c_char),
    to: (c_int, *const c_char),
    record: impl FnOnce(&mut Recorder, &str, String),
    real: impl FnOnce() -> c_int,
) -> c_int {
    let Some(mut recorder) = RECORDER.lock() else { return real() };
    let (from, to) = (recorded(&recorder, from.0, from.1), recorded(&recorder, to.0, to.1));
    let result = real();
    if let (0, Some(from), Some(to)) = (result, from, to) {
        record(&mut recorder, &from, to);
    }
    result
}

/// Replaces `link`.
///
/// # Safety
///
/// As of `link(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    let real = hidden!(c"link" as fn(*const c_char, *const c_char) -> c_int);
    // SAFETY: the arguments are the caller's.
    entries_as((AT_FDCWD, from), (AT_FDCWD, to), Recorder::linked, || unsafe { real(from, to) })
}

/// Replaces `linkat`.
///
/// # Safety
///
/// As of `linkat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkat(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    let real = hidden!(c"linkat" as fn(c_int, *const c_char, c_int, *const c_char, c_int) -> c_int);
    // SAFETY: the arguments are the caller's.
    let real = || unsafe { real(from_directory, from, to_directory, to, flags) };
    entries_as((from_directory, from), (to_directory, to), Recorder::linked, real)
}

/// Replaces `rename`.
///
/// # Safety
///
/// As of `rename(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let real = hidden!(c"rename" as fn(*const c_char, *const c_char) -> c_int);
    // SAFETY: the arguments are the caller's.
    entries_as((AT_FDCWD, from), (AT_FDCWD, to), Recorder::renamed, || unsafe { real(from, to) })
}

/// Replaces `renameat`.
///
/// # Safety
///
/// As of `renameat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
) -> c_int {
    let real = hidden!(c"renameat" as fn(c_int, *const c_char, c_int, *const c_char) -> c_int);
    // SAFETY: the arguments are the caller's.
    let real = || unsafe { real(from_directory, from, to_directory, to) };
    entries_as((from_directory, from), (to_directory, to), Recorder::renamed, real)
}
