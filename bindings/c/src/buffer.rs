//! Memory that goes to the caller: `malloc`'s, so that only its address is needed to give it back.

use litestash_core::{Error, ErrorKind, Result};

/// Bytes owned by whoever holds them, with a zero byte behind the last.
#[derive(Debug)]
pub(crate) struct Memory {
    data: *mut u8,
    length: usize,
}

impl Memory {
    /// A copy. `OutOfMemory` if there is no room for one.
    pub(crate) fn copy(bytes: &[u8]) -> Result<Self> {
        // A slice is shorter than half of the address space.
        let length = bytes.len();
        // SAFETY: malloc takes any number.
        #[expect(unsafe_code, reason = "the caller gives the memory back without its length")]
        let data: *mut u8 = unsafe { libc::malloc(length + 1) }.cast();
        if data.is_null() {
            return Err(Error::new(ErrorKind::OutOfMemory, "there is no memory for the answer"));
        }
        // SAFETY: there is room for the bytes and one more, and the new memory overlaps with nothing.
        #[expect(unsafe_code, reason = "the caller gives the memory back without its length")]
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, length);
            data.add(length).write(0);
        }
        Ok(Self { data, length })
    }

    /// Hands it over.
    pub(crate) fn into_parts(self) -> (*mut u8, usize) {
        let parts = (self.data, self.length);
        std::mem::forget(self);
        parts
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it is malloc's, and was not handed over.
        #[expect(unsafe_code, reason = "the caller gives the memory back without its length")]
        unsafe {
            libc::free(self.data.cast());
        }
    }
}
