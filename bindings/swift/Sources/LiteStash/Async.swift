import Foundation

/// Runs `body` where it may block: never on a thread of the cooperative pool. A task that was cancelled before does not
/// begin it.
func offload<Result: Sendable>(
    to workers: Workers = .calls, _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try Task.checkCancellation()
    return try await withCheckedThrowingContinuation { continuation in
        workers.run { continuation.resume(with: Swift.Result { try body() }) }
    }
}

/// The twins of the functions that block. What is in memory is answered at once.
extension LiteStash {
    public func get<K: StashKey, T: Decodable & Sendable>(_ key: K, as type: T.Type = T.self) async throws -> T? {
        if let known = try peek(key, { try decoded(type, $0) }) { return known }
        return try await offload { [self] in try get(key, as: type) }
    }

    public func get<K: StashKey>(_ key: K) async throws -> Value? {
        if let known = try peek(key, { try Reader.whole($0) { try $0.value() } }) { return known }
        return try await offload { [self] in try get(key) }
    }

    public func data<K: StashKey>(_ key: K) async throws -> Data? { try await offload { [self] in try data(key) } }
    public func exists<K: StashKey>(_ key: K) async throws -> Bool { try await offload { [self] in try exists(key) } }
    public func entry<K: StashKey>(_ key: K) async throws -> Entry? { try await offload { [self] in try entry(key) } }

    @discardableResult
    public func set<K: StashKey, T: Encodable & Sendable>(
        _ key: K, _ value: T, ttl: Duration? = nil, deadline: Deadline? = nil, keepTTL: Bool = false,
        if condition: Condition = .always
    ) async throws -> Int64? {
        try await offload { [self] in
            try set(key, value, ttl: ttl, deadline: deadline, keepTTL: keepTTL, if: condition)
        }
    }

    @discardableResult
    public func add<K: StashKey, T: Encodable & Sendable>(
        _ key: K, _ value: T, ttl: Duration? = nil
    ) async throws -> Bool {
        try await offload { [self] in try add(key, value, ttl: ttl) }
    }

    @discardableResult
    public func replace<K: StashKey, T: Encodable & Sendable>(
        _ key: K, _ value: T, ttl: Duration? = nil
    ) async throws -> Bool {
        try await offload { [self] in try replace(key, value, ttl: ttl) }
    }

    @discardableResult
    public func delete<K: StashKey>(_ key: K) async throws -> Bool { try await offload { [self] in try delete(key) } }

    public func take<K: StashKey, T: Decodable & Sendable>(_ key: K, as type: T.Type = T.self) async throws -> T? {
        try await offload { [self] in try take(key, as: type) }
    }

    @discardableResult
    public func increment<K: StashKey>(_ key: K, by: Int64 = 1) async throws -> Int64 {
        try await offload { [self] in try increment(key, by: by) }
    }

    @discardableResult
    public func increment<K: StashKey>(_ key: K, byFloat by: Double) async throws -> Double {
        try await offload { [self] in try increment(key, byFloat: by) }
    }

    @discardableResult
    public func compareAndSet<K: StashKey, Old: Encodable & Sendable, New: Encodable & Sendable>(
        _ key: K, expected: Old?, _ value: New
    ) async throws -> Bool {
        try await offload { [self] in try compareAndSet(key, expected: expected, value) }
    }

    public func ttl<K: StashKey>(_ key: K) async throws -> TimeToLive? { try await offload { [self] in try ttl(key) } }

    @discardableResult
    public func expire<K: StashKey>(_ key: K, _ deadline: Deadline) async throws -> Bool {
        try await offload { [self] in try expire(key, deadline) }
    }

    @discardableResult
    public func persist<K: StashKey>(_ key: K) async throws -> Bool { try await offload { [self] in try persist(key) } }

    @discardableResult
    public func touch<K: StashKey>(_ key: K) async throws -> Bool { try await offload { [self] in try touch(key) } }

    public func apply(_ operations: [Operation]) async throws -> [Result<Answer, any Error>] {
        try await offload { [self] in try apply(operations) }
    }

    public func transaction(_ operations: [Operation]) async throws -> TransactionResult {
        try await offload { [self] in try transaction(operations) }
    }

    public func getMany<K: StashKey>(_ keys: [K]) async throws -> [Value?] {
        try await offload { [self] in try getMany(keys) }
    }

    @discardableResult
    public func setMany<K: StashKey, T: Encodable & Sendable>(_ items: [(K, T)]) async throws -> [Int64] {
        try await offload { [self] in try setMany(items) }
    }

    @discardableResult
    public func deleteMany<K: StashKey>(_ keys: [K]) async throws -> [Bool] {
        try await offload { [self] in try deleteMany(keys) }
    }

    public func removeAll() async throws { try await offload { [self] in try removeAll() } }
    public func close() async throws { try await offload { [self] in try close() } }
    public func suspend() async throws { try await offload { [self] in try suspend() } }
    public func resume() async throws { try await offload { [self] in try resume() } }
    public func buckets() async throws -> [String] { try await offload { [self] in try buckets() } }

    @discardableResult
    public func dropBucket(_ name: String) async throws -> Bool { try await offload { [self] in try dropBucket(name) } }

    public func stats() async throws -> Stats { try await offload { [self] in try stats() } }
    public func verify() async throws -> Value { try await offload { [self] in try verify() } }

    @discardableResult
    public func compact() async throws -> Value { try await offload { [self] in try compact() } }

    @discardableResult
    public func backup(to directory: String) async throws -> Value {
        try await offload { [self] in try backup(to: directory) }
    }

    public func sync() async throws { try await offload { [self] in try sync() } }

    @discardableResult
    public func sweep() async throws -> SweepReport { try await offload { [self] in try sweep() } }

    @discardableResult
    public func expire(olderThan age: Duration, prefix: String? = nil) async throws -> Int {
        try await offload { [self] in try expire(olderThan: age, prefix: prefix) }
    }

    @discardableResult
    public func rotateKey() async throws -> Value { try await offload { [self] in try rotateKey() } }

    public func changeKey(_ key: Data) async throws { try await offload { [self] in try changeKey(key) } }

    public func changePassphrase(_ passphrase: String) async throws {
        try await offload { [self] in try changePassphrase(passphrase) }
    }
}
