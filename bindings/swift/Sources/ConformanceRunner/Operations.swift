import LiteStash

/// What an operation's result looks like depends on more than the answer.
private enum Shape {
    case plain
    /// Whether a set stored.
    case stored
    /// Only the deadline of an entry.
    case deadline
}

private func required(_ value: Value?) throws -> Value {
    guard let value else { throw Refusal() }
    return value
}

private func micros(_ us: Int64) throws -> Duration {
    // A duration that the library would round up to the next deadline is refused here as it would be there.
    guard us > 0 else { throw Refusal() }
    return .microseconds(us)
}

private func deadline(_ members: inout Members) throws -> Deadline? {
    let ttl = try members.integer("ttl_us"), idle = try members.integer("idle_us"), at = try members.value("expires_at")
    switch (ttl, idle, at) {
    case (nil, nil, nil): return nil
    case (let us?, nil, nil): return .after(try micros(us))
    case (nil, let us?, nil): return .idle(try micros(us))
    case (nil, nil, .null?): return .never
    case (nil, nil, .integer(let us)?): return .atMicros(us)
    default: throw Refusal()
    }
}

private func condition(_ members: inout Members) throws -> Condition? {
    switch try members.value("if") {
    case nil: return nil
    case .text("absent")?: return .absent
    case .text("present")?: return .present
    case .map(let map)? where map.count == 1:
        guard case .integer(let version)? = map["version"] else { throw Refusal() }
        return .version(version)
    default: throw Refusal()
    }
}

/// An operation on one key.
private func single(_ members: inout Members) throws -> (Operation, Shape) {
    let name = try members.text("op")
    let key = try members.key()
    let made: (Operation, Shape)
    switch name {
    case "get": made = (.get(key), .plain)
    case "take": made = (.take(key), .plain)
    case "exists": made = (.exists(key), .plain)
    case "delete": made = (.delete(key), .plain)
    case "entry": made = (.entry(key), .plain)
    case "ttl": made = (.entry(key), .deadline)
    case "persist": made = (.persist(key), .plain)
    case "touch": made = (.touch(key), .plain)
    case "set":
        let value = try required(try members.value("value"))
        let end = try deadline(&members)
        let keep = try members.value("keep_ttl") ?? false
        guard let keep = keep.bool else { throw Refusal() }
        made = (try .set(key, value, deadline: end, keepTTL: keep, if: try condition(&members) ?? .always), .plain)
    case "add": made = (try .set(key, try required(try members.value("value")), if: .absent), .stored)
    case "replace": made = (try .set(key, try required(try members.value("value")), if: .present), .stored)
    case "compare_and_set":
        let expected = try members.value("expected")
        made = (try .compareAndSet(key, expected: expected, try required(try members.value("value"))), .plain)
    case "increment":
        guard let by = try members.integer("by") else { throw Refusal() }
        made = (.increment(key, by: by), .plain)
    case "increment_float":
        guard case .float(let by)? = try members.value("by") else { throw Refusal() }
        made = (.increment(key, byFloat: by), .plain)
    case "expire":
        guard let end = try deadline(&members) else { throw Refusal() }
        made = (.expire(key, end), .plain)
    case "check":
        switch (try condition(&members), try members.value("expected")) {
        case (let condition?, nil): made = (.check(key, condition), .plain)
        case (nil, let expected?): made = (try .expect(key, expected), .plain)
        default: throw Refusal()
        }
    default: throw Refusal()
    }
    try members.finish()
    return made
}

private func text(_ answer: Answer, _ shape: Shape) throws -> String {
    switch (answer, shape) {
    case (.value(let value), _): return try found(value)
    case (.flag(let flag), _): return "\(flag)"
    case (.version(let version), .stored): return "\(version != nil)"
    case (.version(let version), _): return version.map { "\($0)" } ?? "null"
    case (.integer(let integer), _): return "\(integer)"
    case (.float(let number), _): return try Value.float(number).json()
    case (.entry(nil), _): return "null"
    case (.entry(let entry?), .deadline):
        return "{\"expires_at\":\(entry.expiresAtMicros.map { "\($0)" } ?? "null")}"
    case (.entry(let entry?), _):
        let idle = entry.idle.map { ",\"idle_us\":\($0.components.seconds * 1_000_000 + $0.components.attoseconds / 1_000_000_000_000)" }
        return """
            {"value":\(try entry.value.json()),"version":\(entry.version),"size":\(entry.size),\
            "expires_at":\(entry.expiresAtMicros.map { "\($0)" } ?? "null")\(idle ?? "")}
            """
    }
}

private func found(_ value: Value?) throws -> String {
    guard let value else { return "null" }
    return "{\"value\":\(try value.json())}"
}

private func list(_ texts: [String]) -> String { "[\(texts.joined(separator: ","))]" }

func refused(_ error: any Error) -> String {
    let code = (error as? LiteStashError)?.code ?? .invalidArgument
    let name = "\(code)"
    return "{\"error\":\"\(name.prefix(1).uppercased() + name.dropFirst())\"}"
}

/// Runs an operation and returns its result.
func result(_ stash: LiteStash, _ object: Part) -> String {
    do {
        guard var members = object.members else { throw Refusal() }
        guard let bucket = try members.text("bucket") else { return try run(stash, &members) }
        if members.all["op"]?.string == "\"drop_bucket\"" {
            _ = members.take("op")
            try members.finish()
            return "\(try stash.dropBucket(bucket))"
        }
        return try run(try stash.bucket(bucket), &members)
    } catch {
        return refused(error)
    }
}

