import CLiteStash
import Foundation

extension LiteStash {
    func report<Report: Decodable>(
        _ type: Report.Type, _ call: (UnsafeMutablePointer<litestash_buffer>) throws -> litestash_status
    ) throws -> Report {
        var report = litestash_buffer()
        try check(try call(&report))
        defer { litestash_buffer_free(&report) }
        return try decoded(type, report.raw)
    }

    /// Figures of the stash. Costs a walk over every table.
    public func stats() throws -> Stats { try report(Stats.self) { litestash_stats(handle, $0) } }

    /// Checks every file and row. Damage is in the report and not thrown; others can write meanwhile.
    public func verify() throws -> VerifyReport { try report(VerifyReport.self) { litestash_verify(handle, $0) } }

    /// Gives the space of deleted rows back to the file system, and empties the logs.
    @discardableResult
    public func compact() throws -> CompactReport { try report(CompactReport.self) { litestash_compact(handle, $0) } }

    /// Copies the stash as it is at one moment into a directory, which is made.
    @discardableResult
    public func backup(to directory: String) throws -> BackupReport {
        try report(BackupReport.self) { litestash_backup(handle, directory, $0) }
    }

    /// Copies what can be read of a damaged stash, which nobody may have open, into a new one.
    @discardableResult
    public static func repair(_ source: String, into destination: String) throws -> RepairReport {
        var report = litestash_buffer()
        try check(litestash_repair(source, destination, &report))
        defer { litestash_buffer_free(&report) }
        return try decoded(RepairReport.self, report.raw)
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
    ///
    /// `progress` hears the rows and tables looked at so far; what it throws stops the rotation, which the next one takes
    /// up.
    @discardableResult
    public func rotateKey(
        progress: (_ rows: UInt64, _ tables: UInt64) throws -> Void = { _, _ in }
    ) throws -> RotateReport {
        typealias Progress = (UInt64, UInt64) throws -> Void
        return try withoutActuallyEscaping(progress) { progress in
            try withCallback(progress as Progress) { context in
                try report(RotateReport.self) {
                    litestash_rotate_key(
                        handle,
                        { context, rows, tables in
                            Callback<Progress>.of(context).status { try $0(rows, tables) }
                        }, context, $0)
                }
            }
        }
    }

    /// Gives the stash another key of 32 bytes instead of its key or passphrase; no row is touched.
    public func changeKey(_ key: Data) throws {
        let bytes = [UInt8](key)
        try check(litestash_change_key(handle, bytes, bytes.count))
    }

    /// `changeKey` to a passphrase.
    public func changePassphrase(_ passphrase: String) throws {
        try passphrase.withCText { try check(litestash_change_passphrase(handle, $0, $1)) }
    }
}
