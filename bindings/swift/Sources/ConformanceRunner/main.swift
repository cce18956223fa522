// The runner of the conformance suite for Swift; conformance/PROTOCOL.md says what it does.
import Foundation
import LiteStash

func stop(_ code: Int32, _ message: String) -> Never {
    FileHandle.standardError.write(Data((message + "\n").utf8))
    exit(code)
}

func write(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

func file(_ path: String) -> Part {
    guard let data = FileManager.default.contents(atPath: path) else { stop(2, "the file cannot be read") }
    return Part(String(decoding: data, as: UTF8.self))
}

/// The time of a script.
final class TestClock: @unchecked Sendable {
    private let lock = NSLock()
    private var us: Int64
    init(_ us: Int64) { self.us = us }
    var now: Int64 { lock.withLock { us } }
    func advance(_ by: Int64) { lock.withLock { us += by } }
}

func options(_ clock: TestClock) -> Options {
    var options = Options()
    options.clock = { clock.now }
    options.background = false
    options.origin = 1
    return options
}

/// The n-th draw of a run is zeros that end in n.
final class Draws: @unchecked Sendable {
    private let lock = NSLock()
    private var count: UInt64 = 0

    func next(_ length: Int) -> [UInt8] {
        let number = lock.withLock { () -> UInt64 in
            count += 1
            return count
        }
        let end = withUnsafeBytes(of: number.bigEndian) { Array($0) }
        return Array((Array(repeating: 0, count: length) + end).suffix(length))
    }
}

let draws = Draws()

/// The key of an encrypted stash.
func take(key digits: String, _ options: inout Options) throws {
    let digits = Array(digits.utf8)
    guard digits.count % 2 == 0 else { throw Refusal() }
    options.encryptionKey = Data(try stride(from: 0, to: digits.count, by: 2).map { at in
        guard let byte = UInt8(String(decoding: digits[at..<at + 2], as: UTF8.self), radix: 16) else { throw Refusal() }
        return byte
    })
    options.random = { draws.next($0) }
}

/// Opens the directory a second time, read-only, and closes it.
func tryOpen(_ members: inout Members, _ directory: String, _ clock: TestClock) -> String {
    do {
        var options = options(clock)
        options.readOnly = true
        if let key = try members.text("encryption_key") { try take(key: key, &options) }
        try LiteStash(path: directory, options: options).close()
        return "null"
    } catch {
        return refused(error)
    }
}

/// What a script says about opening.
func read(_ given: Part?, into options: inout Options) throws {
    guard let given else { return }
    guard var members = given.members else { throw Refusal() }
    if let us = try members.integer("default_ttl_us") { options.defaultTTL = .microseconds(us) }
    if let limits = members.take("limits") {
        guard var limits = limits.members, try limits.text("eviction") == "none" else { throw Refusal() }
        options.limits.rows = try limits.integer("rows").map(UInt64.init)
        try limits.finish()
    }
    if let key = try members.text("encryption_key") { try take(key: key, &options) }
    if var compression = members.take("compression")?.members {
        guard let level = try compression.integer("level"), let bytes = try compression.integer("min_bytes") else {
            throw Refusal()
        }
        try compression.finish()
        options.compression = Compression(level: Int(level), minBytes: Int(bytes))
    }
    try members.finish()
}

func script(_ path: String, _ directory: String) throws {
    guard var head = file(path).members, let us = try head.integer("clock"),
        let operations = head.take("operations")?.elements
    else { stop(2, "the file is no script") }
    let clock = TestClock(us)
    var options = options(clock)
    try read(head.take("options"), into: &options)
    var stash = try LiteStash(path: directory, options: options)
    for operation in operations {
        var members = operation.members ?? Members()
        switch try? members.text("op") {
        case "tick":
            guard let us = try members.integer("us") else { stop(1, "tick without us") }
            clock.advance(us)
            write("null")
        case "reopen":
            try stash.close()
            stash = try LiteStash(path: directory, options: options)
            write("null")
        case "try_open": write(tryOpen(&members, directory, clock))
        default: write(result(stash, operation))
        }
    }
    try stash.close()
}

func dump(_ directory: String, _ key: String?) throws {
    var options = options(TestClock(0))
    if let key { try take(key: key, &options) }
    options.readOnly = true
    do {
        let stash = try LiteStash(path: directory, options: options)
        try stash.export { FileHandle.standardOutput.write($0) }
        try stash.close()
    } catch let error as LiteStashError where error.code == .noStash {
        return
    }
}

func run(_ words: [String]) throws {
    switch (words.first, words.count) {
    case ("script", 3): try script(words[1], words[2])
    case ("vectors", 2): if !vectors(file(words[1]), write) { stop(2, "the file is no vector file") }
    case ("dump", 2): try dump(words[1], nil)
    case ("dump", 3): try dump(words[1], words[2])
    default: stop(2, "usage: ConformanceRunner script FILE DIR | vectors FILE | dump DIR [KEY] | serve")
    }
}

func serve() throws {
    while let line = readLine() {
        guard let words = Part(line).elements else { stop(2, "the line is no job") }
        try run(words.map { word in
            guard case .text(let text)? = try? Value(json: word.string) else { stop(2, "the line is no job") }
            return text
        })
        write("")
    }
}

let arguments = Array(CommandLine.arguments.dropFirst())
do {
    if arguments == ["serve"] { try serve() } else { try run(arguments) }
} catch {
    stop(1, "\(error)")
}
