import Foundation
import XCTest

@testable import LiteStash

final class Clock: @unchecked Sendable {
    private let lock = NSLock()
    private var us: Int64 = 1_700_000_000_000_000
    var now: Int64 { lock.withLock { us } }
    func advance(_ by: Int64) { lock.withLock { us += by } }
}

class StashCase: XCTestCase {
    let clock = Clock()
    private(set) var directory = ""

    override func setUp() {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    }

    override func tearDown() { try? FileManager.default.removeItem(atPath: directory) }

    func opened(_ change: (inout Options) -> Void = { _ in }) throws -> LiteStash {
        var options = Options()
        options.clock = { [clock] in clock.now }
        change(&options)
        return try LiteStash(path: directory, options: options)
    }

    func kind(_ body: () throws -> Void) -> ErrorCode? {
        do { try body() } catch { return (error as? LiteStashError)?.code }
        return nil
    }
}

final class StashTests: StashCase {
    func testOneKey() throws {
        let stash = try opened()
        let user = User(name: "Ada", age: 36, score: 1, active: true, tags: ["x"])
        XCTAssertEqual(try stash.set("user:1", user), clock.now)
        XCTAssertEqual(try stash.get("user:1", as: User.self), user)
        XCTAssertEqual(try stash["user:1"]?["name"], "Ada")
        XCTAssertEqual(try stash["user:1", as: User.self], user)
        XCTAssertNil(try stash.get("none", as: User.self))
        XCTAssertNil(try stash["none"])
        XCTAssertEqual(kind { _ = try stash.get("user:1", as: Int.self) }, .typeMismatch)

        try stash.set("nil", Int?.none)
        XCTAssertEqual(try stash.get("nil"), Value.null)
        XCTAssertTrue(try stash.exists("nil"))
        XCTAssertEqual(try stash.set("user:1", 1, if: .version(5)), nil)
        XCTAssertFalse(try stash.add("user:1", 1))
        XCTAssertTrue(try stash.replace("user:1", 1))
        XCTAssertEqual(try stash.entry("user:1")?.value, 1)
        XCTAssertEqual(try stash.take("user:1", as: Int.self), 1)
        XCTAssertFalse(try stash.delete("user:1"))
        XCTAssertEqual(try stash.increment("n", by: 5), 5)
        XCTAssertEqual(try stash.increment("n", byFloat: 0.5), 5.5)
        XCTAssertTrue(try stash.compareAndSet("n", expected: 5.5, "text"))
        XCTAssertFalse(try stash.compareAndSet("n", expected: Int?.none, 1))

        // Kinds of keys, and values that do not fit the room on the stack.
        let large = Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0) })
        for key in [Key.text("k"), .bytes(Data([1, 0, 2])), .integer(.min), .float(0.5), ""] {
            try stash.set(key, large)
            XCTAssertEqual(try stash.data(key), large)
            XCTAssertEqual(try stash.get(key, as: Data.self), large)
        }
        XCTAssertEqual(try stash.get(7), nil)
        XCTAssertEqual(kind { try stash.set(Double.nan, 1) }, .invalidKey)
        XCTAssertEqual(kind { try stash.set(String(repeating: "k", count: 5000), 1) }, .tooLarge)
        try stash.close()
    }

    func testTime() throws {
        let stash = try opened { $0.defaultTTL = .microseconds(500) }
        try stash.set("default", 1)
        try stash.set("ttl", 1, ttl: .microseconds(100))
        try stash.set("never", 1, deadline: .never)
        try stash.set("idle", 1, deadline: .idle(.microseconds(1000)))
        XCTAssertEqual(try stash.ttl("default"), .remaining(.microseconds(500)))
        XCTAssertEqual(try stash.ttl("never"), .forever)
        XCTAssertEqual(try stash.entry("idle")?.idle, .microseconds(1000))
        XCTAssertNil(try stash.ttl("none"))
        XCTAssertEqual(kind { try stash.set("k", 1, ttl: .seconds(1), deadline: .never) }, .invalidArgument)
        XCTAssertEqual(kind { try stash.set("k", 1, ttl: .zero) }, .invalidArgument)
        clock.advance(400)
        XCTAssertNil(try stash.get("ttl"))
        XCTAssertTrue(try stash.touch("idle"))
        XCTAssertEqual(try stash.ttl("idle"), .remaining(.microseconds(1000)))
        XCTAssertEqual(try stash.sweep().rows, 1)
        XCTAssertTrue(try stash.persist("idle"))
        XCTAssertTrue(try stash.expire("idle", .at(Date(timeIntervalSince1970: 0))))
        XCTAssertFalse(try stash.exists("idle"))
        clock.advance(1)
        XCTAssertEqual(try stash.expire(olderThan: .microseconds(400), prefix: "n"), 1)
        try stash.close()
    }

    func testManyAndTransactions() throws {
        let stash = try opened()
        try stash.setMany([("a", 1), ("b", 2)])
        XCTAssertEqual(try stash.getMany(["a", "none", "b"]), [1, nil, 2])
        XCTAssertEqual(try stash.deleteMany(["a", "none"]), [true, false])
        let answers = try stash.apply([
            .set("s", "text"), .increment("s"), .increment("n", by: 3), .get("s"), .entry("n"), .exists("none"),
        ])
        guard case .version(clock.now?)? = try answers[0].get() as Answer? else { return XCTFail() }
        XCTAssertThrowsError(try answers[1].get()) { XCTAssertEqual(($0 as? LiteStashError)?.code, .typeMismatch) }
        guard case .integer(3) = try answers[2].get() else { return XCTFail() }
        guard case .value("text"?) = try answers[3].get() else { return XCTFail() }
        guard case .entry(let entry?) = try answers[4].get(), entry.value == 3 else { return XCTFail() }
        guard case .flag(false) = try answers[5].get() else { return XCTFail() }

        guard case .committed(let done) = try stash.transaction([.check("x", .absent), .increment("x", by: 7)]),
            case .integer(7) = done[1]
        else { return XCTFail() }
        guard case .refused(0) = try stash.transaction([.check("x", .absent), .increment("x", by: 7)]) else {
            return XCTFail()
        }
        guard case .refused(1) = try stash.transaction([.increment("x"), .expect("s", "other")]) else { return XCTFail() }
        XCTAssertEqual(kind { _ = try stash.transaction([.increment("x"), .increment("s")]) }, .typeMismatch)
        XCTAssertEqual(try stash.get("x"), 7)
        try stash.close()
    }

    func testIterating() async throws {
        let stash = try opened()
        for index in 0..<600 { try await stash.set("\(index % 2 == 0 ? "even" : "odd"):\(index)", index) }
        XCTAssertEqual(try stash.keys().all().count, 600)
        XCTAssertEqual(try stash.items(Scan(prefix: "even:", limit: 7)).all().count, 7)
        XCTAssertEqual(try stash.keys(Scan(prefix: "")).all().count, 600)
        let rows = try stash.keys(Scan(limit: 100))
        let first = try rows.all()
        let rest = try stash.keys(Scan(cursor: rows.cursor)).all()
        XCTAssertEqual(Set(first + rest).count, 600)
        var sum = 0
        for try await item in try stash.items() { sum += item.value.int ?? 0 }
        XCTAssertEqual(sum, 600 * 599 / 2)
        XCTAssertEqual(try stash.count, 600)
        // Closing during an iteration.
        let left = try stash.items()
        XCTAssertNotNil(try left.next())
        try await stash.close()
        var met: ErrorCode?
        do { while try left.next() != nil {} } catch { met = (error as? LiteStashError)?.code }
        XCTAssertEqual(met, .closed)
    }

    func testBucketsLimitsAndSuspending() throws {
        let stash = try opened()
        var options = BucketOptions()
        options.defaultTTL = .after(.microseconds(70))
        options.limits.rows = 2
        let bucket = try stash.bucket("users", options: options)
        try bucket.set("k", 1)
        try stash.set("k", 0)
        XCTAssertEqual(try bucket.ttl("k"), .remaining(.microseconds(70)))
        XCTAssertEqual(try stash.buckets(), ["users"])
        try bucket.set("l", 1)
        XCTAssertEqual(kind { try bucket.set("m", 1) }, .limitReached)
        XCTAssertEqual(kind { _ = try bucket.bucket("inner") }, .invalidArgument)

        try stash.suspend()
        XCTAssertTrue(stash.isClosed)
        XCTAssertEqual(kind { _ = try stash.get("k") }, .closed)
        XCTAssertEqual(kind { try bucket.set("k", 2) }, .closed)
        try stash.resume()
        XCTAssertEqual(try stash.get("k"), 0)
        XCTAssertEqual(try bucket.get("k"), 1)
        XCTAssertTrue(try stash.dropBucket("users"))
        XCTAssertNil(try bucket.get("k"))
        try stash.close()
        try stash.close()
        XCTAssertEqual(kind { _ = try stash.get("k") }, .closed)
    }

    func testCare() throws {
        let stash = try opened()
        try stash.set("k", "v")
        XCTAssertEqual(try stash.stats().rows, 1)
        XCTAssertEqual(try stash.verify()["problems"], [])
        try stash.compact()
        try stash.sync()
        let copy = directory + ".copy"
        defer { try? FileManager.default.removeItem(atPath: copy) }
        try stash.backup(to: copy)
        let other = try LiteStash(path: copy)
        XCTAssertEqual(try other.get("k"), "v")
        try other.close()
        var lines = Data()
        try stash.export { lines.append($0) }
        XCTAssertTrue(String(decoding: lines, as: UTF8.self).contains("\"v\""))
        struct Mine: Error {}
        XCTAssertThrowsError(try stash.export { _ in throw Mine() }) { XCTAssertTrue($0 is Mine) }
        XCTAssertEqual(kind { _ = try LiteStash(path: directory + ".none", options: { var o = Options(); o.create = false; return o }()) }, .noStash)
        XCTAssertEqual(LiteStashError(.busy, "").retry, .later)
        try stash.close()
    }

    func testEncryptionAndCompression() throws {
        let key = Data(repeating: 7, count: 32)
        let text = String(repeating: "a", count: 100_000)
        var stash = try opened {
            $0.encryptionKey = key
            $0.compression = Compression(level: 5)
        }
        XCTAssertTrue(try stash.isEncrypted)
        try stash.set("secret", text)
        XCTAssertLessThan(try stash.stats().recordBytes, 10_000)
        XCTAssertEqual(try stash.rotateKey()["resealed"], 1)
        try stash.changePassphrase("open sesame")
        try stash.close()
        XCTAssertEqual(kind { _ = try opened { $0.encryptionKey = key } }, .wrongKey)
        XCTAssertEqual(kind { _ = try opened() }, .wrongKey)
        XCTAssertEqual(kind { _ = try opened { $0.encryptionKey = Data() } }, .invalidArgument)
        XCTAssertEqual(kind { _ = try opened { $0.passphrase = "" } }, .invalidArgument)
        XCTAssertEqual(kind { _ = try opened { $0.compression = Compression(level: 0) } }, .invalidArgument)
        stash = try opened { $0.passphrase = "open sesame" }
        XCTAssertEqual(try stash.get("secret"), .text(text))
        try stash.changeKey(key)
        try stash.suspend()
        XCTAssertEqual(kind { try stash.resume() }, .wrongKey)
        try stash.close()
    }
}
