package io.github.litestash.internal

import java.lang.ref.Cleaner
import java.lang.ref.Reference

/** Frees what nobody can reach any more. */
internal val cleaner: Cleaner = Cleaner.create()

/**
 * A handle of a stash in the engine. Functions of the engine are methods of it, so that it is reachable while they run;
 * it is freed when it is not. Closing a stash frees nothing: it makes the engine refuse.
 */
@Suppress("TooManyFunctions")
internal class Handle(val address: Long) {
    init {
        cleaner.register(this, freeing(address))
    }

    external fun close(handle: Long)

    external fun get(handle: Long, kind: Int, number: Long, key: ByteArray?): ByteArray?

    external fun set(handle: Long, kind: Int, number: Long, key: ByteArray?, value: ByteArray): Long

    external fun delete(handle: Long, kind: Int, number: Long, key: ByteArray?): Boolean

    external fun exists(handle: Long, kind: Int, number: Long, key: ByteArray?): Boolean

    /** Performs a request; null is a miss. */
    fun call(handle: Long, request: ByteArray, stop: Stop?): ByteArray? {
        try {
            return call(handle, request, stop?.address ?: 0)
        } finally {
            Reference.reachabilityFence(stop)
        }
    }

    private external fun call(handle: Long, request: ByteArray, stop: Long): ByteArray?

    external fun bucket(handle: Long, name: ByteArray, options: ByteArray): Long

    external fun withDurability(handle: Long, level: ByteArray): Long

    external fun isClosed(handle: Long): Boolean

    external fun isReadOnly(handle: Long): Boolean

    external fun subscribe(handle: Long, options: ByteArray): Long

    external fun getOrSet(
        handle: Long,
        kind: Int,
        number: Long,
        key: ByteArray?,
        options: ByteArray,
        compute: Compute,
    ): ByteArray

    external fun waitFor(
        handle: Long,
        kind: Int,
        number: Long,
        key: ByteArray?,
        timeoutUs: Long,
        test: EncodedTest,
    ): Boolean

    /** Computes an encoded value. */
    fun interface Compute {
        fun compute(): ByteArray
    }

    /** Tests an encoded value; null is a miss. */
    fun interface EncodedTest {
        fun holds(encoded: ByteArray?): Boolean
    }

    companion object {
        init {
            NativeLibrary.ensureLoaded()
        }

        const val TEXT = 0
        const val INT = 1
        const val FLOAT = 2
        const val BYTES = 3

        @JvmStatic
        external fun open(directory: ByteArray?, options: ByteArray): Long

        @JvmStatic
        external fun repair(source: ByteArray, destination: ByteArray): ByteArray

        @JvmStatic
        external fun validate(encoded: ByteArray)

        @JvmStatic
        external fun free(handle: Long)

        /** Made here, so that it does not hold on to what it frees. */
        private fun freeing(address: Long) = Runnable { free(address) }
    }
}

/** Stops a long operation of the engine that was given it. */
internal class Stop {
    val address: Long = create()

    init {
        cleaner.register(this, freeing(address))
    }

    /** The operation ends at its next step. */
    fun stop() = stop(address)

    private external fun stop(stop: Long)

    companion object {
        init {
            NativeLibrary.ensureLoaded()
        }

        @JvmStatic
        private external fun create(): Long

        @JvmStatic
        private external fun free(stop: Long)

        private fun freeing(address: Long) = Runnable { free(address) }
    }
}
