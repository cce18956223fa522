import Foundation

/// Decodes any `Decodable` from an encoding. `typeMismatch` if something else is stored.
func decoded<T: Decodable>(_ type: T.Type, _ bytes: UnsafeRawBufferPointer) throws -> T {
    let source = Source(bytes)
    // A type may keep its decoder; the bytes are gone when this returns.
    defer { source.bytes = UnsafeRawBufferPointer(start: nil, count: 0) }
    do {
        return try source.decode(type, at: 0, path: [])
    } catch let error as DecodingError {
        throw LiteStashError(.typeMismatch, "another type is stored than was asked for", underlying: error)
    }
}

/// The bytes that a decoding reads, for as long as it lasts.
private final class Source {
    var bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    func mismatch<T>(_ type: T.Type, _ path: [any CodingKey]) -> DecodingError {
        .typeMismatch(type, .init(codingPath: path, debugDescription: "another type is stored"))
    }

    @inline(__always)
    func token(_ at: Int) throws -> Token {
        var reader = Reader(bytes, at: at)
        return try reader.token()
    }

    func isNull(_ at: Int) throws -> Bool {
        guard at < bytes.count else { throw Reader.invalid }
        return bytes[at] == 0xc0
    }

    func string(_ at: Int, _ path: [any CodingKey]) throws -> String {
        guard case .text(let place) = try token(at) else { throw mismatch(String.self, path) }
        return Reader(bytes).text(place)
    }

    func bool(_ at: Int, _ path: [any CodingKey]) throws -> Bool {
        guard case .bool(let value) = try token(at) else { throw mismatch(Bool.self, path) }
        return value
    }

    /// A float. An integer is one if it is not changed by that, as other languages write whole numbers so.
    func double(_ at: Int, _ path: [any CodingKey]) throws -> Double {
        switch try token(at) {
        case .float(let value): return value
        case .integer(let value):
            if let exact = Double(exactly: value) { return exact }
        default: break
        }
        throw mismatch(Double.self, path)
    }

    func integer<Integer: FixedWidthInteger>(_ type: Integer.Type, _ at: Int, _ path: [any CodingKey]) throws -> Integer {
        let exact: Integer?
        switch try token(at) {
        case .integer(let value): exact = Integer(exactly: value)
        case .unsigned(let value): exact = Integer(exactly: value)
        default: throw mismatch(type, path)
        }
        guard let exact else {
            throw DecodingError.dataCorrupted(.init(codingPath: path, debugDescription: "the integer does not fit"))
        }
        return exact
    }

    func data(_ at: Int, _ path: [any CodingKey]) throws -> Data {
        guard case .bytes(let place) = try token(at) else { throw mismatch(Data.self, path) }
        return Reader(bytes).data(place)
    }

    func date(_ at: Int, _ path: [any CodingKey]) throws -> Date {
        guard case .timestamp(let time) = try token(at) else { throw mismatch(Date.self, path) }
        return time.date
    }

    func floats(_ at: Int, _ path: [any CodingKey]) throws -> [Float] {
        var reader = Reader(bytes, at: at)
        switch try reader.token() {
        case .vector(let place): return reader.vector(place)
        case .array(let count):
            var floats: [Float] = []
            for _ in 0..<count {
                floats.append(Float(try double(reader.at, path)))
                try reader.skip()
            }
            return floats
        default: throw mismatch([Float].self, path)
        }
    }

    /// What has a form of its own here, and everything else by its own `Decodable`.
    func decode<T: Decodable>(_ type: T.Type, at: Int, path: [any CodingKey]) throws -> T {
        // The types are equal, so the casts are of a value to its own type.
        func same<U>(_ value: U) -> T { unsafeBitCast(value, to: T.self) }
        if type == Data.self { return same(try data(at, path)) }
        if type == String.self { return same(try string(at, path)) }
        if type == Int.self { return same(try integer(Int.self, at, path)) }
        if type == Double.self { return same(try double(at, path)) }
        if type == Bool.self { return same(try bool(at, path)) }
        if type == Date.self { return same(try date(at, path)) }
        if type == [Float].self { return same(try floats(at, path)) }
        if type == Value.self {
            var reader = Reader(bytes, at: at)
            let value = try reader.value()
            guard let cast = value as? T else { throw mismatch(type, path) }
            return cast
        }
        return try T(from: SourceDecoder(source: self, at: at, codingPath: path))
    }
}

private struct SourceDecoder: Decoder {
    let source: Source
    let at: Int
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(try Members<Key>(source: source, at: at, codingPath: codingPath))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try Elements(source: source, at: at, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer {
        Single(source: source, at: at, codingPath: codingPath)
    }
}

private struct Members<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let source: Source
    let codingPath: [any CodingKey]
    /// The places of the keys' bytes and of the values.
    private let places: [(key: Range<Int>, value: Int)]

    init(source: Source, at: Int, codingPath: [any CodingKey]) throws {
        self.source = source
        self.codingPath = codingPath
        var reader = Reader(source.bytes, at: at)
        guard case .map(let count) = try reader.token() else {
            throw source.mismatch([String: Any].self, codingPath)
        }
        var places: [(key: Range<Int>, value: Int)] = []
        places.reserveCapacity(min(count, source.bytes.count - reader.at))
        for _ in 0..<count {
            guard case .text(let key) = try reader.token() else { throw Reader.invalid }
            places.append((key, reader.at))
            try reader.skip()
        }
        self.places = places
    }

