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
        XCTAssertEqual(try stash.count, 3001)
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

    func testEvents() async throws {
        let stash = try LiteStash(path: directory)
        let events = try stash.events(Filter(kinds: [.set, .delete], prefix: "user:"))
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
        let subscription = try stash.subscribe(Filter(key: "k", allProcesses: true)) { event in
            XCTAssertTrue(event.isFromElsewhere)
            heard.add()
        }
        try await other.set("k", 1)
        while heard.value == 0 { try await Task.sleep(for: .milliseconds(5)) }
        subscription.cancel()
        subscription.cancel()
        XCTAssertThrowsError(try subscription.dropped)
        try await other.set("k", 2)
        XCTAssertEqual(heard.value, 1)
        XCTAssertEqual(
            kind { _ = try stash.subscribe(Filter(kinds: .access, allProcesses: true)) { _ in } }, .invalidArgument)
        try await stash.close()
        try await other.close()
    }

    /// A loop holds its memory; the benchmark makes a million rounds.
    func testNothingLeaks() throws {
        let stash = try LiteStash(path: directory)
        let user = User(name: "Ada", age: 36, score: 1, active: true, tags: ["a", "b"])
        func round(_ count: Int) throws {
            for index in 0..<count {
                if index % 20 == 0 { try stash.set("user:\(index % 100)", user) }
                _ = try stash.get("user:\(index % 100)", as: User.self)
                _ = try? stash.get("user:\(index % 100)", as: Int.self)
            }
        }
        try round(5_000)
        let before = try residentPages()
        try round(20_000)
        let after = try residentPages()
        XCTAssertLessThan(after - before, 1024, "4 MiB more than before")
        try stash.close()
    }

    private func residentPages() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return Int(text.split(separator: " ")[1]) ?? 0
    }
}
