import Foundation

/// What comes next in an encoding. Ranges are places in its bytes.
enum Token {
    case null
    case bool(Bool)
    case integer(Int64)
    /// Over `Int64.max`.
    case unsigned(UInt64)
    case float(Double)
    case text(Range<Int>)
    case bytes(Range<Int>)
    case array(Int)
    case map(Int)
    case timestamp(Timestamp)
    case vector(Range<Int>)
}

/// Reads encodings that the library has checked. Whatever the bytes are, nothing outside of them is read.
struct Reader {
    let bytes: UnsafeRawBufferPointer
    var at: Int

    init(_ bytes: UnsafeRawBufferPointer, at: Int = 0) {
        self.bytes = bytes
        self.at = at
    }

    /// Reads a value that is the whole encoding.
    static func whole<Result>(_ bytes: UnsafeRawBufferPointer, _ read: (inout Reader) throws -> Result) throws -> Result {
        var reader = Reader(bytes)
        let result = try read(&reader)
        guard reader.at == bytes.count else { throw Self.invalid }
        return result
    }

    static var invalid: LiteStashError { LiteStashError(.invalidValue, "the bytes are no encoding of a value") }

    @inline(__always)
    private mutating func take(_ count: Int) throws -> Range<Int> {
        guard count <= bytes.count - at else { throw Self.invalid }
        defer { at += count }
        return at..<at + count
    }

    @inline(__always)
    private mutating func number<Number: FixedWidthInteger>(_: Number.Type) throws -> Number {
        let place = try take(MemoryLayout<Number>.size)
        return Number(bigEndian: bytes.loadUnaligned(fromByteOffset: place.lowerBound, as: Number.self))
    }

    mutating func token() throws -> Token {
        let head = try number(UInt8.self)
        switch head {
        case 0x00...0x7f: return .integer(Int64(head))
        case 0x80...0x8f: return .map(Int(head & 0x0f))
        case 0x90...0x9f: return .array(Int(head & 0x0f))
        case 0xa0...0xbf: return .text(try take(Int(head & 0x1f)))
        case 0xc0: return .null
        case 0xc2: return .bool(false)
        case 0xc3: return .bool(true)
        case 0xc4: return .bytes(try take(Int(try number(UInt8.self))))
        case 0xc5: return .bytes(try take(Int(try number(UInt16.self))))
        case 0xc6: return .bytes(try take(Int(try number(UInt32.self))))
        case 0xc7: return try extended(Int(try number(UInt8.self)))
        case 0xc8: return try extended(Int(try number(UInt16.self)))
        case 0xc9: return try extended(Int(try number(UInt32.self)))
        case 0xcb: return .float(Double(bitPattern: try number(UInt64.self)))
        case 0xcc: return .integer(Int64(try number(UInt8.self)))
        case 0xcd: return .integer(Int64(try number(UInt16.self)))
        case 0xce: return .integer(Int64(try number(UInt32.self)))
        case 0xcf:
            let number = try number(UInt64.self)
            return Int64(exactly: number).map(Token.integer) ?? .unsigned(number)
        case 0xd0: return .integer(Int64(try number(Int8.self)))
        case 0xd1: return .integer(Int64(try number(Int16.self)))
        case 0xd2: return .integer(Int64(try number(Int32.self)))
        case 0xd3: return .integer(try number(Int64.self))
        case 0xd6: return try extended(4)
        case 0xd7: return try extended(8)
        case 0xd8: return try extended(16)
        case 0xd9: return .text(try take(Int(try number(UInt8.self))))
        case 0xda: return .text(try take(Int(try number(UInt16.self))))
        case 0xdb: return .text(try take(Int(try number(UInt32.self))))
        case 0xdc: return .array(Int(try number(UInt16.self)))
        case 0xdd: return .array(Int(try number(UInt32.self)))
        case 0xde: return .map(Int(try number(UInt16.self)))
        case 0xdf: return .map(Int(try number(UInt32.self)))
        case 0xe0...0xff: return .integer(Int64(Int8(bitPattern: head)))
        default: throw Self.invalid
        }
    }

    private mutating func extended(_ length: Int) throws -> Token {
        switch (try number(Int8.self), length) {
        case (1, _) where length % 4 == 0: return .vector(try take(length))
        case (-1, 4): return .timestamp(Timestamp(seconds: Int64(try number(UInt32.self)), nanoseconds: 0))
        case (-1, 8):
            let both = try number(UInt64.self)
            return .timestamp(Timestamp(seconds: Int64(both & (1 << 34 - 1)), nanoseconds: UInt32(both >> 34)))
        case (-1, 12):
            let nanoseconds = try number(UInt32.self)
            return .timestamp(Timestamp(seconds: try number(Int64.self), nanoseconds: nanoseconds))
        default: throw Self.invalid
        }
    }

    /// Moves behind the value that comes next. No recursion: any nesting costs no more than its bytes.
    mutating func skip() throws {
        var values = 1
        while values > 0 {
            values -= 1
            switch try token() {
            case .array(let count): values += count
            case .map(let count): values += 2 * count
            default: break
            }
        }
    }

    func text(_ place: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[place]), as: UTF8.self)
    }

    func data(_ place: Range<Int>) -> Data {
        Data(UnsafeRawBufferPointer(rebasing: bytes[place]))
    }

    func vector(_ place: Range<Int>) -> [Float] {
        stride(from: place.lowerBound, to: place.upperBound, by: 4).map {
            Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
        }
    }

    mutating func value(depth: Int = 0) throws -> Value {
        switch try token() {
        case .null: return .null
        case .bool(let value): return .bool(value)
        case .integer(let value): return .integer(value)
        case .unsigned(let value): return .unsigned(value)
        case .float(let value): return .float(value)
        case .text(let place): return .text(text(place))
        case .bytes(let place): return .bytes(data(place))
        case .timestamp(let value): return .timestamp(value)
        case .vector(let place): return .vector(vector(place))
        case .array(let count):
            try Writer.checkDepth(depth)
            var elements: [Value] = []
            // A count that is not true ends with the bytes.
            elements.reserveCapacity(min(count, bytes.count - at))
            for _ in 0..<count { elements.append(try value(depth: depth + 1)) }
            return .array(elements)
        case .map(let count):
            try Writer.checkDepth(depth)
            var members = ValueMap()
            members.reserve(min(count, bytes.count - at))
            for _ in 0..<count {
                guard case .text(let place) = try token() else { throw Self.invalid }
                members.append(text(place), try value(depth: depth + 1))
            }
            return .map(members)
        }
    }
}
