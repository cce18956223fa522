import Foundation

/// Encodes any `Encodable`: `[Float]` is a vector, `Data` bytes, `Date` a moment, a keyed container a map.
func encoded<T: Encodable>(_ value: T) throws -> [UInt8] {
    var writer = Writer()
    // What most values are, without an encoder.
    if let leaf = Node.leaf(value) {
        try writer.value(leaf)
    } else {
        let node = Node()
        do {
            try value.encode(to: NodeEncoder(node: node, codingPath: []))
        } catch let error as EncodingError {
            throw LiteStashError(.invalidValue, "the value cannot be encoded", underlying: error)
        }
        try node.write(to: &writer, depth: 0)
    }
    return writer.bytes
}

/// A value that is being encoded: its containers are filled in any order, a map's members are sorted at the end.
private final class Node {
    enum Content {
        /// Nothing was encoded: an empty map, as of a struct without members.
        case nothing
        case leaf(Value)
        case array([Node])
        case map([(String, Node)])
    }

    var content = Content.nothing

    init(_ content: Content = .nothing) { self.content = content }

    /// What needs no container.
    static func leaf<T: Encodable>(_ value: T) -> Value? {
        // By the type and not by a cast: an empty array of anything can be cast to one of floats.
        func same<U>(_ type: U.Type) -> U? { T.self == type ? value as? U : nil }
        if let value = same(String.self) { return .text(value) }
        if let value = same(Int.self) { return .integer(Int64(value)) }
        if let value = same(Data.self) { return .bytes(value) }
        if let value = same(Bool.self) { return .bool(value) }
        if let value = same(Double.self) { return .float(value) }
        if let value = same(Date.self) { return .timestamp(Timestamp(value)) }
        if let value = same([Float].self) { return .vector(value) }
        return same(Value.self)
    }

    func write(to writer: inout Writer, depth: Int) throws {
        switch content {
        case .nothing:
            try Writer.checkDepth(depth)
            try writer.map(count: 0)
        case .leaf(let value): try writer.value(value, depth: depth)
        case .array(let elements):
            try Writer.checkDepth(depth)
            try writer.array(count: elements.count)
            for element in elements { try element.write(to: &writer, depth: depth + 1) }
        case .map(let members):
            try Writer.checkDepth(depth)
            try writer.map(count: members.count)
            for (key, member) in Writer.sorted(members) {
                try writer.text(key)
                try member.write(to: &writer, depth: depth + 1)
            }
        }
    }

    func append(_ node: Node) {
        guard case .array(var elements) = content else { return }
        content = .nothing
        elements.append(node)
        content = .array(elements)
    }

    /// Adds a member; one of the same key is replaced, as encoders do.
    func set(_ key: String, _ node: Node) {
        guard case .map(var members) = content else { return }
        content = .nothing
        if let index = members.firstIndex(where: { $0.0.utf8.elementsEqual(key.utf8) }) {
            members[index].1 = node
        } else {
            members.append((key, node))
        }
        content = .map(members)
    }

    static func of<T: Encodable>(_ value: T, _ codingPath: [any CodingKey]) throws -> Node {
        if let leaf = leaf(value) { return Node(.leaf(leaf)) }
        // Types that hold themselves would have no end.
        try Writer.checkDepth(codingPath.count - 1)
        let node = Node()
        try value.encode(to: NodeEncoder(node: node, codingPath: codingPath))
        return node
    }
}

private struct NodeEncoder: Encoder {
    let node: Node
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if case .map = node.content {} else { node.content = .map([]) }
        return KeyedEncodingContainer(Members<Key>(node: node, codingPath: codingPath))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if case .array = node.content {} else { node.content = .array([]) }
        return Elements(node: node, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(node: node, codingPath: codingPath) }
}

/// An integer of any width, as a value.
private func integer<Integer: FixedWidthInteger>(_ value: Integer) -> Value {
    Int64(exactly: value).map(Value.integer) ?? .unsigned(UInt64(truncatingIfNeeded: value))
}

private struct Place: CodingKey {
    let intValue: Int?
    var stringValue: String { "\(intValue ?? 0)" }
    init(_ index: Int) { intValue = index }
    init?(intValue: Int) { self.intValue = intValue }
    init?(stringValue: String) { nil }
}

