//! What long operations tell.

use litestash_core as core;

/// A record with the members of the core's report of that name.
macro_rules! report {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $about:literal])+ $member:ident: $type:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
        pub struct $name {
            $($(#[doc = $about])+ pub $member: $type,)+
        }

        impl From<core::$name> for $name {
            fn from(report: core::$name) -> Self {
                Self { $($member: convert(report.$member),)+ }
            }
        }
    };
}

/// The member of a report as the record has it.
fn convert<T, U: Converted<T>>(member: T) -> U {
    U::converted(member)
}

trait Converted<T> {
    fn converted(from: T) -> Self;
}

macro_rules! converted {
    ($($type:ty => $into:ty;)+) => {$(
        impl Converted<$type> for $into {
            fn converted(from: $type) -> Self {
                from.into()
            }
        }
    )+};
}

converted! {
    u8 => u8;
    u64 => u64;
    i64 => i64;
    bool => bool;
    String => String;
    &str => String;
    Option<u8> => Option<u8>;
    Option<u64> => Option<u64>;
    Option<String> => Option<String>;
    core::ProblemKind => ProblemKind;
    core::LimitStats => LimitStats;
    core::CacheStats => CacheStats;
    core::ExpiryStats => ExpiryStats;
    core::BucketStats => BucketStats;
}

impl<T, U: From<T>> Converted<Vec<T>> for Vec<U> {
    fn converted(from: Vec<T>) -> Self {
        from.into_iter().map(Into::into).collect()
    }
}

impl<const N: usize> Converted<[core::SlotStats; N]> for Vec<SlotStats> {
    fn converted(from: [core::SlotStats; N]) -> Self {
        from.into_iter().map(Into::into).collect()
    }
}

report! {
    /// Figures of a stash, as of the moment each shard was read.
    Stats {
        /// Rows, expired ones left out.
        rows: u64,
        /// Stored rows whose deadline has passed.
        expired_rows: u64,
        /// Bytes of all keys.
        key_bytes: u64,
        /// Bytes of all records: values with their headers.
        record_bytes: u64,
        /// Bytes of the files, write-ahead logs included.
        file_bytes: u64,
        /// How far the limits are used.
        limits: LimitStats,
        /// The read cache of this process.
        cache: CacheStats,
        /// What this process did about deadlines.
        expiry: ExpiryStats,
        /// The SQLite inside.
        sqlite_version: String,
        /// The contract's version.
        format: i64,
        /// Every shard that exists, in ascending order.
        shards: Vec<ShardStats>,
        /// The sums of all buckets, which the other figures leave out but for those of the cache.
        buckets: BucketStats,
    }
}

report! {
    /// Sums over all buckets of a stash.
    BucketStats {
        /// How many there are.
        buckets: u64,
        /// Rows, expired ones left out.
        rows: u64,
        /// Stored rows whose deadline has passed.
        expired_rows: u64,
        /// Bytes of all keys.
        key_bytes: u64,
        /// Bytes of all records.
        record_bytes: u64,
        /// Bytes of the files, write-ahead logs included.
        file_bytes: u64,
    }
}

report! {
    /// Figures of one shard.
    ShardStats {
        /// The shard's number, 0 to 15.
        shard: u8,
        /// Bytes of the file.
        file_bytes: u64,
        /// Bytes of its write-ahead log.
        wal_bytes: u64,
        /// Stored rows as the shard counts them, where a stash with limits has written.
        counted_rows: Option<u64>,
        /// Bytes of keys and records as the shard counts them.
        counted_bytes: Option<u64>,
        /// Bytes in pages that hold nothing, which `compact` gives back.
        free_bytes: u64,
        /// The tables.
        slots: Vec<SlotStats>,
    }
}

report! {
    /// Figures of one table.
    SlotStats {
        /// Rows, expired ones left out.
        rows: u64,
        /// Stored rows whose deadline has passed.
        expired_rows: u64,
        /// Bytes of the keys.
        key_bytes: u64,
        /// Bytes of the records.
        record_bytes: u64,
    }
}

report! {
    /// Figures of the read cache.
    CacheStats {
        /// Reads of one key that were answered from memory.
        hits: u64,
        /// Reads of one key that had to ask SQLite.
        misses: u64,
        /// Rows held, and keys known to be missing.
        entries: u64,
        /// Bytes they are counted as.
        bytes: u64,
        /// The limit of those bytes; 0 if the cache is off.
        bytes_max: u64,
    }
}

report! {
    /// What was done about deadlines, by this process since it opened the stash.
    ExpiryStats {
        /// Expired rows that sweeps removed.
        swept_rows: u64,
        /// Hints that sweeps removed; there may be several for a row.
        swept_hints: u64,
        /// Sliding deadlines that were prolonged after reads.
        prolonged: u64,
        /// How often the wall clock was found set by more than a minute.
        clock_jumps: u64,
        /// Whether nothing is swept right now, because the clock was set less than a minute ago.
        postponed: bool,
    }
}

/// Figures of a stash's limits.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LimitStats {
    /// The limit of bytes, if there is one.
    pub bytes_max: Option<u64>,
    /// The limit of rows, if there is one.
    pub rows_max: Option<u64>,
    /// Stored rows as counted, over the shards that are counted.
    pub counted_rows: Option<u64>,
    /// Bytes of keys and records as counted.
    pub counted_bytes: Option<u64>,
    /// Bytes that the directory takes on disk.
    pub disk_bytes: u64,
    /// Rows that this process has evicted since it opened the stash.
    pub evicted_rows: u64,
}

