import CLiteStash
import Foundation

/// An embedded key-value store: a directory that any number of tasks and processes, in any of LiteStash's languages, use
/// at once.
///
/// ```swift
/// let stash = try LiteStash(path: "cache")
/// try stash.set("user:1", User(name: "Ada"), ttl: .seconds(60))
/// let user = try stash.get("user:1", as: User.self)
/// ```
///
/// Every operation is there twice under one name: a function that blocks until it is done, and one for `async` code,
/// which Swift prefers there and which never blocks a thread of the cooperative pool.
///
/// A stash is closed with its last reference, or by `close()`, after which every operation fails with `closed`.
public final class LiteStash: @unchecked Sendable {
    /// The handle, which suspending exchanges. The library checks it with every call, so one that was given back while a
    /// call began is an error.
    private let cell: UnsafeMutablePointer<UInt64>
    /// Opens the stash anew.
    private let open: @Sendable () throws -> litestash_stash
    private let foreign: Foreign?
    /// The stash that this is a bucket or another handle of.
    private let root: LiteStash?
    let family = Family()

    /// What suspending and closing look after.
    final class Family: @unchecked Sendable {
        private let lock = NSLock()
        private var buckets: [ObjectIdentifier: Weak<LiteStash>] = [:]
        private var subscriptions: [ObjectIdentifier: Weak<Subscription>] = [:]

        struct Weak<Object: AnyObject> { weak var object: Object? }

        func add(_ bucket: LiteStash) { lock.withLock { buckets[ObjectIdentifier(bucket)] = Weak(object: bucket) } }

        func add(_ subscription: Subscription) {
            lock.withLock { subscriptions[ObjectIdentifier(subscription)] = Weak(object: subscription) }
        }

        func remove(_ object: AnyObject) {
            lock.withLock {
                buckets[ObjectIdentifier(object)] = nil
                subscriptions[ObjectIdentifier(object)] = nil
            }
        }

        var living: [LiteStash] { lock.withLock { buckets.values.compactMap(\.object) } }
        var hearing: [Subscription] { lock.withLock { subscriptions.values.compactMap(\.object) } }
    }

    private init(
        foreign: Foreign? = nil, root: LiteStash? = nil, _ open: @escaping @Sendable () throws -> litestash_stash
    ) throws {
        let handle = try open()
        self.foreign = foreign
        self.root = root
        self.open = open
        cell = .allocate(capacity: 1)
        cell.initialize(to: handle.id)
    }

    /// Opens the stash in that directory, which is created if it is missing.
    ///
    /// Errors: `noStash`, `notAStash`, `networkFileSystem`, `permissionDenied`, `readOnly`, `invalidArgument`, `wrongKey`,
    /// `io`.
    public convenience init(path: String, options: Options = Options()) throws {
        let foreign = Foreign(options)
        try self.init(foreign: foreign) {
            var stash = litestash_stash()
            try options.withGiven(foreign) { try check(litestash_open(path, $0, &stash)) }
            return stash
        }
    }

    /// Opens the stash in that directory.
    public convenience init(url: URL, options: Options = Options()) throws {
        try self.init(path: url.path, options: options)
    }

    /// Opens a stash in memory, which ends with its last reference.
    public static func inMemory(options: Options = Options()) throws -> LiteStash {
        let foreign = Foreign(options)
        return try LiteStash(foreign: foreign) {
            var stash = litestash_stash()
            try options.withGiven(foreign) { try check(litestash_open_memory($0, &stash)) }
            return stash
        }
    }

    deinit {
        root?.family.remove(self)
        if root == nil {
            // The last reference to a stash: its clock is gone with it.
            _ = litestash_close(handle)
        } else {
            _ = litestash_release(handle)
        }
        cell.deallocate()
    }

    /// The handle of now.
    var handle: litestash_stash {
        @inline(__always) get { litestash_stash(id: litestash_cell_load(cell)) }
    }

