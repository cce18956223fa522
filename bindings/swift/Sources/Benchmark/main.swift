// Hot gets beside those of SQLite by its C interface, and the memory of a million operations.
import CSQLite
import Foundation
import LiteStash

struct User: Codable, Sendable {
    var name: String
    var email: String
    var age: Int
    var score: Double
    var active: Bool
}

/// Nanoseconds of a call: the best of some rounds.
func nanoseconds(_ rounds: Int = 7, calls: Int = 200_000, _ body: () throws -> Void) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<rounds {
        let started = DispatchTime.now().uptimeNanoseconds
        for _ in 0..<calls { try body() }
        best = min(best, Double(DispatchTime.now().uptimeNanoseconds - started) / Double(calls))
    }
    return best
}

func show(_ name: String, _ ns: Double, limit: Double? = nil) {
    let bound = limit.map { $0 >= ns ? "within \(Int($0))" : "OVER \(Int($0))" } ?? ""
    print(name.padding(toLength: 34, withPad: " ", startingAt: 0), String(format: "%8.0f ns", ns), bound)
}

func residentPages() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
}

let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(at: directory) }

let stash = try LiteStash(path: directory.appendingPathComponent("stash").path)
let user = User(name: "Ada Lovelace", email: "ada@example.com", age: 36, score: 1.5, active: true)
let bytes = Data((0..<100).map { UInt8($0) })
try stash.set("user:1", user)
try stash.set("bytes:1", bytes)
_ = (try stash.get("user:1"), try stash.get("bytes:1"))

show("get a struct", try nanoseconds { _ = try stash.get("user:1", as: User.self) }, limit: 3000)
show("get Data", try nanoseconds { _ = try stash.get("bytes:1", as: Data.self) }, limit: 1500)
show("data", try nanoseconds { _ = try stash.data("bytes:1") }, limit: 1500)
show("get a Value", try nanoseconds { _ = try stash.get("user:1") as Value? })
show("exists", try nanoseconds { _ = try stash.exists("user:1") })
show("set a struct", try nanoseconds(3, calls: 5_000) { try stash.set("user:1", user) })

// SQLite: one table, a prepared statement, the row in its page cache.
var database: OpaquePointer?
guard sqlite3_open(directory.appendingPathComponent("plain.db").path, &database) == SQLITE_OK else { fatalError("open") }
let setup = """
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE rows (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    INSERT INTO rows VALUES ('bytes:1', zeroblob(100));
    """
guard sqlite3_exec(database, setup, nil, nil, nil) == SQLITE_OK else { fatalError("setup") }
var statement: OpaquePointer?
guard sqlite3_prepare_v2(database, "SELECT value FROM rows WHERE key = ?", -1, &statement, nil) == SQLITE_OK else {
    fatalError("prepare")
}
let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
show("SQLite, Data", nanoseconds {
    sqlite3_bind_text(statement, 1, "bytes:1", -1, transient)
    guard sqlite3_step(statement) == SQLITE_ROW else { fatalError("step") }
    let count = Int(sqlite3_column_bytes(statement, 0))
    let read = sqlite3_column_blob(statement, 0).map { Data(bytes: $0, count: count) }
    precondition(read?.count == 100)
    sqlite3_reset(statement)
})
sqlite3_finalize(statement)
sqlite3_close(database)

/// Tasks do not run in a program's own code.
func measureAsync() async throws {
    let started = DispatchTime.now().uptimeNanoseconds
    for _ in 0..<100_000 { _ = try await stash.get("user:1", as: User.self) }
    show("await get a struct", Double(DispatchTime.now().uptimeNanoseconds - started) / 100_000)
    let sets = DispatchTime.now().uptimeNanoseconds
    for _ in 0..<5_000 { try await stash.set("user:1", user) }
    show("await set a struct", Double(DispatchTime.now().uptimeNanoseconds - sets) / 5_000)
}
try await measureAsync()

func churn(_ rounds: Int) throws {
    for round in 0..<rounds {
        if round % 50 == 0 { try stash.set("user:\(round % 100)", user) }
        _ = try stash.get("user:\(round % 100)", as: User.self)
        _ = try? stash.get("user:1", as: Int.self)
    }
}
try churn(100_000)
let before = residentPages()
try churn(1_000_000)
print("memory after 10^6 more operations: \((residentPages() - before) * 4) KiB more")
try stash.close()
