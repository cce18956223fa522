//! A connection with the few statements of the hot path prepared once.
//!
//! rusqlite's own statement cache costs a hash of the SQL text and a list update per
//! use, about a tenth of a get.

use super::descriptors::Counted;
use super::handle::Handle;
use super::retry::while_busy;
use super::shard::Marks;
use super::sql;
use super::ticket::Ticket;
use super::wal_index::{FRAMES_KEPT_MAX, Header, WalIndex};
use crate::contract::limits::SLOTS;
use crate::contract::route::Slot;
use crate::error::Result;
use rusqlite::{Connection, Statement};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The statements of the hot path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hot {
    Begin,
    Commit,
    BeginRead,
    Marks,
    CountersSet,
    Pages,
    FreePages,
    Get(Slot),
    Put(Slot),
    Delete(Slot),
    SizeOf(Slot),
}

const HOT_STATEMENTS: usize = 7 + 4 * SLOTS;

impl Hot {
    const fn index(self) -> usize {
        match self {
            Self::Begin => 0,
            Self::Commit => 1,
            Self::BeginRead => 2,
            Self::Marks => 3,
            Self::CountersSet => 4,
            Self::Pages => 5,
            Self::FreePages => 6,
            Self::Get(slot) => 7 + slot.index(),
            Self::Put(slot) => 7 + SLOTS + slot.index(),
            Self::Delete(slot) => 7 + 2 * SLOTS + slot.index(),
            Self::SizeOf(slot) => 7 + 3 * SLOTS + slot.index(),
        }
    }

    const fn sql(self) -> &'static str {
        match self {
            Self::Begin => sql::BEGIN,
            Self::Commit => sql::COMMIT,
            Self::BeginRead => sql::BEGIN_READ,
            Self::Marks => sql::MARKS,
            Self::CountersSet => sql::COUNTERS_SET,
            Self::Pages => sql::PAGES,
            Self::FreePages => sql::FREE_PAGES,
            Self::Get(slot) => sql::GET[slot.index()],
            Self::Put(slot) => sql::PUT[slot.index()],
            Self::Delete(slot) => sql::DELETE[slot.index()],
            Self::SizeOf(slot) => sql::SIZE_OF[slot.index()],
        }
    }
}

/// How a connection reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Each statement for itself. The header as it was after the last one, if it could be seen.
    Plain(Option<Header>),
    /// Inside a read transaction that was begun when the header was this.
    Kept(Header),
}

/// A SQLite connection and its hot statements.
///
/// A reader keeps its read transaction open while nobody commits: beginning and ending one costs two system
/// calls, most of a small read. The WAL index tells whether the transaction still shows the newest state.
pub(crate) struct Database {
    /// Borrow from `connection`; declared before it, so dropped before it. In a box, so that a database is
    /// cheap to move.
    statements: Box<[Option<Statement<'static>>; HOT_STATEMENTS]>,
    /// Stays where it is when the database moves.
    connection: Handle,
    /// Whether the connection has a WAL index that other connections share.
    shares_index: bool,
    /// The connection's own mapped page of it.
    index: Option<WalIndex>,
    reading: Reading,
    /// Only of a connection that writes.
    ticket: Option<Ticket>,
    /// Set by every read, cleared by whoever looks for idle transactions.
    used: bool,
    /// Of a bucket: the header of a state in which it was not dropped.
    undropped: Option<Header>,
    /// Frames of the log beyond which read transactions are not kept open.
    frames_kept_max: u32,
    /// Whether the table of uses was seen, which is never removed.
    has_uses: bool,
}

// SAFETY: `Connection` can be sent, and the mapped page belongs to the process and not to a thread; a
// `Statement` cannot only because it refers to a connection that could stay behind. Here both move together,
// and every use of a statement goes through `&mut Database`, so no two threads use them at once, which is all
// that SQLite asks for in multi-thread mode (<https://www.sqlite.org/threadsafe.html>).
#[expect(unsafe_code, reason = "see the safety comment")]
unsafe impl Send for Database {}

impl Database {
    /// `shares_index`: the connection is to a file in WAL mode and takes part in its locking. It has read.
    pub(crate) fn new(connection: Connection, shares_index: bool) -> Self {
        let index = if shares_index { WalIndex::of(&connection) } else { None };
        Self {
            statements: Box::new(std::array::from_fn(|_| None)),
            connection: Handle::new(connection),
            shares_index,
            index,
            reading: Reading::Plain(None),
            ticket: None,
            used: false,
            undropped: None,
            frames_kept_max: FRAMES_KEPT_MAX,
            has_uses: false,
        }
    }

    /// Whether the connection has a log and an index that other connections share.
    pub(super) fn shares_index(&self) -> bool {
        self.shares_index
    }

    /// Takes part in taking turns with the writers of other processes.
    pub(super) fn with_ticket(mut self) -> Self {
        self.ticket = self.index.and_then(Ticket::new);
        self
    }

    /// Calls `attempt`, which begins a write, when it is this process's turn to write the shard, and again
    /// while it answers `Busy`, for at most `timeout`.
    pub(super) fn in_turn<T>(
        &mut self,
        timeout: Duration,
        mut attempt: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let Some(mut ticket) = self.ticket else { return while_busy(timeout, || attempt(self)) };
        let result = ticket.in_turn(timeout, || attempt(self));
        self.ticket = Some(ticket);
        result
    }

    /// Keeps read transactions open only while the log is shorter than that.
    pub(super) fn keep_below(&mut self, frames: u32) {
        self.frames_kept_max = frames;
    }

