import CLiteStash
import Foundation

/// A value with what belongs to it.
public struct Entry: Sendable {
    /// The value.
    public let value: Value
    /// The time of the row's last write in microseconds, or more if writes were faster.
    public let version: Int64
    /// When it ends.
    public let expiresAt: Date?
    /// When it ends: Unix time in microseconds.
    public let expiresAtMicros: Int64?
    /// How long after its last use it ends, if its deadline slides.
    public let idle: Duration?
    /// Bytes of the value's encoding.
    public let size: Int
}

/// How long a key has.
public enum TimeToLive: Sendable, Hashable {
    /// There is no deadline.
    case forever
    /// So long.
    case remaining(Duration)
}

extension LiteStash {
    /// Bytes of values that are read into the stack.
    private static var roomBytes: Int { 2048 }

    /// Calls `body` with the value's encoding; nil if the key is missing or expired.
    @inline(__always)
    private func withEncoded<K: StashKey, Result>(
        _ key: K, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        try key._withKey { key in
            try withUnsafeTemporaryAllocation(byteCount: Self.roomBytes, alignment: 8) { room in
                var length = 0
                let start = room.baseAddress.map { $0.assumingMemoryBound(to: UInt8.self) }
                try check(litestash_get_into(handle, key, start, room.count, &length))
                if length == 0 { return nil }
                if length <= room.count { return try body(UnsafeRawBufferPointer(rebasing: room[..<length])) }
                var value = litestash_buffer()
                try check(litestash_get(handle, key, &value))
                defer { litestash_buffer_free(&value) }
                return value.data == nil ? nil : try body(value.raw)
            }
        }
    }

    /// The value of a key, or nil if it is missing or expired. A sliding deadline begins anew.
    ///
    /// `typeMismatch` if another type is stored. Errors of every read: `invalidKey`, `tooLarge` (the key), `corrupt`,
    /// `notAStash`, `unsupportedFormat`, `busy`, `closed`, `forked`, `io`.
    public func get<K: StashKey, T: Decodable>(_ key: K, as type: T.Type = T.self) throws -> T? {
        try withEncoded(key) { try decoded(type, $0) }
    }

    /// The value of a key as ``Value``.
    public func get<K: StashKey>(_ key: K) throws -> Value? {
        try withEncoded(key) { try Reader.whole($0) { try $0.value() } }
    }

    /// The bytes of a key that holds bytes.
    public func data<K: StashKey>(_ key: K) throws -> Data? { try withEncoded(key, bytes) }

    /// The bytes that an encoding stands for.
    func bytes(_ encoding: UnsafeRawBufferPointer) throws -> Data {
        try Reader.whole(encoding) { reader in
            guard case .bytes(let place) = try reader.token() else {
                throw LiteStashError(.typeMismatch, "no bytes are stored")
            }
            return reader.data(place)
        }
    }

    /// The value of a key. It cannot be set so, because Swift's setters cannot throw: `update` has subscripts that
    /// can.
    public subscript<K: StashKey>(key: K) -> Value? {
        get throws { try get(key) }
    }

    /// The value of a key as that type.
    public subscript<K: StashKey, T: Decodable>(key: K, as type: T.Type) -> T? {
        get throws { try get(key, as: type) }
    }

