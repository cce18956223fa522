//! Following foreign pointers, after what can be checked was checked.

use super::invalid;
use litestash_core::{Error, ErrorKind, Result};
use std::ffi::{CStr, c_char};
use std::path::Path;
use std::ptr::NonNull;

fn too_long(length: usize, max: usize) -> Error {
    Error::new(ErrorKind::TooLarge, format!("{length} bytes or elements were given; the limit is {max}"))
}

/// An array of at most `max` elements. Null is an empty one.
///
/// # Safety
///
/// `data` is null or leads to `length` elements, which nobody changes during `'a`.
pub(super) unsafe fn array<'a, T>(data: *const T, length: usize, max: usize) -> Result<&'a [T]> {
    if length == 0 {
        return Ok(&[]);
    }
    if length > max.min(isize::MAX as usize / size_of::<T>().max(1)) {
        return Err(too_long(length, max));
    }
    if data.is_null() || !data.is_aligned() {
        return Err(invalid("a pointer is null or not aligned, and its length is not 0"));
    }
    // SAFETY: it is not null and aligned, the length fits the address space, and the caller promises the rest.
    Ok(unsafe { std::slice::from_raw_parts(data, length) })
}

/// Text of at most `max` bytes; `kind` is the error if it is not UTF-8.
///
/// # Safety
///
/// As [`array`].
pub(super) unsafe fn text<'a>(
    data: *const c_char,
    length: usize,
    max: usize,
    kind: ErrorKind,
) -> Result<&'a str> {
    // SAFETY: the caller promises it.
    let bytes = unsafe { array(data.cast::<u8>(), length, max) }?;
    // Most keys are short and ASCII, for which the general check takes as long as all else around a read.
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes).map_err(|_| Error::new(kind, "the text is not valid UTF-8"))
}

/// Text that may be missing; `InvalidArgument` if it is not UTF-8.
///
/// # Safety
///
/// As [`array`].
pub(super) unsafe fn optional_text<'a>(
    data: *const c_char,
    length: usize,
    max: usize,
) -> Result<Option<&'a str>> {
    match data.is_null() {
        true if length == 0 => Ok(None),
        true => Err(invalid("a text is null and its length is not 0")),
        // SAFETY: the caller promises it.
        false => unsafe { text(data, length, max, ErrorKind::InvalidArgument) }.map(Some),
    }
}

/// A path, which ends with a zero byte.
///
/// # Safety
///
/// `path` is null or leads to bytes of which one is zero; nobody changes them during `'a`.
pub(super) unsafe fn path<'a>(path: *const c_char) -> Result<&'a Path> {
    if path.is_null() {
        return Err(invalid("the path is null"));
    }
    // SAFETY: it is not null, and the caller promises the rest.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    if bytes.is_empty() {
        return Err(invalid("the path is empty"));
    }
    #[cfg(unix)]
    return Ok(Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes)));
    #[cfg(not(unix))]
    return std::str::from_utf8(bytes).map(Path::new).map_err(|_| invalid("the path is not valid UTF-8"));
}

/// What is behind a pointer that may be null.
///
/// # Safety
///
/// `data` is null or leads to a `T`, which nobody changes meanwhile.
pub(super) unsafe fn optional<T: Copy>(data: *const T) -> Result<Option<T>> {
    if data.is_null() {
        return Ok(None);
    }
    if !data.is_aligned() {
        return Err(invalid("a pointer is not aligned"));
    }
    // SAFETY: it is not null and aligned, and the caller promises the rest.
    Ok(Some(unsafe { data.read() }))
}

/// What is behind a pointer.
///
/// # Safety
///
/// As [`optional`].
pub(super) unsafe fn required<T: Copy>(data: *const T) -> Result<T> {
    // SAFETY: the caller promises it.
    unsafe { optional(data) }?.ok_or_else(|| invalid("a pointer is null"))
}

/// A place for an answer.
pub(super) struct Out<T>(Option<NonNull<T>>);

impl<T> Out<T> {
    /// # Safety
    ///
    /// `place` is null or leads to memory for a `T` that stays valid until the answer is there.
    pub(super) unsafe fn new(place: *mut T) -> Result<Self> {
        // SAFETY: the caller promises it.
        match unsafe { Self::optional(place) }? {
            Self(None) => Err(invalid("the place for an answer is null")),
            out => Ok(out),
        }
    }

    /// A place that may be null: then the answer is not wanted.
    ///
    /// # Safety
    ///
    /// As [`Out::new`].
    pub(super) unsafe fn optional(place: *mut T) -> Result<Self> {
        if !place.is_aligned() {
            return Err(invalid("the place for an answer is not aligned"));
        }
        Ok(Self(NonNull::new(place)))
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Gives the answer. What was in the place is not looked at.
    pub(super) fn set(self, answer: T) -> Result<()> {
        if let Some(place) = self.0 {
            // SAFETY: whoever made this promised it.
            unsafe { place.write(answer) };
        }
        Ok(())
    }
}

/// Places for several answers.
pub(super) struct Outs<T> {
    first: Option<NonNull<T>>,
    count: usize,
}

impl<T> Outs<T> {
    /// # Safety
    ///
    /// `first` is null or leads to memory for `count` of `T` that stays valid until the answers are there.
    pub(super) unsafe fn optional(first: *mut T, count: usize) -> Result<Self> {
        // SAFETY: the caller promises more.
        let Out(first) = unsafe { Out::optional(first) }?;
        Ok(Self { first, count })
    }

    /// # Safety
    ///
    /// As [`Outs::optional`].
    pub(super) unsafe fn new(first: *mut T, count: usize) -> Result<Self> {
        // SAFETY: the caller promises it.
        match unsafe { Self::optional(first, count) }? {
            Self { first: None, count: 1.. } => Err(invalid("the place for the answers is null")),
            outs => Ok(outs),
        }
    }

    pub(super) fn are_wanted(&self) -> bool {
        self.first.is_some()
    }

    pub(super) fn set(self, answers: impl IntoIterator<Item = T>) -> Result<()> {
        let Some(first) = self.first else { return Ok(()) };
        for (index, answer) in answers.into_iter().take(self.count).enumerate() {
            // SAFETY: whoever made this promised `count` places.
            unsafe { first.add(index).write(answer) };
        }
        Ok(())
    }
}

/// Memory of the caller's for bytes.
#[derive(Clone, Copy)]
pub(super) struct Room {
    data: *mut u8,
    capacity: usize,
}

impl Room {
    /// # Safety
    ///
    /// `data` is null or leads to `capacity` bytes that nobody else uses until the answer is there.
    pub(super) unsafe fn new(data: *mut u8, capacity: usize) -> Result<Self> {
        if data.is_null() && capacity > 0 {
            return Err(invalid("the buffer is null and its capacity is not 0"));
        }
        Ok(Self { data, capacity })
    }

    /// Copies the bytes if there is room for all of them; returns how many there are.
    pub(super) fn fill(self, bytes: &[u8]) -> usize {
        if bytes.len() <= self.capacity && !bytes.is_empty() {
            // SAFETY: there is room, by whoever made this; the engine's memory and the caller's do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.data, bytes.len()) };
        }
        bytes.len()
    }
}
