import CLiteStash
import Foundation

/// What `LiteStash.update` reads and writes, by subscripts.
///
/// ```swift
/// try stash.update { rows in
///     rows["visits"] = (rows["visits"] ?? 0) + 1
///     rows["user:1"] = User(name: "Ada")
///     rows["old"] = nil
/// }
/// ```
///
/// Nothing is stored before the closure returns. A subscript cannot throw where it can be set, so the first error is kept,
/// what follows it does nothing, and `update` throws it.
public final class Draft {
    private let stash: LiteStash
    /// What was read of the stash: the encoding and the version, nil for a miss.
    private var seen: [Key: (bytes: [UInt8], version: Int64)?] = [:]
    /// What is to be done.
    private var written: [Key: Operation] = [:]
    private var failure: (any Error)?

    fileprivate init(_ stash: LiteStash) { self.stash = stash }

    /// The object of a key as it would be stored now; nil: it is not there, or is to be deleted.
    public subscript<K: StashKey, T: Codable>(key: K) -> T? {
        get { read(key.stashKey) { try decoded(T.self, $0) } }
        set { write(key, newValue) }
    }

    /// The value of a key, where no other type is asked for, as in `rows["old"] = nil`.
    @_disfavoredOverload
    public subscript<K: StashKey>(key: K) -> Value? {
        get { read(key.stashKey) { try Reader.whole($0) { try $0.value() } } }
        set { write(key, newValue) }
    }

    /// Stores a value with a deadline.
    public func set<K: StashKey, T: Encodable>(_ key: K, _ value: T, ttl: Duration? = nil, deadline: Deadline? = nil) {
        attempt { written[key.stashKey] = try .set(key, value, ttl: ttl, deadline: deadline) }
    }

    private func attempt(_ body: () throws -> Void) {
        guard failure == nil else { return }
        do { try body() } catch { failure = error }
    }

    private func write<K: StashKey, T: Encodable>(_ key: K, _ value: T?) {
        if let value { return set(key, value) }
        attempt { written[key.stashKey] = .delete(key) }
    }

    private func read<T>(_ key: Key, _ decode: (UnsafeRawBufferPointer) throws -> T) -> T? {
        var found: T?
        attempt { found = try bytes(key)?.withUnsafeBytes(decode) }
        return found
    }

    private func bytes(_ key: Key) throws -> [UInt8]? {
        if let operation = written[key] {
            guard case .set(let bytes, _, _, _) = operation.action else { return nil }
            return bytes
        }
        if let known = seen[key] { return known?.bytes }
        let read = try stash.versioned(key)
        seen[key] = .some(read)
        return read?.bytes
    }

    /// Performs what was written if what was read is still so. Whether it was.
    fileprivate func commit() throws -> Bool {
        if let failure { throw failure }
        if written.isEmpty { return true }
        let conditions = seen.map { key, row in
            Operation.check(key, row.map { .version($0.version) } ?? .absent)
        }
        guard case .committed = try stash.transaction(conditions + written.values) else { return false }
        return true
    }
}

extension LiteStash {
    /// Reads and writes by subscripts, as one step: all that the closure wrote is stored, or nothing. Returns what the
    /// closure returns.
    ///
    /// The closure is run again if somebody else changed meanwhile what it had read, so it should do nothing but look and
    /// compute. What it throws, and the first error of its subscripts, is thrown, and nothing is stored then.
    @discardableResult
    public func update<Result>(_ body: (Draft) throws -> Result) throws -> Result {
        while true {
            let draft = Draft(self)
            let result = try body(draft)
            if try draft.commit() { return result }
        }
    }

    /// As the function that blocks; the closure runs on another thread.
    @discardableResult
    public func update<Result: Sendable>(
        _ body: @escaping @Sendable (Draft) throws -> Result
    ) async throws -> Result {
        try await offload { [self] in try update(body) }
    }

    fileprivate func versioned(_ key: Key) throws -> (bytes: [UInt8], version: Int64)? {
        var entry = litestash_entry()
        try key._withKey { try check(litestash_get_entry(handle, $0, &entry)) }
        defer { litestash_buffer_free(&entry.value) }
        return entry.present ? (Array(entry.value.raw), entry.version) : nil
    }
}
