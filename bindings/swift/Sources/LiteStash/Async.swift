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

/// As ``offload(to:_:)`` for what takes long: `body` is given a function that tells whether it is still wanted. Where it
/// ends early because it is not, that is the task's own cancellation.
func stoppable<Result: Sendable>(
    on workers: Workers = .calls, _ body: @escaping @Sendable (_ goesOn: @Sendable () -> Bool) throws -> Result
) async throws -> Result {
    let stopped = Flag()
    return try await withTaskCancellationHandler {
        try await offload(to: workers) { try body { !stopped.isSet } }
    } onCancel: {
        stopped.set()
    }
}

private final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false
    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
}

/// The twins of the functions that block. What is in memory is answered at once.
extension LiteStash {
    /// The twin of the function that blocks.
    public func get<K: StashKey, T: Decodable & Sendable>(_ key: K, as type: T.Type = T.self) async throws -> T? {
        if let known = try peek(key, { try decoded(type, $0) }) { return known }
        return try await offload { [self] in try get(key, as: type) }
    }

    /// The twin of the function that blocks.
    public func get<K: StashKey>(_ key: K) async throws -> Value? {
        if let known = try peek(key, { try Reader.whole($0) { try $0.value() } }) { return known }
        return try await offload { [self] in try get(key) }
    }

    /// The twin of the function that blocks.
    public func data<K: StashKey>(_ key: K) async throws -> Data? {
        if let known = try peek(key, bytes) { return known }
        return try await offload { [self] in try data(key) }
    }

    /// The twin of the function that blocks.
    public func exists<K: StashKey>(_ key: K) async throws -> Bool {
        if let known = try peek(key, { _ in true }) { return known != nil }
        return try await offload { [self] in try exists(key) }
    }

    /// The twin of the function that blocks.
    public func entry<K: StashKey>(_ key: K) async throws -> Entry? { try await offload { [self] in try entry(key) } }

    /// The twin of the function that blocks.
    @discardableResult
    public func set<K: StashKey, T: Encodable & Sendable>(
        _ key: K, _ value: T, ttl: Duration? = nil, deadline: Deadline? = nil, keepTTL: Bool = false,
        if condition: Condition = .always
    ) async throws -> Int64? {
        try await offload { [self] in
            try set(key, value, ttl: ttl, deadline: deadline, keepTTL: keepTTL, if: condition)
        }
    }

    /// The twin of the function that blocks.
    @discardableResult
    public func add<K: StashKey, T: Encodable & Sendable>(
        _ key: K, _ value: T, ttl: Duration? = nil
    ) async throws -> Bool {
        try await offload { [self] in try add(key, value, ttl: ttl) }
    }

    /// The twin of the function that blocks.
    @discardableResult
    public func replace<K: StashKey, T: Encodable & Sendable>(
        _ key: K, _ value: T, ttl: Duration? = nil
    ) async throws -> Bool {
        try await offload { [self] in try replace(key, value, ttl: ttl) }
    }

    /// The twin of the function that blocks.
    @discardableResult
    public func delete<K: StashKey>(_ key: K) async throws -> Bool { try await offload { [self] in try delete(key) } }

    /// The twin of the function that blocks.
    public func take<K: StashKey, T: Decodable & Sendable>(_ key: K, as type: T.Type = T.self) async throws -> T? {
        try await offload { [self] in try take(key, as: type) }
    }

    /// The twin of the function that blocks.
    @discardableResult
    public func increment<K: StashKey>(_ key: K, by: Int64 = 1) async throws -> Int64 {
        try await offload { [self] in try increment(key, by: by) }
    }

    /// The twin of the function that blocks.
    @discardableResult
    public func increment<K: StashKey>(_ key: K, byFloat by: Double) async throws -> Double {
        try await offload { [self] in try increment(key, byFloat: by) }
    }

    /// The twin of the function that blocks.
    @discardableResult
    public func compareAndSet<K: StashKey, Old: Encodable & Sendable, New: Encodable & Sendable>(
        _ key: K, expected: Old?, _ value: New
    ) async throws -> Bool {
        try await offload { [self] in try compareAndSet(key, expected: expected, value) }
    }

    /// The twin of the function that blocks.
    public func ttl<K: StashKey>(_ key: K) async throws -> TimeToLive? { try await offload { [self] in try ttl(key) } }

    /// The twin of the function that blocks.
    @discardableResult
    public func expire<K: StashKey>(_ key: K, _ deadline: Deadline) async throws -> Bool {
        try await offload { [self] in try expire(key, deadline) }
    }

    /// The twin of the function that blocks.
    @discardableResult
    public func persist<K: StashKey>(_ key: K) async throws -> Bool { try await offload { [self] in try persist(key) } }

    /// The twin of the function that blocks.
    @discardableResult
    public func touch<K: StashKey>(_ key: K) async throws -> Bool { try await offload { [self] in try touch(key) } }

