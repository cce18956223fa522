package io.github.litestash.serialization

import io.github.litestash.LiteStashException
import io.github.litestash.Value
import io.github.litestash.internal.Reader
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.descriptors.StructureKind
import kotlinx.serialization.encoding.AbstractDecoder
import kotlinx.serialization.encoding.CompositeDecoder
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.modules.SerializersModule
import kotlin.time.Instant

private fun mismatch(wanted: String): Nothing =
    throw LiteStashException.TypeMismatch("the stored value is no $wanted")

private inline fun <T> inRange(value: Long, from: Long, to: Long, name: String, make: (Long) -> T): T =
    if (value in from..to) make(value) else mismatch("$name: it is out of its range")

/** Reads a value. */
@OptIn(ExperimentalSerializationApi::class)
internal open class ValueDecoder(
    protected val reader: Reader,
    override val serializersModule: SerializersModule,
) : AbstractDecoder() {
    override fun decodeNotNullMark(): Boolean = reader.peek() != io.github.litestash.internal.Kind.NIL

    override fun decodeNull(): Nothing? = if (reader.nil()) null else mismatch("null")

    override fun decodeBoolean(): Boolean = reader.bool()

    override fun decodeByte(): Byte = inRange(reader.int(), -0x80, 0x7f, "Byte", Long::toByte)

    override fun decodeShort(): Short = inRange(reader.int(), -0x8000, 0x7fff, "Short", Long::toShort)

    override fun decodeInt(): Int = inRange(reader.int(), Int.MIN_VALUE.toLong(), Int.MAX_VALUE.toLong(), "Int", Long::toInt)

    override fun decodeLong(): Long = reader.int()

    override fun decodeFloat(): Float {
        val wide = reader.float()
        val float = wide.toFloat()
        return if (wide.isNaN() || float.toDouble() == wide) float else mismatch("Float: it needs 64 bits")
    }

    override fun decodeDouble(): Double = reader.float()

    override fun decodeChar(): Char = reader.text().singleOrNull() ?: mismatch("Char")

    override fun decodeString(): String = reader.text()

    override fun decodeEnum(enumDescriptor: SerialDescriptor): Int = enumIndex(enumDescriptor, reader.text())

    override fun decodeInline(descriptor: SerialDescriptor): Decoder =
        if (descriptor.serialName.startsWith("kotlin.U")) UnsignedDecoder(reader, serializersModule) else this

    override fun decodeElementIndex(descriptor: SerialDescriptor): Int = CompositeDecoder.DECODE_DONE

    @Suppress("UNCHECKED_CAST")
    override fun <T> decodeSerializableValue(deserializer: DeserializationStrategy<T>): T =
        when (deserializer.descriptor.serialName) {
            BYTES -> reader.binary() as T
            FLOATS -> reader.vector() as T
            "kotlin.time.Instant" -> reader.timestamp { seconds, nanoseconds ->
                val instant = Instant.fromEpochSeconds(seconds, nanoseconds)
                // It ends somewhere, and would stop there without a word.
                if (instant.epochSeconds == seconds) instant else mismatch("Instant: it is out of its range")
            } as T
            VALUE -> Value.read(reader) as T
            else -> deserializer.deserialize(this)
        }

    override fun beginStructure(descriptor: SerialDescriptor): CompositeDecoder = when (descriptor.kind) {
        StructureKind.LIST -> ListDecoder(reader, serializersModule, reader.array())
        StructureKind.MAP -> MapDecoder(reader, serializersModule, reader.map())
        else -> ClassDecoder(reader, serializersModule, reader.map())
    }
}

private fun enumIndex(descriptor: SerialDescriptor, name: String): Int {
    val index = descriptor.getElementIndex(name)
    return if (index >= 0) index else mismatch(descriptor.serialName)
}

/** Reads elements one after another. */
@OptIn(ExperimentalSerializationApi::class)
private open class ListDecoder(reader: Reader, module: SerializersModule, private val size: Int) :
    ValueDecoder(reader, module) {
    override fun decodeSequentially(): Boolean = true

    override fun decodeCollectionSize(descriptor: SerialDescriptor): Int = size
}

/** Reads keys and values in turn. */
@OptIn(ExperimentalSerializationApi::class)
private class MapDecoder(reader: Reader, module: SerializersModule, size: Int) : ListDecoder(reader, module, size) {
    private val keys = KeyDecoder(reader, module)

    override fun <T> decodeSerializableElement(
        descriptor: SerialDescriptor,
        index: Int,
        deserializer: DeserializationStrategy<T>,
        previousValue: T?,
    ): T = if (index % 2 == 0) deserializer.deserialize(keys) else decodeSerializableValue(deserializer)
}

/** Reads the properties of an object from a map. */
@OptIn(ExperimentalSerializationApi::class)
private class ClassDecoder(reader: Reader, module: SerializersModule, private var left: Int) :
    ValueDecoder(reader, module) {
    override fun decodeElementIndex(descriptor: SerialDescriptor): Int {
        while (left > 0) {
            left--
            val index = descriptor.getElementIndex(reader.text())
            if (index >= 0) return index
            reader.skip()
        }
        return CompositeDecoder.DECODE_DONE
    }

    override fun endStructure(descriptor: SerialDescriptor) {
        // An object without properties asks for none.
        while (left > 0) {
            left--
            reader.skip()
            reader.skip()
        }
    }
}

/** Reads the key of a map, which is text. */
@OptIn(ExperimentalSerializationApi::class)
private class KeyDecoder(private val reader: Reader, override val serializersModule: SerializersModule) :
    AbstractDecoder() {
    override fun decodeElementIndex(descriptor: SerialDescriptor): Int = CompositeDecoder.DECODE_DONE

    override fun decodeString(): String = reader.text()

    override fun decodeChar(): Char = reader.text().singleOrNull() ?: mismatch("Char")

    override fun decodeBoolean(): Boolean = reader.text().toBooleanStrictOrNull() ?: mismatch("Boolean")

    override fun decodeByte(): Byte = reader.text().toByteOrNull() ?: mismatch("Byte")

    override fun decodeShort(): Short = reader.text().toShortOrNull() ?: mismatch("Short")

    override fun decodeInt(): Int = reader.text().toIntOrNull() ?: mismatch("Int")

    override fun decodeLong(): Long = reader.text().toLongOrNull() ?: mismatch("Long")

    override fun decodeEnum(enumDescriptor: SerialDescriptor): Int = enumIndex(enumDescriptor, reader.text())

    override fun beginStructure(descriptor: SerialDescriptor): CompositeDecoder = mismatch("key of a map")
}

/** Reads the bits of an unsigned number. */
@OptIn(ExperimentalSerializationApi::class)
private class UnsignedDecoder(private val reader: Reader, override val serializersModule: SerializersModule) :
    AbstractDecoder() {
    override fun decodeElementIndex(descriptor: SerialDescriptor): Int = CompositeDecoder.DECODE_DONE

    override fun decodeByte(): Byte = inRange(reader.int(), 0, 0xff, "UByte", Long::toByte)

    override fun decodeShort(): Short = inRange(reader.int(), 0, 0xffff, "UShort", Long::toShort)

    override fun decodeInt(): Int = inRange(reader.int(), 0, 0xffff_ffffL, "UInt", Long::toInt)

    override fun decodeLong(): Long = reader.unsigned()
}
