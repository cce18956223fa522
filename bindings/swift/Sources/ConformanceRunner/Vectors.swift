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
        var place = litestash_place(), json = litestash_buffer()
        try checked(litestash_key_place(key, &place))
        try checked(litestash_key_to_json(key, &json))
        defer { litestash_buffer_free(&json) }
        let storage = ["", "text", "blob", "integer", "real"][Int(place.kind)]
        let text = String(decoding: UnsafeRawBufferPointer(start: json.data, count: json.length), as: UTF8.self)
        let hash = withUnsafeBytes(of: place.hash) { hex($0) }
        return """
            {"key":\(text),"storage":"\(storage)","hash":"\(hash)","shard":\(place.shard),"slot":\(place.slot)}
            """
    }
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
        let body = hex(UnsafeBufferPointer(start: record.body, count: record.body_length))
        return """
            {"flags":\(record.flags),"expires_at":\(record.has_deadline ? "\(record.expires_at)" : "null"),\
            "idle_us":\(record.idle_us == 0 ? "null" : "\(record.idle_us)"),"body":"\(body)"}
            """
    }
}
