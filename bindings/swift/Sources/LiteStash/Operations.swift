import CLiteStash
import Foundation

/// An operation on one key, for batches and transactions.
public struct Operation: Sendable {
    enum Action: Sendable {
        case get, exists, entry, delete, take, persist, touch
        case set([UInt8], Deadline?, keepTTL: Bool, Condition)
        case increment(Int64)
        case incrementFloat(Double)
        case compareAndSet(expected: [UInt8]?, [UInt8])
        case expire(Deadline)
        case check(Condition)
        case expect([UInt8])
    }

    let key: Key
    let action: Action

    private init<K: StashKey>(_ key: K, _ action: Action) {
        self.key = key.stashKey
        self.action = action
    }

    /// The value; answers ``Answer/value(_:)``.
    public static func get<K: StashKey>(_ key: K) -> Self { Self(key, .get) }
    /// Whether the key is there.
    public static func exists<K: StashKey>(_ key: K) -> Self { Self(key, .exists) }
    /// The value with its version and deadline; answers ``Answer/entry(_:)``.
    public static func entry<K: StashKey>(_ key: K) -> Self { Self(key, .entry) }
    /// Deletes the key; answers whether it was there.
    public static func delete<K: StashKey>(_ key: K) -> Self { Self(key, .delete) }
    /// Takes the value out; answers ``Answer/value(_:)``.
    public static func take<K: StashKey>(_ key: K) -> Self { Self(key, .take) }
    /// Takes the deadline away; answers whether there was one.
    public static func persist<K: StashKey>(_ key: K) -> Self { Self(key, .persist) }
    /// Begins a sliding deadline anew; answers whether the key was there.
    public static func touch<K: StashKey>(_ key: K) -> Self { Self(key, .touch) }
    /// Adds to an integer; answers ``Answer/integer(_:)``.
    public static func increment<K: StashKey>(_ key: K, by: Int64 = 1) -> Self { Self(key, .increment(by)) }
    /// Adds to a number; answers ``Answer/float(_:)``.
    public static func increment<K: StashKey>(_ key: K, byFloat by: Double) -> Self { Self(key, .incrementFloat(by)) }
    /// Gives the key a new deadline; answers whether it was there.
    public static func expire<K: StashKey>(_ key: K, _ deadline: Deadline) -> Self { Self(key, .expire(deadline)) }

    /// Stores a value, as the stash's `set`.
    public static func set<K: StashKey, T: Encodable>(
        _ key: K, _ value: T, ttl: Duration? = nil, deadline: Deadline? = nil, keepTTL: Bool = false,
        if condition: Condition = .always
    ) throws -> Self {
        Self(key, .set(try encoded(value), try deadlineOf(ttl, deadline), keepTTL: keepTTL, condition))
    }

    /// Stores a value if the key holds `expected` (nil: if it is missing).
    public static func compareAndSet<K: StashKey, Old: Encodable, New: Encodable>(
        _ key: K, expected: Old?, _ value: New
    ) throws -> Self {
        Self(key, .compareAndSet(expected: try expected.map { try encoded($0) }, try encoded(value)))
    }

    /// Asks whether a condition holds; where it does not, a transaction is refused.
    public static func check<K: StashKey>(_ key: K, _ condition: Condition) -> Self { Self(key, .check(condition)) }

    /// Asks whether the key holds that value; where it does not, a transaction is refused.
    public static func expect<K: StashKey, T: Encodable>(_ key: K, _ value: T) throws -> Self {
        Self(key, .expect(try encoded(value)))
    }
}

/// What an operation answered.
public enum Answer: Sendable {
    /// `get`, `take`: nil if the key is not there.
    case value(Value?)
    /// `entry`: nil if the key is not there.
    case entry(Entry?)
    /// `set`: the version, nil if the condition did not hold.
    case version(Int64?)
    /// Every yes or no.
    case flag(Bool)
    /// `increment` by an integer: the sum.
    case integer(Int64)
    /// `increment` by a float: the sum.
    case float(Double)
}

/// What became of a transaction.
public enum TransactionResult: Sendable {
    /// Everything was done.
    case committed([Answer])
    /// Nothing was done: the condition of that operation does not hold.
    case refused(index: Int)
}

/// What operations point at, until they were done.
private final class Arena {
    private var memory: [UnsafeMutableRawBufferPointer] = []

    func copy<Bytes: Sequence>(_ bytes: Bytes, count: Int) -> UnsafePointer<UInt8>? where Bytes.Element == UInt8 {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 1)
        room.copyBytes(from: Array(bytes))
        memory.append(room)
        return UnsafePointer(room.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }

    func bytes(_ bytes: [UInt8]) -> litestash_bytes {
        litestash_bytes(data: copy(bytes, count: bytes.count), length: bytes.count)
    }

    func key(_ key: Key) -> litestash_key {
        switch key {
        case .text(let text): return cKey(LITESTASH_KEY_TEXT, copy(text.utf8, count: text.utf8.count), text.utf8.count)
        case .bytes(let data): return cKey(LITESTASH_KEY_BYTES, copy(data, count: data.count), data.count)
        case .integer(let integer): return litestash_key_integer(integer)
        case .float(let number): return litestash_key_float(number)
        }
    }

    private func cKey(_ kind: Int32, _ data: UnsafePointer<UInt8>?, _ length: Int) -> litestash_key {
        litestash_key(content: litestash_key_content(data: data), length: UInt32(clamping: length), kind: UInt32(kind))
    }

