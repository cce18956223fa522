import Foundation
import XCTest

@testable import LiteStash

/// Counts from any thread.
final class Count: @unchecked Sendable {
    private let lock = NSLock()
    private var number = 0
    var value: Int { lock.withLock { number } }
    func add() { lock.withLock { number += 1 } }
}

final class AsyncTests: StashCase {
    struct Mine: Error {}

    func testTwinsDoTheSame() async throws {
        let stash = try opened()
        let user = User(name: "Ada", age: 36, score: 1, active: true, tags: [])
        try await stash.set("user:1", user, ttl: .seconds(60))
        let read = try await stash.get("user:1", as: User.self)
        XCTAssertEqual(read, user)
        let none = try await stash.get("none", as: User.self)
        XCTAssertNil(none)
        let taken = try await stash.take("user:1", as: User.self)
        XCTAssertEqual(taken, user)
        let done = try await stash.transaction([.increment("x"), .increment("y")])
        guard case .committed = done else { return XCTFail() }
        try await stash.close()
        do {
            _ = try await stash.get("x")
            XCTFail()
        } catch {
            XCTAssertEqual((error as? LiteStashError)?.code, .closed)
        }
    }

    func testThousandsOfTasksAtOnce() async throws {
        let stash = try LiteStash(path: directory)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<3000 {
                group.addTask {
                    try await stash.increment("sum")
                    try await stash.set(index, "value")
                    let read = try await stash.get(index, as: String.self)
                    XCTAssertEqual(read, "value")
                }
            }
            try await group.waitForAll()
        }
        let sum = try await stash.get("sum", as: Int.self)
        XCTAssertEqual(sum, 3000)
        let count = try await stash.count()
        XCTAssertEqual(count, 3001)
        try await stash.close()
    }

    func testClosingWhileTasksRun() async throws {
        let stash = try LiteStash(path: directory)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    do {
                        while true { try await stash.increment("n") }
                    } catch {
                        XCTAssertEqual((error as? LiteStashError)?.code, .closed)
                    }
                }
            }
            group.addTask {
                try? await Task.sleep(for: .milliseconds(50))
                try? await stash.close()
            }
        }
        XCTAssertTrue(stash.isClosed)
    }

    func testACancelledTaskDoesNotBegin() async throws {
        let stash = try opened()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await stash.set("k", 1)
        }
        task.cancel()
        do {
            try await task.value
            XCTFail()
        } catch {
            XCTAssertTrue(error is CancellationError)
        }
        let began = try await stash.exists("k")
        XCTAssertFalse(began)
        try await stash.close()
    }

    func testOneComputationForAllWhoAsk() async throws {
        let stash = try LiteStash(path: directory)
        let calls = Count()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    try await stash.get("computed") {
                        calls.add()
                        try await Task.sleep(for: .milliseconds(20))
                        return 42
                    }
                }
            }
            for try await value in group { XCTAssertEqual(value, 42) }
        }
        XCTAssertEqual(calls.value, 1)
        do {
            _ = try await stash.get("failing") { () async throws -> Int in throw Mine() }
            XCTFail()
        } catch {
            XCTAssertTrue(error is Mine)
        }
        func inner() throws -> Int { try stash.get("own") { try stash.get("own") { 1 } } }
        XCTAssertThrowsError(try inner()) { XCTAssertEqual(($0 as? LiteStashError)?.code, .invalidArgument) }
        let stored = try await stash.exists("failing")
        XCTAssertFalse(stored)
        try await stash.close()
    }

    func testWaiting() async throws {
        let stash = try LiteStash(path: directory)
        // Many wait at once, while the one who ends it needs a thread too.
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<100 {
                group.addTask { try await stash.wait(for: "job", timeout: .seconds(60)) { $0 == "done" } }
            }
            try await stash.set("job", "running")
            try await stash.set("job", "done")
            for try await held in group { XCTAssertTrue(held) }
        }
        func blocking() throws {
            XCTAssertFalse(try stash.wait(for: "job", timeout: .milliseconds(1)) { $0 == nil })
            XCTAssertThrowsError(try stash.wait(for: "job", timeout: .seconds(60)) { _ in throw Mine() }) {
                XCTAssertTrue($0 is Mine)
            }
        }
        try blocking()
        let waiting = Task { try await stash.wait(for: "never", timeout: .seconds(3600)) { $0 != nil } }
        try await Task.sleep(for: .milliseconds(20))
        waiting.cancel()
        do {
            _ = try await waiting.value
            XCTFail()
        } catch {
            XCTAssertTrue(error is CancellationError)
        }
        try await stash.close()
    }

    func testLongWorkEndsWhenItsTaskIsCancelled() async throws {
        let stash = try LiteStash(path: directory)
        let row = String(repeating: "x", count: 500)
        for round in 0..<10 { try await stash.setMany((0..<2000).map { ("\(round):\($0)", row) }) }
        let file = URL(fileURLWithPath: directory + ".jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        func cancelled(_ task: Task<Void, any Error>) async {
            task.cancel()
            do {
                try await task.value
                XCTFail()
            } catch {
                XCTAssertTrue(error is CancellationError, "\(error)")
            }
        }
        await cancelled(Task { try await stash.export(to: file) })
        XCTAssertFalse(FileManager.default.fileExists(atPath: file.path))
        let exported = try await stash.export(to: file)
        XCTAssertEqual(exported.rows, 20_000)
        await cancelled(Task { try await stash.importLines(from: file) })
        let imported = try await stash.importLines(from: file)
        XCTAssertEqual(imported.rows, 20_000)
        try await stash.close()
    }

    func testUpdatesLoseNothing() async throws {
        let stash = try LiteStash(path: directory)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    try await stash.update { rows in
                        rows["one"] = (rows["one"] ?? 0) + 1
                        rows["other"] = (rows["other"] ?? 0) - 1
                    }
                }
            }
            try await group.waitForAll()
        }
        let (one, other) = try await (stash.get("one", as: Int.self), stash.get("other", as: Int.self))
        XCTAssertEqual([one, other], [200, -200])
        try await stash.close()
    }

    /// As many tasks as the cooperative pool has threads wait for a computation, and others still get on.
    func testNoThreadOfThePoolIsBlocked() async throws {
        let stash = try LiteStash(path: directory)
        let opened = AsyncStream<Void>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 * ProcessInfo.processInfo.activeProcessorCount {
                group.addTask {
                    _ = try await stash.get("slow") { () async throws -> Int in
                        for await _ in opened.stream { break }
                        return 1
                    }
                }
                group.addTask { _ = try await stash.wait(for: "slow", timeout: .seconds(60)) { $0 == 1 } }
            }
            try await Task.sleep(for: .milliseconds(50))
            // With a pool that is blocked this would never run.
            for index in 0..<100 { try await stash.set(index, index) }
            opened.continuation.finish()
            try await group.waitForAll()
        }
        try await stash.close()
    }

    func testEvents() async throws {
        let stash = try LiteStash(path: directory)
        let events = try await stash.events(Filter(kinds: [.set, .delete], prefix: "user:"))
        let hearing = Task { () -> [Event] in
            var heard: [Event] = []
            for await event in events { heard.append(event) }
            return heard
        }
        try await stash.set("user:1", 1)
        try await stash.set("other", 1)
        try await stash.delete("user:1")
        // Closing ends the sequence, after what was heard before.
        try await stash.close()
        let heard = await hearing.value
        XCTAssertEqual(heard.map(\.kind), [.set, .delete])
        XCTAssertEqual(heard.map(\.key), ["user:1", "user:1"])
        XCTAssertEqual(heard.map(\.missed), [0, 0])
    }

    func testEventsOfOthersAndCancelling() async throws {
        let stash = try LiteStash(path: directory), other = try LiteStash(path: directory)
        let heard = Count()
        let subscription = try await stash.subscribe(Filter(key: "k", allProcesses: true)) { event in
            XCTAssertTrue(event.isFromElsewhere)
            heard.add()
        }
        try await other.set("k", 1)
        while heard.value == 0 { try await Task.sleep(for: .milliseconds(5)) }
        await subscription.cancel()
        await subscription.cancel()
        XCTAssertThrowsError(try subscription.dropped)
        try await other.set("k", 2)
        XCTAssertEqual(heard.value, 1)
        do {
            _ = try await stash.subscribe(Filter(kinds: .access, allProcesses: true)) { _ in }
            XCTFail()
        } catch {
            XCTAssertEqual((error as? LiteStashError)?.code, .invalidArgument)
        }
        try await stash.close()
        try await other.close()
    }

    func testAMillionOperationsHoldTheirMemory() throws {
        let stash = try LiteStash(path: directory).withDurability(.relaxed)
        let user = User(name: "Ada", age: 36, score: 1, active: true, tags: ["a", "b"])
        let brief = ComputeOptions(ttl: .milliseconds(1))
        func round() throws {
            for index in 0..<100_000 {
                let key = "user:\(index % 100)"
                switch index % 10 {
                case 0: try stash.set(key, user)
                case 1: _ = try stash.entry(key)
                case 2 where index % 100 == 2: _ = try? stash.get(key, as: Int.self)
                case 3 where index % 1000 == 3: try stash.subscribe { _ in }.cancel()
                case 4 where index % 1000 == 4: _ = try stash.keys(Scan(limit: 2)).all()
                case 5 where index % 1000 == 5: _ = try stash.bucket("b").exists(key)
                case 6 where index % 1000 == 6: _ = try stash.get("computed \(index)", options: brief) { user }
                default: _ = try stash.get(key, as: User.self)
                }
            }
        }
        // The caches fill first.
        for _ in 0..<2 { try round() }
        let before = try residentPages()
        for _ in 0..<10 { try round() }
        let grown = try (residentPages() - before) * 4
        XCTAssertLessThan(grown, 8192, "KiB more than before")
        try stash.close()
    }

    private func residentPages() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return Int(text.split(separator: " ")[1]) ?? 0
    }
}
