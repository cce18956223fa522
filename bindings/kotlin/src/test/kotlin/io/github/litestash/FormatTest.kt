package io.github.litestash

import io.github.litestash.serialization.LiteStashFormat
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.serializer
import org.junit.jupiter.api.Test
import java.util.HexFormat
import kotlin.random.Random
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import kotlin.time.Instant

class FormatTest {
    enum class Colour { RED, GREEN }

    @Serializable
    sealed interface Shape {
        @Serializable
        @SerialName("circle")
        data class Circle(val radius: Double) : Shape

        @Serializable
        @SerialName("nothing")
        data object Nothing : Shape
    }

    @Serializable
    @JvmInline
    value class Id(val number: Long)

    @Serializable
    data class All(
        val zebra: Boolean,
        val byte: Byte,
        val short: Short,
        val int: Int,
        val long: Long,
        val unsigned: ULong,
        val small: UByte,
        val float: Float,
        val double: Double,
        val char: Char,
        val text: String,
        val nothing: String?,
        val colour: Colour,
        val id: Id,
        val list: List<Int?>,
        val map: Map<Int, String>,
        val byColour: Map<Colour, List<String>>,
        val nested: User,
        val shapes: List<Shape>,
        val instant: Instant,
        val any: Value,
        val defaulted: Int = 7,
    )

    private val all = All(
        true, -1, 300, -70_000, Long.MIN_VALUE, ULong.MAX_VALUE, 255u, 0.5f, 1.0, 'é', "text", null, Colour.GREEN, Id(5),
        listOf(1, null, 128), mapOf(10 to "ten", 9 to "nine"), mapOf(Colour.RED to listOf("a")), User("Ada", 36),
        listOf(Shape.Circle(1.5), Shape.Nothing), Instant.fromEpochSeconds(1_767_323_045, 678_901_234),
        Value.of(mapOf("b" to 1, "a" to listOf(null, true))),
    )

    private fun <T> encode(serializer: KSerializer<T>, value: T) =
        LiteStashFormat.Default.encodeToByteArray(serializer, value)

    private inline fun <reified T> there(value: T): T {
        val encoded = encode(serializer<T>(), value)
        return LiteStashFormat.Default.decodeFromByteArray(serializer<T>(), encoded)
    }

    private fun hex(text: String) = HexFormat.of().parseHex(text.replace(" ", ""))

    @Test
    fun `every type comes back, and what is written is canonical`() {
        assertEquals(all, there(all))
        assertContentEquals(byteArrayOf(1, 2), there(byteArrayOf(1, 2)))
        assertContentEquals(floatArrayOf(1f, Float.NaN), there(floatArrayOf(1f, Float.NaN)))
        assertContentEquals(hex("d7 01 0000803f 0000c07f"), encode(serializer<FloatArray>(), floatArrayOf(1f, Float.NaN)))
        assertContentEquals(hex("c4 02 0102"), encode(serializer<ByteArray>(), byteArrayOf(1, 2)))
        for (size in listOf(0, 15, 16, 17, 300)) {
            val map = (0 until size).reversed().associate { "key $it" to it }
            assertEquals(map, there(map))
        }
    }

    @Test
    fun `properties are sorted by the bytes of their names`() {
        @Serializable
        data class Names(val b: Int, @SerialName("é") val accent: Int, val a: Int, @SerialName("") val none: Int)
        val encoded = encode(Names.serializer(), Names(1, 2, 3, 4))
        assertContentEquals(hex("84 a0 04 a1 61 03 a1 62 01 a2 c3a9 02"), encoded)
    }

    @Test
    fun `objects written in Rust's way are read, and further members are passed over`() {
        val passedOver = listOf(1, "long text ".repeat(10), byteArrayOf(1, 2), floatArrayOf(1f), Instant.fromEpochSeconds(1), 0.5, null)
        val stored = Value.of(
            mapOf("name" to "Ada", "age" to 36, "kept" to mapOf("deep" to passedOver), "later" to passedOver, "tags" to listOf("x")),
        )
        assertEquals(User("Ada", 36, listOf("x")), stored.to<User>())
        assertEquals(User("Ada", 36), Value.of(mapOf("name" to "Ada", "age" to 36)).to<User>())
    }