    var allKeys: [Key] {
        let reader = Reader(source.bytes)
        return places.compactMap { $0.key.upperBound <= reader.bytes.count ? Key(stringValue: reader.text($0.key)) : nil }
    }

    private func find(_ name: String) -> Int? {
        var name = name
        return name.withUTF8 { wanted in
            for place in places where place.key.count == wanted.count && place.key.upperBound <= source.bytes.count {
                let start = source.bytes.baseAddress.map { $0 + place.key.lowerBound }
                if wanted.isEmpty || memcmp(start!, wanted.baseAddress!, wanted.count) == 0 { return place.value }
            }
            return nil
        }
    }

    private func place(_ key: any CodingKey) throws -> Int {
        guard let place = find(key.stringValue) else {
            throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "there is no such member"))
        }
        return place
    }

    func contains(_ key: Key) -> Bool { find(key.stringValue) != nil }
    func decodeNil(forKey key: Key) throws -> Bool { try source.isNull(place(key)) }
    func decode(_: Bool.Type, forKey key: Key) throws -> Bool { try source.bool(place(key), codingPath) }
    func decode(_: String.Type, forKey key: Key) throws -> String { try source.string(place(key), codingPath) }
    func decode(_: Double.Type, forKey key: Key) throws -> Double { try source.double(place(key), codingPath) }
    func decode(_: Float.Type, forKey key: Key) throws -> Float { Float(try source.double(place(key), codingPath)) }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try source.integer(type, place(key), codingPath) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try source.integer(type, place(key), codingPath) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try source.integer(type, place(key), codingPath) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try source.integer(type, place(key), codingPath) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try source.integer(type, place(key), codingPath) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try source.integer(type, place(key), codingPath) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try source.integer(type, place(key), codingPath) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try source.integer(type, place(key), codingPath) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try source.integer(type, place(key), codingPath) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try source.integer(type, place(key), codingPath) }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        try source.decode(type, at: place(key), path: codingPath + [key])
    }

    private func child(_ key: any CodingKey) throws -> SourceDecoder {
        SourceDecoder(source: source, at: try place(key), codingPath: codingPath + [key])
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try child(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try child(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { try child(Super()) }
    func superDecoder(forKey key: Key) throws -> any Decoder { try child(key) }
}

private struct Elements: UnkeyedDecodingContainer {
    let source: Source
    let codingPath: [any CodingKey]
    let count: Int?
    private(set) var currentIndex = 0
    private var reader: Reader

    init(source: Source, at: Int, codingPath: [any CodingKey]) throws {
        self.source = source
        self.codingPath = codingPath
        reader = Reader(source.bytes, at: at)
        guard case .array(let count) = try reader.token() else { throw source.mismatch([Any].self, codingPath) }
        self.count = count
    }

    var isAtEnd: Bool { currentIndex >= count ?? 0 }

    /// The place of the next element, which counts as read.
    private mutating func next<T>(_ type: T.Type) throws -> Int {
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                type, .init(codingPath: codingPath, debugDescription: "there are no more elements"))
        }
        let place = reader.at
        // The bytes of now: those of a decoder that was kept are gone.
        reader = Reader(source.bytes, at: place)
        try reader.skip()
        currentIndex += 1
        return place
    }

    mutating func decodeNil() throws -> Bool {
        guard !isAtEnd, try source.isNull(reader.at) else { return false }
        _ = try next(Any?.self)
        return true
    }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
        try source.decode(type, at: next(type), path: codingPath)
    }

    private mutating func child() throws -> SourceDecoder {
        SourceDecoder(source: source, at: try next(Any.self), codingPath: codingPath)
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
        try child().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try child().unkeyedContainer() }
    mutating func superDecoder() throws -> any Decoder { try child() }
}

private struct Single: SingleValueDecodingContainer {
    let source: Source
    let at: Int
    let codingPath: [any CodingKey]

    func decodeNil() -> Bool { (try? source.isNull(at)) ?? false }
    func decode(_: Bool.Type) throws -> Bool { try source.bool(at, codingPath) }
    func decode(_: String.Type) throws -> String { try source.string(at, codingPath) }
    func decode(_: Double.Type) throws -> Double { try source.double(at, codingPath) }
    func decode(_: Float.Type) throws -> Float { Float(try source.double(at, codingPath)) }
    func decode(_ type: Int.Type) throws -> Int { try source.integer(type, at, codingPath) }
    func decode(_ type: Int8.Type) throws -> Int8 { try source.integer(type, at, codingPath) }
    func decode(_ type: Int16.Type) throws -> Int16 { try source.integer(type, at, codingPath) }
    func decode(_ type: Int32.Type) throws -> Int32 { try source.integer(type, at, codingPath) }
    func decode(_ type: Int64.Type) throws -> Int64 { try source.integer(type, at, codingPath) }
    func decode(_ type: UInt.Type) throws -> UInt { try source.integer(type, at, codingPath) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try source.integer(type, at, codingPath) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try source.integer(type, at, codingPath) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try source.integer(type, at, codingPath) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try source.integer(type, at, codingPath) }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try source.decode(type, at: at, path: codingPath) }
}
