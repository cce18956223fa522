//! A second copy of SQLite in this process: the system's library.

#![expect(unsafe_code, reason = "SQLite's C interface, of a library that is loaded at run time")]

use crate::Failure;
use libloading::{Library, Symbol};
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;

const OPEN_READ_WRITE: c_int = 2;
const BUSY_TIMEOUT_MS: c_int = 10_000;

type Open = unsafe extern "C" fn(*const c_char, *mut *mut c_void, c_int, *const c_char) -> c_int;
type Close = unsafe extern "C" fn(*mut c_void) -> c_int;
type BusyTimeout = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
type Exec = unsafe extern "C" fn(
    *mut c_void,
    *const c_char,
    Option<unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_char, *mut *mut c_char) -> c_int>,
    *mut c_void,
    *mut *mut c_char,
) -> c_int;
type Version = unsafe extern "C" fn() -> c_int;

/// The library.
pub(crate) struct Second(Library);

/// A connection of it.
pub(crate) struct Connection<'l> {
    library: &'l Second,
    handle: *mut c_void,
}

impl Second {
    /// Loads it, and makes sure that it is another copy than the one linked into this program.
    pub(crate) fn load() -> Result<Self, Failure> {
        // SAFETY: SQLite's library does nothing when it is loaded.
        let library = Self(unsafe { Library::new("libsqlite3.so.0")? });
        // SAFETY: the function has this type and needs nothing.
        let version = unsafe { library.get::<Version>("sqlite3_libversion_number")?() };
        if version == rusqlite::version_number() {
            return Err("the system's SQLite has the version of our own; which is which?".into());
        }
        Ok(library)
    }

    /// # Safety
    ///
    /// `F` is the type of the function of that name.
    unsafe fn get<F>(&self, name: &str) -> Result<Symbol<'_, F>, Failure> {
        // SAFETY: the caller answers for the type.
        Ok(unsafe { self.0.get(name)? })
    }

    pub(crate) fn open(&self, path: &Path) -> Result<Connection<'_>, Failure> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the functions have these types; the arguments outlive the calls.
        let code = unsafe {
            let open = self.get::<Open>("sqlite3_open_v2")?;
            open(path.as_ptr(), &raw mut handle, OPEN_READ_WRITE, std::ptr::null())
        };
        let connection = Connection { library: self, handle };
        if code != 0 {
            return Err(format!("the second copy cannot open: {code}").into());
        }
        // SAFETY: as above, with an open handle.
        unsafe { self.get::<BusyTimeout>("sqlite3_busy_timeout")?(handle, BUSY_TIMEOUT_MS) };
        Ok(connection)
    }
}

impl Connection<'_> {
    /// Runs statements, without their rows. The error is SQLite's code.
    pub(crate) fn run(&self, sql: &str) -> Result<(), Failure> {
        let text = CString::new(sql)?;
        // SAFETY: the function has this type; the handle is open, the text outlives the call, and no callback
        // and no message are asked for.
        let code = unsafe {
            let exec = self.library.get::<Exec>("sqlite3_exec")?;
            exec(self.handle, text.as_ptr(), None, std::ptr::null_mut(), std::ptr::null_mut())
        };
        if code == 0 { Ok(()) } else { Err(format!("the second copy of SQLite failed: {code}").into()) }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        // SAFETY: the function has this type; the handle is not used afterwards.
        unsafe {
            if let Ok(close) = self.library.get::<Close>("sqlite3_close") {
                close(self.handle);
            }
        }
    }
}
