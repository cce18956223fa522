import CLiteStash
import Foundation

/// What an iteration goes over.
public struct Scan: Sendable {
    /// Only text keys that begin with this. Nil: every key, of any kind.
    public var prefix: String?
    /// At most so many rows.
    public var limit: Int?
    /// Begin behind this place.
    public var cursor: Cursor?

    /// A scan; without arguments of every row.
    public init(prefix: String? = nil, limit: Int? = nil, cursor: Cursor? = nil) {
        self.prefix = prefix
        self.limit = limit
        self.cursor = cursor
    }

    /// Calls `body` with the options as C has them.
    func withGiven<Result>(_ body: (UnsafePointer<litestash_scan_options>) throws -> Result) throws -> Result {
        var options = litestash_scan_options()
        if let limit {
            guard limit >= 0 else { throw LiteStashError(.invalidArgument, "a limit is negative") }
            options.limited = 1
            options.limit = UInt64(limit)
        }
        return try (prefix ?? "").withCText { text, length in
            // An empty prefix is one too, and has an address.
            try withUnsafePointer(to: CChar(0)) { empty in
                if prefix != nil {
                    options.prefix = length == 0 ? empty : text
                    options.prefix_length = length
                }
                return try (cursor?.text ?? "").withCText { text, length in
                    if length > 0 {
                        options.cursor = text
                        options.cursor_length = length
                    }
                    return try body(&options)
                }
            }
        }
    }
}

/// A place in an iteration, valid for as long as the stash lives, in every process.
public struct Cursor: Sendable, Hashable, CustomStringConvertible {
    let text: String
    public var description: String { text }

    /// The place that a text stands for; a wrong one is refused where it is used.
    public init(_ text: String) { self.text = text }
}

/// A key and its value.
public struct Item: Sendable {
    /// The key.
    public let key: Key
    /// The value.
    public let value: Value
}

/// Rows one after another, in the order of shard, slot and hash, in short read transactions. Rows written meanwhile are
/// seen if they lie ahead. For one task at a time; another is answered with `busy`.
public final class Rows<Element: Sendable>: @unchecked Sendable {
    private let iterator: litestash_iterator
    private let read: @Sendable (litestash_item) throws -> Element

    fileprivate init(_ iterator: litestash_iterator, _ read: @escaping @Sendable (litestash_item) throws -> Element) {
        self.iterator = iterator
        self.read = read
    }

    /// The next row, or nil at the end. An error stands for one damaged row, or for the rest of a shard that cannot be
    /// read: the next call goes on behind it.
    public func next() throws -> Element? {
        var item = litestash_item()
        try check(litestash_next(iterator, &item))
        return item.present ? try read(item) : nil
    }

    /// All rows that are left.
    public func all() throws -> [Element] {
        var rows: [Element] = []
        while let row = try next() { rows.append(row) }
        return rows
    }

    /// All rows that are left, without blocking a thread of the cooperative pool.
    public func all() async throws -> [Element] { try await offload { try self.all() } }

    /// The place behind the last row.
    public var cursor: Cursor {
        get throws {
            var text = litestash_buffer()
            try check(litestash_iterator_cursor(iterator, &text))
            defer { litestash_buffer_free(&text) }
            return Cursor(String(decoding: text.raw, as: UTF8.self))
        }
    }

    deinit { _ = litestash_iterator_free(iterator) }
}

/// In `for try await`, rows are read ahead in pages, without blocking a thread of the cooperative pool.
extension Rows: AsyncSequence {
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let rows: Rows
        private var page: [Element] = []
        private var taken = 0
        private var ended = false
        /// Of the row behind the page.
        private var failure: (any Error)?

        fileprivate init(rows: Rows) { self.rows = rows }

        private struct Page: Sendable {
            var rows: [Element] = []
            var ended = false
            var failure: (any Error)?
        }

        public mutating func next() async throws -> Element? {
            if taken == page.count {
                if let failure {
                    self.failure = nil
                    throw failure
                }
                if ended { return nil }
                let rows = rows
                let next = try await offload {
                    var next = Page()
                    do {
                        while next.rows.count < 256 {
                            guard let row = try rows.next() else {
                                next.ended = true
                                break
                            }
                            next.rows.append(row)
                        }
                    } catch {
                        next.failure = error
                    }
                    return next
                }
                (page, taken, ended, failure) = (next.rows, 0, next.ended, next.failure)
                if page.isEmpty { return try await self.next() }
            }
            taken += 1
            return page[taken - 1]
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rows: self) }
}

extension LiteStash {
    /// The keys.
    public func keys(_ scan: Scan = Scan()) throws -> Rows<Key> {
        try scan.withGiven { options in
            var iterator = litestash_iterator()
            try check(litestash_keys(handle, options, &iterator))
            return Rows(iterator) { Key($0.key) }
        }
    }

    /// The keys and values.
    public func items(_ scan: Scan = Scan()) throws -> Rows<Item> {
        try scan.withGiven { options in
            var iterator = litestash_iterator()
            try check(litestash_items(handle, options, &iterator))
            return Rows(iterator) { row in
                let bytes = UnsafeRawBufferPointer(start: row.value, count: row.value_length)
                return Item(key: Key(row.key), value: try Reader.whole(bytes) { try $0.value() })
            }
        }
    }

    /// The values.
    public func values(_ scan: Scan = Scan()) throws -> Rows<Value> {
        try scan.withGiven { options in
            var iterator = litestash_iterator()
            try check(litestash_items(handle, options, &iterator))
            return Rows(iterator) { row in
                let bytes = UnsafeRawBufferPointer(start: row.value, count: row.value_length)
                return try Reader.whole(bytes) { try $0.value() }
            }
        }
    }

    /// How many rows there are, expired ones left out. Costs a walk over the index of every table.
    public func count() throws -> Int {
        var rows: UInt64 = 0
        try check(litestash_length(handle, &rows))
        return Int(clamping: rows)
    }

    /// Deletes every row, one transaction per shard.
    public func removeAll() throws { try check(litestash_clear(handle)) }
}
