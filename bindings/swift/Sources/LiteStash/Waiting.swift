import CLiteStash
import Foundation

extension LiteStash {
    /// Waits until the value of a key is as `holds` wants it, at most for `timeout`. Returns whether it is.
    ///
    /// `holds` is given nil for a key that is missing or expired, and is asked again some 200 times a second and after
    /// each write of this stash; a value that is written over in less time may never be looked at. What it throws ends
    /// the waiting.
    public func wait<K: StashKey>(
        for key: K, timeout: Duration, until holds: (Value?) throws -> Bool
    ) throws -> Bool {
        typealias Holds = (Value?) throws -> Bool
        return try withoutActuallyEscaping(holds) { holds in
            try withCallback(holds as Holds) { context in
                var held = false
                try key._withKey {
                    try check(litestash_wait_for(
                        handle, $0, UInt64(timeout.micros),
                        { context, data, length in
                            Callback<Holds>.of(context).call { holds in
                                guard let data else { return try holds(nil) }
                                let bytes = UnsafeRawBufferPointer(start: data, count: length)
                                return try holds(try Reader.whole(bytes) { try $0.value() })
                            } ?? true
                        }, context, &held))
                }
                return held
            }
        }
    }

    /// As the function that blocks. A task that is cancelled waits no longer.
    public func wait<K: StashKey>(
        for key: K, timeout: Duration, until holds: @escaping @Sendable (Value?) throws -> Bool
    ) async throws -> Bool {
        // What is waited for may need the threads for calls.
        try await stoppable(on: .computations) { [self] goesOn in
            try wait(for: key, timeout: timeout) { value in
                guard goesOn() else { throw CancellationError() }
                return try holds(value)
            }
        }
    }
}
