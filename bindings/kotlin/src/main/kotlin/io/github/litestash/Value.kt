package io.github.litestash

import io.github.litestash.internal.Kind
import io.github.litestash.internal.Reader
import io.github.litestash.internal.Writer
import io.github.litestash.internal.utf8OrNull
import io.github.litestash.serialization.ValueSerializer
import kotlinx.serialization.Serializable
import kotlin.time.Instant

/** A value of any type, for who does not know its type beforehand. Every value reads back as what was written. */
@Serializable(with = ValueSerializer::class)
public sealed interface Value {
    /** Nothing, stored: told apart from a key that is not there, which is null. */
    public data object Nil : Value

    /** A boolean. */
    public data class Bool(val value: Boolean) : Value

    /** An integer. */
    public data class Int(val value: Long) : Value

    /** An integer above those of [Int], up to 2^64 - 1. Smaller ones are written as [Int]. */
    @ConsistentCopyVisibility
    public data class Uint private constructor(val value: ULong) : Value {
        /** The number's 64 bits. */
        public val bits: Long get() = value.toLong()

        internal companion object {
            fun of(value: ULong): Uint = Uint(value)
        }
    }

    /** A float, also one that is whole. */
    public data class Float(val value: Double) : Value

    /** Text. */
    public data class Text(val value: String) : Value

    /** Bytes. The array must not be changed afterwards. */
    public class Bytes(public val value: ByteArray) : Value {
        override fun equals(other: Any?): Boolean = other is Bytes && value.contentEquals(other.value)

        override fun hashCode(): kotlin.Int = value.contentHashCode()

        override fun toString(): String = "Bytes(${value.size} bytes)"
    }

    /** Values in order. */
    public data class Array(val values: List<Value>) : Value

    /** Values by text. */
    public data class Map(val entries: kotlin.collections.Map<String, Value>) : Value

    /** A moment: seconds since 1970 and nanoseconds, 0 to 999 999 999. */
    public data class Timestamp(val seconds: Long, val nanoseconds: kotlin.Int) : Value {
        /** The moment, as near as an [Instant] has it: it ends some 30 million years from now. */
        public fun toInstant(): Instant = Instant.fromEpochSeconds(seconds, nanoseconds)
    }

    /** A vector of 32-bit floats. The array must not be changed afterwards. */
    public class Vector(public val value: FloatArray) : Value {
        override fun equals(other: Any?): Boolean = other is Vector && value.contentEquals(other.value)

        override fun hashCode(): kotlin.Int = value.contentHashCode()

        override fun toString(): String = "Vector(${value.size} floats)"
    }

    /** The value as canonical MessagePack. */
    public fun encoded(): ByteArray = Writer().also { write(it, this, 0) }.toByteArray()

    public companion object {
        /**
         * The value of an object: null, a boolean, any integer or float, text, a character, bytes, a float array, a list, a
         * map with text keys, a moment, or a [Value]. [LiteStashException.InvalidValue] for anything else.
         */
        @JvmStatic
        public fun of(value: Any?): Value = when (value) {
            null -> Nil
            is Value -> value
            is Boolean -> Bool(value)
            is Byte, is Short, is kotlin.Int, is Long -> Int((value as Number).toLong())
            is kotlin.Float, is Double -> Float((value as Number).toDouble())
            is UByte -> Int(value.toLong())
            is UShort -> Int(value.toLong())
            is UInt -> Int(value.toLong())
            is ULong -> unsigned(value.toLong())
            is String -> Text(value)
            is Char -> Text(value.toString())
            is ByteArray -> Bytes(value)
            is FloatArray -> Vector(value)
            is Iterable<*> -> Array(value.map { of(it) })
            is kotlin.collections.Map<*, *> -> Map(
                value.entries.associate { (key, it) ->
                    (key as? String ?: throw LiteStashException.InvalidValue("a map key is not text")) to of(it)
                },
            )
            is Instant -> Timestamp(value.epochSeconds, value.nanosecondsOfSecond)
            is java.time.Instant -> Timestamp(value.epochSecond, value.nano)
            else -> throw LiteStashException.InvalidValue("there is no value for an object of this class")
        }

        /** The integer of 64 unsigned bits. */
        @JvmStatic
        public fun unsigned(bits: Long): Value = if (bits < 0) Uint.of(bits.toULong()) else Int(bits)

        /** The value of canonical MessagePack; [LiteStashException.InvalidValue] for other bytes. */
        @JvmStatic
        public fun decode(encoded: ByteArray): Value {
            io.github.litestash.internal.Handle.validate(encoded)
            return read(Reader(encoded))
        }

        internal fun read(reader: Reader): Value = when (reader.peek()) {
            Kind.NIL -> Nil.also { reader.nil() }
            Kind.BOOL -> Bool(reader.bool())
            Kind.INT -> Int(reader.int())
            Kind.UINT -> unsigned(reader.unsigned())
            Kind.FLOAT -> Float(reader.float())
            Kind.TEXT -> Text(reader.text())
            Kind.BYTES -> Bytes(reader.binary())
            Kind.ARRAY -> Array(reader.list { read(reader) })
            Kind.MAP -> {
                val entries = LinkedHashMap<String, Value>()
                reader.members { entries[it] = read(reader) }
                Map(entries)
            }
            Kind.TIMESTAMP -> reader.timestamp(::Timestamp)
            Kind.VECTOR -> Vector(reader.vector())
        }

        internal fun write(writer: Writer, value: Value, depth: kotlin.Int) {
            if (depth > DEPTH_MAX) throw LiteStashException.TooLarge("the value is nested too deeply")
            when (value) {
                Nil -> writer.nil()
                is Bool -> writer.bool(value.value)
                is Int -> writer.int(value.value)
                is Uint -> writer.unsigned(value.bits)
                is Float -> writer.float(value.value)
                is Text -> writer.text(value.value)
                is Bytes -> writer.binary(value.value)
                is Array -> {
                    writer.array(value.values.size)
                    value.values.forEach { write(writer, it, depth + 1) }
                }
                is Map -> {
                    val entries = writer.Entries()
                    for ((name, it) in value.entries) {
                        entries.key(
                            utf8OrNull(name) ?: throw LiteStashException.InvalidValue("text that is not valid Unicode"),
                        )
                        write(writer, it, depth + 1)
                    }
                    entries.end()
                }
                is Timestamp -> writer.timestamp(value.seconds, value.nanoseconds)
                is Vector -> writer.vector(value.value)
            }
        }

        /** Deeper ones are refused by the engine; this only keeps the stack from ending. */
        internal const val DEPTH_MAX: kotlin.Int = 256
    }
}
