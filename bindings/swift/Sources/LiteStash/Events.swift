import CLiteStash
import Foundation

/// What happened to a key, after it was committed. It has no value: read the key.
public struct Event: Sendable {
    /// Kinds of events.
    public struct Kind: OptionSet, Sendable, Hashable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// A value was stored, or a row was given another deadline.
        public static let set = Kind(rawValue: 1)
        /// A row was deleted.
        public static let delete = Kind(rawValue: 2)
        /// A row whose deadline had passed was removed.
        public static let expire = Kind(rawValue: 4)
        /// A row was removed to make room.
        public static let evict = Kind(rawValue: 8)
        /// All rows of a shard were removed; there is no key.
        public static let clear = Kind(rawValue: 16)
        /// A value was read. Told of this process only.
        public static let access = Kind(rawValue: 32)
        /// All but ``access``.
        public static let changes: Kind = [.set, .delete, .expire, .evict, .clear]
    }

    /// What happened.
    public let kind: Kind
    /// The key; nil if it concerns all of them.
    public let key: Key?
    /// The name of the bucket.
    public let bucket: String?
    /// The version that was stored, removed or read, if it is known.
    public let version: Int64?
    /// Whether another process, or another opening of the stash, did it.
    public let isFromElsewhere: Bool
    /// Events before this one that were dropped.
    public var missed: UInt64
    /// The shard of the key.
    public let shard: Int

    fileprivate init(_ event: litestash_event) {
        kind = Kind(rawValue: event.kind)
        key = event.has_key ? Key(event.key) : nil
        bucket = event.bucket.map {
            String(decoding: UnsafeRawBufferPointer(start: $0, count: event.bucket_length), as: UTF8.self)
        }
        version = event.has_version ? event.version : nil
        isFromElsewhere = event.from_elsewhere
        missed = event.missed
        shard = Int(event.shard)
    }
}

/// Which events are heard.
public struct Filter: Sendable {
    /// Only these kinds.
    public var kinds = Event.Kind.changes
    /// Only this key.
    public var key: Key?
    /// Only text keys that begin with this. Not together with a key.
    public var prefix: String?
    /// Also the changes of every other process that writes the directory, some milliseconds after they are committed.
    public var allProcesses = false
    /// How many events wait at most; more are dropped and counted.
    public var capacity = 8192

    /// A filter that lets through what all its members do.
    public init(
        kinds: Event.Kind = .changes, key: Key? = nil, prefix: String? = nil, allProcesses: Bool = false,
        capacity: Int = 8192
    ) {
        self.kinds = kinds
        self.key = key
        self.prefix = prefix
        self.allProcesses = allProcesses
        self.capacity = capacity
    }

    fileprivate func withGiven<Result>(_ body: (UnsafePointer<litestash_filter>) throws -> Result) throws -> Result {
        guard capacity > 0, !kinds.isEmpty else {
            throw LiteStashError(.invalidArgument, "the filter lets nothing through")
        }
        var filter = litestash_filter()
        filter.capacity = UInt64(capacity)
        filter.kinds = kinds.rawValue
        filter.all_processes = allProcesses ? 1 : 0
        return try (prefix ?? "").withCText { text, length in
            try withUnsafePointer(to: CChar(0)) { empty in
                if prefix != nil {
                    filter.prefix = length == 0 ? empty : text
                    filter.prefix_length = length
                }
                guard let key else { return try body(&filter) }
                return try key._withKey { key in
                    try withUnsafePointer(to: key) {
                        filter.key = $0
                        return try body(&filter)
                    }
                }
            }
        }
    }
}

/// A function that hears of events, until this is cancelled or gone, or the stash is closed.
public final class Subscription: @unchecked Sendable {
    private final class Listener: Sendable {
        let hear: @Sendable (Event) -> Void
        init(_ hear: @escaping @Sendable (Event) -> Void) { self.hear = hear }
    }

