import LiteStash

/// A JSON text taken apart without looking into it: what a text holds is for the library to judge.
struct Part {
    let text: Substring.UTF8View

    init(_ text: String) { self.text = text[...].utf8 }

    private init(_ text: Substring.UTF8View) { self.text = text }

    var string: String { String(decoding: text, as: UTF8.self) }

    /// The members of an object; nil if it is none, or a name is there twice.
    var members: Members? {
        guard let items = walk("{", "}") else { return nil }
        var members = Members()
        for (name, value) in items {
            guard let name, case .text(let key)? = try? Value(json: name.string), members.all[key] == nil else {
                return nil
            }
            members.all[key] = value
        }
        return members
    }

    /// The elements of an array; nil if it is none.
    var elements: [Part]? { walk("[", "]")?.map(\.1) }

    private func walk(_ open: Character, _ close: Character) -> [(Part?, Part)]? {
        let (open, close) = (open.asciiValue!, close.asciiValue!)
        var scanner = Scanner(text: text, at: text.startIndex)
        var items: [(Part?, Part)] = []
        guard scanner.takes(open) else { return nil }
        if scanner.takes(close) { return scanner.isAtEnd ? items : nil }
        while true {
            var name: Part?
            if open == UInt8(ascii: "{") {
                guard let found = scanner.value(), found.first == UInt8(ascii: "\""), scanner.takes(UInt8(ascii: ":")) else {
                    return nil
                }
                name = Part(found)
            }
            guard let value = scanner.value() else { return nil }
            items.append((name, Part(value)))
            if scanner.takes(close) { return scanner.isAtEnd ? items : nil }
            guard scanner.takes(UInt8(ascii: ",")) else { return nil }
        }
    }

    private struct Scanner {
        let text: Substring.UTF8View
        var at: Substring.UTF8View.Index

        mutating func skipSpace() {
            while at < text.endIndex, [0x20, 0x09, 0x0a, 0x0d].contains(text[at]) { at = text.index(after: at) }
        }

        mutating func takes(_ byte: UInt8) -> Bool {
            skipSpace()
            guard at < text.endIndex, text[at] == byte else { return false }
            at = text.index(after: at)
            return true
        }

        var isAtEnd: Bool {
            var rest = self
            rest.skipSpace()
            return rest.at == text.endIndex
        }

        /// The value that comes next; nil if there is none or it does not end.
        mutating func value() -> Substring.UTF8View? {
            skipSpace()
            let start = at
            var depth = 0
            while at < text.endIndex {
                let byte = text[at]
                if byte == UInt8(ascii: "\"") {
                    guard skipString() else { return nil }
                    if depth == 0 { return text[start..<at] }
                    continue
                }
                switch byte {
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return at > start ? text[start..<at] : nil }
                    depth -= 1
                    if depth == 0 {
                        at = text.index(after: at)
                        return text[start..<at]
                    }
                case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x09, 0x0a, 0x0d:
                    if depth == 0 { return at > start ? text[start..<at] : nil }
                default: break
                }
                at = text.index(after: at)
            }
            return depth == 0 && at > start ? text[start..<at] : nil
        }

        private mutating func skipString() -> Bool {
            at = text.index(after: at)
            while at < text.endIndex {
                let byte = text[at]
                at = text.index(after: at)
                if byte == UInt8(ascii: "\"") { return true }
                if byte == UInt8(ascii: "\\"), at < text.endIndex { at = text.index(after: at) }
            }
            return false
        }
    }
}

/// The members of an object, of which each is to be taken.
struct Members {
    var all: [String: Part] = [:]

    /// The member of that name, which is not there any more afterwards.
    mutating func take(_ name: String) -> Part? { all.removeValue(forKey: name) }

    mutating func value(_ name: String) throws -> Value? { try take(name).map { try Value(json: $0.string) } }

    mutating func text(_ name: String) throws -> String? {
        guard let value = try value(name) else { return nil }
        guard let text = value.string else { throw Refusal() }
        return text
    }

    mutating func integer(_ name: String) throws -> Int64? {
        guard let value = try value(name) else { return nil }
        guard case .integer(let integer) = value else { throw Refusal() }
        return integer
    }

    mutating func key(_ name: String = "key") throws -> Key {
        guard let part = take(name) else { throw Refusal() }
        return try Key(json: part.string)
    }

    /// Refuses members that nobody took.
    func finish() throws {
        if !all.isEmpty { throw Refusal() }
    }
}

/// An operation that makes no sense.
struct Refusal: Error {}
