//! What a shard asks of everybody who writes it: the marks in its `meta` table (`docs/CONTRACT.md` 9).
//!
//! A mark is set by a commit, and a commit changes the header of the WAL index. So a writer that finds the header
//! as its own last commit left it knows the marks without looking, and only after the commit of another has
//! to read them, under the write lock.

use super::OpenWriter;
use crate::contract::schema;
use crate::error::Result;
use crate::storage::database::{Database, Hot};
use crate::storage::wal_index::Header;

/// The marks of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    /// Rows and bytes are counted, and this is how many there are.
    pub(crate) counters: Option<Counters>,
    /// Until when somebody watches what is changed: Unix time in microseconds.
    pub(crate) watched_until: Option<i64>,
    /// The stash has a journal that is looked at before anything is written.
    pub(crate) journal: bool,
    /// The last of the journal's transactions that the shard has.
    pub(crate) applied: i64,
    /// The shard was given up: its file is about to lose its name.
    pub(crate) dropped: bool,
}

/// Stored rows of a shard, expired ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    pub(crate) rows: i64,
    /// Bytes of their keys and records.
    pub(crate) bytes: i64,
}

impl Marks {
    /// Whether a writer has nothing to do but to write.
    #[inline]
    pub(super) fn ask_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The marks as they are. Under the write lock, or they may change at once.
    pub(crate) fn read(database: &mut Database) -> Result<Self> {
        database.with(Hot::Marks, |statement| {
            let mut marks = Self::default();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let name = row.get_ref(0)?;
                let int = || row.get::<_, i64>(1);
                match name.as_str().unwrap_or_default() {
                    schema::META_ROWS => marks.counters.get_or_insert_default().rows = int()?,
                    schema::META_BYTES => marks.counters.get_or_insert_default().bytes = int()?,
                    schema::META_WATCHED_UNTIL => marks.watched_until = Some(int()?),
                    schema::META_JOURNAL => marks.journal = true,
                    schema::META_APPLIED => marks.applied = int()?,
                    schema::META_DROPPED => marks.dropped = true,
                    _ => {}
                }
            }
            Ok(marks)
        })
    }
}

/// What a writer connection knows of the marks.
pub(super) struct KnownMarks {
    marks: Marks,
    valid: Valid,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Valid {
    Never,
    /// As long as the header is this.
    At(Header),
    /// Nobody else has the shard: it is in memory.
    Always,
}

impl KnownMarks {
    pub(super) fn new(in_memory: bool) -> Self {
        Self { marks: Marks::default(), valid: if in_memory { Valid::Always } else { Valid::Never } }
    }

    /// The marks, if they are known to be those of a shard with that header.
    #[inline]
    pub(super) fn at(&self, header: Option<Header>) -> Option<Marks> {
        let valid = match self.valid {
            Valid::Never => false,
            Valid::At(known) => header == Some(known),
            Valid::Always => true,
        };
        valid.then_some(self.marks)
    }

    fn learn(&mut self, marks: Marks, header: Option<Header>) {
        self.marks = marks;
        if self.valid != Valid::Always {
            self.valid = header.map_or(Valid::Never, Valid::At);
        }
    }

    /// Takes in a commit of this connection's own, which left the marks like that, and the headers around it.
    /// Returns whether nobody else committed between the two.
    pub(super) fn committed(&mut self, marks: Marks, before: Option<Header>, after: Option<Header>) -> bool {
        let own = |after: &Header| before.is_some_and(|before| after.is_one_commit_after(&before));
        self.learn(marks, after.filter(own));
        self.valid != Valid::Never
    }
}

impl OpenWriter {
    /// The marks, read if others have committed. Under the write lock.
    pub(super) fn marks(&mut self, header: Option<Header>) -> Result<Marks> {
        if let Some(marks) = self.known.at(header) {
            return Ok(marks);
        }
        let marks = Marks::read(&mut self.database)?;
        self.known.learn(marks, header);
        Ok(marks)
    }
}
