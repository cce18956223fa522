import CLiteStash
import Foundation

/// How a value is computed and stored.
public struct ComputeOptions: Sendable {
    /// The time to live. Nil: the stash's default.
    public var ttl: Duration?
    /// For how long after its time to live a value may still be returned while one caller computes the next. It takes a
    /// time to live.
    public var staleWhileRevalidate: Duration?
    /// Whether processes leave the computation to one of them.
    public var acrossProcesses = true
    /// How long other processes wait for one that died while it computed: 10 ms to 10 minutes.
    public var lease = Duration.seconds(5)

    /// Options; without arguments the defaults.
    public init(ttl: Duration? = nil, staleWhileRevalidate: Duration? = nil) {
        self.ttl = ttl
        self.staleWhileRevalidate = staleWhileRevalidate
    }

    fileprivate var given: litestash_compute_options {
        var options = litestash_compute_options()
        options.set = setOptions(ttl.map(Deadline.after))
        options.stale_us = UInt64(staleWhileRevalidate?.micros ?? 0)
        options.this_process_only = acrossProcesses ? 0 : 1
        options.lease_us = UInt64(max(lease.micros, 1))
        return options
    }
}

extension LiteStash {
    /// The value of a key; if it is missing or expired, what `compute` returns, stored under the key.
    ///
    /// However many tasks and processes ask for one key at the same time, one computes and the others wait for its value.
    /// What `compute` throws is thrown to whoever computed, `computeFailed` to those of this process who waited; nothing
    /// is stored then. A computation that asks for its own key is `invalidArgument`.
    public func get<K: StashKey, T: Codable>(
        _ key: K, options: ComputeOptions = ComputeOptions(), orSet compute: () throws -> T
    ) throws -> T {
        typealias Computation = () throws -> [UInt8]
        return try withoutActuallyEscaping(compute) { compute in
            let encode: Computation = { try encoded(try compute()) }
            return try withCallback(encode) { context in
                var given = options.given, value = litestash_buffer()
                try key._withKey {
                    try check(litestash_get_or_set_with(
                        handle, $0, &given,
                        { context, builder in
                            Callback<Computation>.of(context).status {
                                let bytes = try $0()
                                try check(litestash_build_encoded(builder, bytes, bytes.count))
                            }
                        }, context, &value))
                }
                defer { litestash_buffer_free(&value) }
                return try decoded(T.self, value.raw)
            }
        }
    }

    /// As the function that blocks; `compute` runs as a task.
    public func get<K: StashKey, T: Codable & Sendable>(
        _ key: K, options: ComputeOptions = ComputeOptions(), orSet compute: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        if let found = try peek(key, { try decoded(T.self, $0) }), options.staleWhileRevalidate == nil, let value = found {
            return value
        }
        return try await offload(to: .computations) { [self] in
            try get(key, options: options) {
                // This thread is none of the cooperative pool's, so it may wait for a task.
                let done = DispatchSemaphore(value: 0), landed = Landed<T>()
                Task {
                    do { landed.result = .success(try await compute()) } catch { landed.result = .failure(error) }
                    done.signal()
                }
                done.wait()
                return try landed.get()
            }
        }
    }
}

/// What a task leaves for the thread that waits for it; the semaphore orders them.
private final class Landed<T: Sendable>: @unchecked Sendable {
    var result: Result<T, any Error>?

    func get() throws -> T {
        guard let result else { throw CancellationError() }
        return try result.get()
    }
}
