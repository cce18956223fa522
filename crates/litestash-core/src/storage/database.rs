//! A connection with the few statements of the hot path prepared once.
//!
//! rusqlite's own statement cache costs a hash of the SQL text and a list update per use, about a tenth of a get.

use super::sql;
use crate::contract::limits::SLOTS;
use crate::contract::route::Slot;
use crate::error::Result;
use rusqlite::{Connection, Statement};

/// The statements of the hot path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hot {
    Begin,
    Commit,
    Get(Slot),
    Put(Slot),
    Delete(Slot),
}

const HOT_STATEMENTS: usize = 2 + 3 * SLOTS;

impl Hot {
    const fn index(self) -> usize {
        match self {
            Self::Begin => 0,
            Self::Commit => 1,
            Self::Get(slot) => 2 + slot.index(),
            Self::Put(slot) => 2 + SLOTS + slot.index(),
            Self::Delete(slot) => 2 + 2 * SLOTS + slot.index(),
        }
    }

    const fn sql(self) -> &'static str {
        match self {
            Self::Begin => sql::BEGIN,
            Self::Commit => sql::COMMIT,
            Self::Get(slot) => sql::GET[slot.index()],
            Self::Put(slot) => sql::PUT[slot.index()],
            Self::Delete(slot) => sql::DELETE[slot.index()],
        }
    }
}

/// A SQLite connection and its hot statements.
pub(crate) struct Database {
    /// Borrow from `connection`; declared before it, so dropped before it. In a box, so that a database is cheap to move.
    statements: Box<[Option<Statement<'static>>; HOT_STATEMENTS]>,
    /// In a box, so that it stays where it is when the database moves.
    connection: Box<Connection>,
}

// SAFETY: `Connection` can be sent; `Statement` cannot only because it refers to a connection that could stay behind. Here
// both move together, and every use of a statement goes through `&mut Database`, so no two threads use them at once,
// which is all that SQLite asks for in multi-thread mode (<https://www.sqlite.org/threadsafe.html>).
#[expect(unsafe_code, reason = "see the safety comment")]
unsafe impl Send for Database {}

impl Database {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { statements: Box::new(std::array::from_fn(|_| None)), connection: Box::new(connection) }
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
                // SAFETY: the statement refers to the boxed connection, which does not move or end before the statement:
                // both are private to this struct, the statements are dropped first, and `f` cannot keep it beyond the call.
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

    /// The connection alone.
    pub(super) fn into_connection(self) -> Connection {
        let Self { statements, connection } = self;
        drop(statements);
        *connection
    }

    /// Closes the connection, with SQLite's answer.
    pub(crate) fn close(self) -> Result<()> {
        self.into_connection().close().map_err(|(_, error)| error.into())
    }
}
