import Foundation

/// Writes canonical MessagePack (`docs/CONTRACT.md` 8). The library checks what it is given, so a mistake here is an
/// error and never a bad row.
struct Writer {
    private(set) var bytes: [UInt8] = []

    static let depthMax = 64

    init() { bytes.reserveCapacity(64) }

    private mutating func number<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func null() { bytes.append(0xc0) }

    mutating func bool(_ value: Bool) { bytes.append(value ? 0xc3 : 0xc2) }

    mutating func integer(_ value: Int64) {
        if value >= 0 { return unsigned(UInt64(value)) }
        switch value {
        case (-32)...: bytes.append(UInt8(truncatingIfNeeded: value))
        case Int64(Int8.min)...: bytes.append(0xd0); number(Int8(value))
        case Int64(Int16.min)...: bytes.append(0xd1); number(Int16(value))
        case Int64(Int32.min)...: bytes.append(0xd2); number(Int32(value))
        default: bytes.append(0xd3); number(value)
        }
    }

    mutating func unsigned(_ value: UInt64) {
        switch value {
        case ...0x7f: bytes.append(UInt8(value))
        case ...0xff: bytes.append(0xcc); number(UInt8(value))
        case ...0xffff: bytes.append(0xcd); number(UInt16(value))
        case ...0xffff_ffff: bytes.append(0xce); number(UInt32(value))
        default: bytes.append(0xcf); number(value)
        }
    }

    mutating func float(_ value: Double) {
        bytes.append(0xcb)
        number(value.isNaN ? 0x7ff8_0000_0000_0000 : value.bitPattern)
    }

    /// A length of at most 32 bits, in the shortest of the forms there are.
    private mutating func length(_ length: Int, small: (head: UInt8, max: Int)?, _ heads: (UInt8?, UInt8, UInt8)) throws {
        if let small, length <= small.max {
            bytes.append(small.head | UInt8(length))
        } else if let head = heads.0, length <= 0xff {
            bytes.append(head)
            number(UInt8(length))
        } else if length <= 0xffff {
            bytes.append(heads.1)
            number(UInt16(length))
        } else if let length = UInt32(exactly: length) {
            bytes.append(heads.2)
            number(length)
        } else {
            throw LiteStashError(.tooLarge, "a value has more than 4 GiB")
        }
    }

    mutating func text(_ text: String) throws {
        var text = text
        try text.withUTF8 {
            try length($0.count, small: (0xa0, 31), (0xd9, 0xda, 0xdb))
            bytes.append(contentsOf: $0)
        }
    }

    mutating func data(_ data: Data) throws {
        try length(data.count, small: nil, (0xc4, 0xc5, 0xc6))
        bytes.append(contentsOf: data)
    }

    mutating func array(count: Int) throws { try length(count, small: (0x90, 15), (nil, 0xdc, 0xdd)) }

    mutating func map(count: Int) throws { try length(count, small: (0x80, 15), (nil, 0xde, 0xdf)) }

    mutating func timestamp(_ time: Timestamp) throws {
        guard time.nanoseconds < 1_000_000_000 else {
            throw LiteStashError(.invalidValue, "a moment has a second or more of nanoseconds")
        }
        if time.nanoseconds == 0, let seconds = UInt32(exactly: time.seconds) {
            bytes.append(contentsOf: [0xd6, 0xff])
            number(seconds)
        } else if (0..<1 << 34).contains(time.seconds) {
            bytes.append(contentsOf: [0xd7, 0xff])
            number(UInt64(time.nanoseconds) << 34 | UInt64(time.seconds))
        } else {
            bytes.append(contentsOf: [0xc7, 12, 0xff])
            number(time.nanoseconds)
            number(time.seconds)
        }
    }

    mutating func vector(_ vector: [Float]) throws {
        let size = 4 * vector.count
        switch size {
        case 4: bytes.append(0xd6)
        case 8: bytes.append(0xd7)
        case 16: bytes.append(0xd8)
        default: try length(size, small: nil, (0xc7, 0xc8, 0xc9))
        }
        bytes.append(1)
        for float in vector {
            let bits = float.isNaN ? 0x7fc0_0000 : float.bitPattern
            withUnsafeBytes(of: bits.littleEndian) { bytes.append(contentsOf: $0) }
        }
    }

    mutating func value(_ value: Value, depth: Int = 0) throws {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .integer(let value): integer(value)
        case .unsigned(let value): unsigned(value)
        case .float(let value): float(value)
        case .text(let value): try text(value)
        case .bytes(let value): try data(value)
        case .timestamp(let value): try timestamp(value)
        case .vector(let value): try vector(value)
        case .array(let elements):
            try Self.checkDepth(depth)
            try array(count: elements.count)
            for element in elements { try self.value(element, depth: depth + 1) }
        case .map(let members):
            try Self.checkDepth(depth)
            try map(count: members.count)
            for (key, member) in members {
                try text(key)
                try self.value(member, depth: depth + 1)
            }
        }
    }

    static func checkDepth(_ depth: Int) throws {
        if depth >= depthMax { throw LiteStashError(.tooLarge, "the value is nested deeper than \(depthMax)") }
    }

    /// In the order of the UTF-8 bytes.
    static func sorted<Member>(_ members: [(String, Member)]) -> [(String, Member)] {
        members.sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }
    }
}
