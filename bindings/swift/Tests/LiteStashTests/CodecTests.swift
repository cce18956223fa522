import Foundation
import XCTest

@testable import LiteStash

struct User: Codable, Equatable, Sendable {
    var name: String
    var age: Int
    var score: Double
    var active: Bool
    var tags: [String]
}

/// Everything that a stash has a form for, nested and optional.
struct Everything: Codable, Equatable {
    enum Color: String, Codable { case red, green }
    enum Shape: Codable, Equatable {
        case circle(radius: Double)
        case point
    }

    var small: Int8, large: UInt64, float: Float, vector: [Float], data: Data, date: Date
    var color: Color, shapes: [Shape], nested: [String: [Int?]], none: Int?, user: User, id: UUID, value: Value
}

final class CodecTests: XCTestCase {
    func decodedAgain<T: Codable>(_ value: T) throws -> T {
        let bytes = try encoded(value)
        return try bytes.withUnsafeBytes { try decoded(T.self, $0) }
    }

    func testStructsComeBackAsTheyWere() throws {
        let user = User(name: "Ada", age: 36, score: 1.5, active: true, tags: ["a", "é", "😀"])
        XCTAssertEqual(try decodedAgain(user), user)
        let all = Everything(
            small: -128, large: .max, float: 0.1, vector: [1, -0.5], data: Data([0, 255]),
            date: Date(timeIntervalSince1970: 1_700_000_000.25), color: .green,
            shapes: [.circle(radius: 2), .point], nested: ["a": [1, nil]], none: nil, user: user, id: UUID(),
            value: ["list": [1, 2.5, nil], "bytes": .bytes(Data([1]))])
        XCTAssertEqual(try decodedAgain(all), all)
        XCTAssertEqual(try decodedAgain([1: "one"]), [1: "one"])
        XCTAssertEqual(try decodedAgain([user, user]), [user, user])
        XCTAssertEqual(try decodedAgain([Float]()), [])
        XCTAssertEqual(try decodedAgain([String]()), [])
        XCTAssertEqual(try encoded([String]()), [0x90])
        XCTAssertEqual(try decodedAgain(Int?.some(3)), 3)
    }

    func testEncodingsAreTheCanonicalOnes() throws {
        func hex<T: Encodable>(_ value: T) throws -> String {
            try encoded(value).map { String(format: "%02x", $0) }.joined()
        }
        XCTAssertEqual(try hex(127), "7f")
        XCTAssertEqual(try hex(128), "cc80")
        XCTAssertEqual(try hex(UInt64.max), "cfffffffffffffffff")
        XCTAssertEqual(try hex(-33), "d0df")
        XCTAssertEqual(try hex(1.0), "cb3ff0000000000000")
        XCTAssertEqual(try hex(-Double.nan), "cb7ff8000000000000")
        XCTAssertEqual(try hex(["b": 2, "a": 1]), "82a16101a16202")
        XCTAssertEqual(try hex([Float(1)]), "d6010000803f")
        XCTAssertEqual(try hex(Date(timeIntervalSince1970: 1)), "d6ff00000001")
        XCTAssertEqual(try hex(Date(timeIntervalSince1970: -0.5)), "c70cff1dcd6500ffffffffffffffff")
        struct Empty: Codable {}
        XCTAssertEqual(try hex(Empty()), "80")
    }

    func testKeysOfAMapAreEqualIfTheirBytesAre() throws {
        // One é of one code point, and one of two: equal for Swift, different in a stash.
        let value = try Value(json: #"{"\u00e9":1,"e\u0301":2}"#)
        guard case .map(let map) = value else { return XCTFail() }
        XCTAssertEqual(map.count, 2)
        XCTAssertEqual(map["\u{e9}"], 1)
        XCTAssertEqual(map["e\u{301}"], 2)
        XCTAssertEqual(try Value(messagePack: value.messagePack()), value)
        var members: ValueMap = ["b": 1, "a": 2]
        members["c"] = 3
        members["a"] = nil
        XCTAssertEqual(members.map(\.key), ["b", "c"])
    }

    func testOtherTypesAreRefused() throws {
        let bytes = try encoded(User(name: "Ada", age: 36, score: 1, active: true, tags: []))
        func kind<T: Decodable>(_ type: T.Type) -> ErrorCode? {
            let read = Result { try bytes.withUnsafeBytes { try decoded(type, $0) } }
            guard case .failure(let error) = read else { return nil }
            return (error as? LiteStashError)?.code
        }
        struct Other: Decodable { let name: Int }
        struct More: Decodable { let missing: String }
        XCTAssertEqual(kind(Int.self), .typeMismatch)
        XCTAssertEqual(kind([User].self), .typeMismatch)
        XCTAssertEqual(kind(Other.self), .typeMismatch)
        XCTAssertEqual(kind(More.self), .typeMismatch)
        XCTAssertNil(kind([String: Value].self))
        let large = try encoded(300)
        XCTAssertThrowsError(try large.withUnsafeBytes { try decoded(UInt8.self, $0) })
    }

    func testWhatIsCutShortOrTooDeepIsAnError() throws {
        let whole = try encoded(User(name: "Ada", age: 36, score: 1, active: true, tags: ["a"]))
        for end in 0..<whole.count {
            XCTAssertThrowsError(try whole[..<end].withUnsafeBytes { try decoded(User.self, $0) })
            XCTAssertThrowsError(try Value(messagePack: Data(whole[..<end])))
        }
        final class Node: Codable {
            var next: Node?
            init(_ next: Node?) { self.next = next }
        }
        let deep = (0..<100).reduce(Node(nil)) { node, _ in Node(node) }
        XCTAssertThrowsError(try encoded(deep)) { XCTAssertEqual(($0 as? LiteStashError)?.code, .tooLarge) }
        var value = Value.null
        for _ in 0..<65 { value = [value] }
        XCTAssertThrowsError(try value.messagePack()) { XCTAssertEqual(($0 as? LiteStashError)?.code, .tooLarge) }
    }

    func testADecoderThatIsKeptReadsNothing() throws {
        struct Keeper: Decodable {
            nonisolated(unsafe) static var kept: KeyedDecodingContainer<Key>?
            nonisolated(unsafe) static var elements: (any UnkeyedDecodingContainer)?
            enum Key: CodingKey { case list }
            init(from decoder: any Decoder) throws {
                let members = try decoder.container(keyedBy: Key.self)
                Self.kept = members
                Self.elements = try members.nestedUnkeyedContainer(forKey: .list)
            }
        }
        _ = try encoded(["list": [1, 2]]).withUnsafeBytes { try decoded(Keeper.self, $0) }
        XCTAssertThrowsError(try Keeper.kept?.decode([Int].self, forKey: .list))
        XCTAssertThrowsError(try Keeper.elements?.decode(Int.self))
    }

    func testDurationsAreWholeMicroseconds() {
        XCTAssertEqual(Duration.seconds(60).micros, 60_000_000)
        XCTAssertEqual(Duration.nanoseconds(1).micros, 1)
        XCTAssertEqual(Duration.seconds(-1).micros, 0)
        XCTAssertEqual(Duration.seconds(Int64.max).micros, .max)
    }
}
