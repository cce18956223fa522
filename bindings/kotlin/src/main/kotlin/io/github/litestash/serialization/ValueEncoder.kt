package io.github.litestash.serialization

import io.github.litestash.LiteStashException
import io.github.litestash.Value
import io.github.litestash.internal.Writer
import io.github.litestash.internal.utf8OrNull
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.SerializationStrategy
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.descriptors.StructureKind
import kotlinx.serialization.encoding.AbstractEncoder
import kotlinx.serialization.encoding.CompositeEncoder
import kotlinx.serialization.encoding.Encoder
import kotlinx.serialization.modules.SerializersModule
import kotlin.time.Instant

internal const val BYTES = "kotlin.ByteArray"
internal const val FLOATS = "kotlin.FloatArray"
internal val INSTANTS = setOf("kotlin.time.Instant", "kotlinx.datetime.Instant")
internal const val VALUE = "io.github.litestash.Value"

private fun utf8(text: String): ByteArray =
    utf8OrNull(text) ?: throw LiteStashException.InvalidValue("text that is not valid Unicode")

/** Writes a value, or the elements of an array. */
@OptIn(ExperimentalSerializationApi::class)
internal open class ValueEncoder(
    protected val writer: Writer,
    override val serializersModule: SerializersModule,
    protected val depth: Int,
) : AbstractEncoder() {
    override fun encodeNull() = writer.nil()

    override fun encodeBoolean(value: Boolean) = writer.bool(value)

    override fun encodeByte(value: Byte) = writer.int(value.toLong())

    override fun encodeShort(value: Short) = writer.int(value.toLong())

    override fun encodeInt(value: Int) = writer.int(value.toLong())

    override fun encodeLong(value: Long) = writer.int(value)

    override fun encodeFloat(value: Float) = writer.float(value.toDouble())

    override fun encodeDouble(value: Double) = writer.float(value)

    override fun encodeChar(value: Char) = writer.text(value.toString())

    override fun encodeString(value: String) = writer.text(value)

    override fun encodeEnum(enumDescriptor: SerialDescriptor, index: Int) =
        writer.text(enumDescriptor.getElementName(index))

    override fun encodeInline(descriptor: SerialDescriptor): Encoder =
        if (descriptor.serialName.startsWith("kotlin.U")) UnsignedEncoder(writer, serializersModule) else this

    override fun shouldEncodeElementDefault(descriptor: SerialDescriptor, index: Int): Boolean = true

    override fun <T> encodeSerializableValue(serializer: SerializationStrategy<T>, value: T) {
        when (serializer.descriptor.serialName) {
            BYTES -> writer.binary(value as ByteArray)
            FLOATS -> writer.vector(value as FloatArray)
            in INSTANTS -> (value as? Instant)?.let { writer.timestamp(it.epochSeconds, it.nanosecondsOfSecond) }
                ?: serializer.serialize(this, value)
            VALUE -> Value.write(writer, value as Value, depth)
            else -> serializer.serialize(this, value)
        }
    }

    override fun beginCollection(descriptor: SerialDescriptor, collectionSize: Int): CompositeEncoder {
        if (descriptor.kind == StructureKind.MAP) return MapEncoder(writer, serializersModule, deeper())
        writer.array(collectionSize)
        return ValueEncoder(writer, serializersModule, deeper())
    }

    override fun beginStructure(descriptor: SerialDescriptor): CompositeEncoder =
        ClassEncoder(writer, serializersModule, deeper())

    private fun deeper(): Int {
        if (depth >= Value.DEPTH_MAX) throw LiteStashException.TooLarge("the value is nested too deeply")
        return depth + 1
    }
}

/** Writes the properties of an object as a map. */
@OptIn(ExperimentalSerializationApi::class)
private class ClassEncoder(writer: Writer, module: SerializersModule, depth: Int) : ValueEncoder(writer, module, depth) {
    private val entries = writer.Entries()

    override fun encodeElement(descriptor: SerialDescriptor, index: Int): Boolean {
        entries.key(utf8(descriptor.getElementName(index)))
        return true
    }

    override fun endStructure(descriptor: SerialDescriptor) = entries.end()
}

/** Writes a map: elements are keys and values in turn. */
@OptIn(ExperimentalSerializationApi::class)
private class MapEncoder(writer: Writer, module: SerializersModule, depth: Int) : ValueEncoder(writer, module, depth) {
    private val entries = writer.Entries()
    private val keys = KeyEncoder(entries, module)

    override fun <T> encodeSerializableElement(
        descriptor: SerialDescriptor,
        index: Int,
        serializer: SerializationStrategy<T>,
        value: T,
    ) {
        if (index % 2 == 0) serializer.serialize(keys, value) else encodeSerializableValue(serializer, value)
    }

    override fun endStructure(descriptor: SerialDescriptor) = entries.end()
}

/** Writes the key of a map, which is text. */
@OptIn(ExperimentalSerializationApi::class)
private class KeyEncoder(private val entries: Writer.Entries, override val serializersModule: SerializersModule) :
    AbstractEncoder() {
    // Numbers are their decimal digits, a boolean is its word.
    override fun encodeValue(value: Any) = when (value) {
        is String, is Char, is Boolean, is Byte, is Short, is Int, is Long -> entries.key(utf8(value.toString()))
        else -> notText()
    }

    override fun encodeEnum(enumDescriptor: SerialDescriptor, index: Int) =
        entries.key(utf8(enumDescriptor.getElementName(index)))

    override fun encodeInline(descriptor: SerialDescriptor): Encoder =
        if (descriptor.serialName.startsWith("kotlin.U")) notText() else this

    override fun encodeNull() = notText()

    override fun beginStructure(descriptor: SerialDescriptor): CompositeEncoder = notText()

    private fun notText(): Nothing = throw LiteStashException.InvalidValue("a map key is not text")
}

/** Writes the bits of an unsigned number. */
@OptIn(ExperimentalSerializationApi::class)
private class UnsignedEncoder(private val writer: Writer, override val serializersModule: SerializersModule) :
    AbstractEncoder() {
    override fun encodeByte(value: Byte) = writer.unsigned(value.toUByte().toLong())

    override fun encodeShort(value: Short) = writer.unsigned(value.toUShort().toLong())

    override fun encodeInt(value: Int) = writer.unsigned(value.toUInt().toLong())

    override fun encodeLong(value: Long) = writer.unsigned(value)
}