    @Test
    fun `what does not fit is a mismatch, and what cannot be written is refused`() {
        val mismatches = listOf<() -> Any?>(
            { Value.of("text").to<Int>() },
            { Value.of(1).to<Double>() },
            { Value.of(1.0).to<Long>() },
            { Value.of(300).to<Byte>() },
            { Value.of(-1).to<ULong>() },
            { Value.unsigned(-1).to<Long>() },
            { Value.of(0.1).to<Float>() },
            { Value.of("BLUE").to<Colour>() },
            { Value.of("ab").to<Char>() },
            { Value.Nil.to<String>() },
            { Value.of(mapOf("name" to "Ada")).to<User>() },
            { Value.of(mapOf("x" to 1)).to<Map<Int, Int>>() },
            { Value.Timestamp(Long.MAX_VALUE, 0).to<Instant>() },
        )
        mismatches.forEach { read -> assertFailsWith<LiteStashException.TypeMismatch> { read() } }
        assertFailsWith<LiteStashException.InvalidValue> { there(mapOf(1.5 to 1)) }
        assertFailsWith<LiteStashException.InvalidValue> { there(mapOf(listOf(1) to 1)) }
        assertFailsWith<LiteStashException.InvalidValue> { there("\ud800") }
        assertFailsWith<LiteStashException.InvalidValue> { Value.of(Any()) }
        assertFailsWith<LiteStashException.InvalidValue> { Value.Timestamp(0, 1_000_000_000).encoded() }
        assertFailsWith<LiteStashException.InvalidValue> {
            LiteStashFormat.Default.decodeFromByteArray(serializer<Int>(), hex("cc 05"))
        }
        var deep = Value.of(1)
        repeat(65) { deep = Value.Array(listOf(deep)) }
        LiteStash.memory().use { assertFailsWith<LiteStashException.TooLarge> { it["deep"] = deep } }
        repeat(100_000) { deep = Value.Array(listOf(deep)) }
        assertFailsWith<LiteStashException.TooLarge> { deep.encoded() }
    }

    @Test
    fun `random values come back the same, and the engine finds them canonical`() {
        val random = Random(20260102)
        repeat(2_000) {
            val value = value(random, 0)
            val encoded = value.encoded()
            assertEquals(value, Value.decode(encoded))
            assertContentEquals(encoded, Testing.valueFromJson(Testing.valueToJson(encoded)))
        }
    }

    private fun value(random: Random, depth: Int): Value = when (random.nextInt(if (depth < 3) 11 else 9)) {
        0 -> Value.Nil
        1 -> Value.Bool(random.nextBoolean())
        2 -> Value.Int(random.nextLong() shr random.nextInt(64))
        3 -> Value.unsigned(random.nextLong() ushr random.nextInt(64))
        4 -> Value.Float(Double.fromBits(random.nextLong()))
        5 -> Value.Text(text(random))
        6 -> Value.Bytes(random.nextBytes(random.nextInt(300)))
        7 -> Value.Timestamp(random.nextLong() shr random.nextInt(64), random.nextInt(1_000_000_000))
        8 -> Value.Vector(FloatArray(random.nextInt(70)) { Float.fromBits(random.nextInt()) }.canonical())
        9 -> Value.Array(List(random.nextInt(20)) { value(random, depth + 1) })
        else -> Value.Map(List(random.nextInt(20)) { text(random) to value(random, depth + 1) }.toMap())
    }

    private fun FloatArray.canonical() = also { for (at in indices) if (this[at].isNaN()) this[at] = Float.NaN }

    private fun text(random: Random): String = buildString {
        repeat(random.nextInt(40)) { appendCodePoint(listOf('a'.code, '?'.code, 'é'.code, 0x20ac, 0x1f600).random(random)) }
    }

    @Test
    fun `text with a question mark is text, and text with half a pair is not`() {
        assertEquals("?é😀?", there("?é😀?"))
        for (broken in listOf("\ud83d", "a\ude00", "\ude00\ud83d", "é\ud83dé")) {
            assertTrue(assertFailsWith<LiteStashException.InvalidValue> { there(broken) }.message!!.isNotEmpty())
        }
    }
}
