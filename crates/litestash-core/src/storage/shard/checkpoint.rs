//! Moving the write-ahead log into the file, in the background and at close.
//!
//! A checkpoint waits for the disk, twice. Done by a writer, as SQLite does by itself, it is most of the cost
//! of a write. Here writers only notice that the log has grown; `wal_autocheckpoint` stays as a backstop.

use super::{OpenWriter, Shard, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::database::Database;
use crate::storage::wal_index::Header;
use crate::storage::worker::When;
use crate::sync::Mutex;
use rusqlite::Connection;
use std::sync::atomic::{AtomicU32, Ordering};

/// Frames between two background checkpoints: 4 MB of pages. As many should be started anew, for which writers of the
/// shard wait for a moment: a short log stays in the caches and is written over instead of growing. And as many of an
/// idle log are cut off; a shorter one is only moved, and written over by the next commit.
const FRAMES_STEP: u32 = 1000;

/// Frames that may be left to move while writers wait.
const FRAMES_LEFT_MAX: u32 = 400;

/// Bytes from which the file of an idle log is cut off, however few frames are in use: it keeps its size when
/// the log is started anew.
const BYTES_TRUNCATED: u64 = 8 << 20;

/// How long a log may become.
#[derive(Debug, Clone, Copy)]
struct Steps {
    /// [`FRAMES_STEP`], and from where the log is started anew and cut off.
    frames: u32,
    left_max: u32,
    bytes_truncated: u64,
}

/// What is remembered of a shard's log.
pub(super) struct Log {
    steps: Steps,
    /// Frames when the last checkpoint of a step began.
    moved: AtomicU32,
    /// The header when the worker last came by.
    seen: Mutex<Option<Header>>,
}

impl Log {
    /// A log that is kept to that many frames, if they are limited.
    pub(super) fn new(frames_max: Option<u32>) -> Self {
        let usual =
            Steps { frames: FRAMES_STEP, left_max: FRAMES_LEFT_MAX, bytes_truncated: BYTES_TRUNCATED };
        let steps = frames_max.map_or(usual, |frames| Steps {
            frames: (frames / 2).min(FRAMES_STEP),
            left_max: (frames / 4).min(FRAMES_LEFT_MAX),
            bytes_truncated: (u64::from(frames) * 2 * 4096).min(BYTES_TRUNCATED),
        });
        Self { steps, moved: AtomicU32::new(0), seen: Mutex::default() }
    }

    /// Remembers that a checkpoint of that many frames began.
    pub(super) fn began(&self, frames: u32) {
        self.moved.store(frames, Ordering::Relaxed);
    }

    /// Whether a log of that many frames has grown by a step.
    pub(super) fn wants_checkpoint(&self, frames: u32) -> bool {
        let moved = self.moved.load(Ordering::Relaxed);
        let step = self.steps.frames;
        frames >= step && (frames < moved || frames - moved >= step)
    }
}

/// How far a checkpoint came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) frames: u32,
    pub(super) moved: u32,
}

impl Shard {
    /// The worker's part: moves a grown log now; finishes with an idle one later. Returns whether to come
    /// back.
    pub(crate) fn checkpoint_in_background(&self, when: When) -> bool {
        let done = match when {
            When::Now => self.move_log().map(|_| true),
            When::Later => self.tidy_log(),
        };
        done.unwrap_or_else(|error| {
            if !matches!(error.kind(), ErrorKind::Busy | ErrorKind::Closed) {
                tracing::warn!(%error, "a background checkpoint failed");
            }
            error.kind() != ErrorKind::Closed
        })
    }

    fn move_log(&self) -> Result<()> {
        if !self.is_in_place() {
            self.reopen_later();
            if self.is_in_bucket() {
                // It was dropped.
                return Ok(());
            }
            return Err(Error::new(
                ErrorKind::Io,
                "the shard's files were replaced or deleted while they were open; what was written to them is lost",
            ));
        }
        let Some(mut reader) = self.take_reader()? else { return Ok(()) };
        let Some(progress) = reader.database().map(passive).transpose()? else { return Ok(()) };
        drop(reader);
        self.log.moved.store(progress.frames, Ordering::Relaxed);
        let Steps { frames: step, left_max, .. } = self.log.steps;
        if progress.frames >= step && progress.frames - progress.moved <= left_max {
            let mut writer = self.writer.lock();
            if let Writer::Open(open) = &mut *writer {
                self.end_idle(true);
                // With all frames moved, the next commit starts the log anew.
                let progress = passive(&mut open.database)?;
                self.log.moved.store(progress.frames, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Once nobody has committed for a period, moves what is left. Returns whether to come back.
    fn tidy_log(&self) -> Result<bool> {
        let mut writer = self.writer.lock();
        let Writer::Open(open) = &mut *writer else { return Ok(false) };
        let Some(header) = open.database.header() else { return Ok(true) };
        let idle = self.log.seen.lock().replace(header) == Some(header);
        if !idle {
            return Ok(true);
        }
        self.end_idle(true);
        let Steps { frames: step, bytes_truncated, .. } = self.log.steps;
        if header.frames() >= step || self.log_bytes() >= bytes_truncated {
            checkpoint(open.database.connection())?;
            return Ok(false);
        }
        let progress = passive(&mut open.database)?;
        Ok(progress.moved < progress.frames)
    }

    /// Bytes of the log's file. Asking for a size opens nothing.
    pub(super) fn log_bytes(&self) -> u64 {
        let metadata = self.path.as_ref().and_then(|path| {
            let mut log = path.as_os_str().to_owned();
            log.push("-wal");
            std::fs::metadata(log).ok()
        });
        metadata.map_or(0, |metadata| metadata.len())
    }

    /// Empties the log on the way out.
    pub(super) fn checkpoint_at_close(&self, open: &OpenWriter) -> Result<()> {
        match checkpoint(open.database.connection()) {
            // A checkpoint that others keep from finishing loses nothing: the log stays and they finish it.
            Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
            other => other,
        }
    }
}

/// Moves what can be moved without waiting for anybody (<https://www.sqlite.org/c3ref/wal_checkpoint_v2.html>).
pub(super) fn passive(database: &mut Database) -> Result<Progress> {
    database.end_kept()?;
    let count =
        |row: &rusqlite::Row<'_>, index| row.get::<_, i64>(index).map(|n| u32::try_from(n).unwrap_or(0));
    let progress = database.connection().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(Progress { frames: count(row, 1)?, moved: count(row, 2)? })
    })?;
    Ok(progress)
}

/// Copies the WAL into the database file and empties it. `Busy` if readers or other processes are in the way.
pub(crate) fn checkpoint(connection: &Connection) -> Result<()> {
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy { Err(Error::new(ErrorKind::Busy, "the checkpoint could not finish")) } else { Ok(()) }
}
