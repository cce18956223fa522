/// Figures of a stash, as of the moment each shard was read.
public struct Stats: Decodable, Sendable {
    /// Figures of the rows in memory.
    public struct Cache: Decodable, Sendable {
        /// Reads of one key that were answered from memory.
        public let hits: UInt64
        /// Reads of one key that had to ask the files.
        public let misses: UInt64
        /// Rows held, and keys known to be missing.
        public let entries: UInt64
        /// Bytes they are counted as.
        public let bytes: UInt64
        /// The limit of those bytes.
        public let bytesMax: UInt64

        enum CodingKeys: String, CodingKey {
            case hits, misses, entries, bytes
            case bytesMax = "bytes_max"
        }
    }

    /// Sums over all buckets.
    public struct Buckets: Decodable, Sendable {
        /// How many there are.
        public let buckets: UInt64
        /// Rows, expired ones left out.
        public let rows: UInt64
        /// Stored rows whose deadline has passed.
        public let expiredRows: UInt64
        /// Bytes of all keys.
        public let keyBytes: UInt64
        /// Bytes of all values with their headers.
        public let recordBytes: UInt64
        /// Bytes of the files, logs included.
        public let fileBytes: UInt64

        enum CodingKeys: String, CodingKey {
            case buckets, rows
            case expiredRows = "expired_rows"
            case keyBytes = "key_bytes"
            case recordBytes = "record_bytes"
            case fileBytes = "file_bytes"
        }
    }

    /// Rows, expired ones left out.
    public let rows: UInt64
    /// Stored rows whose deadline has passed.
    public let expiredRows: UInt64
    /// Bytes of all keys.
    public let keyBytes: UInt64
    /// Bytes of all values with their headers.
    public let recordBytes: UInt64
    /// Bytes of the files, logs included.
    public let fileBytes: UInt64
    /// Figures of the rows in memory.
    public let cache: Cache
    /// The sums of all buckets, which the other figures leave out but for those of the cache.
    public let buckets: Buckets
    /// The SQLite inside.
    public let sqliteVersion: String
    /// The contract's version.
    public let format: Int64

    enum CodingKeys: String, CodingKey {
        case rows, cache, buckets, format
        case expiredRows = "expired_rows"
        case keyBytes = "key_bytes"
        case recordBytes = "record_bytes"
        case fileBytes = "file_bytes"
        case sqliteVersion = "sqlite_version"
    }
}

/// What a sweep did.
public struct SweepReport: Decodable, Sendable {
    /// Expired rows removed.
    public let rows: UInt64
    /// Rows of the `expiry` table removed.
    public let hints: UInt64
    /// Rows that are damaged, and were left alone.
    public let unreadable: UInt64
    /// Whether nothing was removed because the wall clock was set a moment ago.
    public let postponed: Bool
}

/// What a check found.
public struct VerifyReport: Decodable, Sendable {
    /// One thing that is wrong.
    public struct Problem: Decodable, Sendable {
        /// The name of the bucket; nil if it is about the stash itself.
        public let bucket: String?
        /// The shard's number; 255 for the journal of transactions.
        public let shard: Int
        /// The table's number, if it is about a row or table.
        public let slot: Int?
        /// The row's hash in hexadecimal, if it is about a row.
        public let keyHash: String?
        /// What kind, by the engine's name for it.
        public let kind: String
        /// In words, without keys or values.
        public let message: String

        enum CodingKeys: String, CodingKey {
            case bucket, shard, slot, kind, message
            case keyHash = "key_hash"
        }
    }

    /// Shards that exist, those of buckets included.
    public let shards: Int
    /// Rows looked at.
    public let rows: UInt64
    /// What is wrong.
    public let problems: [Problem]

    /// Whether nothing is wrong.
    public var isSound: Bool { problems.isEmpty }
}

/// What a compaction did.
public struct CompactReport: Decodable, Sendable {
    /// Pages given back to the file system.
    public let pagesFreed: UInt64
    /// Their bytes.
    public let bytesFreed: UInt64
    /// Shards that others held, and that were left for another time.
    public let shardsBusy: UInt64

    enum CodingKeys: String, CodingKey {
        case pagesFreed = "pages_freed"
        case bytesFreed = "bytes_freed"
        case shardsBusy = "shards_busy"
    }
}

/// What a backup copied.
public struct BackupReport: Decodable, Sendable {
    /// Shards, those of buckets included.
    public let shards: UInt64
    /// Bytes of the files.
    public let bytes: UInt64
}

/// What a repair could read.
public struct RepairReport: Decodable, Sendable {
    /// A row, a table or a shard that could not be salvaged.
    public struct Lost: Decodable, Sendable {
        /// The name of the bucket; nil if it was in the stash itself.
        public let bucket: String?
        /// The shard's number.
        public let shard: Int
        /// The table's number; nil if it is the whole shard.
        public let slot: Int?
        /// The row's hash in hexadecimal, where it is known.
        public let keyHash: String?
        /// The key as JSON, where it is readable and matches its hash.
        public let key: String?
        /// Why, in words.
        public let reason: String

        enum CodingKeys: String, CodingKey {
            case bucket, shard, slot, key, reason
            case keyHash = "key_hash"
        }
    }

    /// Shard files looked at.
    public let shards: UInt64
    /// Rows written to the new stash.
    public let rows: UInt64
    /// What could not be read.
    public let lost: [Lost]
}

/// What a change of the data key did.
public struct RotateReport: Decodable, Sendable {
    /// The number of the new key.
    public let epoch: UInt32
    /// Whether an earlier rotation was taken up that had not been finished.
    public let resumed: Bool
    /// Tables looked through.
    public let tables: UInt64
    /// Rows looked at.
    public let rows: UInt64
    /// Rows encrypted anew. What others wrote meanwhile has the new key already.
    public let resealed: UInt64
    /// Rows that cannot be decrypted. While there are any, the old key is kept.
    public let damaged: UInt64
    /// Whether the old key was dropped.
    public let finished: Bool
}

/// What an export wrote.
public struct ExportReport: Decodable, Sendable {
    /// Rows.
    public let rows: UInt64
    /// Their bytes as JSON Lines.
    public let bytes: UInt64
}

/// What an import did.
public struct ImportReport: Decodable, Sendable {
    /// A line that was no row.
    public struct Rejected: Decodable, Sendable {
        /// Its number, the first line being 1.
        public let line: UInt64
        /// The name of the error.
        public let error: String
        /// What is wrong, in words.
        public let message: String
    }

    /// Lines read, blank ones included.
    public let lines: UInt64
    /// Bytes read.
    public let bytes: UInt64
    /// Rows written.
    public let rows: UInt64
    /// Rows left alone because the stash has the same or a newer version.
    public let older: UInt64
    /// Lines that were no row.
    public let rejectedLines: UInt64
    /// The first thousand of them.
    public let rejected: [Rejected]

    enum CodingKeys: String, CodingKey {
        case lines, bytes, rows, older, rejected
        case rejectedLines = "rejected_lines"
    }
}
