import CLiteStash
import Foundation

/// How far an import is.
public struct ImportProgress: Sendable, Hashable {
    /// Lines read.
    public let lines: UInt64
    /// Bytes read.
    public let bytes: UInt64
    /// Rows written.
    public let rows: UInt64
}

/// JSON Lines, the form in which rows travel (`docs/INTERCHANGE.md`).
extension LiteStash {
    /// Gives every row as JSON Lines to `write`, in pieces; what that throws ends it.
    @discardableResult
    public func export(_ scan: Scan = Scan(), _ write: (Data) throws -> Void) throws -> ExportReport {
        typealias Write = (Data) throws -> Void
        return try withoutActuallyEscaping(write) { write in
            try withCallback(write as Write) { context in
                try scan.withGiven { options in
                    try report(ExportReport.self) {
                        litestash_export(
                            handle, options,
                            { context, data, length in
                                let bytes = Data(UnsafeRawBufferPointer(start: data, count: length))
                                return Callback<Write>.of(context).status { try $0(bytes) }
                            }, context, $0)
                    }
                }
            }
        }
    }

    /// Writes every row as JSON Lines into a new file, which is taken away again if there is an error. `io` if it is
    /// there already or cannot be written.
    @discardableResult
    public func export(to file: URL, _ scan: Scan = Scan()) throws -> ExportReport {
        try export(to: file, scan, while: { true })
    }

    func export(to file: URL, _ scan: Scan, while goesOn: () -> Bool) throws -> ExportReport {
        let out = try withFile {
            try Data().write(to: file, options: .withoutOverwriting)
            return try FileHandle(forWritingTo: file)
        }
        defer { try? out.close() }
        do {
            return try export(scan) { piece in
                guard goesOn() else { throw CancellationError() }
                try withFile { try out.write(contentsOf: piece) }
            }
        } catch {
            try? FileManager.default.removeItem(at: file)
            throw error
        }
    }

    /// Reads JSON Lines and stores each row. Lines that are no row are counted and named in the report; the others are
    /// written in large batches, each atomic per shard.
    ///
    /// - Parameters:
    ///   - keepingVersions: Whether rows keep the versions of their lines; a row of which the stash has the same or a
    ///     newer version is left alone then.
    ///   - progress: Hears how far it is, after each batch. What it throws ends the import; what was written stays.
    ///   - read: Gives the next bytes, of any number; nil at the end. It is called on another thread, while this one
    ///     waits. What it throws ends the import.
    @discardableResult
    public func importLines(
        keepingVersions: Bool = false, progress: (ImportProgress) throws -> Void = { _ in },
        _ read: @escaping @Sendable () throws -> Data?
    ) throws -> ImportReport {
        typealias Progress = (ImportProgress) throws -> Void
        return try withoutActuallyEscaping(progress) { progress in
            try withCallback(progress as Progress) { progress in
                try withCallback(Feed(read)) { feed in
                    var options = litestash_import_options()
                    options.keep_versions = keepingVersions ? 1 : 0
                    options.progress_context = progress
                    options.progress = { context, lines, bytes, rows in
                        Callback<Progress>.of(context).status {
                            try $0(ImportProgress(lines: lines, bytes: bytes, rows: rows))
                        }
                    }
                    return try report(ImportReport.self) {
                        litestash_import(
                            handle,
                            { context, data, capacity in
                                let room = UnsafeMutableRawBufferPointer(start: data, count: capacity)
                                return Callback<Feed>.of(context).call { try $0.fill(room) } ?? .max
                            }, feed, &options, $0)
                    }
                }
            }
        }
    }

    /// Reads JSON Lines of a file, as ``importLines(keepingVersions:progress:_:)``.
    @discardableResult
    public func importLines(
        from file: URL, keepingVersions: Bool = false, progress: (ImportProgress) throws -> Void = { _ in }
    ) throws -> ImportReport {
        let lines = try withFile { try FileHandle(forReadingFrom: file) }
        defer { try? lines.close() }
        return try importLines(keepingVersions: keepingVersions, progress: progress) {
            try withFile { try lines.read(upToCount: 1 << 20) }
        }
    }
}

/// Bytes on their way into an import.
private final class Feed {
    private let read: () throws -> Data?
    private var piece = Data()

    init(_ read: @escaping () throws -> Data?) { self.read = read }

    /// Puts as much into the room as fits; 0 at the end.
    func fill(_ room: UnsafeMutableRawBufferPointer) throws -> Int {
        while piece.isEmpty {
            guard let next = try read() else { return 0 }
            piece = next
        }
        let count = min(room.count, piece.count)
        room.copyBytes(from: piece.prefix(count))
        piece = piece.dropFirst(count)
        return count
    }
}

/// What the system says about a file is `io`, or `permissionDenied`.
private func withFile<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch {
        let denied: [CocoaError.Code] = [.fileReadNoPermission, .fileWriteNoPermission]
        let code = (error as? CocoaError)?.code
        let isDenied = code.map(denied.contains) ?? false
        throw LiteStashError(isDenied ? .permissionDenied : .io, "the file cannot be used", underlying: error)
    }
}