    /// What memory knows of a key, without touching a file or waiting for one. The outer nil: only the files can tell.
    func peek<K: StashKey, Result>(_ key: K, _ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result?? {
        try key._withKey { key in
            try withUnsafeTemporaryAllocation(byteCount: Self.roomBytes, alignment: 8) { room in
                var length = 0, known: UInt32 = 0
                let start = room.baseAddress.map { $0.assumingMemoryBound(to: UInt8.self) }
                try check(litestash_peek_into(handle, key, start, room.count, &length, &known))
                if known == LITESTASH_PEEK_MISSING { return .some(nil) }
                guard known == LITESTASH_PEEK_FOUND, length <= room.count else { return nil }
                return .some(try body(UnsafeRawBufferPointer(rebasing: room[..<length])))
            }
        }
    }

    /// Whether a key is there and not expired.
    public func exists<K: StashKey>(_ key: K) throws -> Bool {
        var present = false
        try key._withKey { try check(litestash_exists(handle, $0, &present)) }
        return present
    }

    /// The value of a key with its version and deadline.
    public func entry<K: StashKey>(_ key: K) throws -> Entry? {
        var entry = litestash_entry()
        try key._withKey { try check(litestash_get_entry(handle, $0, &entry)) }
        defer { litestash_buffer_free(&entry.value) }
        guard entry.present else { return nil }
        return try Entry(entry.value, entry.version, entry.has_deadline ? entry.expires_at : nil, entry.idle_us)
    }

    /// Stores a value and returns the row's new version; nil if the condition does not hold.
    ///
    /// Without `ttl` and `deadline` the row has the stash's default time to live, or stays; with `keepTTL` the deadline
    /// that it has now.
    ///
    /// Errors of every write: those of reads, `invalidValue`, `tooLarge`, `readOnly`, `diskFull`, `limitReached`,
    /// `permissionDenied`, and `indeterminate` if the commit failed. After any other error nothing was written.
    @discardableResult
    public func set<K: StashKey, T: Encodable>(
        _ key: K, _ value: T, ttl: Duration? = nil, deadline: Deadline? = nil, keepTTL: Bool = false,
        if condition: Condition = .always
    ) throws -> Int64? {
        let bytes = try encoded(value)
        var options = setOptions(try deadlineOf(ttl, deadline), keepTTL: keepTTL, condition)
        var written = litestash_written()
        try key._withKey { try check(litestash_set(handle, $0, bytes, bytes.count, &options, &written)) }
        return written.stored ? written.version : nil
    }

    /// Stores a value if the key is missing or expired. Returns whether it did.
    @discardableResult
    public func add<K: StashKey, T: Encodable>(_ key: K, _ value: T, ttl: Duration? = nil) throws -> Bool {
        try set(key, value, ttl: ttl, if: .absent) != nil
    }

    /// Stores a value if the key is there. Returns whether it did.
    @discardableResult
    public func replace<K: StashKey, T: Encodable>(_ key: K, _ value: T, ttl: Duration? = nil) throws -> Bool {
        try set(key, value, ttl: ttl, if: .present) != nil
    }

    /// Deletes a key. Returns whether it was there.
    @discardableResult
    public func delete<K: StashKey>(_ key: K) throws -> Bool {
        var deleted = false
        try key._withKey { try check(litestash_delete(handle, $0, &deleted)) }
        return deleted
    }

    /// Takes a value out: get and delete in one step.
    public func take<K: StashKey, T: Decodable>(_ key: K, as type: T.Type = T.self) throws -> T? {
        var value = litestash_buffer()
        try key._withKey { try check(litestash_take(handle, $0, &value)) }
        defer { litestash_buffer_free(&value) }
        return value.data == nil ? nil : try decoded(type, value.raw)
    }

    /// Adds to a stored integer and returns the sum. A missing key counts as 0. `overflow` if an integer is outside of 64
    /// signed bits, `typeMismatch` if no integer is stored.
    @discardableResult
    public func increment<K: StashKey>(_ key: K, by: Int64 = 1) throws -> Int64 {
        var sum: Int64 = 0
        try key._withKey { try check(litestash_increment(handle, $0, by, &sum)) }
        return sum
    }

    /// Adds to a stored number and stores the sum as a float.
    @discardableResult
    public func increment<K: StashKey>(_ key: K, byFloat by: Double) throws -> Double {
        var sum = 0.0
        try key._withKey { try check(litestash_increment_float(handle, $0, by, &sum)) }
        return sum
    }

    /// Stores a value if the key holds `expected` (nil: if it is missing). Returns whether it did.
    @discardableResult
    public func compareAndSet<K: StashKey, Old: Encodable, New: Encodable>(
        _ key: K, expected: Old?, _ value: New
    ) throws -> Bool {
        let old = try expected.map { try encoded($0) }, new = try encoded(value)
        var stored = false
        try key._withKey { key in
            // An array's pointer is good during the call; an empty one and none are told apart by the encoding, which is
            // never empty.
            if let old {
                try check(litestash_compare_and_set(handle, key, old, old.count, new, new.count, &stored))
            } else {
                try check(litestash_compare_and_set(handle, key, nil, 0, new, new.count, &stored))
            }
        }
        return stored
    }

    /// How long a key has left; nil if it is missing.
    public func ttl<K: StashKey>(_ key: K) throws -> TimeToLive? {
        var left = litestash_lifetime()
        try key._withKey { try check(litestash_ttl(handle, $0, &left)) }
        guard left.present else { return nil }
        return left.has_deadline ? .remaining(Duration(micros: left.us)) : .forever
    }

    /// Gives a key a new deadline. Returns whether it was there.
    @discardableResult
    public func expire<K: StashKey>(_ key: K, _ deadline: Deadline) throws -> Bool {
        var present = false
        try key._withKey { try check(litestash_expire(handle, $0, deadline.given, &present)) }
        return present
    }

    /// Takes a key's deadline away. Returns whether it had one.
    @discardableResult
    public func persist<K: StashKey>(_ key: K) throws -> Bool {
        var had = false
        try key._withKey { try check(litestash_persist(handle, $0, &had)) }
        return had
    }

    /// Begins a sliding deadline anew. Returns whether the key was there.
    @discardableResult
    public func touch<K: StashKey>(_ key: K) throws -> Bool {
        var present = false
        try key._withKey { try check(litestash_touch(handle, $0, &present)) }
        return present
    }
}

extension Entry {
    init(_ value: litestash_buffer, _ version: Int64, _ expiresAt: Int64?, _ idle: UInt64) throws {
        self.value = try Reader.whole(value.raw) { try $0.value() }
        self.version = version
        self.expiresAtMicros = expiresAt
        self.expiresAt = expiresAt.map { Date(timeIntervalSince1970: Double($0) / 1e6) }
        self.idle = idle == 0 ? nil : Duration(micros: Int64(clamping: idle))
        self.size = value.length
    }
}

/// One of two ways of saying a deadline.
func deadlineOf(_ ttl: Duration?, _ deadline: Deadline?) throws -> Deadline? {
    guard let ttl else { return deadline }
    if deadline != nil { throw LiteStashError(.invalidArgument, "a time to live and a deadline exclude each other") }
    return .after(ttl)
}
