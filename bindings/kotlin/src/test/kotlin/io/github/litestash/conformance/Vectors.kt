package io.github.litestash.conformance

import io.github.litestash.Key
import io.github.litestash.LiteStashException
import io.github.litestash.Testing
import io.github.litestash.Value
import io.github.litestash.internal.Handle
import io.github.litestash.internal.utf8OrNull
import io.github.litestash.keyBytes
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.util.HexFormat

private val hex = HexFormat.of()

private fun JsonObject.text(name: String): String = getValue(name).jsonPrimitive.content

private fun JsonObject.bytes(name: String): ByteArray = hex.parseHex(text(name))

/** Prints what the artifact says to each case. */
internal fun answerVectors(file: JsonObject, print: (String) -> Unit) {
    val kind = file.text("kind")
    for (case in file.getValue("cases").jsonArray) {
        val given = case.jsonObject
        val result = try {
            answer(kind, given)
        } catch (refused: LiteStashException) {
            refusal(refused)
        }
        print("""{"id":${given["id"]},"result":$result}""")
    }
}

private fun answer(kind: String, given: JsonObject): String = when (kind) {
    "keys" -> keyFacts(key(given.text("type"), given.text("input")))
    "values_valid" -> {
        val encoded = hex.formatHex(valueOf(given.getValue("value")).encoded())
        """{"encoded":"$encoded","value":${jsonOf(Value.decode(given.bytes("encoded")))}}"""
    }
    "values_invalid" -> """{"value":${jsonOf(Value.decode(given.bytes("encoded")))}}"""
    "crc" -> """{"crc":"${hex.toHexDigits(Testing.crc(given.bytes("data")), 8)}"}"""
    "records" -> {
        val (timestamp, microsecond) = listOf("timestamp", "microsecond").map { given.text(it).toLong() }
        String(Testing.recordFacts(given.bytes("key_hash"), timestamp, microsecond, given.bytes("record")))
    }
    "interchange" -> {
        val json = utf8OrNull(given.text("json")) ?: throw LiteStashException.InvalidValue("a lone surrogate")
        """{"encoded":"${hex.formatHex(Value.decode(Testing.valueFromJson(json)).encoded())}"}"""
    }
    else -> error("there are no vectors of the kind $kind")
}

private fun key(type: String, input: String): Key = when (type) {
    "text" -> try {
        Key.of(Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(hex.parseHex(input))).toString())
    } catch (invalid: CharacterCodingException) {
        throw LiteStashException.InvalidKey("the text is not UTF-8", invalid)
    }
    "integer" -> Key.of(input.toLongOrNull() ?: throw LiteStashException.InvalidKey("beyond 64 bits"))
    "float" -> Key.of(Double.fromBits(java.lang.Long.parseUnsignedLong(input, 16)))
    else -> Key.of(hex.parseHex(input))
}

private fun keyFacts(key: Key): String = String(
    when (key) {
        is Key.Text -> Testing.keyFacts(Handle.TEXT, 0, keyBytes(key.value))
        is Key.Int -> Testing.keyFacts(Handle.INT, key.value, null)
        is Key.Float -> Testing.keyFacts(Handle.FLOAT, key.value.toRawBits(), null)
        is Key.Bytes -> Testing.keyFacts(Handle.BYTES, 0, key.value)
    },
    Charsets.UTF_8,
)
