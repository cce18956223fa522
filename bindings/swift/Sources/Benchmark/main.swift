// Hot gets beside those of SQLite by its C interface, and the memory of a million operations.
import CSQLite
import Foundation
import LiteStash

struct User: Codable, Sendable {
    var name: String
    var email: String
    var city: String
    var age: Int
    var score: Double
    var active: Bool
}

/// The keys that are read and written, one after another.
let keys = (0..<1000).map { "user:\($0)" }

/// Nanoseconds of a call: the best of some rounds.
func nanoseconds(_ rounds: Int = 7, calls: Int = 200_000, _ body: (String) throws -> Void) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<rounds {
        let started = DispatchTime.now().uptimeNanoseconds
        for call in 0..<calls { try body(keys[call % keys.count]) }
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

// Each line when it is there, also into a file.
setvbuf(stdout, nil, _IOLBF, 0)
let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(at: directory) }

let stash = try LiteStash(path: directory.appendingPathComponent("stash").path)
let blobs = try stash.bucket("blobs")
let user = User(
    name: "Ada Lovelace", email: "ada@example.com", city: "12 Saint James's Square, London", age: 36, score: 1.5,
    active: true)
// Sets write the one and the other in turn over a row, since SQLite writes nothing where nothing changes.
let versions = [Data((0..<120).map { UInt8($0) }), Data((0..<120).map { UInt8(120 - $0) })]
let bytes = versions[0]
var calls = 0
func next() -> Data {
    calls += 1
    return versions[calls / keys.count % 2]
}
for key in keys {
    try stash.set(key, user)
    try blobs.set(key, bytes)
    _ = (try stash.get(key), try blobs.get(key))
}
print("a struct of \(try stash.entry(keys[0])?.size ?? 0) bytes, Data of \(bytes.count)")

show("get a struct", try nanoseconds { _ = try stash.get($0, as: User.self) }, limit: 3000)
show("get Data", try nanoseconds { _ = try blobs.get($0, as: Data.self) }, limit: 1500)
show("data", try nanoseconds { _ = try blobs.data($0) }, limit: 1500)
show("get a Value", try nanoseconds { _ = try stash.get($0) as Value? })
show("exists", try nanoseconds { _ = try stash.exists($0) })
show("set a struct", try nanoseconds(3, calls: 10_000) { try stash.set($0, user) })
show("set Data", try nanoseconds(3, calls: 10_000) { try blobs.set($0, next()) })

// SQLite: one table, prepared statements, the rows in its page cache, the pragmas of a stash.
var database: OpaquePointer?
guard sqlite3_open(directory.appendingPathComponent("plain.db").path, &database) == SQLITE_OK else { fatalError("open") }
let setup = """
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384; PRAGMA mmap_size = 0;
    CREATE TABLE rows (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    """
guard sqlite3_exec(database, setup, nil, nil, nil) == SQLITE_OK else { fatalError("setup") }
func prepared(_ text: String) -> OpaquePointer? {
    var statement: OpaquePointer?
    guard sqlite3_prepare_v2(database, text, -1, &statement, nil) == SQLITE_OK else { fatalError("prepare") }
    return statement
}
let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
let writing = prepared("INSERT INTO rows VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
func write(_ key: String) {
    sqlite3_bind_text(writing, 1, key, -1, transient)
    _ = next().withUnsafeBytes { sqlite3_bind_blob(writing, 2, $0.baseAddress, Int32($0.count), transient) }
    guard sqlite3_step(writing) == SQLITE_DONE else { fatalError("step") }
    sqlite3_reset(writing)
}
keys.forEach(write)
let reading = prepared("SELECT value FROM rows WHERE key = ?")
show("SQLite, get Data", nanoseconds { key in
    sqlite3_bind_text(reading, 1, key, -1, transient)
    guard sqlite3_step(reading) == SQLITE_ROW else { fatalError("step") }
    let count = Int(sqlite3_column_bytes(reading, 0))
    let read = sqlite3_column_blob(reading, 0).map { Data(bytes: $0, count: count) }
    precondition(read?.count == bytes.count)
    sqlite3_reset(reading)
})
show("SQLite, set Data", nanoseconds(3, calls: 10_000, write))
sqlite3_finalize(reading)
sqlite3_finalize(writing)
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
try churn(200_000)
let before = residentPages()
try churn(1_000_000)
print("memory after 10^6 more operations: \((residentPages() - before) * 4) KiB more")
try stash.close()
