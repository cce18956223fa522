import CLiteStash
import Foundation

/// What an acknowledged write has reached.
public enum Durability: UInt32, Sendable {
    /// Written to the shard's log: a process that is killed loses nothing, a power cut may lose the newest writes.
    case normal = 0
    /// Synced to the disk.
    case full = 1
    /// In memory, written within about 10 ms: for caches.
    case relaxed = 2
}

/// Which rows go when a stash is full. Expired ones go first.
public enum Eviction: UInt32, Sendable {
    /// None: a write that would pass a limit fails with `limitReached`.
    case none = 0
    /// Those that were stored longest ago.
    case leastRecentlyStored = 1
    /// Those that were read or stored longest ago.
    case leastRecentlyUsed = 2
    /// Those that are used least often.
    case leastFrequentlyUsed = 3
    /// Any.
    case random = 4
}

/// What a stash may take. Nil: no limit.
public struct Limits: Sendable, Hashable {
    /// Bytes on disk, at least 8 MiB.
    public var bytes: UInt64?
    /// Rows.
    public var rows: UInt64?
    /// What happens when a limit is reached.
    public var eviction: Eviction

    /// Limits; without arguments none.
    public init(bytes: UInt64? = nil, rows: UInt64? = nil, eviction: Eviction = .none) {
        self.bytes = bytes
        self.rows = rows
        self.eviction = eviction
    }
}

/// How a stash is opened.
public struct Options: Sendable {
    /// Whether a missing stash is created. If not, a directory without one is `noStash`.
    public var create = true
    /// Whether every write is refused with `readOnly`.
    public var readOnly = false
    /// Read-only, and a promise that nobody is writing: no locks are taken.
    public var immutable = false
    /// Whether network file systems are accepted, where locks may fail without an error.
    public var allowNetworkFileSystem = false
    /// What an acknowledged write has reached.
    public var durability = Durability.normal
    /// How long an operation waits for a shard that somebody else holds before it fails with `busy`.
    public var busyTimeout = Duration.seconds(30)
    /// The longest value in bytes of its encoding. Nil: 64 MiB.
    public var valueBytesMax: Int?
    /// Bytes of rows kept in memory.
    public var cacheBytes = 16 << 20
    /// The time to live of rows that are made without saying a deadline. Nil: they stay.
    public var defaultTTL: Duration?
    /// What the stash may take.
    public var limits = Limits()
    /// The key of an encrypted stash: 32 bytes that nobody can guess. Nil: the stash is not encrypted. A directory without
    /// a stash becomes an encrypted one. `wrongKey` if the key is not the stash's.
    public var encryptionKey: Data?
    /// A passphrase instead of a key, of which one is made with 64 MiB of memory and about a tenth of a second.
    public var passphrase: String?
    /// Whether and how values are compressed when they are written. What is stored compressed is read in any case.
    public var compression: Compression?
    /// Whether expired rows are removed, and sliding deadlines that were read prolonged, without being asked for.
    public var background = true
    /// What tells this stash's changes from others'. Nil: a random number. For tests.
    public var origin: Int64?
    /// Unix time in microseconds, called by any thread. Nil: the system's clock. For tests; nothing is done in the
    /// background then.
    public var clock: (@Sendable () -> Int64)?
    /// Random bytes of that number, called by any thread. Nil: the system's source. For tests only.
    public var random: (@Sendable (Int) -> [UInt8])?

    /// The defaults.
    public init() {}
}

/// How values are compressed, with Zstandard.
public struct Compression: Sendable, Hashable {
    /// 1 to 19: higher ones are slower to write and often smaller.
    public var level: Int
    /// Shorter encodings are stored as they are.
    public var minBytes: Int

    /// Compression at that level of values that are so long.
    public init(level: Int = 3, minBytes: Int = 1024) {
        self.level = level
        self.minBytes = minBytes
    }
}

/// What a bucket has of its own.
public struct BucketOptions: Sendable {
    /// The time to live of rows that are made without saying a deadline.
    public enum DefaultTTL: Sendable, Hashable {
        /// The stash's.
        case inherited
        /// None.
        case never
        /// So long after the write.
        case after(Duration)
    }

    /// The time to live of rows that are made without saying a deadline.
    public var defaultTTL = DefaultTTL.inherited
    /// The longest value in bytes of its encoding. Nil: the stash's.
    public var valueBytesMax: Int?
    /// What the bucket may take.
    public var limits = Limits()
    /// What an acknowledged write has reached. Nil: as through the stash that is asked.
    public var durability: Durability?
    /// Whether the bucket's rows take part in the stash's cache.
    public var cache = true

    /// What the stash has.
    public init() {}
}

/// When a row ends.
public enum Deadline: Sendable, Hashable {
    /// So long after the write.
    case after(Duration)
    /// At that moment. One that has passed makes the row expired at once.
    case at(Date)
    /// At that Unix time in microseconds, which is finer than what a date holds.
    case atMicros(Int64)
    /// So long after the last use: each get, set and touch begins the time anew.
    case idle(Duration)
    /// Not at all, also where the stash has a default time to live.
    case never
}

/// What must hold for a value to be stored.
public enum Condition: Sendable, Hashable {
    /// Nothing.
    case always
    /// The key is missing or expired.
    case absent
    /// The key is there.
    case present
    /// The key is there with this version.
    case version(Int64)
}