    /// Whether there is a table of uses.
    pub(super) fn has_uses(&mut self) -> Result<bool> {
        if !self.has_uses {
            let mut exists = self.connection.prepare_cached(sql::ACCESS_EXISTS)?;
            self.has_uses = exists.query_row([], |row| row.get(0))?;
        }
        Ok(self.has_uses)
    }

    /// Pages of the file, and how many of them hold nothing.
    pub(super) fn pages(&mut self) -> Result<(u32, u32)> {
        let mut number = |which| self.with(which, |statement| Ok(statement.query_row([], |row| row.get(0))?));
        Ok((number(Hot::Pages)?, number(Hot::FreePages)?))
    }

    /// Whether others can say that they wait to write the shard.
    pub(super) fn takes_turns(&self) -> bool {
        self.ticket.is_some()
    }

    /// Whether another process waits to write the shard.
    pub(super) fn is_awaited(&self) -> bool {
        self.ticket.as_ref().is_some_and(Ticket::is_awaited)
    }

    /// The connection, for everything that is not hot.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Calls `f` with a hot statement, prepared by its first use.
    pub(super) fn with<R>(
        &mut self,
        which: Hot,
        f: impl FnOnce(&mut Statement<'_>) -> Result<R>,
    ) -> Result<R> {
        let entry = &mut self.statements[which.index()];
        let statement = match entry {
            Some(statement) => statement,
            None => {
                let statement = self.connection.prepare(which.sql())?;
                // SAFETY: the statement refers to the boxed connection, which does not move or end before the
                // statement: both are private to this struct, the statements are dropped first, and `f`
                // cannot keep it beyond the call.
                #[expect(unsafe_code, reason = "see the safety comment")]
                let statement =
                    unsafe { std::mem::transmute::<Statement<'_>, Statement<'static>>(statement) };
                entry.insert(statement)
            }
        };
        f(statement)
    }

    /// Runs a hot statement that has no parameters and no rows.
    pub(super) fn run(&mut self, which: Hot) -> Result<()> {
        self.with(which, |statement| {
            statement.execute([])?;
            Ok(())
        })
    }

    /// Reads with `f`, seeing everything committed before this call, and keeps a read transaction open for
    /// the next read if that looks worthwhile. Returns whether one is open now.
    ///
    /// A transaction is begun by the second read that finds the same header, so that a key that is written
    /// and read in turn costs nothing extra. It is kept only if the header is still the same afterwards: then
    /// it shows that very state.
    pub(super) fn read_keeping<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<(T, bool)> {
        self.used = true;
        let before = self.header();
        match (self.reading, before) {
            (Reading::Kept(kept), Some(now)) if kept == now => return f(self).map(|read| (read, true)),
            (Reading::Kept(_), _) => self.end_kept()?,
            (Reading::Plain(Some(seen)), Some(now)) if seen == now && self.may_keep(&now) => {
                self.run(Hot::BeginRead)?;
                let read = f(self);
                if read.is_ok() && self.header() == before {
                    self.reading = Reading::Kept(now);
                } else {
                    self.end_kept()?;
                }
                return read.map(|read| (read, self.keeps()));
            }
            _ => {}
        }
        let read = f(self)?;
        self.reading = Reading::Plain(self.header());
        Ok((read, false))
    }

    /// The header of the WAL index, if it can be seen: on a file in WAL mode.
    pub(super) fn header(&self) -> Option<Header> {
        self.index.and_then(WalIndex::header)
    }

    fn may_keep(&self, header: &Header) -> bool {
        self.index.is_some_and(|index| index.may_be_kept(header, self.frames_kept_max))
    }

    /// Ends the read transaction that was kept open, if there is one.
    pub(super) fn end_kept(&mut self) -> Result<()> {
        self.reading = Reading::Plain(None);
        if self.connection.is_autocommit() { Ok(()) } else { self.run(Hot::Commit) }
    }

    /// Whether a read transaction is kept open.
    pub(super) fn keeps(&self) -> bool {
        matches!(self.reading, Reading::Kept(_))
    }

    /// Whether the database was read since the last time this was asked.
    pub(super) fn take_used(&mut self) -> bool {
        std::mem::take(&mut self.used)
    }

    /// The connection alone, of a database in memory.
    pub(super) fn into_connection(self) -> Connection {
        let Self { statements, connection, .. } = self;
        drop(statements);
        connection.into_connection()
    }

    /// Closes the connection, with SQLite's answer.
    pub(crate) fn close(self) -> Result<()> {
        let Self { statements, connection, .. } = self;
        drop(statements);
        connection.close()
    }

    /// Says that the file is a bucket's, of the buckets in that directory. With their names held.
    pub(super) fn set_bucket(&mut self, buckets: &Arc<Path>) {
        self.connection.set_bucket(Arc::clone(buckets));
    }

    /// Says that the connection's descriptors are counted.
    pub(super) fn set_counted(&mut self, counted: Counted) {
        self.connection.set_counted(counted);
    }

    /// Whether the file does not have the name any more under which it was opened.
    pub(super) fn has_moved(&self) -> bool {
        self.connection.has_moved()
    }

    /// Whether the bucket to which the file belongs was dropped, as of what was read last or later. Costs a
    /// comparison while nobody commits.
    pub(crate) fn is_dropped(&mut self) -> Result<bool> {
        let state = match self.reading {
            Reading::Kept(kept) => Some(kept),
            Reading::Plain(_) => self.header(),
        };
        if state.is_some() && state == self.undropped {
            return Ok(false);
        }
        let dropped = Marks::read(self)?.dropped;
        self.undropped = state.filter(|_| !dropped);
        Ok(dropped)
    }
}
