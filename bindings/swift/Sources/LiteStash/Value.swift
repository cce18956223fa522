import CLiteStash
import Foundation

/// A moment, to the nanosecond.
public struct Timestamp: Sendable, Hashable {
    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    public var seconds: Int64
    /// Nanoseconds after them, 0 to 999 999 999.
    public var nanoseconds: UInt32

    /// The moment so many seconds and nanoseconds after 1970 began.
    public init(seconds: Int64, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// A date to the nearest microsecond, which is what its floating-point number has.
    public init(_ date: Date) {
        let micros = (date.timeIntervalSince1970 * 1e6).rounded()
        let whole = Int64(exactly: micros) ?? (micros < 0 ? .min : .max)
        let seconds = whole >= 0 ? whole / 1_000_000 : -((999_999 &- whole) / 1_000_000)
        self.init(seconds: seconds, nanoseconds: UInt32(truncatingIfNeeded: whole &- seconds &* 1_000_000) &* 1000)
    }

    /// The date.
    public var date: Date {
        Date(timeIntervalSince1970: Double(seconds) + Double(nanoseconds) / 1e9)
    }
}

/// Whatever a stash can hold.
public enum Value: Sendable, Hashable {
    /// Nil, which is something else than a key that is not there.
    case null
    /// A boolean.
    case bool(Bool)
    /// An integer of 64 signed bits.
    case integer(Int64)
    /// An integer over `Int64.max`; others are ``integer(_:)``.
    case unsigned(UInt64)
    /// A float.
    case float(Double)
    /// Text.
    case text(String)
    /// Bytes.
    case bytes(Data)
    /// Values in their order.
    case array([Value])
    /// Values under texts.
    case map(ValueMap)
    /// A moment.
    case timestamp(Timestamp)
    /// A vector of 32-bit floats.
    case vector([Float])
}

extension Value: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(nilLiteral: ()) { self = .null }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .float(value) }
    public init(stringLiteral value: String) { self = .text(value) }
    public init(arrayLiteral elements: Value...) { self = .array(elements) }
    /// Of a key that is there twice the last value counts.
    public init(dictionaryLiteral elements: (String, Value)...) {
        var members = ValueMap()
        for (key, value) in elements { members[key] = value }
        self = .map(members)
    }
}

extension Value {
    /// The member of a map.
    public subscript(key: String) -> Value? {
        guard case .map(let members) = self else { return nil }
        return members[key]
    }

    /// The element of an array.
    public subscript(index: Int) -> Value? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The integer, if this is one that fits.
    public var int: Int? {
        switch self {
        case .integer(let value): return Int(exactly: value)
        case .unsigned(let value): return Int(exactly: value)
        default: return nil
        }
    }

    /// The float, if this is one.
    public var double: Double? {
        guard case .float(let value) = self else { return nil }
        return value
    }

    /// The text, if this is one.
    public var string: String? {
        guard case .text(let value) = self else { return nil }
        return value
    }

    /// The boolean, if this is one.
    public var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The bytes, if this is them.
    public var data: Data? {
        guard case .bytes(let value) = self else { return nil }
        return value
    }

    /// The value of a canonical MessagePack encoding. `invalidValue` or `tooLarge` for anything else.
    public init(messagePack data: Data) throws {
        self = try data.withUnsafeBytes { bytes in
            let start = bytes.bindMemory(to: UInt8.self).baseAddress
            try check(litestash_value_check(start, bytes.count))
            return try Reader.whole(bytes) { try $0.value() }
        }
    }

    /// The one encoding. `tooLarge` if it is nested deeper than 64.
    public func messagePack() throws -> Data {
        var writer = Writer()
        try writer.value(self)
        return Data(writer.bytes)
    }

    /// The value that a JSON text stands for: an ordinary one, or with tags for what JSON has not, such as
    /// `{"$bytes": "AAEC"}` (`docs/INTERCHANGE.md`).
    public init(json: String) throws {
        var json = json, encoded = litestash_buffer()
        try json.withUTF8 { text in
            try text.withMemoryRebound(to: CChar.self) {
                try check(litestash_value_from_json($0.baseAddress, $0.count, &encoded))
            }
        }
        defer { litestash_buffer_free(&encoded) }
        self = try Reader.whole(encoded.raw) { try $0.value() }
    }

    /// The value as JSON text on one line, which reads back to the same value.
    public func json() throws -> String {
        var writer = Writer(), text = litestash_buffer()
        try writer.value(self)
        try check(litestash_value_to_json(writer.bytes, writer.bytes.count, &text))
        defer { litestash_buffer_free(&text) }
        return String(decoding: text.raw, as: UTF8.self)
    }
}

extension litestash_buffer {
    /// The bytes, as long as the buffer is not given back.
    var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: data, count: length) }
}

/// A stash reads and writes values as they are; other coders get what they can express: a moment as a date, a vector as
/// an array.
extension Value: Codable {
    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public init(from decoder: any Decoder) throws {
        if let members = try? decoder.container(keyedBy: Name.self) {
            var map = ValueMap()
            for name in members.allKeys { map[name.stringValue] = try members.decode(Value.self, forKey: name) }
            self = .map(map)
            return
        }
        if var elements = try? decoder.unkeyedContainer() {
            var array: [Value] = []
            while !elements.isAtEnd { array.append(try elements.decode(Value.self)) }
            self = .array(array)
            return
        }
        let single = try decoder.singleValueContainer()
        if single.decodeNil() {
            self = .null
        } else if let value = try? single.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? single.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? single.decode(UInt64.self) {
            self = .unsigned(value)
        } else if let value = try? single.decode(Double.self) {
            self = .float(value)
        } else {
            self = .text(try single.decode(String.self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        if case .map(let map) = self {
            var members = encoder.container(keyedBy: Name.self)
            for (key, value) in map { try members.encode(value, forKey: Name(stringValue: key)) }
            return
        }
        var single = encoder.singleValueContainer()
        switch self {
        case .null: try single.encodeNil()
        case .bool(let value): try single.encode(value)
        case .integer(let value): try single.encode(value)
        case .unsigned(let value): try single.encode(value)
        case .float(let value): try single.encode(value)
        case .text(let value): try single.encode(value)
        case .bytes(let value): try single.encode(value)
        case .timestamp(let value): try single.encode(value.date)
        case .vector(let value): try single.encode(value)
        case .array(let value): try single.encode(value)
        case .map: break
        }
    }
}