    /// Closes the stash and its buckets: waits for operations that run, moves the logs into the files, and ends what
    /// iterates and listens. Closing again does nothing.
    ///
    /// The stash is closed also if there is an error, which says that relaxed writes were lost, or that something is
    /// left for the next opening.
    public func close() throws {
        let status = litestash_close(handle)
        endSubscriptions()
        if status != ErrorCode.closed.rawValue { try check(status) }
    }

    /// Whether the stash was closed, or is suspended.
    public var isClosed: Bool { litestash_check(handle) != 0 }

    /// Gives back every file and lock until `resume()`; operations fail with `closed` meanwhile.
    ///
    /// For an app whose stash is in the container of an app group: the system ends an app that holds a lock on a shared
    /// file while it is suspended. Call it when the app enters the background. What listens hears nothing until it is
    /// subscribed anew; a stash in memory loses what it holds.
    public func suspend() throws { try close() }

    /// Opens the stash and its buckets again.
    public func resume() throws {
        guard isClosed else { return }
        try reopen()
    }

    private func reopen() throws {
        litestash_cell_store(cell, try open().id)
        for child in family.living { try child.reopen() }
    }

    private func endSubscriptions() {
        for child in family.living { child.endSubscriptions() }
        family.hearing.forEach { $0.cancel() }
    }

    /// A handle of the same stash whose writes are acknowledged at another level. Closing it closes the stash.
    public func withDurability(_ level: Durability) throws -> LiteStash {
        let other = try LiteStash(root: self) { [unowned self] in
            var other = litestash_stash()
            try check(litestash_with_durability(self.handle, level.rawValue, &other))
            return other
        }
        family.add(other)
        return other
    }

    /// The version of the library that runs, such as "0.1.0".
    public static var version: String { String(cString: litestash_version()) }

    /// The directory; nil for a stash in memory.
    public var path: String? {
        get throws {
            var directory = litestash_buffer()
            try check(litestash_path(handle, &directory))
            defer { litestash_buffer_free(&directory) }
            return directory.data == nil ? nil : String(decoding: directory.raw, as: UTF8.self)
        }
    }

    /// Whether writes are refused.
    public var isReadOnly: Bool {
        get throws {
            var flag = false
            try check(litestash_is_read_only(handle, &flag))
            return flag
        }
    }

    /// The bucket of that name: a stash of its own inside this one, with every operation but buckets. It comes into being
    /// with its first write.
    ///
    /// `invalidArgument` for a name that no bucket can have, and if the bucket is open with other options.
    public func bucket(_ name: String, options: BucketOptions? = nil) throws -> LiteStash {
        let bucket = try LiteStash(root: self) { [unowned self] in
            var bucket = litestash_stash()
            try name.withCText { text, length in
                if var given = options?.given {
                    try check(litestash_bucket(self.handle, text, length, &given, &bucket))
                } else {
                    try check(litestash_bucket(self.handle, text, length, nil, &bucket))
                }
            }
            return bucket
        }
        family.add(bucket)
        return bucket
    }

    /// The names of all buckets, in ascending order of their bytes.
    public func buckets() throws -> [String] {
        var names = litestash_buffer()
        try check(litestash_buckets(handle, &names))
        defer { litestash_buffer_free(&names) }
        return try decoded([String].self, names.raw)
    }

    /// Deletes a bucket with all that is in it. Returns whether there was one.
    @discardableResult
    public func dropBucket(_ name: String) throws -> Bool {
        var dropped = false
        try name.withCText { try check(litestash_drop_bucket(handle, $0, $1, &dropped)) }
        return dropped
    }
}

extension String {
    /// The text as pointer and length.
    func withCText<Result>(_ body: (UnsafePointer<CChar>?, Int) throws -> Result) rethrows -> Result {
        var copy = self
        return try copy.withUTF8 { bytes in
            try bytes.withMemoryRebound(to: CChar.self) { try body($0.baseAddress, $0.count) }
        }
    }
}
