package io.github.litestash

import io.github.litestash.internal.EventQueue
import io.github.litestash.internal.Handle
import io.github.litestash.internal.Reader
import io.github.litestash.internal.Stop
import io.github.litestash.internal.Writer
import io.github.litestash.internal.utf8OrNull
import io.github.litestash.serialization.LiteStashFormat
import kotlinx.serialization.DeserializationStrategy
import java.nio.file.Path

/**
 * An open stash: a directory of SQLite files with keys and values, which programs in many languages open at once.
 *
 * ```
 * LiteStash.open("data").use { stash ->
 *     stash["greeting"] = "hello"
 *     val greeting = stash.get<String>("greeting")
 * }
 * ```
 *
 * A *key* is a [String], an integer, a [Double], a [ByteArray] or a [Key]; anything else is
 * [LiteStashException.InvalidKey]. A *value* is a [Value], or any serializable object through the functions of the same
 * names with a type: `stash["ada"] = user`, `stash.get<User>("ada")`. A key that is not there is null, and a stored null is [Value.Nil].
 *
 * Safe to use from any thread. Every function blocks until it is done: what is in memory takes less than a microsecond,
 * other operations wait for files and locks. [suspending] and [io] take them off a coroutine's thread. After [close] each
 * function fails with [LiteStashException.Closed].
 */