impl From<core::LimitStats> for LimitStats {
    fn from(stats: core::LimitStats) -> Self {
        Self {
            bytes_max: stats.limits.bytes,
            rows_max: stats.limits.rows,
            counted_rows: stats.counted_rows,
            counted_bytes: stats.counted_bytes,
            disk_bytes: stats.disk_bytes,
            evicted_rows: stats.evicted_rows,
        }
    }
}

report! {
    /// What a check found.
    VerifyReport {
        /// Shards that exist, those of buckets included.
        shards: u64,
        /// Rows looked at.
        rows: u64,
        /// What is wrong; empty if the stash is sound.
        problems: Vec<Problem>,
    }
}

report! {
    /// One thing that is wrong.
    Problem {
        /// The bucket's name; nothing if it is about the stash itself.
        bucket: Option<String>,
        /// The shard's number; 255 for the journal.
        shard: u8,
        /// The table's number, if it is about a row or table.
        slot: Option<u8>,
        /// The row's hash in hexadecimal, if it is about a row.
        key_hash: Option<String>,
        /// What kind.
        kind: ProblemKind,
        /// In words, without keys or values.
        message: String,
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ProblemKind {
    /// The file is refused as a whole: foreign, newer, renamed, unreadable.
    File,
    /// SQLite's own check of the file found damage.
    Structure,
    /// A header value that the contract fixes has another value.
    Header,
    /// A `key_hash` is not the hash of the row's key.
    Hash,
    /// A row stands in a shard or table where its hash does not belong.
    Routing,
    /// A key is not in normal form.
    Key,
    /// A version is out of range.
    Version,
    /// A record fails its checksum or is malformed.
    Record,
    /// A body is not canonical.
    Value,
    /// A row with a deadline has no hint, or a hint is malformed.
    Expiry,
    /// The shard's counters are not what a count of its rows gives.
    Counters,
    /// Something that this binding has no name for; the message tells.
    Other,
}

impl From<core::ProblemKind> for ProblemKind {
    fn from(kind: core::ProblemKind) -> Self {
        match kind {
            core::ProblemKind::File => Self::File,
            core::ProblemKind::Structure => Self::Structure,
            core::ProblemKind::Header => Self::Header,
            core::ProblemKind::Hash => Self::Hash,
            core::ProblemKind::Routing => Self::Routing,
            core::ProblemKind::Key => Self::Key,
            core::ProblemKind::Version => Self::Version,
            core::ProblemKind::Record => Self::Record,
            core::ProblemKind::Value => Self::Value,
            core::ProblemKind::Expiry => Self::Expiry,
            core::ProblemKind::Counters => Self::Counters,
            _ => Self::Other,
        }
    }
}

report! {
    /// What a repair did.
    RepairReport {
        /// Shard files looked at.
        shards: u64,
        /// Rows written to the new stash.
        rows: u64,
        /// What could not be read.
        lost: Vec<Lost>,
    }
}

report! {
    /// A row, a table or a shard that could not be salvaged.
    Lost {
        /// The bucket's name; nothing if it was in the stash itself.
        bucket: Option<String>,
        /// The shard's number.
        shard: u8,
        /// The table's number; nothing if it is the whole shard.
        slot: Option<u8>,
        /// The row's hash in hexadecimal, where it is known.
        key_hash: Option<String>,
        /// The key as JSON, where it is readable and matches its hash.
        key: Option<String>,
        /// Why, in words.
        reason: String,
    }
}

report! {
    /// What a compaction did.
    CompactReport {
        /// Pages given back.
        pages_freed: u64,
        /// Bytes given back.
        bytes_freed: u64,
        /// Shards whose write-ahead log others kept from being emptied.
        shards_busy: u64,
    }
}

report! {
    /// What a backup wrote.
    BackupReport {
        /// Shard files.
        shards: u64,
        /// Their bytes.
        bytes: u64,
    }
}

report! {
    /// What an export did.
    ExportReport {
        /// Rows written.
        rows: u64,
        /// Bytes written.
        bytes: u64,
    }
}

report! {
    /// What an import did.
    ImportReport {
        /// Lines read, blank ones included.
        lines: u64,
        /// Bytes read.
        bytes: u64,
        /// Rows written.
        rows: u64,
        /// Rows left alone because the stash has the same or a newer version.
        older: u64,
        /// Lines that were no row.
        rejected_lines: u64,
        /// The first thousand of them.
        rejected: Vec<Rejected>,
    }
}

report! {
    /// A line that was no row.
    Rejected {
        /// Its number, the first line being 1.
        line: u64,
        /// The error's name.
        error: String,
        /// What is wrong, in words.
        message: String,
    }
}

report! {
    /// What a sweep did.
    SweepReport {
        /// Expired rows removed.
        rows: u64,
        /// Hints removed; there may be several for a row.
        hints: u64,
        /// Rows that may have expired but cannot be read, and were left alone.
        unreadable: u64,
        /// Whether nothing was removed, because the wall clock was set less than a minute ago.
        postponed: bool,
    }
}
