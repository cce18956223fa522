import CLiteStash
import Foundation
import LiteStash

private func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String(format: "%02x", $0) }.joined()
}

private func bytes(_ text: String?) throws -> Data {
    guard let text, text.utf8.count % 2 == 0 else { throw Refusal() }
    let digits = Array(text.utf8)
    return Data(try stride(from: 0, to: digits.count, by: 2).map { at in
        let pair = String(decoding: digits[at..<at + 2], as: UTF8.self)
        guard let byte = UInt8(pair, radix: 16) else { throw Refusal() }
        return byte
    })
}

private func checked(_ status: Int32) throws {
    if status != 0 { throw Named(name: String(cString: litestash_status_name(status))) }
}

/// An error of the C interface.
private struct Named: Error { let name: String }

/// What the contract's functions say to each case; nil if the file is no vector file.
func vectors(_ file: Part, _ print: (String) -> Void) -> Bool {
    guard var head = file.members, let kind = try? head.text("kind"), let cases = head.take("cases")?.elements else {
        return false
    }
    for each in cases {
        guard var members = each.members, let id = members.take("id") else { return false }
        let result: String
        do {
            guard let answer = try answer(kind, &members) else { return false }
            result = answer
        } catch let error as Named {
            result = "{\"error\":\"\(error.name)\"}"
        } catch {
            result = refused(error)
        }
        print("{\"id\":\(id.string),\"result\":\(result)}")
    }
    return true
}

private func answer(_ kind: String, _ members: inout Members) throws -> String? {
    switch kind {
    case "keys": return try keyAnswer(&members)
    case "values_valid":
        guard let json = members.take("value") else { throw Refusal() }
        let value = try Value(messagePack: try bytes(try members.text("encoded")))
        return "{\"encoded\":\"\(hex(try Value(json: json.string).messagePack()))\",\"value\":\(try value.json())}"
    case "values_invalid":
        return "{\"value\":\(try Value(messagePack: try bytes(try members.text("encoded"))).json())}"
    case "interchange":
        guard let json = try members.text("json") else { throw Refusal() }
        return "{\"encoded\":\"\(hex(try Value(json: json).messagePack()))\"}"
    case "crc":
        let data = [UInt8](try bytes(try members.text("data")))
        var crc: UInt32 = 0
        try checked(litestash_crc32(data, data.count, &crc))
        return String(format: "{\"crc\":\"%08x\"}", crc)
    case "records": return try recordAnswer(&members)
    case "sealed": return try sealedAnswer(&members)
    default: return nil
    }
}

private func keyAnswer(_ members: inout Members) throws -> String {
    let type = try members.text("type"), input = try members.text("input") ?? ""
    let data = type == "text" || type == "bytes" ? [UInt8](try bytes(input)) : []
    return try data.withUnsafeBufferPointer { data in
        let key: litestash_key
        switch type {
        case "text":
            key = data.withMemoryRebound(to: CChar.self) { litestash_key_text($0.baseAddress, $0.count) }
        case "bytes": key = litestash_key_bytes(data.baseAddress, data.count)
        case "float": key = litestash_key_float(Double(bitPattern: UInt64(input, radix: 16) ?? 0))
        default:
            // What Swift's own type cannot hold never reaches the library.
            guard let integer = Int64(input) else { throw Named(name: "InvalidKey") }
            key = litestash_key_integer(integer)
        }
        var place = litestash_place()
        try checked(litestash_key_place(key, &place))
        let storage = ["", "text", "blob", "integer", "real"][Int(place.kind)]
        let hash = withUnsafeBytes(of: place.hash) { hex($0) }
        return """
            {"key":\(try json(key)),"storage":"\(storage)","hash":"\(hash)","shard":\(place.shard),"slot":\(place.slot)}
            """
    }
}

private func json(_ key: litestash_key) throws -> String {
    var json = litestash_buffer()
    try checked(litestash_key_to_json(key, &json))
    defer { litestash_buffer_free(&json) }
    return String(decoding: UnsafeRawBufferPointer(start: json.data, count: json.length), as: UTF8.self)
}

private func recordAnswer(_ members: inout Members) throws -> String {
    let hash = [UInt8](try bytes(try members.text("key_hash"))), stored = [UInt8](try bytes(try members.text("record")))
    guard let timestamp = try members.integer("timestamp"), let microsecond = try members.integer("microsecond") else {
        throw Refusal()
    }
    return try stored.withUnsafeBufferPointer { stored in
        var record = litestash_record()
        try checked(
            litestash_record_read(hash, timestamp, microsecond, stored.baseAddress, stored.count, &record))
        defer { litestash_buffer_free(&record.memory) }
        return "{\(parts(record))}"
    }
}

private func parts(_ record: litestash_record) -> String {
    let body = hex(UnsafeBufferPointer(start: record.body, count: record.body_length))
    return """
        "flags":\(record.flags),"expires_at":\(record.has_deadline ? "\(record.expires_at)" : "null"),\
        "idle_us":\(record.idle_us == 0 ? "null" : "\(record.idle_us)"),"body":"\(body)"
        """
}

private func sealedAnswer(_ members: inout Members) throws -> String {
    func column(_ name: String) throws -> NSData { NSData(data: try bytes(try members.text(name))) }
    func number(_ name: String) throws -> Int64 {
        guard let number = try members.integer(name) else { throw Refusal() }
        return number
    }
    func start(_ data: NSData) -> UnsafePointer<UInt8> { data.bytes.assumingMemoryBound(to: UInt8.self) }
    let keyring = try column("keyring"), secret = try column("encryption_key"), hash = try column("key_hash")
    let stored = try column("key_column"), sealed = try column("record")
    guard let bucket = try members.text("bucket"), hash.length == 64 else { throw Refusal() }
    var row = litestash_sealed_row(), options = litestash_options_default()
    (row.timestamp, row.microsecond) = (try number("timestamp"), try number("microsecond"))
    (row.shard, row.slot) = (UInt8(try number("shard")), UInt8(try number("slot")))
    var key = litestash_key(), memory = litestash_buffer(), record = litestash_record()
    // The row and the options point into these.
    let status = withExtendedLifetime((keyring, secret, hash, stored, sealed)) {
        row.key_hash = start(hash)
        row.key = litestash_bytes(data: start(stored), length: stored.length)
        row.record = litestash_bytes(data: start(sealed), length: sealed.length)
        (options.encryption_key, options.encryption_key_length) = (start(secret), secret.length)
        return bucket.withCString {
            (row.bucket, row.bucket_length) = ($0, bucket.utf8.count)
            return litestash_sealed_read(
                &row, start(keyring), keyring.length, &options, &key, &memory, &record)
        }
    }
    try checked(status)
    defer {
        litestash_buffer_free(&memory)
        litestash_buffer_free(&record.memory)
    }
    return "{\"key\":\(try json(key)),\(parts(record))}"
}
