// The generated Swift, used as a layer above it would use it. With the argument `bench`: what its calls cost.
import Foundation

struct Wrong: Error, CustomStringConvertible {
    let description: String
}

func expect(_ holds: Bool, _ what: String, line: Int = #line) throws {
    if !holds { throw Wrong(description: "line \(line): \(what)") }
}

/// The case of an error, or nil if there is none.
func failure(_ body: () throws -> Void) -> String? {
    do { try body() } catch let error as StashError { return failure(error: error).name } catch {
        return "\(error)"
    }
    return nil
}

final class Computed: Computation, @unchecked Sendable {
    struct Mine: Error {}
    let raises: Bool
    var calls = 0
    init(raises: Bool = false) { self.raises = raises }
    func compute() throws -> Data {
        calls += 1
        if raises { throw Mine() }
        return Data([7])
    }
}

final class Listener: EventListener, @unchecked Sendable {
    let heard = DispatchSemaphore(value: 0)
    func onEvent(event: Event) throws {
        heard.signal()
        throw StashError.Internal(detail: "mine")
    }
}

final class IsThere: ValueTest {
    func holds(value: Data?) -> Bool { value != nil }
}

func options() -> OpenOptions { OpenOptions() }

func use(_ directory: String) throws {
    let stash = try LiteStash.open(directory: directory, options: options())
    let one = Data([1]), plain = SetOptions()
    try expect(try stash.set(key: .text("k"), value: one, options: plain) != nil, "set")
    try expect(try stash.get(key: .text("k")) == one, "get")
    try expect(try stash.get(key: .bytes(Data("k".utf8))) == nil, "another type of key")
    try expect(try stash.increment(key: .float(2), by: 5) == 5, "increment")
    try expect(try stash.get(key: .int(2)) == Data([5]), "one key")
    try expect(try stash.ttl(key: .text("k")) == .forever, "ttl")
    try expect(try stash.expire(key: .text("k"), deadline: .after(us: 1_000_000_000)), "expire")
    try expect(try stash.entry(key: .text("k"))?.expiresAtUs != nil, "entry")
    try expect(failure { _ = try stash.set(key: .text("k"), value: Data([0xc1]), options: plain) } == "InvalidValue", "check")
    try expect(failure { _ = try stash.get(key: .float(.nan)) } == "InvalidKey", "NaN")

    let outcomes = try stash.apply(operations: [
        Operation(key: .text("k"), action: .get), Operation(key: .text("n"), action: .increment(by: 3)),
    ])
    try expect(outcomes == [.value(value: one), .int(int: 3)], "apply")
    let refused = try stash.transaction(operations: [
        Operation(key: .text("n"), action: .delete), Operation(key: .text("x"), action: .check(condition: .present)),
    ])
    try expect(refused == .refused(index: 1), "transaction")
    try expect(try stash.keys(options: ScanOptions()).keys.count == 3, "keys")

    let given = ComputeOptions(), computed = Computed()
    for _ in 0..<2 {
        try expect(try stash.getOrSet(key: .text("c"), options: given, computation: computed) == Data([7]), "computed")
    }
    try expect(computed.calls == 1, "once")
    let raised = failure { _ = try stash.getOrSet(key: .text("d"), options: given, computation: Computed(raises: true)) }
    try expect(raised == "ComputeFailed", "raised: \(raised ?? "nothing")")

    let listener = Listener()
    let subscription = try stash.subscribe(filter: EventFilter(), listener: listener)
    for _ in 0..<2 {
        _ = try stash.set(key: .text("k"), value: one, options: plain)
        try expect(listener.heard.wait(timeout: .now() + 20) == .success, "an event")
    }
    subscription.cancel()
    try expect(subscription.isEnded(), "ended")
    try expect(try stash.waitFor(key: .text("k"), timeoutUs: 1_000_000, test: IsThere()), "waited")
    let users = try stash.bucket(name: "users", options: BucketOptions())
    _ = try users.set(key: .int(1), value: one, options: plain)
    try expect(try stash.buckets() == ["users"], "buckets")
    try expect(try stash.verify(stop: nil).problems.isEmpty, "verify")
    let stop = Cancellation()
    stop.cancel()
    try expect(failure { _ = try stash.verify(stop: stop) } == "Cancelled", "stopped")
    try stash.shutdown()
    try expect(failure { _ = try stash.get(key: .text("k")) } == "Closed", "closed")
}

func nanoseconds(_ body: () throws -> Void) rethrows -> Int {
    var best = UInt64.max
    for _ in 0..<7 {
        let started = DispatchTime.now().uptimeNanoseconds
        for _ in 0..<100_000 { try body() }
        best = min(best, DispatchTime.now().uptimeNanoseconds - started)
    }
    return Int(best / 100_000)
}

func bench(_ directory: String) throws {
    let stash = try LiteStash.open(directory: directory, options: options())
    let text = Data([0xd9, 120] + Array(repeating: 0x76, count: 120))
    _ = try stash.set(key: .text("user:1"), value: text, options: SetOptions())
    print("a call without arguments", nanoseconds { _ = stash.isClosed() }, "ns")
    print("exists", try nanoseconds { _ = try stash.exists(key: .text("user:1")) }, "ns")
    print("hot get of 122 bytes", try nanoseconds { _ = try stash.get(key: .text("user:1")) }, "ns")
}

let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
do {
    if CommandLine.arguments.contains("bench") { try bench(directory) } else { try use(directory) }
    try? FileManager.default.removeItem(atPath: directory)
} catch {
    try? FileManager.default.removeItem(atPath: directory)
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
print("the generated Swift: passed")