extension Duration {
    /// Whole microseconds, of which a part counts as one more. Negative: 0; too many: the most there are.
    var micros: Int64 {
        if self <= .zero { return 0 }
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, more) = whole.addingReportingOverflow((attoseconds + 999_999_999_999) / 1_000_000_000_000)
        return overflow || more ? .max : sum
    }

    init(micros: Int64) { self = .microseconds(micros) }
}

extension Deadline {
    var given: litestash_deadline {
        switch self {
        case .after(let duration): return litestash_deadline_in(duration.micros)
        case .idle(let duration): return litestash_deadline_idle(duration.micros)
        case .never: return litestash_deadline_never()
        case .atMicros(let micros): return litestash_deadline_at(micros)
        case .at(let date):
            let micros = (date.timeIntervalSince1970 * 1e6).rounded()
            return litestash_deadline_at(Int64(exactly: micros) ?? (micros < 0 ? .min : .max))
        }
    }
}

/// The options of a set as C has them.
func setOptions(
    _ deadline: Deadline?, keepTTL: Bool = false, _ condition: Condition = .always
) -> litestash_set_options {
    var options = litestash_set_options()
    if let deadline { options.deadline = deadline.given }
    options.keep_ttl = keepTTL ? 1 : 0
    condition.give(&options)
    return options
}

extension Condition {
    func give(_ options: inout litestash_set_options) {
        switch self {
        case .always: options.condition = UInt32(LITESTASH_IF_ANY)
        case .absent: options.condition = UInt32(LITESTASH_IF_ABSENT)
        case .present: options.condition = UInt32(LITESTASH_IF_PRESENT)
        case .version(let version):
            options.condition = UInt32(LITESTASH_IF_VERSION)
            options.version = version
        }
    }
}

/// What a stash asks the program for, which lives as long as the stash.
final class Foreign: Sendable {
    let clock: (@Sendable () -> Int64)?
    let random: (@Sendable (Int) -> [UInt8])?

    init(_ options: Options) {
        clock = options.clock
        random = options.random
    }
}

extension Options {
    /// Calls `body` with the options as C has them; `foreign` is the caller's to keep.
    func withGiven<Result>(
        _ foreign: Foreign, _ body: (UnsafePointer<litestash_options>) throws -> Result
    ) throws -> Result {
        var options = given(foreign)
        // Memory of its own, so that an empty key is not taken for none.
        let key = encryptionKey.map { [UInt8]($0) + [0] }
        return try (passphrase ?? "").withCText { text, length in
            try withUnsafePointer(to: CChar(0)) { empty in
                if passphrase != nil {
                    options.passphrase = length == 0 ? empty : text
                    options.passphrase_length = length
                }
                guard let key else { return try body(&options) }
                return try key.withUnsafeBufferPointer {
                    options.encryption_key = $0.baseAddress
                    options.encryption_key_length = $0.count - 1
                    return try body(&options)
                }
            }
        }
    }

    private func given(_ foreign: Foreign) -> litestash_options {
        var options = litestash_options_default()
        options.busy_timeout_ms = UInt64(busyTimeout.micros / 1000)
        if let valueBytesMax { options.value_bytes_max = UInt64(clamping: valueBytesMax) }
        options.cache_bytes = UInt64(clamping: cacheBytes)
        options.durability = durability.rawValue
        options.create = create ? 1 : 0
        options.read_only = readOnly ? 1 : 0
        options.immutable = immutable ? 1 : 0
        options.allow_network_file_system = allowNetworkFileSystem ? 1 : 0
        options.default_ttl_us = UInt64(defaultTTL?.micros ?? 0)
        options.bytes_max = limits.bytes ?? 0
        options.rows_max = limits.rows ?? 0
        options.eviction = limits.eviction.rawValue
        options.background = background ? 1 : 0
        options.origin = origin ?? 0
        if let compression {
            // A level that is none is out of range as well.
            options.compression_level = (1...19).contains(compression.level) ? UInt32(compression.level) : .max
            options.compression_min_bytes = UInt64(clamping: compression.minBytes)
        }
        let context = Unmanaged.passUnretained(foreign).toOpaque()
        if foreign.clock != nil {
            options.clock = { Unmanaged<Foreign>.fromOpaque($0!).takeUnretainedValue().clock?() ?? 0 }
            options.clock_context = context
        }
        if foreign.random != nil {
            options.random = { context, bytes, length in
                let drawn = Unmanaged<Foreign>.fromOpaque(context!).takeUnretainedValue().random?(length)
                guard let drawn, drawn.count == length else { return 1 }
                UnsafeMutableRawBufferPointer(start: bytes, count: length).copyBytes(from: drawn)
                return 0
            }
            options.random_context = context
        }
        return options
    }
}

extension BucketOptions {
    var given: litestash_bucket_options {
        var options = litestash_bucket_options_default()
        switch defaultTTL {
        case .inherited: break
        case .never: options.default_ttl = litestash_deadline_never()
        case .after(let duration): options.default_ttl = litestash_deadline_in(duration.micros)
        }
        options.value_bytes_max = UInt64(clamping: valueBytesMax ?? 0)
        options.bytes_max = limits.bytes ?? 0
        options.rows_max = limits.rows ?? 0
        options.eviction = limits.eviction.rawValue
        options.has_durability = durability == nil ? 0 : 1
        options.durability = durability?.rawValue ?? 0
        options.uncached = cache ? 0 : 1
        return options
    }
}
