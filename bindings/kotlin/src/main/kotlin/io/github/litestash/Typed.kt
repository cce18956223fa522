package io.github.litestash

import io.github.litestash.serialization.LiteStashFormat
import kotlinx.serialization.KSerializer
import kotlinx.serialization.serializer
import kotlin.time.Duration
import kotlin.time.Duration.Companion.microseconds
import kotlin.time.Instant

/**
 * The stored object of that type, or null if the key is not there: `stash.get<User>("ada")`.
 * [LiteStashException.TypeMismatch] if something else is stored. A stored null is the null of a type that has one.
 */
public inline fun <reified T> LiteStash.get(key: Any): T? = getAs(key, serializer<T>())

/** The stored object, or null if the key is not there. */
public fun <T> LiteStash.getAs(key: Any, serializer: KSerializer<T>): T? =
    getEncoded(key)?.let { LiteStashFormat.decodeTrusted(serializer, it) }

/** Stores an object. */
public inline operator fun <reified T> LiteStash.set(key: Any, value: T) {
    setAs(key, value, serializer<T>())
}

/** Stores an object. Returns its version, or null if the condition did not hold. */
public inline fun <reified T> LiteStash.set(key: Any, value: T, options: SetOptions): Long? =
    setEncoded(key, LiteStashFormat.Default.encodeToByteArray(serializer<T>(), value), options)

/** Stores an object for that long. */
public inline fun <reified T> LiteStash.set(key: Any, value: T, ttl: Duration) {
    set(key, value, SetOptions(Deadline.after(ttl)))
}

/** Stores an object. Returns its version. */
public fun <T> LiteStash.setAs(key: Any, value: T, serializer: KSerializer<T>): Long =
    setEncoded(key, LiteStashFormat.Default.encodeToByteArray(serializer, value))

/** The stored object; if the key is not there, what the computation gives, which is stored. As [LiteStash.getOrSet]. */
public inline fun <reified T> LiteStash.getOrSet(
    key: Any,
    options: ComputeOptions = ComputeOptions(),
    crossinline compute: () -> T,
): T {
    val serializer = serializer<T>()
    val encoded = getOrSetEncoded(key, options) { LiteStashFormat.Default.encodeToByteArray(serializer, compute()) }
    return LiteStashFormat.Default.decode(serializer, encoded)
}

/** Deletes a key and returns the object that it held, or null if it was not there. */
public inline fun <reified T> LiteStash.take(key: Any): T? =
    take(key)?.let { LiteStashFormat.Default.decode(serializer<T>(), it.encoded()) }

/** The object of a value. [LiteStashException.TypeMismatch] if it is something else. */
public inline fun <reified T> Value.to(): T = LiteStashFormat.Default.decode(serializer<T>(), encoded())

/** When an entry ends; null: never. */
public val Entry.expiresAt: Instant?
    get() = expiresAtMicros?.let { Instant.fromEpochSeconds(it.floorDiv(MICROS), it.mod(MICROS) * 1000) }

/** How long after its last use an entry ends, if its deadline slides. */
public val Entry.idle: Duration? get() = idleMicros?.microseconds

private const val MICROS = 1_000_000L