/// Operations on one key each; a refused one is an error in its place.
private func several(_ members: inout Members) throws -> [Result<(Operation, Shape), any Error>] {
    guard let elements = members.take("operations")?.elements else { throw Refusal() }
    try members.finish()
    return elements.map { element in
        Result {
            guard var inner = element.members else { throw Refusal() }
            return try single(&inner)
        }
    }
}

private func keys(_ members: inout Members) throws -> [Key] {
    guard let elements = members.take("keys")?.elements else { throw Refusal() }
    try members.finish()
    return try elements.map { try Key(json: $0.string) }
}

private func scan(_ members: inout Members) throws -> Scan {
    let scan = Scan(prefix: try members.text("prefix"), limit: try members.integer("limit").map(Int.init))
    try members.finish()
    if let limit = scan.limit, limit < 0 { throw Refusal() }
    return scan
}

private func run(_ stash: LiteStash, _ members: inout Members) throws -> String {
    var name = members
    let operation = try name.text("op")
    func end() throws {
        _ = members.take("op")
        try members.finish()
    }
    switch operation {
    case "get_many", "delete_many", "set_many", "apply", "transaction", "keys", "values", "items", "expire_older_than",
        "watch":
        _ = members.take("op")
    default: break
    }
    switch operation {
    case "get_many": return list(try stash.getMany(try keys(&members)).map(found))
    case "delete_many": return list(try stash.deleteMany(try keys(&members)).map { "\($0)" })
    case "set_many":
        guard let items = members.take("items")?.elements else { throw Refusal() }
        try members.finish()
        let pairs = try items.map { item in
            guard let pair = item.elements, pair.count == 2 else { throw Refusal() }
            return (try Key(json: pair[0].string), try Value(json: pair[1].string))
        }
        return list(try stash.setMany(pairs).map { "\($0)" })
    case "apply":
        let operations = try several(&members)
        var answers = try stash.apply(operations.compactMap { try? $0.get().0 }).makeIterator()
        return list(operations.map { operation in
            do {
                let shape = try operation.get().1
                guard let answer = answers.next() else { throw Refusal() }
                return try text(try answer.get(), shape)
            } catch {
                return refused(error)
            }
        })
    case "transaction":
        let operations = try several(&members).map { try $0.get() }
        switch try stash.transaction(operations.map(\.0)) {
        case .refused(let index): return "{\"refused\":\(index)}"
        case .committed(let answers):
            return "{\"committed\":\(list(try zip(answers, operations).map { try text($0, $1.1) }))}"
        }
    case "keys": return list(try stash.keys(try scan(&members)).all().map { try $0.json() })
    case "values": return list(try stash.values(try scan(&members)).all().map { try $0.json() })
    case "items":
        return list(try stash.items(try scan(&members)).all().map { "[\(try $0.key.json()),\(try $0.value.json())]" })
    case "expire_older_than":
        let prefix = try members.text("prefix")
        guard let age = try members.integer("age_us"), age >= 0 else { throw Refusal() }
        try members.finish()
        return "\(try stash.expire(olderThan: .microseconds(age), prefix: prefix))"
    case "watch":
        guard let us = try members.integer("us"), us > 0 else { throw Refusal() }
        try members.finish()
        try stash.logChanges(for: .microseconds(us))
        return "null"
    case "len":
        try end()
        return "\(try stash.count())"
    case "clear":
        try end()
        try stash.removeAll()
        return "null"
    case "sweep":
        try end()
        let report = try stash.sweep()
        return "{\"rows\":\(report.rows),\"hints\":\(report.hints)}"
    case "rotate_key":
        try end()
        return "\(try stash.rotateKey().resealed)"
    case "buckets":
        try end()
        return list(try stash.buckets().map { try Value.text($0).json() })
    default: return try runSingle(stash, &members)
    }
}

/// Performs an operation on one key by the stash's own function where there is one.
private func runSingle(_ stash: LiteStash, _ members: inout Members) throws -> String {
    var again = members
    let (operation, shape) = try single(&members)
    let name = try again.text("op"), key = try again.key()
    switch name {
    case "get": return try found(try stash.get(key))
    case "take": return try found(try stash.take(key, as: Value.self))
    case "exists": return "\(try stash.exists(key))"
    case "delete": return "\(try stash.delete(key))"
    case "persist": return "\(try stash.persist(key))"
    case "touch": return "\(try stash.touch(key))"
    case "entry": return try text(.entry(try stash.entry(key)), shape)
    case "expire":
        guard let end = try deadline(&again) else { throw Refusal() }
        return "\(try stash.expire(key, end))"
    case "increment": return "\(try stash.increment(key, by: try again.integer("by") ?? 0))"
    case "add": return "\(try stash.add(key, try required(try again.value("value"))))"
    case "replace": return "\(try stash.replace(key, try required(try again.value("value"))))"
    case "set":
        let value = try required(try again.value("value")), end = try deadline(&again)
        let keep = try again.value("keep_ttl")?.bool ?? false
        let version = try stash.set(key, value, deadline: end, keepTTL: keep, if: try condition(&again) ?? .always)
        return try text(.version(version), shape)
    default:
        guard let answer = try stash.apply([operation]).first else { throw Refusal() }
        return try text(try answer.get(), shape)
    }
}