    /// The twin of the function that blocks.
    public func apply(_ operations: [Operation]) async throws -> [Result<Answer, any Error>] {
        try await offload { [self] in try apply(operations) }
    }

    /// The twin of the function that blocks.
    public func transaction(_ operations: [Operation]) async throws -> TransactionResult {
        try await offload { [self] in try transaction(operations) }
    }

    /// The twin of the function that blocks.
    public func getMany<K: StashKey>(_ keys: [K]) async throws -> [Value?] {
        try await offload { [self] in try getMany(keys) }
    }

    /// The twin of the function that blocks.
    public func getMany<K: StashKey, T: Decodable & Sendable>(_ keys: [K], as type: T.Type) async throws -> [T?] {
        try await offload { [self] in try getMany(keys, as: type) }
    }

    /// The twin of the function that blocks.
    @discardableResult
    public func setMany<K: StashKey, T: Encodable & Sendable>(_ items: [(K, T)]) async throws -> [Int64] {
        try await offload { [self] in try setMany(items) }
    }

    /// The twin of the function that blocks.
    @discardableResult
    public func deleteMany<K: StashKey>(_ keys: [K]) async throws -> [Bool] {
        try await offload { [self] in try deleteMany(keys) }
    }

    /// Opens the stash in that directory, as ``init(path:options:)``.
    public static func open(path: String, options: Options = Options()) async throws -> LiteStash {
        try await offload { try LiteStash(path: path, options: options) }
    }

    /// Opens the stash in that directory, as ``init(url:options:)``.
    public static func open(url: URL, options: Options = Options()) async throws -> LiteStash {
        try await open(path: url.path, options: options)
    }

    /// The twin of the function that blocks.
    public func count() async throws -> Int { try await offload { [self] in try count() } }

    /// The twin of the function that blocks.
    public func removeAll() async throws { try await offload { [self] in try removeAll() } }

    /// The twin of the function that blocks.
    public func close() async throws { try await offload { [self] in try close() } }

    /// The twin of the function that blocks.
    public func suspend() async throws { try await offload { [self] in try suspend() } }

    /// The twin of the function that blocks.
    public func resume() async throws { try await offload { [self] in try resume() } }

    /// The twin of the function that blocks.
    public func buckets() async throws -> [String] { try await offload { [self] in try buckets() } }

    /// The twin of the function that blocks.
    @discardableResult
    public func dropBucket(_ name: String) async throws -> Bool { try await offload { [self] in try dropBucket(name) } }

    /// The twin of the function that blocks.
    public func stats() async throws -> Stats { try await offload { [self] in try stats() } }

    /// The twin of the function that blocks.
    public func verify() async throws -> VerifyReport { try await offload { [self] in try verify() } }

    /// The twin of the function that blocks.
    @discardableResult
    public func compact() async throws -> CompactReport { try await offload { [self] in try compact() } }

    /// The twin of the function that blocks.
    @discardableResult
    public func backup(to directory: String) async throws -> BackupReport {
        try await offload { [self] in try backup(to: directory) }
    }

    /// The twin of the function that blocks.
    public func sync() async throws { try await offload { [self] in try sync() } }

    /// The twin of the function that blocks.
    @discardableResult
    public func sweep() async throws -> SweepReport { try await offload { [self] in try sweep() } }

    /// The twin of the function that blocks.
    @discardableResult
    public func expire(olderThan age: Duration, prefix: String? = nil) async throws -> Int {
        try await offload { [self] in try expire(olderThan: age, prefix: prefix) }
    }

    /// As the function that blocks. A task that is cancelled stops it; the next rotation takes it up.
    @discardableResult
    public func rotateKey() async throws -> RotateReport {
        try await stoppable { [self] goesOn in
            try rotateKey { _, _ in if !goesOn() { throw CancellationError() } }
        }
    }

    /// As the function that blocks. A task that is cancelled leaves no file.
    @discardableResult
    public func export(to file: URL, _ scan: Scan = Scan()) async throws -> ExportReport {
        try await stoppable { [self] goesOn in try export(to: file, scan, while: goesOn) }
    }

    /// As the function that blocks. A task that is cancelled ends it; what was written stays.
    @discardableResult
    public func importLines(from file: URL, keepingVersions: Bool = false) async throws -> ImportReport {
        try await stoppable { [self] goesOn in
            try importLines(from: file, keepingVersions: keepingVersions) { _ in
                if !goesOn() { throw CancellationError() }
            }
        }
    }

    /// The twin of the function that blocks.
    public static func repair(_ source: String, into destination: String) async throws -> RepairReport {
        try await offload { try repair(source, into: destination) }
    }

    /// The twin of the function that blocks.
    public func changeKey(_ key: Data) async throws { try await offload { [self] in try changeKey(key) } }

    /// The twin of the function that blocks.
    public func changePassphrase(_ passphrase: String) async throws {
        try await offload { [self] in try changePassphrase(passphrase) }
    }
}