@Suppress("TooManyFunctions")
public class LiteStash private constructor(
    @JvmSynthetic internal val handle: Handle,
    /** The directory; null for a stash in memory. */
    public val path: Path?,
) : AutoCloseable {
    /** Whether the stash was closed. */
    public val isClosed: Boolean get() = handle.isClosed(handle.address)

    /** Whether writes are refused. */
    public val isReadOnly: Boolean get() = handle.isReadOnly(handle.address)

    /**
     * Closes the stash with all its handles and buckets: what waits is written, the logs are emptied, the files closed.
     * Closing again does nothing.
     */
    override fun close(): Unit = handle.close(handle.address)

    /** A handle of the same stash whose writes are acknowledged at another level. */
    public fun withDurability(level: Durability): LiteStash =
        LiteStash(Handle(handle.withDurability(handle.address, level.text.toByteArray())), path)

    // One key.

    /** The value, or null if the key is not there. */
    public operator fun get(key: Any): Value? = getEncoded(key)?.let { Value.read(Reader(it)) }

    /** The value as canonical MessagePack, or null if the key is not there. */
    public fun getEncoded(key: Any): ByteArray? = on(key) { kind, number, bytes ->
        handle.get(handle.address, kind, number, bytes)
    }

    /** Stores a value. Returns its version. */
    public operator fun set(key: Any, value: Value): Long = setEncoded(key, value.encoded())

    /** Stores a value. Returns its version, or null if the condition did not hold. */
    public fun set(key: Any, value: Value, options: SetOptions): Long? = setEncoded(key, value.encoded(), options)

    /** Stores canonical MessagePack; other bytes are [LiteStashException.InvalidValue]. Returns the version. */
    public fun setEncoded(key: Any, encoded: ByteArray): Long = on(key) { kind, number, bytes ->
        handle.set(handle.address, kind, number, bytes, encoded)
    }

    /** Stores canonical MessagePack. Returns the version, or null if the condition did not hold. */
    public fun setEncoded(key: Any, encoded: ByteArray, options: SetOptions): Long? {
        Handle.validate(encoded)
        return ask("set", 3, { if (it.nil()) null else it.int() }) {
            key(keyOf(key))
            raw(encoded)
            raw(options.encoded())
        }
    }

    /** Stores a value if the key is not there. Returns whether it did. */
    @JvmOverloads
    public fun add(key: Any, value: Value, deadline: Deadline? = null): Boolean =
        set(key, value, SetOptions(deadline, condition = Condition.Absent)) != null

    /** Stores a value if the key is there. Returns whether it did. */
    @JvmOverloads
    public fun replace(key: Any, value: Value, deadline: Deadline? = null): Boolean =
        set(key, value, SetOptions(deadline, condition = Condition.Present)) != null

    /** Deletes a key. Returns whether it was there. */
    public fun delete(key: Any): Boolean = on(key) { kind, number, bytes ->
        handle.delete(handle.address, kind, number, bytes)
    }

    /** Whether the key is there. */
    public operator fun contains(key: Any): Boolean = on(key) { kind, number, bytes ->
        handle.exists(handle.address, kind, number, bytes)
    }

    /** The value with its version and deadline, or null if the key is not there. */
    public fun entry(key: Any): Entry? = find("entry", ::readEntry) { key(keyOf(key)) }

    /** Deletes a key and returns what it held, or null if it was not there. */
    public fun take(key: Any): Value? = find("take", Value::read) { key(keyOf(key)) }

    /** Adds to an integer; a key that is not there counts from 0. Returns the sum. */
    @JvmOverloads
    public fun increment(key: Any, by: Long = 1): Long = ask("increment", 2, Reader::int) {
        key(keyOf(key))
        int(by)
    }

    /** Adds to a float; a key that is not there counts from 0. Returns the sum. */
    public fun incrementFloat(key: Any, by: Double): Double = ask("increment_float", 2, Reader::float) {
        key(keyOf(key))
        float(by)
    }

    /**
     * Stores a value if the key holds `expected` now, or is not there if that is null. Values are equal if their encodings
     * are. Returns whether it did.
     */
    public fun compareAndSet(key: Any, expected: Value?, value: Value): Boolean = ask("compare_and_set", 3, Reader::bool) {
        key(keyOf(key))
        array(if (expected == null) 0 else 1)
        expected?.let { raw(it.encoded()) }
        raw(value.encoded())
    }

    /**
     * The value; if the key is not there, what the computation gives, which is stored. However many threads and processes
     * ask for a key at once, one computes. What the computation throws goes to its caller; others who waited for it have
     * [LiteStashException.ComputeFailed].
     */
    @JvmOverloads
    public fun getOrSet(key: Any, options: ComputeOptions = ComputeOptions(), compute: Computation): Value =
        Value.read(Reader(getOrSetEncoded(key, options) { compute.compute().encoded() }))

    @PublishedApi
    @JvmSynthetic
    internal fun getOrSetEncoded(key: Any, options: ComputeOptions, compute: () -> ByteArray): ByteArray =
        on(key) { kind, number, bytes ->
            handle.getOrSet(handle.address, kind, number, bytes, options.encoded(), compute)
        }

    /** Waits until the value of a key passes a test, or the time is over. Returns whether it does; null is a miss. */
    public fun waitFor(key: Any, timeout: java.time.Duration, test: ValueTest): Boolean =
        on(key) { kind, number, bytes ->
            val micros = timeout.toSeconds().coerceIn(0, MICROS_MAX / 2) * 1_000_000 + timeout.nano / 1000
            handle.waitFor(handle.address, kind, number, bytes, micros) { encoded ->
                test.holds(encoded?.let { Value.read(Reader(it)) })
            }
        }

    // Deadlines.

    /** The deadline of a row: [Deadline.At] or [Deadline.Never]; null if the key is not there. */
    public fun deadline(key: Any): Deadline? =
        find("ttl", ::readDeadline) { key(keyOf(key)) }

    /** Gives a key a new deadline. Returns whether the key was there. */
    public fun expire(key: Any, deadline: Deadline): Boolean = ask("expire", 2, Reader::bool) {
        key(keyOf(key))
        raw(SetOptions(deadline).encoded())
    }

    /** Takes a key's deadline away. Returns whether it had one. */
    public fun persist(key: Any): Boolean = ask("persist", 1, Reader::bool) { key(keyOf(key)) }

    /** Begins a sliding deadline anew, as a get does, but at once. Returns whether the key was there. */
    public fun touch(key: Any): Boolean = ask("touch", 1, Reader::bool) { key(keyOf(key)) }

    /** Removes expired rows now. Nobody ever sees an expired row, swept or not; what a sweep gives is room. */
    public fun sweep(): SweepReport = report("sweep", SweepReport.serializer())

    /**
     * Removes rows that were last written longer ago than that. With a prefix only text keys that begin with it. Returns how
     * many there were.
     */
    @JvmOverloads
    public fun expireOlderThan(age: java.time.Duration, prefix: String? = null): Long =
        expireOlderThan((Deadline.after(age) as Deadline.After).micros, prefix)

    @JvmSynthetic
    internal fun expireOlderThan(micros: Long, prefix: String?): Long = ask("expire_older_than", 2, Reader::int) {
        int(micros)
        raw(Members().apply { text("prefix", prefix) }.encoded())
    }

    // Several keys.

    /** The values of many keys, in the order of the keys; null for those that are not there. */
    public fun getMany(keys: Iterable<Any>): List<Value?> = ask(
        "get_many",
        1,
        { reader ->
            reader.list {
                if (reader.nil()) {
                    null
                } else {
                    reader.array()
                    Value.read(reader)
                }
            }
        },
    ) { keys(keys) }

    /** Stores many values; those of one shard in the order given, in one transaction. Returns their versions. */
    public fun setMany(items: Map<out Any, Value>): List<Long> = setMany(items.map { (key, value) -> Item(keyOf(key), value) })

    /** Stores many values; those of one shard in the order given, in one transaction. Returns their versions. */
    public fun setMany(items: List<Item>): List<Long> = ask("set_many", 1, { reader -> reader.list(reader::int) }) {
        array(items.size)
        for ((key, value) in items) {
            array(2)
            key(key)
            raw(value.encoded())
        }
    }

    /** Deletes many keys. Returns for each whether it was there. */
    public fun deleteMany(keys: Iterable<Any>): List<Boolean> =
        ask("delete_many", 1, { reader -> reader.list(reader::bool) }) { keys(keys) }

    private fun Writer.keys(keys: Iterable<Any>) {
        val all = keys.map(::keyOf)
        array(all.size)
        all.forEach { key(it) }
    }

    /**
     * Performs independent operations, one transaction per shard, and answers each of them. One that is refused or fails by
     * itself changes nothing and does not stop the others. [LiteStashException.TooLarge] over 10 000 operations or 64 MiB.
     */
    public fun apply(operations: List<Operation>): List<Outcome> = ask("apply", 1, { outcomes(it, operations) }) {
        operations(operations)
    }

    /**
     * Performs all the operations or none of them, whatever shards their keys are in. If a condition does not hold, nothing
     * is done; an operation that fails is the error of the whole.
     */
    public fun transaction(operations: List<Operation>): TransactionResult = ask("transaction", 1, { reader ->
        reader.map()
        if (reader.text() == "refused") {
            TransactionResult.Refused(reader.int().toInt())
        } else {
            TransactionResult.Committed(outcomes(reader, operations))
        }
    }) { operations(operations) }

    private fun Writer.operations(operations: List<Operation>) {
        array(operations.size)
        operations.forEach { it.write(this) }
    }

    private fun outcomes(reader: Reader, operations: List<Operation>): List<Outcome> {
        reader.array()
        return operations.map { it.read(reader) }
    }

    // All keys.

    /** The keys, fetched in pages as they are asked for. A damaged row is thrown behind the sound ones of its page. */
    @JvmOverloads
    public fun keys(options: ScanOptions = ScanOptions()): Iterable<Key> = Iterable { scan(options, ::keyPage) }

    /** The values, as [keys]. */
    @JvmOverloads
    public fun values(options: ScanOptions = ScanOptions()): Iterable<Value> =
        Iterable { scan(options) { page("values", it, Value::read) } }

    /** The keys with their values, as [keys]. */
    @JvmOverloads
    public fun items(options: ScanOptions = ScanOptions()): Iterable<Item> = Iterable { scan(options, ::itemPage) }

    /** A page of the keys, at most 10 000; 256 without a limit. */
    @JvmOverloads
    public fun keyPage(options: ScanOptions = ScanOptions()): Page<Key> = page("keys", options, ::readKey)

    /** A page of the keys with their values, at most 10 000 and about 1 MiB; 256 without a limit. */
    @JvmOverloads
    public fun itemPage(options: ScanOptions = ScanOptions()): Page<Item> = page("items", options) {
        it.array()
        Item(readKey(it), Value.read(it))
    }

    private fun <T> page(name: String, options: ScanOptions, read: (Reader) -> T): Page<T> {
        val rows = options.limit ?: PAGE_ROWS.toLong()
        if (rows !in 0..PAGE_ROWS_MAX) throw LiteStashException.InvalidArgument("a page has at most $PAGE_ROWS_MAX rows")
        return ask(name, 1, { reader ->
            var cursor: String? = null
            var failures: List<LiteStashException> = emptyList()
            var items: List<T> = emptyList()
            reader.members { member ->
                when (member) {
                    "cursor" -> cursor = if (reader.nil()) null else reader.text()
                    "errors" -> failures = reader.list { readError(reader) }
                    "items" -> items = reader.list { read(reader) }
                    else -> reader.skip()
                }
            }
            Page(items, cursor, failures)
        }) { raw(options.encoded(rows.toInt())) }
    }

    private fun <T> scan(options: ScanOptions, page: (ScanOptions) -> Page<T>): Iterator<T> = iterator {
        var cursor = options.cursor
        var left = options.limit ?: Long.MAX_VALUE
        if (left < 0) throw LiteStashException.InvalidArgument("a limit is 0 or more")
        while (left > 0) {
            val found = page(ScanOptions(options.prefix, minOf(left, PAGE_ROWS.toLong()), cursor))
            yieldAll(found.items)
            found.failures.firstOrNull()?.let { throw it }
            left -= found.items.size
            cursor = found.cursor ?: break
        }
        // A stash that was closed meanwhile has no rows to show, which is not the end of them.
        if (isClosed) throw LiteStashException.Closed("the stash is closed")
    }

    /** How many rows there are. Costs a walk over the index of every table. */
    public fun count(): Long = ask("len", 0, Reader::int) {}

    /** Deletes every row. */
    public fun clear(): Unit = ask("clear", 0, Reader::skip) {}

    // Buckets.

    /** A bucket: a stash of its own inside this one. Nothing is created until it is written to. */
    @JvmOverloads
    public fun bucket(name: String, options: BucketOptions = BucketOptions()): LiteStash {
        val text = utf8OrNull(name) ?: throw LiteStashException.InvalidArgument("the name is not valid Unicode")
        return LiteStash(Handle(handle.bucket(handle.address, text, options.encoded())), path)
    }

    /** The names of all buckets. */
    public fun buckets(): List<String> = ask("buckets", 0, { reader -> reader.list(reader::text) }) {}

    /** Deletes a bucket with all that is in it. Returns whether there was one. */
    public fun dropBucket(name: String): Boolean = ask("drop_bucket", 1, Reader::bool) { text(name) }

    // Events.

    /**
     * Hears of what happens to keys from now on: after the commit, once, and for each key in the order of its commits.
     *
     * The listener is called on a thread of its own, which holds no process open, and may use the stash. One that is slow
     * misses events, which are counted; what it throws is counted too, and it is called for the next event.
     */
    @JvmOverloads
    public fun subscribe(filter: EventFilter = EventFilter(), listener: EventListener): Subscription =
        Subscription(queue(filter), listener)

    @JvmSynthetic
    internal fun queue(filter: EventFilter): EventQueue = EventQueue(handle.subscribe(handle.address, filter.encoded()))

    // Care.

    /** Figures of the stash, and sums over its buckets. Costs a walk over every table. */
    public fun stats(): Stats = report("stats", Stats.serializer())

    /** Checks every rule of the contract. Damage is reported, not thrown; others can write meanwhile. */
    public fun verify(): VerifyReport = report("verify", VerifyReport.serializer())

    /** Gives the space of deleted rows back to the file system, and empties the write-ahead logs. */
    public fun compact(): CompactReport = report("compact", CompactReport.serializer())

    /** Gives an encrypted stash a new data key, and encrypts every row with it. One that was stopped is taken up anew. */
    public fun rotateKey(): RotateReport = report("rotate_key", RotateReport.serializer())

    /** Gives an encrypted stash another key of 32 bytes instead of its key or passphrase; no row is touched. */
    public fun changeKey(key: ByteArray): Unit = ask("change_key", 1, Reader::skip) { binary(key) }

    /** Gives an encrypted stash another passphrase instead of its key or passphrase; no row is touched. */
    public fun changePassphrase(passphrase: String): Unit = ask("change_passphrase", 1, Reader::skip) { text(passphrase) }

    /** Makes everything acknowledged so far durable against a power cut. */
    public fun sync(): Unit = ask("sync", 0, Reader::skip) {}

    /** Copies the stash into a new directory, all shards as of one moment, then its buckets. The copy is a stash. */
    public fun backup(destination: Path): BackupReport =
        report("backup", BackupReport.serializer(), 1) { text(destination.toString()) }

    /** Writes every row as JSON Lines into a new file. With a prefix only text keys that begin with it. */
    @JvmOverloads
    public fun export(file: Path, prefix: String? = null): ExportReport = export(file, prefix, null)

    @JvmSynthetic
    internal fun export(file: Path, prefix: String?, stop: Stop?): ExportReport =
        report("export", ExportReport.serializer(), 2, stop) {
            text(file.toString())
            raw(Members().apply { text("prefix", prefix) }.encoded())
        }

    /**
     * Reads JSON Lines and stores each row. Lines that are no row are counted and named in the report. With `keepVersions` a
     * row is written with the version that its line has, unless the stash has the same or a newer one.
     */
    @JvmOverloads
    public fun importLines(file: Path, keepVersions: Boolean = false): ImportReport = importLines(file, keepVersions, null)

    @JvmSynthetic
    internal fun importLines(file: Path, keepVersions: Boolean, stop: Stop?): ImportReport =
        report("import", ImportReport.serializer(), 2, stop) {
            text(file.toString())
            raw(Members().apply { flag("keep_versions", keepVersions) }.encoded())
        }

    // The engine.

    private inline fun <T> on(key: Any, use: (Int, Long, ByteArray?) -> T): T = when (key) {
        is String -> use(Handle.TEXT, 0, keyBytes(key))
        else -> when (val known = keyOf(key)) {
            is Key.Text -> use(Handle.TEXT, 0, keyBytes(known.value))
            is Key.Int -> use(Handle.INT, known.value, null)
            is Key.Float -> use(Handle.FLOAT, known.value.toRawBits(), null)
            is Key.Bytes -> use(Handle.BYTES, 0, known.value)
        }
    }

    /** Asks the engine about a key for something that may be a miss. */
    private inline fun <T> find(name: String, read: (Reader) -> T, arguments: Writer.() -> Unit): T? =
        request(name, 1, null, arguments)?.let { read(Reader(it)) }

    /** Asks the engine for something that there always is. */
    private inline fun <T> ask(name: String, count: Int, read: (Reader) -> T, arguments: Writer.() -> Unit): T =
        read(Reader(request(name, count, null, arguments) ?: throw nothing()))

    /** A request of the engine's vocabulary: `[0, name, argument ...]`. */
    private inline fun request(name: String, count: Int, stop: Stop?, arguments: Writer.() -> Unit): ByteArray? {
        val writer = Writer()
        writer.array(2 + count)
        writer.int(0)
        writer.text(name)
        writer.arguments()
        return handle.call(handle.address, writer.toByteArray(), stop)
    }

    private inline fun <T> report(
        name: String,
        strategy: DeserializationStrategy<T>,
        count: Int = 0,
        stop: Stop? = null,
        arguments: Writer.() -> Unit = {},
    ): T = LiteStashFormat.decodeTrusted(strategy, request(name, count, stop, arguments) ?: throw nothing())

    private fun nothing() = LiteStashException.Internal("the engine answered nothing")

    @JvmSynthetic
    internal fun rotateKey(stop: Stop): RotateReport = report("rotate_key", RotateReport.serializer(), 0, stop)

    @JvmSynthetic
    internal fun verify(stop: Stop): VerifyReport = report("verify", VerifyReport.serializer(), 0, stop)

    @JvmSynthetic
    internal fun backup(destination: Path, stop: Stop): BackupReport =
        report("backup", BackupReport.serializer(), 1, stop) { text(destination.toString()) }

    public companion object {
        private const val PAGE_ROWS = 256
        private const val PAGE_ROWS_MAX = 10_000
        private const val MICROS_MAX = Long.MAX_VALUE / 1_000_000

        /**
         * Opens the stash in a directory. Nothing is opened or created but the directory: shard files come with the first
         * operation that needs them.
         */
        @JvmStatic
        @JvmOverloads
        public fun open(directory: Path, options: OpenOptions = OpenOptions()): LiteStash {
            val text = directory.toString()
            return LiteStash(Handle(Handle.open(text.toByteArray(), options.encoded())), directory)
        }

        /** Opens the stash in a directory. */
        @JvmStatic
        @JvmOverloads
        public fun open(directory: String, options: OpenOptions = OpenOptions()): LiteStash =
            open(Path.of(directory), options)

        /** Opens a stash in memory, which ends with its last handle. */
        @JvmStatic
        @JvmOverloads
        public fun memory(options: OpenOptions = OpenOptions()): LiteStash =
            LiteStash(Handle(Handle.open(null, options.encoded())), null)

        /**
         * Reads the stash in `source`, damaged or not, and writes every row that proves sound into a new stash in
         * `destination`, buckets included. The source must not be open in this process.
         */
        @JvmStatic
        public fun repair(source: Path, destination: Path): RepairReport = LiteStashFormat.decodeTrusted(
            RepairReport.serializer(),
            Handle.repair(source.toString().toByteArray(), destination.toString().toByteArray()),
        )
    }
}

/** Opens the stash in a directory: `LiteStash.open(path) { readOnly = true }`. */
public inline fun LiteStash.Companion.open(directory: Path, configure: OpenOptions.() -> Unit): LiteStash =
    open(directory, OpenOptions().apply(configure))

/** Computes a value that is missing. */
public fun interface Computation {
    /** The value. Called on the thread of the caller. */
    public fun compute(): Value
}

/** Tells whether a value is as somebody waits for it to be. */
public fun interface ValueTest {
    /** Whether it is; null is a key that is not there. */
    public fun holds(value: Value?): Boolean
}
