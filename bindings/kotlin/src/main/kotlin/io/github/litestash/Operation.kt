package io.github.litestash

import io.github.litestash.internal.Reader
import io.github.litestash.internal.Writer

/** A key with its value. */
public data class Item(val key: Key, val value: Value)

/**
 * What is stored under a key, with what belongs to it.
 *
 * @property value the value
 * @property version the time of its last write, Unix microseconds
 * @property expiresAtMicros when it ends, Unix microseconds; null: never
 * @property idleMicros how long after its last use it ends, if its deadline slides
 * @property sizeBytes bytes of the encoded value
 */
public data class Entry(
    val value: Value,
    val version: Long,
    val expiresAtMicros: Long?,
    val idleMicros: Long?,
    val sizeBytes: Long,
)

/** An operation on one key, for [LiteStash.apply] and [LiteStash.transaction]. Keys are as for [LiteStash]. */
public class Operation private constructor(
    private val name: String,
    internal val key: Key,
    private val answer: (Reader) -> Outcome,
    private val arguments: (Writer) -> Unit,
    private val count: Int,
) {
    internal fun write(writer: Writer) {
        writer.array(2 + count)
        writer.text(name)
        writer.key(key)
        arguments(writer)
    }

    /** Reads `[status, result]`. */
    internal fun read(reader: Reader): Outcome {
        reader.array()
        return when (reader.int()) {
            0L -> answer(reader)
            1L -> Outcome.Failed(readError(reader))
            else -> {
                reader.skip()
                when (name) {
                    "entry" -> Outcome.OfEntry(null)
                    "ttl" -> Outcome.OfDeadline(null)
                    else -> Outcome.OfValue(null)
                }
            }
        }
    }

    public companion object {
        private fun none(name: String, key: Any, answer: (Reader) -> Outcome) = Operation(name, keyOf(key), answer, {}, 0)

        private fun one(name: String, key: Any, answer: (Reader) -> Outcome, argument: (Writer) -> Unit) =
            Operation(name, keyOf(key), answer, argument, 1)

        private val value: (Reader) -> Outcome = { Outcome.OfValue(Value.read(it)) }
        private val flag: (Reader) -> Outcome = { Outcome.Flag(it.bool()) }
        private val version: (Reader) -> Outcome = { Outcome.Version(if (it.nil()) null else it.int()) }

        /** Answers [Outcome.OfValue]. */
        @JvmStatic
        public fun get(key: Any): Operation = none("get", key, value)

        /** Answers [Outcome.Flag]. */
        @JvmStatic
        public fun exists(key: Any): Operation = none("exists", key, flag)

        /** Answers [Outcome.OfEntry]. */
        @JvmStatic
        public fun entry(key: Any): Operation = none("entry", key) { Outcome.OfEntry(readEntry(it)) }

        /** Answers [Outcome.OfDeadline]. */
        @JvmStatic
        public fun deadline(key: Any): Operation = none("ttl", key) { Outcome.OfDeadline(readDeadline(it)) }

        /** Get and delete. Answers [Outcome.OfValue]. */
        @JvmStatic
        public fun take(key: Any): Operation = none("take", key, value)

        /** Answers [Outcome.Flag]: was it there. */
        @JvmStatic
        public fun delete(key: Any): Operation = none("delete", key, flag)

        /** Takes a deadline away. Answers [Outcome.Flag]: did it have one. */
        @JvmStatic
        public fun persist(key: Any): Operation = none("persist", key, flag)

        /** Begins a sliding deadline anew. Answers [Outcome.Flag]: was it there. */
        @JvmStatic
        public fun touch(key: Any): Operation = none("touch", key, flag)

        /** Answers [Outcome.Version]. */
        @JvmStatic
        @JvmOverloads
        public fun set(key: Any, value: Value, options: SetOptions = SetOptions.DEFAULT): Operation {
            val encoded = value.encoded()
            return Operation("set", keyOf(key), version, {
                it.raw(encoded)
                it.raw(options.encoded())
            }, 2)
        }

        /** Stores a value if the key is not there. Answers [Outcome.Flag]: did it. */
        @JvmStatic
        @JvmOverloads
        public fun add(key: Any, value: Value, deadline: Deadline? = null): Operation = stored("add", key, value, deadline)

        /** Stores a value if the key is there. Answers [Outcome.Flag]: did it. */
        @JvmStatic
        @JvmOverloads
        public fun replace(key: Any, value: Value, deadline: Deadline? = null): Operation =
            stored("replace", key, value, deadline)

        private fun stored(name: String, key: Any, value: Value, deadline: Deadline?): Operation {
            val encoded = value.encoded()
            return Operation(name, keyOf(key), flag, {
                it.raw(encoded)
                it.raw(SetOptions(deadline).encoded())
            }, 2)
        }

        /** Adds to an integer. Answers [Outcome.OfInt]. */
        @JvmStatic
        @JvmOverloads
        public fun increment(key: Any, by: Long = 1): Operation =
            one("increment", key, { Outcome.OfInt(it.int()) }) { it.int(by) }

        /** Adds to a float. Answers [Outcome.OfFloat]. */
        @JvmStatic
        public fun incrementFloat(key: Any, by: Double): Operation =
            one("increment_float", key, { Outcome.OfFloat(it.float()) }) { it.float(by) }

        /** Stores a value if the key holds `expected`, or is not there if that is null. Answers [Outcome.Flag]: did it. */
        @JvmStatic
        public fun compareAndSet(key: Any, expected: Value?, value: Value): Operation {
            val (old, new) = expected?.encoded() to value.encoded()
            return Operation("compare_and_set", keyOf(key), flag, {
                it.array(if (old == null) 0 else 1)
                old?.let(it::raw)
                it.raw(new)
            }, 2)
        }

        /** Gives a row a new deadline. Answers [Outcome.Flag]: was it there. */
        @JvmStatic
        public fun expire(key: Any, deadline: Deadline): Operation =
            one("expire", key, flag) { it.raw(SetOptions(deadline).encoded()) }

        /** Asks whether that holds. Answers [Outcome.Flag]; where it does not, a transaction is refused. */
        @JvmStatic
        public fun check(key: Any, condition: Condition): Operation =
            one("check", key, flag) { it.raw(SetOptions(condition = condition).encoded()) }

        /** Asks whether the key holds that value. As [check]. */
        @JvmStatic
        public fun expect(key: Any, value: Value): Operation {
            val encoded = value.encoded()
            return one("check", key, flag) {
                it.array(1)
                it.raw(encoded)
            }
        }
    }
}

