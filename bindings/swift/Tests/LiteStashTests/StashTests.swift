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
        XCTAssertEqual(try stash.getMany(["a", "none", "b"], as: Int.self), [1, nil, 2])
        XCTAssertEqual(kind { _ = try stash.getMany(["a", "b"], as: String.self) }, .typeMismatch)
        XCTAssertEqual(try stash.getMany([Key]()), [])
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

    func testIterating() throws {
        let stash = try opened()
        for index in 0..<600 { try stash.set("\(index % 2 == 0 ? "even" : "odd"):\(index)", index) }
        XCTAssertEqual(try stash.keys().all().count, 600)
        XCTAssertEqual(try stash.items(Scan(prefix: "even:", limit: 7)).all().count, 7)
        XCTAssertEqual(try stash.keys(Scan(prefix: "")).all().count, 600)
        XCTAssertEqual(try stash.values(Scan(prefix: "odd:")).all().compactMap(\.int).reduce(0, +), 300 * 300)
        let rows = try stash.keys(Scan(limit: 100))
        let first = try rows.all()
        let rest = try stash.keys(Scan(cursor: rows.cursor)).all()
        XCTAssertEqual(Set(first + rest).count, 600)
        XCTAssertEqual(try stash.count(), 600)
        // Closing during an iteration.
        let left = try stash.items()
        XCTAssertNotNil(try left.next())
        try stash.close()
        XCTAssertEqual(kind { while try left.next() != nil {} }, .closed)
    }

    func testIteratingInTasks() async throws {
        let stash = try opened()
        try await stash.setMany((0..<600).map { ($0, $0) })
        var sum = 0
        for try await item in try stash.items() { sum += item.value.int ?? 0 }
        XCTAssertEqual(sum, 600 * 599 / 2)
        let keys = try await stash.keys().all()
        XCTAssertEqual(keys.count, 600)
        var met: ErrorCode?, seen = 0
        do {
            for try await _ in try stash.keys() {
                seen += 1
                if seen == 1 { try await stash.close() }
            }
        } catch { met = (error as? LiteStashError)?.code }
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
        XCTAssertTrue(try stash.verify().isSound)
        try stash.compact()
        try stash.sync()
        let copy = directory + ".copy"
        defer { try? FileManager.default.removeItem(atPath: copy) }
        try stash.backup(to: copy)
        let other = try LiteStash(path: copy)
        XCTAssertEqual(try other.get("k"), "v")
        try other.close()
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
        struct Mine: Error {}
        XCTAssertThrowsError(try stash.rotateKey { _, _ in throw Mine() }) { XCTAssertTrue($0 is Mine) }
        let rotated = try stash.rotateKey()
        XCTAssertTrue(rotated.resumed && rotated.finished)
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

    func testJSONLinesGoOutAndComeIn() throws {
        struct Mine: Error {}
        let stash = try opened(), other = try LiteStash.inMemory()
        for index in 0..<1000 { try stash.set(index, "value \(index)") }
        var lines = Data()
        XCTAssertEqual(try stash.export { lines.append($0) }.rows, 1000)
        XCTAssertThrowsError(try stash.export { _ in throw Mine() }) { XCTAssertTrue($0 is Mine) }

        let file = URL(fileURLWithPath: directory + ".jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        XCTAssertEqual(try stash.export(to: file).bytes, UInt64(lines.count))
        XCTAssertEqual(try Data(contentsOf: file), lines)
        XCTAssertEqual(kind { try stash.export(to: file) }, .io)
        XCTAssertEqual(kind { try other.importLines(from: URL(fileURLWithPath: directory + ".none")) }, .io)

        let progress = Count()
        let report = try other.importLines(from: file, progress: { XCTAssertGreaterThan($0.rows, 0); progress.add() })
        XCTAssertEqual(report.rows, 1000)
        XCTAssertGreaterThan(progress.value, 0)
        XCTAssertEqual(try other.get(7), "value 7")
        XCTAssertEqual(try stash.importLines(from: file, keepingVersions: true).older, 1000)

        // Pieces of any size, some of them empty, and a line that is no row.
        let bytes = lines + Data("no row\n".utf8)
        let pieces = Pieces([Data()] + stride(from: 0, to: bytes.count, by: 333).map { bytes[$0..<min($0 + 333, bytes.count)] })
        let again = try other.importLines { pieces.next() }
        XCTAssertEqual([again.rows, again.rejectedLines], [1000, 1])
        XCTAssertEqual(again.rejected.map(\.line), [1001])
        XCTAssertThrowsError(try other.importLines { throw Mine() }) { XCTAssertTrue($0 is Mine) }
        XCTAssertThrowsError(try other.importLines(from: file, progress: { _ in throw Mine() })) {
            XCTAssertTrue($0 is Mine)
        }
        try stash.close()
    }

    func testSettingBySubscripts() throws {
        struct Mine: Error {}
        let stash = try opened()
        try stash.set("old", 1)
        let user = User(name: "Ada", age: 36, score: 1, active: true, tags: [])
        let visits = try stash.update { rows in
            rows["visits"] = (rows["visits"] ?? 0) + 1
            rows["user"] = user
            rows["old"] = nil
            rows["list"] = [1, 2.5]
            rows.set("brief", "text", ttl: .seconds(1))
            // What was written is read, and nothing is stored yet.
            XCTAssertEqual(rows["user"], user)
            XCTAssertNil(rows["old"] as Value?)
            XCTAssertFalse(try stash.exists("user"))
            return rows["visits"] as Int?
        }
        XCTAssertEqual(visits, 1)
        XCTAssertEqual(try stash.get("user", as: User.self), user)
        XCTAssertEqual(try stash.get("list"), [1.0, 2.5])
        XCTAssertFalse(try stash.exists("old"))
        XCTAssertEqual(try stash.ttl("brief"), .remaining(.seconds(1)))

        // The first error is thrown, and nothing is stored.
        XCTAssertEqual(
            kind {
                try stash.update { rows in
                    rows["visits"] = 100
                    let age: Int? = rows["user"]
                    XCTAssertNil(age)
                    rows[Double.nan] = 1
                }
            }, .typeMismatch)
        XCTAssertEqual(kind { try stash.update { $0[Double.nan] = 1 } }, .invalidKey)
        XCTAssertThrowsError(
            try stash.update { rows in
                rows["visits"] = 100
                throw Mine()
            }
        ) { XCTAssertTrue($0 is Mine) }
        XCTAssertEqual(try stash.get("visits"), 1)

        // What was read was changed meanwhile: once more.
        var rounds = 0
        try stash.update { rows in
            rounds += 1
            let before: Int = rows["visits"] ?? 0
            if rounds == 1 { try stash.set("visits", 10) }
            rows["visits"] = before + 1
        }
        XCTAssertEqual(rounds, 2)
        XCTAssertEqual(try stash.get("visits"), 11)
        try stash.close()
    }

    func testKeysAreEqualIfTheirBytesAre() throws {
        XCTAssertNotEqual(Key.text("\u{e9}"), "e\u{301}")
        XCTAssertEqual(Key.float(2), 2)
        XCTAssertEqual(Key.float(-0.0), .integer(0))
        XCTAssertNotEqual(Key.bytes(Data("a".utf8)), "a")
        let stash = try opened()
        try stash.setMany([("\u{e9}", 1), ("e\u{301}", 2)])
        XCTAssertEqual(Set(try stash.keys().all()).count, 2)
        XCTAssertEqual(Set([Key.float(2), 2, 2.5]).count, 2)
        try stash.close()
    }

    func testAHandleOfAnotherDurability() throws {
        let stash = try opened()
        let relaxed = try stash.withDurability(.relaxed)
        let bucket = try relaxed.bucket("b")
        try relaxed.set("k", 1)
        try bucket.set("k", 2)
        XCTAssertEqual(try stash.get("k"), 1)
        try stash.suspend()
        XCTAssertEqual(kind { _ = try relaxed.get("k") }, .closed)
        try stash.resume()
        XCTAssertEqual(try relaxed.get("k"), 1)
        XCTAssertEqual(try bucket.get("k"), 2)
        try relaxed.close()
        XCTAssertTrue(stash.isClosed)
    }

    func testEverythingThrowsAfterClosing() throws {
        let stash = try opened()
        let rows = try stash.keys(), bucket = try stash.bucket("b")
        try stash.close()
        let file = URL(fileURLWithPath: directory + ".jsonl")
        let uses: [() throws -> Void] = [
            { _ = try stash.get("k") }, { _ = try stash.data("k") }, { _ = try stash.exists("k") },
            { _ = try stash.entry("k") }, { try stash.set("k", 1) }, { try stash.delete("k") },
            { _ = try stash.take("k", as: Int.self) }, { try stash.increment("k") }, { _ = try stash.ttl("k") },
            { try stash.expire("k", .never) }, { try stash.persist("k") }, { try stash.touch("k") },
            { try stash.compareAndSet("k", expected: 1, 2) }, { _ = try stash.get("k") { 1 } },
            { _ = try stash.getMany(["k"]) }, { try stash.setMany([("k", 1)]) }, { try stash.deleteMany(["k"]) },
            { _ = try stash.apply([.get("k")]) }, { _ = try stash.transaction([.increment("k")]) },
            { try stash.update { $0["k"] = 1 } }, { _ = try stash.items() }, { _ = try rows.next() },
            { _ = try stash.count() }, { try stash.removeAll() }, { _ = try stash.stats() }, { _ = try stash.verify() },
            { try stash.compact() }, { try stash.sync() }, { try stash.sweep() }, { try stash.export { _ in } },
            { try stash.export(to: file) }, { try stash.importLines { nil } }, { _ = try stash.bucket("c") },
            { _ = try stash.buckets() }, { try bucket.set("k", 1) }, { _ = try stash.subscribe { _ in } },
            { _ = try stash.wait(for: "k", timeout: .seconds(1)) { $0 != nil } }, { _ = try stash.path },
            { _ = try stash.withDurability(.full) }, { try stash.rotateKey() },
            { try stash.expire(olderThan: .seconds(1)) },
        ]
        for (place, use) in uses.enumerated() { XCTAssertEqual(kind(use), .closed, "use \(place)") }
        XCTAssertFalse(FileManager.default.fileExists(atPath: file.path))
    }

    /// A panic in the library is an error of the call, and everything goes on. Needs the library with its switch for
    /// tests, which the tests of this repository have.
    func testPanics() throws {
        guard let symbol = dlsym(dlopen(nil, RTLD_NOW), "litestash_testing_panic") else {
            try XCTSkipIf(ProcessInfo.processInfo.environment["LITESTASH_TESTING"] == nil, "not in this library")
            return XCTFail("the library has no switch")
        }
        let panicNext = unsafeBitCast(symbol, to: (@convention(c) () -> Void).self)
        let stash = try opened()
        try stash.set("k", 1)
        func panics(_ body: () throws -> Void) -> ErrorCode? {
            panicNext()
            return kind(body)
        }
        XCTAssertEqual(panics { _ = try stash.get("k") }, .internal)
        XCTAssertEqual(panics { try stash.set("k", 2) }, .internal)
        XCTAssertEqual(panics { _ = try stash.transaction([.increment("k")]) }, .internal)
        XCTAssertEqual(panics { _ = try stash.keys() }, .internal)
        XCTAssertEqual(panics { _ = try stash.stats() }, .internal)
        XCTAssertEqual(try stash.increment("k"), 2)
        XCTAssertTrue(try stash.verify().isSound)
        try stash.close()
    }
}

/// Gives pieces, from any thread.
private final class Pieces: @unchecked Sendable {
    private let lock = NSLock()
    private var left: [Data]
    init(_ pieces: [Data]) { left = pieces.reversed() }
    func next() -> Data? { lock.withLock { left.popLast() } }
}
