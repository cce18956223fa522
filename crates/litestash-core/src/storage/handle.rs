//! A connection that is closed in the right way.
//!
//! The last connection to a file deletes its log, by the name that the file had when it was opened. If a bucket
//! was dropped meanwhile and made anew, that is the log of the new one. So connections to buckets leave the log
//! alone unless their file has its name when they are closed, with the bucket's name held until they are.

use super::descriptors::Counted;
use super::names::Names;
use crate::error::Result;
use rusqlite::{Connection, ffi};
use std::ffi::c_int;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long who closes waits for the bucket's name. Without it the log stays, which does no harm.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection.
pub(super) struct Handle {
    /// Empty only while it is dropped. In a box, so that it stays where it is when the handle moves.
    connection: Option<Box<Connection>>,
    /// The directory of the buckets, if the file is one of a bucket.
    buckets: Option<Arc<Path>>,
    counted: Option<Counted>,
}

impl Handle {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection: Some(Box::new(connection)), buckets: None, counted: None }
    }

    /// Says that the file is a bucket's, of the buckets in that directory. With their names held.
    pub(super) fn set_bucket(&mut self, buckets: Arc<Path>) {
        set_keeps_log(self, true);
        self.buckets = Some(buckets);
    }

    /// Says that the connection's descriptors are counted.
    pub(super) fn set_counted(&mut self, counted: Counted) {
        self.counted = Some(counted);
    }

    /// The connection alone, of a database in memory.
    pub(super) fn into_connection(mut self) -> Connection {
        *self.connection.take().expect(OPEN)
    }

    /// Closes the connection, with SQLite's answer.
    pub(super) fn close(mut self) -> Result<()> {
        self.end()
    }

    /// Whether the file does not have the name any more under which it was opened.
    pub(super) fn has_moved(&self) -> bool {
        has_moved(self)
    }

    fn end(&mut self) -> Result<()> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        let names = match self.buckets.as_ref().map(|buckets| Names::hold(buckets, PATIENCE)) {
            Some(Err(error)) => {
                tracing::warn!(%error, "the log of a bucket's shard is left behind");
                None
            }
            Some(Ok(names)) => names.inspect(|_| {
                if !has_moved(&connection) {
                    set_keeps_log(&connection, false);
                }
            }),
            None => None,
        };
        let closed = connection.close().map_err(|(_, error)| error.into());
        drop(names);
        closed
    }
}

const OPEN: &str = "a handle is empty only while it is dropped";

impl Deref for Handle {
    type Target = Connection;

    #[inline]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect(OPEN)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(%error, "closing a connection failed");
        }
    }
}

/// Whether the log is left where it is by the last connection that closes.
fn set_keeps_log(connection: &Connection, keeps: bool) {
    let mut value = c_int::from(keeps);
    if !control(connection, ffi::SQLITE_FCNTL_PERSIST_WAL, &mut value) {
        tracing::warn!("SQLite does not know whether to keep a log");
    }
}

/// Whether the file does not have the name any more under which it was opened. In doubt it has not.
fn has_moved(connection: &Connection) -> bool {
    let mut moved: c_int = 0;
    // Only the VFS of Unix answers; elsewhere open files do not move.
    !control(connection, ffi::SQLITE_FCNTL_HAS_MOVED, &mut moved) && cfg!(unix) || moved != 0
}

/// Asks the file of a connection something that is answered with a number.
fn control(connection: &Connection, question: c_int, value: &mut c_int) -> bool {
    // SAFETY: the handle is that of an open connection, and both questions take a pointer to an `int`, which
    // they read and write during the call (<https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html>).
    #[expect(unsafe_code, reason = "file controls have no safe form")]
    let answer = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            question,
            std::ptr::from_mut(value).cast(),
        )
    };
    answer == ffi::SQLITE_OK
}
