package io.github.litestash

import io.github.litestash.internal.NativeLibrary
import kotlin.io.path.ExperimentalPathApi
import kotlin.io.path.createTempDirectory
import kotlin.io.path.deleteRecursively

/** What only builds for tests have. */
internal object Testing {
    init {
        NativeLibrary.ensureLoaded()
    }

    external fun advance(handle: Long, us: Long)

    external fun watch(handle: Long, us: Long)

    external fun fail(number: Int)

    external fun kinds(): ByteArray

    external fun valueFromJson(json: ByteArray): ByteArray

    external fun valueToJson(encoded: ByteArray): ByteArray

    external fun keyFromJson(json: ByteArray): ByteArray

    external fun keyFacts(kind: Int, number: Long, key: ByteArray?): ByteArray

    external fun crc(data: ByteArray): Long

    external fun recordFacts(hash: ByteArray, timestamp: Long, microsecond: Long, stored: ByteArray): ByteArray

    @JvmStatic
    external fun measure(handle: Long, prefix: ByteArray, keys: Int, count: Int, value: ByteArray?): Long
}

/** Calls `use` with a stash in a new directory, which is deleted afterwards. */
@OptIn(ExperimentalPathApi::class)
internal fun withStash(options: OpenOptions = OpenOptions(), use: (LiteStash) -> Unit) {
    val directory = createTempDirectory("litestash-test-")
    try {
        LiteStash.open(directory, options).use(use)
    } finally {
        directory.deleteRecursively()
    }
}