    func operation(_ operation: Operation) -> litestash_op {
        var given = litestash_op()
        given.key = key(operation.key)
        let kind: Int32
        switch operation.action {
        case .get: kind = LITESTASH_OP_GET
        case .exists: kind = LITESTASH_OP_EXISTS
        case .entry: kind = LITESTASH_OP_ENTRY
        case .delete: kind = LITESTASH_OP_DELETE
        case .take: kind = LITESTASH_OP_TAKE
        case .persist: kind = LITESTASH_OP_PERSIST
        case .touch: kind = LITESTASH_OP_TOUCH
        case .set(let value, let deadline, let keepTTL, let condition):
            kind = LITESTASH_OP_SET
            given.value = bytes(value)
            given.options = setOptions(deadline, keepTTL: keepTTL, condition)
        case .increment(let by):
            kind = LITESTASH_OP_INCREMENT
            given.integer = by
        case .incrementFloat(let by):
            kind = LITESTASH_OP_INCREMENT_FLOAT
            given.number = by
        case .compareAndSet(let expected, let value):
            kind = LITESTASH_OP_COMPARE_AND_SET
            if let expected { given.expected = bytes(expected) }
            given.value = bytes(value)
        case .expire(let deadline):
            kind = LITESTASH_OP_EXPIRE
            given.options.deadline = deadline.given
        case .check(let condition):
            kind = LITESTASH_OP_CHECK
            condition.give(&given.options)
        case .expect(let value):
            kind = LITESTASH_OP_EXPECT
            given.expected = bytes(value)
        }
        given.kind = UInt32(kind)
        return given
    }

    deinit { memory.forEach { $0.deallocate() } }
}

extension Operation {
    fileprivate func answer(_ given: litestash_answer) throws -> Answer {
        if given.status != 0 {
            let message = String(decoding: given.value.raw, as: UTF8.self)
            throw LiteStashError(ErrorCode(rawValue: given.status) ?? .`internal`, message)
        }
        switch action {
        case .get, .take: return .value(given.flag ? try Reader.whole(given.value.raw) { try $0.value() } : nil)
        case .entry:
            guard given.flag else { return .entry(nil) }
            let end = given.has_deadline ? given.expires_at : nil
            return .entry(try Entry(given.value, given.version, end, given.idle_us))
        case .set: return .version(given.flag ? given.version : nil)
        case .increment: return .integer(given.integer)
        case .incrementFloat: return .float(given.number)
        default: return .flag(given.flag)
        }
    }
}

extension LiteStash {
    /// Performs independent operations, one transaction per shard, and answers each of them: one that fails does not
    /// stop the others. `tooLarge` over 10 000 operations or 64 MiB.
    public func apply(_ operations: [Operation]) throws -> [Result<Answer, any Error>] {
        let arena = Arena()
        let given = operations.map(arena.operation)
        var answers = [litestash_answer](repeating: litestash_answer(), count: operations.count)
        try check(litestash_apply(handle, given, given.count, &answers))
        defer { litestash_answers_free(&answers, answers.count) }
        return zip(operations, answers).map { operation, answer in Result { try operation.answer(answer) } }
    }

    /// Performs all the operations or none of them, whatever shards their keys are in, also if the process is killed at
    /// any moment. They are done in the order given and see what those before them did.
    ///
    /// If a condition does not hold, nothing is done and the answer is ``TransactionResult/refused(index:)``. If an
    /// operation fails, nothing is done and that is the error.
    public func transaction(_ operations: [Operation]) throws -> TransactionResult {
        let arena = Arena()
        let given = operations.map(arena.operation)
        var answers = [litestash_answer](repeating: litestash_answer(), count: operations.count)
        var verdict = litestash_verdict()
        try check(litestash_transaction(handle, given, given.count, &answers, &verdict))
        guard verdict.committed else { return .refused(index: verdict.refused) }
        defer { litestash_answers_free(&answers, answers.count) }
        return .committed(try zip(operations, answers).map { try $0.answer($1) })
    }

    /// The values of several keys, in their order. Keys of one shard are seen in one committed state.
    public func getMany<K: StashKey>(_ keys: [K]) throws -> [Value?] {
        try encodings(keys) { try Reader.whole($0) { try $0.value() } }
    }

    /// The objects of several keys, in their order. `typeMismatch` if one of them is something else.
    public func getMany<K: StashKey, T: Decodable>(_ keys: [K], as type: T.Type) throws -> [T?] {
        try encodings(keys) { try decoded(type, $0) }
    }

    private func encodings<K: StashKey, T>(
        _ keys: [K], _ decode: (UnsafeRawBufferPointer) throws -> T
    ) throws -> [T?] {
        let arena = Arena()
        let given = keys.map { arena.key($0.stashKey) }
        var values = [litestash_buffer](repeating: litestash_buffer(), count: keys.count)
        try check(litestash_get_many(handle, given, given.count, &values))
        defer { litestash_buffers_free(&values, values.count) }
        return try values.map { $0.data == nil ? nil : try decode($0.raw) }
    }

    /// Stores several values; atomic per shard. Returns the versions.
    @discardableResult
    public func setMany<K: StashKey, T: Encodable>(_ items: [(K, T)]) throws -> [Int64] {
        let arena = Arena()
        let keys = items.map { arena.key($0.0.stashKey) }
        let values = try items.map { arena.bytes(try encoded($0.1)) }
        var versions = [Int64](repeating: 0, count: items.count)
        try check(litestash_set_many(handle, keys, values, items.count, &versions))
        return versions
    }

    /// Deletes several keys; atomic per shard. Returns whether each was there.
    @discardableResult
    public func deleteMany<K: StashKey>(_ keys: [K]) throws -> [Bool] {
        let arena = Arena()
        let given = keys.map { arena.key($0.stashKey) }
        var deleted = [Bool](repeating: false, count: keys.count)
        try check(litestash_delete_many(handle, given, given.count, &deleted))
        return deleted
    }
}