/** What an [Operation] answered. */
public sealed interface Outcome {
    /** The value, or null for a miss. */
    public data class OfValue(val value: Value?) : Outcome

    /** Yes or no. */
    public data class Flag(val flag: Boolean) : Outcome

    /** The row, or null for a miss. */
    public data class OfEntry(val entry: Entry?) : Outcome

    /** [Deadline.At] or [Deadline.Never], or null for a miss. */
    public data class OfDeadline(val deadline: Deadline?) : Outcome

    /** The version written, or null if the condition did not hold. */
    public data class Version(val version: Long?) : Outcome

    /** The number after an increment. */
    public data class OfInt(val int: Long) : Outcome

    /** The number after an increment. */
    public data class OfFloat(val float: Double) : Outcome

    /** The operation was refused or failed, and changed nothing. */
    public data class Failed(val error: LiteStashException) : Outcome
}

/** What became of a transaction. */
public sealed interface TransactionResult {
    /** Everything was done. */
    public data class Committed(val outcomes: List<Outcome>) : TransactionResult

    /** Nothing was done, because the condition of the operation with that index did not hold. */
    public data class Refused(val index: Int) : TransactionResult
}

/**
 * Some rows of an iteration.
 *
 * @property items the rows
 * @property cursor where the next page begins; null behind the last
 * @property failures damaged rows that were left out, and shards that could not be read
 */
public data class Page<out T>(val items: List<T>, val cursor: String?, val failures: List<LiteStashException>)

internal fun keyOf(key: Any): Key = when (key) {
    is Key -> key
    is String -> Key.Text(key)
    is Long, is Int, is Short, is Byte -> Key.Int((key as Number).toLong())
    is Double -> Key.of(key)
    is Float -> Key.of(key.toDouble())
    is ByteArray -> Key.Bytes(key)
    else -> throw LiteStashException.InvalidKey("a key is text, an integer, a float or bytes")
}

internal fun Writer.key(key: Key) {
    when (key) {
        is Key.Text -> utf8(keyBytes(key.value))
        is Key.Int -> int(key.value)
        is Key.Float -> float(key.value)
        is Key.Bytes -> binary(key.value)
    }
}

internal fun readKey(reader: Reader): Key = when (val value = Value.read(reader)) {
    is Value.Text -> Key.Text(value.value)
    is Value.Int -> Key.Int(value.value)
    is Value.Float -> Key.Float(value.value)
    is Value.Bytes -> Key.Bytes(value.value)
    else -> throw LiteStashException.Internal("the engine answered with a key that is none")
}

internal fun readEntry(reader: Reader): Entry {
    var value: Value = Value.Nil
    var version = 0L
    var size = 0L
    var expiresAt: Long? = null
    var idle: Long? = null
    reader.members { name ->
        when (name) {
            "value" -> value = Value.read(reader)
            "version" -> version = reader.int()
            "size" -> size = reader.int()
            "expires_at" -> expiresAt = if (reader.nil()) null else reader.int()
            "idle_us" -> idle = if (reader.nil()) null else reader.int()
            else -> reader.skip()
        }
    }
    return Entry(value, version, expiresAt, idle, size)
}

internal fun readDeadline(reader: Reader): Deadline = if (reader.nil()) Deadline.Never else Deadline.At(reader.int())

internal fun readError(reader: Reader): LiteStashException {
    var kind = ""
    var message = ""
    reader.members { name ->
        when (name) {
            "kind" -> kind = reader.text()
            "message" -> message = reader.text()
            else -> reader.skip()
        }
    }
    return errorOf(kind, message)
}

/** The exception of that name; one that this version does not know becomes an internal error with its name. */
internal fun errorOf(kind: String, message: String): LiteStashException = try {
    Class.forName("${LiteStashException::class.java.name}$$kind")
        .getConstructor(String::class.java).newInstance(message) as LiteStashException
} catch (unknown: ReflectiveOperationException) {
    LiteStashException.Internal("$kind: $message", unknown)
}