private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let node: Node
    let codingPath: [any CodingKey]

    private func put(_ value: Value, _ key: Key) { node.set(key.stringValue, Node(.leaf(value))) }

    mutating func encodeNil(forKey key: Key) { put(.null, key) }
    mutating func encode(_ value: Bool, forKey key: Key) { put(.bool(value), key) }
    mutating func encode(_ value: String, forKey key: Key) { put(.text(value), key) }
    mutating func encode(_ value: Double, forKey key: Key) { put(.float(value), key) }
    mutating func encode(_ value: Float, forKey key: Key) { put(.float(Double(value)), key) }
    mutating func encode(_ value: Int, forKey key: Key) { put(integer(value), key) }
    mutating func encode(_ value: Int8, forKey key: Key) { put(integer(value), key) }
    mutating func encode(_ value: Int16, forKey key: Key) { put(integer(value), key) }
    mutating func encode(_ value: Int32, forKey key: Key) { put(integer(value), key) }
    mutating func encode(_ value: Int64, forKey key: Key) { put(integer(value), key) }
    mutating func encode(_ value: UInt, forKey key: Key) { put(integer(value), key) }
    mutating func encode(_ value: UInt8, forKey key: Key) { put(integer(value), key) }
    mutating func encode(_ value: UInt16, forKey key: Key) { put(integer(value), key) }
    mutating func encode(_ value: UInt32, forKey key: Key) { put(integer(value), key) }
    mutating func encode(_ value: UInt64, forKey key: Key) { put(integer(value), key) }

    mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
        node.set(key.stringValue, try Node.of(value, codingPath + [key]))
    }

    private func child(_ key: any CodingKey) -> NodeEncoder {
        let child = Node()
        node.set(key.stringValue, child)
        return NodeEncoder(node: child, codingPath: codingPath + [key])
    }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        child(key).container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        child(key).unkeyedContainer()
    }

    mutating func superEncoder() -> any Encoder { child(Super()) }
    mutating func superEncoder(forKey key: Key) -> any Encoder { child(key) }
}

struct Super: CodingKey {
    var stringValue: String { "super" }
    var intValue: Int? { nil }
    init() {}
    init?(intValue: Int) { nil }
    init?(stringValue: String) { nil }
}

private struct Elements: UnkeyedEncodingContainer {
    let node: Node
    let codingPath: [any CodingKey]

    var count: Int {
        guard case .array(let elements) = node.content else { return 0 }
        return elements.count
    }

    mutating func encodeNil() { node.append(Node(.leaf(.null))) }

    mutating func encode<T: Encodable>(_ value: T) throws {
        node.append(try Node.of(value, codingPath + [Place(count)]))
    }

    private func child() -> NodeEncoder {
        let child = Node()
        let place = Place(count)
        node.append(child)
        return NodeEncoder(node: child, codingPath: codingPath + [place])
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        child().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { child().unkeyedContainer() }
    mutating func superEncoder() -> any Encoder { child() }
}

private struct Single: SingleValueEncodingContainer {
    let node: Node
    let codingPath: [any CodingKey]

    private func put(_ value: Value) { node.content = .leaf(value) }

    mutating func encodeNil() { put(.null) }
    mutating func encode(_ value: Bool) { put(.bool(value)) }
    mutating func encode(_ value: String) { put(.text(value)) }
    mutating func encode(_ value: Double) { put(.float(value)) }
    mutating func encode(_ value: Float) { put(.float(Double(value))) }
    mutating func encode(_ value: Int) { put(integer(value)) }
    mutating func encode(_ value: Int8) { put(integer(value)) }
    mutating func encode(_ value: Int16) { put(integer(value)) }
    mutating func encode(_ value: Int32) { put(integer(value)) }
    mutating func encode(_ value: Int64) { put(integer(value)) }
    mutating func encode(_ value: UInt) { put(integer(value)) }
    mutating func encode(_ value: UInt8) { put(integer(value)) }
    mutating func encode(_ value: UInt16) { put(integer(value)) }
    mutating func encode(_ value: UInt32) { put(integer(value)) }
    mutating func encode(_ value: UInt64) { put(integer(value)) }

    mutating func encode<T: Encodable>(_ value: T) throws {
        node.content = try Node.of(value, codingPath).content
    }
}
