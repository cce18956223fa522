package io.github.litestash.serialization

import io.github.litestash.LiteStashException
import io.github.litestash.Value
import kotlinx.serialization.KSerializer
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.descriptors.buildClassSerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder

/** A [Value] inside a serializable class, in [LiteStashFormat] only, which knows it by its name. */
public object ValueSerializer : KSerializer<Value> {
    override val descriptor: SerialDescriptor = buildClassSerialDescriptor(VALUE)

    override fun serialize(encoder: Encoder, value: Value): Unit = throw elsewhere()

    override fun deserialize(decoder: Decoder): Value = throw elsewhere()

    private fun elsewhere() = LiteStashException.InvalidValue("only LiteStashFormat writes a Value")
}
