/// The members of a map, in the order of their keys' UTF-8 bytes.
///
/// It is no `Dictionary`, because Swift holds texts for equal that are made of different characters, such as an é of one
/// and of two code points. Keys here are equal if their bytes are.
public struct ValueMap: Sendable, Hashable, RandomAccessCollection, ExpressibleByDictionaryLiteral {
    public typealias Element = (key: String, value: Value)

    private struct Member: Sendable, Hashable {
        var key: String
        var value: Value

        static func == (one: Member, other: Member) -> Bool {
            one.key.utf8.elementsEqual(other.key.utf8) && one.value == other.value
        }
    }

    private var members: [Member] = []

    /// A map without members.
    public init() {}

    /// Of a key that is there twice the last value counts.
    public init(dictionaryLiteral elements: (String, Value)...) {
        for (key, value) in elements { self[key] = value }
    }

    /// The members of a dictionary.
    public init(_ dictionary: [String: Value]) {
        members = dictionary.map { Member(key: $0.key, value: $0.value) }
        members.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { members.count }

    public subscript(position: Int) -> Element {
        (members[position].key, members[position].value)
    }

    /// The value of a key; nil takes the key away.
    public subscript(key: String) -> Value? {
        get {
            let place = place(of: key)
            return holds(key, at: place) ? members[place].value : nil
        }
        set {
            let place = place(of: key)
            switch (newValue, holds(key, at: place)) {
            case (let value?, true): members[place].value = value
            case (let value?, false): members.insert(Member(key: key, value: value), at: place)
            case (nil, true): members.remove(at: place)
            case (nil, false): break
            }
        }
    }

    /// Adds a member behind the last one, where it belongs if it comes from an encoding.
    mutating func append(_ key: String, _ value: Value) {
        members.append(Member(key: key, value: value))
    }

    mutating func reserve(_ count: Int) { members.reserveCapacity(count) }

    private func holds(_ key: String, at place: Int) -> Bool {
        place < members.count && members[place].key.utf8.elementsEqual(key.utf8)
    }

    /// Where the key is, or belongs.
    private func place(of key: String) -> Int {
        var (low, high) = (0, members.count)
        while low < high {
            let middle = (low + high) / 2
            if members[middle].key.utf8.lexicographicallyPrecedes(key.utf8) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
