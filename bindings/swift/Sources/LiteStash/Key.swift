import CLiteStash
import Foundation

/// A key. A float with an integral value is the integer key; text and bytes are at most 2048 bytes.
///
/// Keys are equal if they name the same row: texts by their bytes, so that an é of one code point and one of two are
/// different, as they are in a stash and not in Swift.
public enum Key: Sendable {
    /// Text.
    case text(String)
    /// Bytes.
    case bytes(Data)
    /// An integer.
    case integer(Int64)
    /// A float; NaN is refused where it is used.
    case float(Double)
}

extension Key: Hashable {
    /// An integral float as the integer that it is.
    private var normal: Key {
        guard case .float(let number) = self, let integer = Int64(exactly: number) else { return self }
        return .integer(integer)
    }

    public static func == (one: Key, other: Key) -> Bool {
        switch (one.normal, other.normal) {
        case (.text(let one), .text(let other)): return one.utf8.elementsEqual(other.utf8)
        case (.bytes(let one), .bytes(let other)): return one == other
        case (.integer(let one), .integer(let other)): return one == other
        case (.float(let one), .float(let other)): return one == other
        default: return false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch normal {
        // Equal bytes are equal texts, for which texts have one hash.
        case .text(let text): hasher.combine(text)
        case .bytes(let bytes): hasher.combine(bytes)
        case .integer(let integer): hasher.combine(integer)
        case .float(let number): hasher.combine(number)
        }
    }
}

/// What can be a key: `String`, `Data`, `Int`, `Int64`, `Double`, ``Key``, and your own types by `stashKey`.
public protocol StashKey: Sendable {
    /// The key.
    var stashKey: Key { get }

    /// Calls `body` with the key as C has it. The default goes by ``stashKey``; not to be called.
    func _withKey<Result>(_ body: (litestash_key) throws -> Result) rethrows -> Result
}

extension StashKey {
    @inline(__always)
    public func _withKey<Result>(_ body: (litestash_key) throws -> Result) rethrows -> Result {
        switch stashKey {
        case .text(let text): return try text._withKey(body)
        case .bytes(let data): return try data._withKey(body)
        case .integer(let integer): return try body(litestash_key_integer(integer))
        case .float(let number): return try body(litestash_key_float(number))
        }
    }
}

func key(_ kind: Int32, _ data: UnsafeRawPointer?, _ length: Int) -> litestash_key {
    let content = litestash_key_content(data: data)
    return litestash_key(content: content, length: UInt32(clamping: length), kind: UInt32(kind))
}

extension Key: StashKey, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
    public init(stringLiteral text: String) { self = .text(text) }
    public init(integerLiteral integer: Int64) { self = .integer(integer) }
    public init(floatLiteral number: Double) { self = .float(number) }

    public var stashKey: Key { self }

    init(_ key: litestash_key) {
        let length = Int(key.length)
        switch Int32(key.kind) {
        case LITESTASH_KEY_TEXT:
            self = .text(String(decoding: UnsafeRawBufferPointer(start: key.content.data, count: length), as: UTF8.self))
        case LITESTASH_KEY_BYTES:
            self = .bytes(Data(UnsafeRawBufferPointer(start: key.content.data, count: length)))
        case LITESTASH_KEY_FLOAT: self = .float(key.content.number)
        default: self = .integer(key.content.integer)
        }
    }

    /// The key that a JSON text stands for (`docs/INTERCHANGE.md`).
    public init(json: String) throws {
        var json = json, given = litestash_key(), memory = litestash_buffer()
        try json.withUTF8 { text in
            try text.withMemoryRebound(to: CChar.self) {
                try check(litestash_key_from_json($0.baseAddress, $0.count, &given, &memory))
            }
        }
        defer { litestash_buffer_free(&memory) }
        self.init(given)
    }

    /// The key as JSON text.
    public func json() throws -> String {
        var text = litestash_buffer()
        try _withKey { try check(litestash_key_to_json($0, &text)) }
        defer { litestash_buffer_free(&text) }
        return String(decoding: UnsafeRawBufferPointer(start: text.data, count: text.length), as: UTF8.self)
    }
}

extension String: StashKey {
    public var stashKey: Key { .text(self) }

    @inline(__always)
    public func _withKey<Result>(_ body: (litestash_key) throws -> Result) rethrows -> Result {
        let found = try utf8.withContiguousStorageIfAvailable {
            try body(key(LITESTASH_KEY_TEXT, $0.baseAddress, $0.count))
        }
        if let found { return found }
        var copy = self
        return try copy.withUTF8 { try body(key(LITESTASH_KEY_TEXT, $0.baseAddress, $0.count)) }
    }
}

extension Data: StashKey {
    public var stashKey: Key { .bytes(self) }

    public func _withKey<Result>(_ body: (litestash_key) throws -> Result) rethrows -> Result {
        try withUnsafeBytes { try body(key(LITESTASH_KEY_BYTES, $0.baseAddress, $0.count)) }
    }
}

extension Int: StashKey {
    public var stashKey: Key { .integer(Int64(self)) }
}

extension Int64: StashKey {
    public var stashKey: Key { .integer(self) }
}

extension Double: StashKey {
    public var stashKey: Key { .float(self) }
}
