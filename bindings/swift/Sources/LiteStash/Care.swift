import CLiteStash
import Foundation

/// Figures of a stash.
public struct Stats: Decodable, Sendable {
    /// Figures of the rows in memory.
    public struct Cache: Decodable, Sendable {
        public let hits, misses, entries, bytes: UInt64
        public let bytesMax: UInt64

        enum CodingKeys: String, CodingKey {
            case hits, misses, entries, bytes
            case bytesMax = "bytes_max"
        }
    }

    /// Rows, expired ones left out.
    public let rows: UInt64
    /// Stored rows whose deadline has passed.
    public let expiredRows: UInt64
    public let keyBytes: UInt64
    public let recordBytes: UInt64
    /// Bytes of the files, logs included.
    public let fileBytes: UInt64
    public let cache: Cache
    public let sqliteVersion: String
    /// The contract's version.
    public let format: Int64

    enum CodingKeys: String, CodingKey {
        case rows, cache, format
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

extension LiteStash {
    private func report<Report: Decodable>(
        _ type: Report.Type, _ call: (UnsafeMutablePointer<litestash_buffer>) throws -> litestash_status
    ) throws -> Report {
        var report = litestash_buffer()
        try check(try call(&report))
        defer { litestash_buffer_free(&report) }
        return try decoded(type, report.raw)
    }

    /// Figures of the stash. Costs a walk over every table.
    public func stats() throws -> Stats { try report(Stats.self) { litestash_stats(handle, $0) } }

    /// Checks every file and row. The list `problems` of the report is empty if the stash is sound.
    public func verify() throws -> Value { try report(Value.self) { litestash_verify(handle, $0) } }

    /// Gives the space of deleted rows back to the file system.
    @discardableResult
    public func compact() throws -> Value { try report(Value.self) { litestash_compact(handle, $0) } }

    /// Copies the stash as it is at one moment into a directory, which is made.
    @discardableResult
    public func backup(to directory: String) throws -> Value {
        try report(Value.self) { litestash_backup(handle, directory, $0) }
    }

    /// Copies what can be read of a damaged stash, which nobody may have open, into a new one.
    @discardableResult
    public static func repair(_ source: String, into destination: String) throws -> Value {
        var report = litestash_buffer()
        try check(litestash_repair(source, destination, &report))
        defer { litestash_buffer_free(&report) }
        return try decoded(Value.self, report.raw)
    }

    /// Makes everything acknowledged so far durable against a power cut.
    public func sync() throws { try check(litestash_sync(handle)) }

    /// Removes expired rows now. The background does it by itself.
    @discardableResult
    public func sweep() throws -> SweepReport { try report(SweepReport.self) { litestash_sweep(handle, $0) } }

    /// Removes rows that were last written longer ago. Returns how many.
    @discardableResult
    public func expire(olderThan age: Duration, prefix: String? = nil) throws -> Int {
        guard age >= .zero else { throw LiteStashError(.invalidArgument, "an age is negative") }
        var removed: UInt64 = 0
        try (prefix ?? "").withCText { text, length in
            try withUnsafePointer(to: CChar(0)) { empty in
                let start = prefix == nil ? nil : length == 0 ? empty : text
                try check(litestash_expire_older_than(handle, UInt64(age.micros), start, length, &removed))
            }
        }
        return Int(clamping: removed)
    }

    /// Asks everybody who writes the stash to log changes for a while, at most an hour, as a filter with `allProcesses`
    /// does. For programs that read the log themselves.
    public func logChanges(for duration: Duration) throws {
        try check(litestash_log_changes(handle, UInt64(duration.micros)))
    }

    /// Every row as JSON Lines (`docs/INTERCHANGE.md`), in pieces; what `write` throws ends it.
    public func export(_ scan: Scan = Scan(), _ write: (Data) throws -> Void) throws {
        try withoutActuallyEscaping(write) { write in
            let sink = Sink(write)
            try withExtendedLifetime(sink) {
                let context = Unmanaged.passUnretained(sink).toOpaque()
                let status = try scan.withGiven {
                    litestash_export(
                        handle, $0,
                        { context, data, length in
                            let sink = Unmanaged<Sink>.fromOpaque(context!).takeUnretainedValue()
                            return sink.take(UnsafeRawBufferPointer(start: data, count: length))
                        }, context, nil)
                }
                if status != 0, let failure = sink.failure { throw failure }
                try check(status)
            }
        }
    }
}

extension LiteStash {
    /// Whether the stash is encrypted.
    public var isEncrypted: Bool {
        get throws {
            var flag = false
            try check(litestash_is_encrypted(handle, &flag))
            return flag
        }
    }

    /// Gives an encrypted stash a new data key and encrypts every row with it, while others go on reading and writing.
    @discardableResult
    public func rotateKey() throws -> Value { try report(Value.self) { litestash_rotate_key(handle, nil, nil, $0) } }

    /// Gives the stash another key of 32 bytes instead of its key or passphrase; no row is touched.
    public func changeKey(_ key: Data) throws {
        let bytes = [UInt8](key)
        try check(litestash_change_key(handle, bytes, bytes.count))
    }

    /// ``changeKey(_:)`` to a passphrase.
    public func changePassphrase(_ passphrase: String) throws {
        try passphrase.withCText { try check(litestash_change_passphrase(handle, $0, $1)) }
    }
}

/// Where an export goes, and the error that it met there.
private final class Sink {
    let write: (Data) throws -> Void
    var failure: (any Error)?
    init(_ write: @escaping (Data) throws -> Void) { self.write = write }

    func take(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        do {
            try write(Data(bytes))
            return 0
        } catch {
            failure = error
            return 1
        }
    }
}
