package io.github.litestash.serialization

import io.github.litestash.LiteStashException
import io.github.litestash.internal.Handle
import io.github.litestash.internal.Reader
import io.github.litestash.internal.Writer
import kotlinx.serialization.BinaryFormat
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.SerializationException
import kotlinx.serialization.SerializationStrategy
import kotlinx.serialization.modules.EmptySerializersModule
import kotlinx.serialization.modules.SerializersModule

/**
 * Serializable objects as canonical MessagePack, of which there is exactly one for each value, so that every language
 * reads and writes the same bytes.
 *
 * A class is a map with the names of its properties, defaults included; an enum is the text of its name; a character is
 * text; null is nil. `ByteArray` is bytes, `FloatArray` a vector of 32-bit floats, `kotlin.time.Instant` a timestamp,
 * `ULong` and the other unsigned types integers, [io.github.litestash.Value] whatever it is. Keys of maps are text: strings,
 * characters, enums, booleans and integers in decimal digits. A class of a sealed hierarchy is a map of `type` and `value`.
 *
 * What is read must have every property that has no default; members that the class does not have are passed over. What
 * does not fit is [LiteStashException.TypeMismatch], what cannot be written [LiteStashException.InvalidValue].
 */
public class LiteStashFormat(override val serializersModule: SerializersModule = EmptySerializersModule()) : BinaryFormat {
    override fun <T> encodeToByteArray(serializer: SerializationStrategy<T>, value: T): ByteArray {
        val writer = Writer()
        try {
            ValueEncoder(writer, serializersModule, 0).encodeSerializableValue(serializer, value)
        } catch (unfit: SerializationException) {
            throw LiteStashException.InvalidValue("the object cannot be written: ${unfit.message}", unfit)
        }
        return writer.toByteArray()
    }

    /** What canonical MessagePack holds; other bytes are [LiteStashException.InvalidValue]. */
    override fun <T> decodeFromByteArray(deserializer: DeserializationStrategy<T>, bytes: ByteArray): T {
        Handle.validate(bytes)
        return decode(deserializer, bytes)
    }

    /** Decodes what the engine has checked. */
    @PublishedApi
    internal fun <T> decode(deserializer: DeserializationStrategy<T>, bytes: ByteArray): T = try {
        ValueDecoder(Reader(bytes), serializersModule).decodeSerializableValue(deserializer)
    } catch (unfit: SerializationException) {
        throw LiteStashException.TypeMismatch("the stored value is no ${deserializer.descriptor.serialName}", unfit)
    }

    public companion object {
        /** The format without further serializers. */
        public val Default: LiteStashFormat = LiteStashFormat()

        internal fun <T> decodeTrusted(deserializer: DeserializationStrategy<T>, bytes: ByteArray): T =
            Default.decode(deserializer, bytes)
    }
}
