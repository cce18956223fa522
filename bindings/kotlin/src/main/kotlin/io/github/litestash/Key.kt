package io.github.litestash

import io.github.litestash.internal.utf8OrNull

/**
 * A key: text, an integer, a float or bytes, at most 2048 bytes.
 *
 * A float with an integral value in the range of 64 bits is that integer, so `Key(1)` and `Key(1.0)` are one key.
 */
public sealed interface Key {
    /** A key of text, any valid Unicode. */
    public data class Text(val value: String) : Key

    /** A key that is an integer. */
    public data class Int(val value: Long) : Key

    /** A key that is a float, and no integer. Made by [Key.of], which knows which is which. */
    public data class Float(val value: Double) : Key

    /** A key of bytes. The array must not be changed afterwards. */
    public class Bytes(public val value: ByteArray) : Key {
        override fun equals(other: Any?): Boolean = other is Bytes && value.contentEquals(other.value)

        override fun hashCode(): kotlin.Int = value.contentHashCode()

        override fun toString(): String = "Bytes(${value.size} bytes)"
    }

    public companion object {
        /** A key of text. */
        @JvmStatic
        public fun of(text: String): Key = Text(text)

        /** A key that is an integer. */
        @JvmStatic
        public fun of(int: Long): Key = Int(int)

        /** A key that is a float, or the integer that it equals. [LiteStashException.InvalidKey] for NaN. */
        @JvmStatic
        public fun of(float: Double): Key = when {
            float.isNaN() -> throw LiteStashException.InvalidKey("NaN is not a key")
            // 2^63 is exact; the conversion is exact for integral values in this range.
            float >= -TWO_TO_63 && float < TWO_TO_63 && float.toLong().toDouble() == float -> Int(float.toLong())
            else -> Float(float)
        }

        /** A key of bytes. */
        @JvmStatic
        public fun of(bytes: ByteArray): Key = Bytes(bytes.copyOf())

        private const val TWO_TO_63 = 9.223372036854775808e18
    }
}

/** The bytes of a key's text. A lone surrogate is an error and never replaced. */
internal fun keyBytes(text: String): ByteArray =
    utf8OrNull(text) ?: throw LiteStashException.InvalidKey("the key is text that is not valid Unicode")
