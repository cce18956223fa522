package io.github.litestash.internal

import io.github.litestash.LiteStashException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** What kind of value begins at a place. */
internal enum class Kind { NIL, BOOL, INT, UINT, FLOAT, TEXT, BYTES, ARRAY, MAP, TIMESTAMP, VECTOR }

/** Reads canonical MessagePack that the engine made or has checked. */
internal class Reader(private val bytes: ByteArray, private var at: Int = 0) {
    val position: Int get() = at

    private fun first(): Int = bytes[at].toInt() and 0xff

    /** What comes next. */
    fun peek(): Kind = when (val first = first()) {
        in 0x00..0x7f, in 0xe0..0xff, in 0xcc..0xce, in 0xd0..0xd3 -> Kind.INT
        0xcf -> if (bytes[at + 1] < 0) Kind.UINT else Kind.INT
        in 0x80..0x8f, 0xde, 0xdf -> Kind.MAP
        in 0x90..0x9f, 0xdc, 0xdd -> Kind.ARRAY
        in 0xa0..0xbf, in 0xd9..0xdb -> Kind.TEXT
        0xc0 -> Kind.NIL
        0xc2, 0xc3 -> Kind.BOOL
        in 0xc4..0xc6 -> Kind.BYTES
        0xcb -> Kind.FLOAT
        else -> if (bytes[at + extensionTypeAt(first)].toInt() == 1) Kind.VECTOR else Kind.TIMESTAMP
    }

    private fun extensionTypeAt(first: Int): Int = when (first) {
        0xc7 -> 2
        0xc8 -> 3
        0xc9 -> 5
        else -> 1
    }

    private fun mismatch(wanted: String): Nothing {
        val found = peek().name.lowercase()
        throw LiteStashException.TypeMismatch("the stored value is $found where $wanted is wanted")
    }

    private fun number(length: Int): Long {
        var number = 0L
        for (count in 0 until length) number = (number shl 8) or (bytes[at++].toLong() and 0xff)
        return number
    }

    /** Whether the next is nil, which is skipped then. */
    fun nil(): Boolean {
        if (first() != 0xc0) return false
        at++
        return true
    }

    fun bool(): Boolean = when (first()) {
        0xc2 -> false
        0xc3 -> true
        else -> mismatch("a boolean")
    }.also { at++ }

    fun int(): Long {
        val first = first()
        return when {
            first <= 0x7f || first >= 0xe0 -> bytes[at++].toLong()
            first in 0xcc..0xcf -> {
                if (peek() == Kind.UINT) mismatch("a signed integer")
                at++
                number(1 shl (first - 0xcc))
            }
            first == 0xd0 -> {
                at++
                number(1).toByte().toLong()
            }
            first == 0xd1 -> {
                at++
                number(2).toShort().toLong()
            }
            first == 0xd2 -> {
                at++
                number(4).toInt().toLong()
            }
            first == 0xd3 -> {
                at++
                number(8)
            }
            else -> mismatch("an integer")
        }
    }

    /** The 64 bits of a number that is not negative. */
    fun unsigned(): Long = when (peek()) {
        Kind.UINT -> {
            at++
            number(8)
        }
        Kind.INT -> int().also { if (it < 0) throw LiteStashException.TypeMismatch("the stored value is negative") }
        else -> mismatch("an unsigned integer")
    }

    fun float(): Double {
        if (first() != 0xcb) mismatch("a float")
        at++
        return Double.fromBits(number(8))
    }

    fun text(): String {
        val length = textLength()
        return String(bytes, at, length, Charsets.UTF_8).also { at += length }
    }

    private fun textLength(): Int {
        val first = first()
        return when {
            first in 0xa0..0xbf -> {
                at++
                first and 0x1f
            }
            first in 0xd9..0xdb -> {
                at++
                number(1 shl (first - 0xd9)).toInt()
            }
            else -> mismatch("text")
        }
    }

    private fun binaryLength(): Int {
        val first = first()
        if (first !in 0xc4..0xc6) mismatch("bytes")
        at++
        return number(1 shl (first - 0xc4)).toInt()
    }

    fun binary(): ByteArray {
        val length = binaryLength()
        return bytes.copyOfRange(at, at + length).also { at += length }
    }

    fun array(): Int = counted(0x90, 0xdc) ?: mismatch("an array")

    fun map(): Int = counted(0x80, 0xde) ?: mismatch("a map")

    private fun counted(short: Int, long: Int): Int? {
        val first = first()
        return when {
            first and 0xf0 == short -> {
                at++
                first and 0x0f
            }
            first == long || first == long + 1 -> {
                at++
                number(if (first == long) 2 else 4).toInt()
            }
            else -> null
        }
    }

    /** Calls `make` with seconds and nanoseconds. */
    fun <T> timestamp(make: (Long, Int) -> T): T {
        if (peek() != Kind.TIMESTAMP) mismatch("a timestamp")
        return when (bytes[at++].toInt() and 0xff) {
            0xd6 -> {
                at++
                make(number(4), 0)
            }
            0xd7 -> {
                at++
                val both = number(8)
                make(both and 0x3_ffff_ffffL, (both ushr 34).toInt())
            }
            else -> {
                at += 2
                val nanoseconds = number(4).toInt()
                make(number(8), nanoseconds)
            }
        }
    }

    fun vector(): FloatArray {
        if (peek() != Kind.VECTOR) mismatch("a vector")
        val length = when (bytes[at++].toInt() and 0xff) {
            0xd6 -> 4
            0xd7 -> 8
            0xd8 -> 16
            0xc7 -> number(1).toInt()
            0xc8 -> number(2).toInt()
            else -> number(4).toInt()
        }
        at++
        val floats = ByteBuffer.wrap(bytes, at, length).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(length / 4).also {
            floats.get(it)
            at += length
        }
    }

    /** Skips a value, and returns its bytes. */
    fun raw(): ByteArray {
        val from = at
        skip()
        return bytes.copyOfRange(from, at)
    }

    /** Skips a value. */
    fun skip() {
        var left = 1L
        while (left > 0) {
            left--
            when (peek()) {
                Kind.NIL, Kind.BOOL -> at++
                Kind.INT -> int()
                Kind.UINT, Kind.FLOAT -> at += 9
                Kind.TEXT -> {
                    val length = textLength()
                    at += length
                }
                Kind.BYTES -> {
                    val length = binaryLength()
                    at += length
                }
                Kind.ARRAY -> left += array()
                Kind.MAP -> left += 2L * map()
                Kind.TIMESTAMP -> timestamp { _, _ -> }
                Kind.VECTOR -> vector()
            }
        }
    }

    /** Reads a map by the names of its members; `read` skips what it does not know. */
    inline fun members(read: (String) -> Unit) {
        repeat(map()) { read(text()) }
    }

    /** Reads an array. */
    inline fun <T> list(read: () -> T): List<T> {
        val count = array()
        return ArrayList<T>(count).also { list -> repeat(count) { list.add(read()) } }
    }
}
