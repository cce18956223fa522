import CLiteStash

/// What went wrong. It never shows a key or a value.
public struct LiteStashError: Error, Sendable, CustomStringConvertible {
    /// What can be done about an error.
    public enum Retry: UInt32, Sendable {
        /// The same call gives the same error.
        case never = 0
        /// The same call may succeed later, with nothing changed.
        case later = 1
        /// The outcome is unknown: read the key again before deciding.
        case afterReading = 2
        /// The same call succeeds once the surroundings were mended.
        case afterRepair = 3
    }

    /// The kind, the same in every language.
    public let code: ErrorCode
    /// A text for people.
    public let message: String
    /// The error behind this one, such as that of a `Codable` type.
    public let underlying: (any Error)?

    init(_ code: ErrorCode, _ message: String, underlying: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.underlying = underlying
    }

    /// The error of this thread's last call.
    @inline(never)
    init(status: litestash_status) {
        self.init(ErrorCode(rawValue: status) ?? .`internal`, String(cString: litestash_error_message()))
    }

    /// What can be done.
    public var retry: Retry {
        Retry(rawValue: litestash_status_retry(code.rawValue)) ?? .never
    }

    public var description: String { "\(code): \(message)" }
}

/// Throws what a call answered, if that is an error.
@inline(__always)
func check(_ status: litestash_status) throws {
    if status != 0 { throw LiteStashError(status: status) }
}
