package io.github.litestash.internal

import io.github.litestash.LiteStashException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Writes canonical MessagePack: of every value the one legal encoding (`docs/CONTRACT.md` 8). */
internal class Writer(capacity: Int = 128) {
    var bytes = ByteArray(capacity)
        private set
    var size = 0
        private set

    fun toByteArray(): ByteArray = bytes.copyOf(size)

    private fun reserve(count: Int) {
        if (bytes.size - size >= count) return
        val wanted = size.toLong() + count
        if (wanted > Int.MAX_VALUE - 16) throw LiteStashException.TooLarge("the value is larger than an array")
        bytes = bytes.copyOf(maxOf(bytes.size * 2L, wanted).coerceAtMost(Int.MAX_VALUE - 16L).toInt())
    }

    private fun byte(byte: Int) {
        reserve(1)
        bytes[size++] = byte.toByte()
    }

    /** A first byte and a number of so many bytes, big-endian. */
    private fun head(first: Int, number: Long, length: Int) {
        reserve(1 + length)
        bytes[size++] = first.toByte()
        for (at in length - 1 downTo 0) bytes[size++] = (number ushr (8 * at)).toByte()
    }

    fun raw(encoded: ByteArray, from: Int = 0, until: Int = encoded.size) {
        reserve(until - from)
        encoded.copyInto(bytes, size, from, until)
        size += until - from
    }

    fun nil() = byte(0xc0)

    fun bool(value: Boolean) = byte(if (value) 0xc3 else 0xc2)

    fun int(value: Long) = when {
        value >= 0 -> unsigned(value)
        value >= -32 -> byte(value.toInt())
        value >= Byte.MIN_VALUE -> head(0xd0, value, 1)
        value >= Short.MIN_VALUE -> head(0xd1, value, 2)
        value >= Int.MIN_VALUE -> head(0xd2, value, 4)
        else -> head(0xd3, value, 8)
    }

    /** The 64 bits as a number that is not negative. */
    fun unsigned(bits: Long) = when {
        bits < 0 -> head(0xcf, bits, 8)
        bits < 0x80 -> byte(bits.toInt())
        bits <= 0xff -> head(0xcc, bits, 1)
        bits <= 0xffff -> head(0xcd, bits, 2)
        bits <= 0xffff_ffffL -> head(0xce, bits, 4)
        else -> head(0xcf, bits, 8)
    }

    // This way every NaN becomes the one that is legal.
    fun float(value: Double) = head(0xcb, value.toBits(), 8)

    fun text(text: String) =
        utf8(utf8OrNull(text) ?: throw LiteStashException.InvalidValue("text that is not valid Unicode"))

    fun utf8(text: ByteArray) {
        val length = text.size
        when {
            length <= 31 -> byte(0xa0 or length)
            length <= 0xff -> head(0xd9, length.toLong(), 1)
            length <= 0xffff -> head(0xda, length.toLong(), 2)
            else -> head(0xdb, length.toLong(), 4)
        }
        raw(text)
    }

    fun binary(value: ByteArray) {
        sized(value.size, 0xc4)
        raw(value)
    }

    private fun sized(length: Int, first: Int) = when {
        length <= 0xff -> head(first, length.toLong(), 1)
        length <= 0xffff -> head(first + 1, length.toLong(), 2)
        else -> head(first + 2, length.toLong(), 4)
    }

    fun array(count: Int) = counted(count, 0x90, 0xdc)

    fun map(count: Int) = counted(count, 0x80, 0xde)

    private fun counted(count: Int, short: Int, first: Int) = when {
        count <= 15 -> byte(short or count)
        count <= 0xffff -> head(first, count.toLong(), 2)
        else -> head(first + 1, count.toLong(), 4)
    }

    fun timestamp(seconds: Long, nanoseconds: Int) {
        val nanos = nanoseconds.toLong()
        when {
            nanoseconds !in 0..999_999_999 ->
                throw LiteStashException.InvalidValue("a timestamp has at most 999 999 999 nanoseconds")
            nanos == 0L && seconds in 0..0xffff_ffffL -> {
                head(0xd6, 0xff, 1)
                fixed(seconds, 4)
            }
            seconds in 0..0x3_ffff_ffffL -> {
                head(0xd7, 0xff, 1)
                fixed((nanos shl 34) or seconds, 8)
            }
            else -> {
                head(0xc7, 0x0cff, 2)
                fixed(nanos, 4)
                fixed(seconds, 8)
            }
        }
    }

    private fun fixed(number: Long, length: Int) {
        reserve(length)
        for (at in length - 1 downTo 0) bytes[size++] = (number ushr (8 * at)).toByte()
    }

    fun vector(vector: FloatArray) {
        if (vector.size > (Int.MAX_VALUE - 16) / 4) throw LiteStashException.TooLarge("the vector is too long")
        val length = 4 * vector.size
        when (length) {
            4 -> byte(0xd6)
            8 -> byte(0xd7)
            16 -> byte(0xd8)
            else -> sized(length, 0xc7)
        }
        byte(1)
        reserve(length)
        val out = ByteBuffer.wrap(bytes, size, length).order(ByteOrder.LITTLE_ENDIAN)
        // This way every NaN becomes the one that is legal.
        vector.forEach { out.putInt(it.toBits()) }
        size += length
    }

    /** A map in the making: entries that come in any order, and are sorted when it ends. */
    inner class Entries {
        private var starts = IntArray(16)
        private var count = 0
        private val at = size
        private var isSorted = true
        private var lastKeyEnd = 0

        init {
            // The room that most maps need for their count.
            byte(0x80)
        }

        /** Begins an entry with its key; its value follows. */
        fun key(name: ByteArray) {
            if (count == starts.size) starts = starts.copyOf(2 * count)
            starts[count] = size
            utf8(name)
            if (count > 0 && isSorted) isSorted = compare(starts[count - 1], starts[count]) < 0
            count++
            lastKeyEnd = size
        }

        private fun compare(left: Int, right: Int): Int {
            val (leftFrom, leftUntil) = keyRange(left)
            val (rightFrom, rightUntil) = keyRange(right)
            return java.util.Arrays.compareUnsigned(bytes, leftFrom, leftUntil, bytes, rightFrom, rightUntil)
        }

        private fun keyRange(start: Int): Pair<Int, Int> {
            val first = bytes[start].toInt() and 0xff
            val (length, head) = when (first) {
                0xd9 -> number(start + 1, 1) to 2
                0xda -> number(start + 1, 2) to 3
                0xdb -> number(start + 1, 4) to 5
                else -> (first and 0x1f) to 1
            }
            return (start + head) to (start + head + length)
        }

        private fun number(from: Int, length: Int): Int {
            var number = 0
            for (at in from until from + length) number = (number shl 8) or (bytes[at].toInt() and 0xff)
            return number
        }

        /** Ends the map. */
        fun end() {
            if (!isSorted) sort()
            if (count <= 15) {
                bytes[at] = (0x80 or count).toByte()
                return
            }
            val body = bytes.copyOfRange(at + 1, size)
            size = at
            map(count)
            raw(body)
        }

        private fun sort() {
            val old = bytes.copyOfRange(at, size)
            val ends = IntArray(count) { if (it + 1 < count) starts[it + 1] else size }
            val order = (0 until count).sortedWith { left, right -> compare(starts[left], starts[right]) }
            for ((left, right) in order.zipWithNext()) {
                if (compare(starts[left], starts[right]) == 0) {
                    throw LiteStashException.InvalidValue("a map key comes twice")
                }
            }
            size = at + 1
            for (entry in order) raw(old, starts[entry] - at, ends[entry] - at)
        }
    }
}