    private let lock = NSLock()
    private var handle: litestash_subscription?
    private let listener: Unmanaged<Listener>
    private let family: LiteStash.Family
    private var ended: (@Sendable () -> Void)?

    fileprivate init(
        _ stash: LiteStash, _ filter: Filter, ended: (@Sendable () -> Void)? = nil,
        _ hear: @escaping @Sendable (Event) -> Void
    ) throws {
        listener = .passRetained(Listener(hear))
        family = stash.family
        self.ended = ended
        var handle = litestash_subscription()
        do {
            try filter.withGiven {
                try check(litestash_subscribe(
                    stash.handle, $0,
                    { Unmanaged<Listener>.fromOpaque($0!).takeUnretainedValue().hear(Event($1!.pointee)) },
                    listener.toOpaque(), &handle))
            }
        } catch {
            listener.release()
            throw error
        }
        self.handle = handle
        family.add(self)
    }

    /// Ends it: the function is not called any more when this returns, unless it is the function that calls it.
    public func cancel() {
        let (handle, ended) = lock.withLock {
            defer { (self.handle, self.ended) = (nil, nil) }
            return (self.handle, self.ended)
        }
        guard let handle else { return }
        _ = litestash_unsubscribe(handle)
        listener.release()
        ended?()
    }

    /// The twin of the function that blocks.
    public func cancel() async {
        await withCheckedContinuation { done in
            Workers.calls.run {
                self.cancel()
                done.resume()
            }
        }
    }

    /// How many events were dropped so far.
    public var dropped: UInt64 {
        get throws {
            guard let handle = lock.withLock({ handle }) else { throw LiteStashError(.closed, "it was cancelled") }
            var dropped: UInt64 = 0
            try check(litestash_subscription_dropped(handle, &dropped))
            return dropped
        }
    }

    deinit {
        cancel()
        family.remove(self)
    }
}

/// Events as they come; the sequence ends when the stash is closed.
public struct Events: AsyncSequence, Sendable {
    public typealias Element = Event
    fileprivate let stream: AsyncStream<Event>

    public func makeAsyncIterator() -> AsyncStream<Event>.Iterator { stream.makeAsyncIterator() }
}

/// How many events a stream had no room for.
private final class Missed: @unchecked Sendable {
    private let lock = NSLock()
    private var count: UInt64 = 0
    func add(_ more: UInt64) { lock.withLock { count += more } }
    func take() -> UInt64 { lock.withLock { defer { count = 0 }; return count } }
}

extension LiteStash {
    /// Calls a function for what happens to keys from now on, on a thread of its own, one event after another. It may use
    /// the stash. Nobody waits for it; what it is too slow for is dropped and counted.
    public func subscribe(
        _ filter: Filter = Filter(), _ hear: @escaping @Sendable (Event) -> Void
    ) throws -> Subscription {
        try Subscription(self, filter, hear)
    }

    /// The twin of the function that blocks, as listening to all processes may.
    public func subscribe(
        _ filter: Filter = Filter(), _ hear: @escaping @Sendable (Event) -> Void
    ) async throws -> Subscription {
        try await offload { [self] in try subscribe(filter, hear) }
    }

    /// The twin of the function that blocks.
    public func events(_ filter: Filter = Filter()) async throws -> Events {
        try await offload { [self] in try events(filter) }
    }

    /// What happens to keys from now on, also before somebody iterates.
    ///
    /// ```swift
    /// for await event in try await stash.events(Filter(prefix: "user:")) { … }
    /// ```
    public func events(_ filter: Filter = Filter()) throws -> Events {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Event.self, bufferingPolicy: .bufferingOldest(filter.capacity))
        let missed = Missed()
        let subscription = try Subscription(self, filter, ended: { continuation.finish() }) { event in
            var event = event
            let before = missed.take()
            event.missed += before
            if case .dropped = continuation.yield(event) { missed.add(before + 1) }
        }
        // The stream holds its subscription.
        continuation.onTermination = { _ in subscription.cancel() }
        return Events(stream: stream)
    }
}
