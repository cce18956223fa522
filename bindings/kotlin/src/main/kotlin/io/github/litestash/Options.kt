package io.github.litestash

import io.github.litestash.internal.Writer
import kotlin.time.Duration
import kotlin.time.Duration.Companion.microseconds
import kotlin.time.Instant

/** What an acknowledged write has reached. */
public enum class Durability(internal val text: String) {
    /** The memory of this process, which writes it within about ten milliseconds: for caches. */
    RELAXED("relaxed"),

    /** The write-ahead log: survives the death of the process. A power cut may take the newest writes of each shard. */
    NORMAL("normal"),

    /** Stable storage: each commit is synced. */
    FULL("full"),
}

/** Which rows go when a stash is full. Expired rows go first. */
public enum class Eviction(internal val text: String) {
    /** None: a write that would pass a limit fails with [LiteStashException.LimitReached]. */
    NONE("none"),

    /** Those written longest ago. */
    LEAST_RECENTLY_STORED("least_recently_stored"),

    /** Those read or written longest ago. */
    LEAST_RECENTLY_USED("least_recently_used"),

    /** Those read least often. */
    LEAST_FREQUENTLY_USED("least_frequently_used"),

    /** Any. */
    RANDOM("random"),
}

/** Options as the engine takes them: what is null is left out. */
internal class Members {
    private val writer = Writer()
    private val entries = writer.Entries()

    fun text(name: String, value: String?) = put(name, value) { writer.text(it) }

    fun flag(name: String, value: Boolean?) = put(name, value) { writer.bool(it) }

    fun int(name: String, value: Long?) = put(name, value) { writer.int(it) }

    fun value(name: String, value: Value?) = put(name, value) { Value.write(writer, it, 0) }

    private inline fun <T : Any> put(name: String, value: T?, write: (T) -> Unit) {
        if (value == null) return
        entries.key(name.toByteArray())
        write(value)
    }

    fun encoded(): ByteArray {
        entries.end()
        return writer.toByteArray()
    }
}

/**
 * What a stash or a bucket may hold. Null: not limited.
 *
 * @property bytes bytes that the directory may take on disk, at least 8 MiB
 * @property rows rows, at least 1
 * @property eviction what happens when a limit is reached
 */
public data class Limits @JvmOverloads constructor(
    val bytes: Long? = null,
    val rows: Long? = null,
    val eviction: Eviction = Eviction.NONE,
) {
    internal fun put(members: Members) {
        members.int("max_bytes", bytes)
        members.int("max_rows", rows)
        members.text("eviction", eviction.text)
    }
}

/** How a stash is opened. Each property states its default; in Java, each has a setter. */
public class OpenOptions {
    /** Whether a missing stash is created. Default: true. If false, that is [LiteStashException.NoStash]. */
    public var create: Boolean = true

    /** Whether writes are refused with [LiteStashException.ReadOnly]. Default: false. */
    public var readOnly: Boolean = false

    /** Read-only, and a promise that nobody is writing: no locks are taken. Default: false. */
    public var immutable: Boolean = false

    /** Whether directories on network file systems are accepted. Default: false. */
    public var allowNetworkFileSystem: Boolean = false

    /** What an acknowledged write has reached. Default: [Durability.NORMAL]. */
    public var durability: Durability = Durability.NORMAL

    /** Milliseconds that an operation waits for a shard before it fails with [LiteStashException.Busy]. Default: null, 30 s. */
    public var busyTimeoutMillis: Long? = null

    /** Bytes of rows kept in memory. Default: null, 16 MiB; 0 keeps none. */
    public var cacheBytes: Long? = null

    /** The longest encoded value in bytes. Default: null, 64 MiB. */
    public var valueBytesMax: Long? = null

    /** The time to live, in microseconds, of rows that are made without a deadline. Default: null, they stay. */
    public var defaultTtlMicros: Long? = null

    /** What the stash may hold. Default: null, no limits. */
    public var limits: Limits? = null

    /** Whether work that nobody waits for, such as removing expired rows, is done by itself. Default: true. */
    public var background: Boolean = true

    /** The fixed clock of tests, which only builds for tests have. */
    internal var clockMicros: Long? = null

    internal fun encoded(): ByteArray = Members().apply {
        flag("create", create)
        flag("read_only", readOnly)
        flag("immutable", immutable)
        flag("allow_network_file_system", allowNetworkFileSystem)
        text("durability", durability.text)
        int("busy_timeout_ms", busyTimeoutMillis)
        int("cache_bytes", cacheBytes)
        int("value_bytes_max", valueBytesMax)
        int("default_ttl_us", defaultTtlMicros)
        flag("background", background)
        limits?.put(this)
        int("clock_us", clockMicros)
    }.encoded()
}

/** The time to live of rows that are made without a deadline, as a [Duration]. */
public var OpenOptions.defaultTtl: Duration?
    get() = defaultTtlMicros?.microseconds
    set(value) {
        defaultTtlMicros = value?.inWholeMicroseconds
    }

/** What a bucket has of its own. Null: as in its stash. */
public class BucketOptions {
    /** What an acknowledged write through the handle has reached. */
    public var durability: Durability? = null

    /** The longest encoded value in bytes. */
    public var valueBytesMax: Long? = null

    /** Whether its rows take part in the cache. Default: true. */
    public var cache: Boolean = true

    /** The time to live, in microseconds, of rows that are made without a deadline; 0 for rows that stay. */
    public var defaultTtlMicros: Long? = null

    /** What the bucket may hold. Default: null, no limits of its own. */
    public var limits: Limits? = null

    internal fun encoded(): ByteArray = Members().apply {
        text("durability", durability?.text)
        int("value_bytes_max", valueBytesMax)
        flag("cache", cache)
        int("default_ttl_us", defaultTtlMicros)
        limits?.put(this)
    }.encoded()
}

/** When a value ends. */
public sealed interface Deadline {
    /** So many microseconds after the write; at least 1. */
    public data class After(val micros: Long) : Deadline

    /** At that Unix time in microseconds. One that has passed makes the row expired at once. */
    public data class At(val unixMicros: Long) : Deadline

    /** So many microseconds after the last use of the row: each get, write and touch begins the time anew. */
    public data class Idle(val micros: Long) : Deadline

    /** Not at all, also where the stash has a default time to live. */
    public data object Never : Deadline

    public companion object {
        /** That long after the write. */
        @JvmStatic
        public fun after(span: java.time.Duration): Deadline = After(micros(span))

        /** That long after the last use. */
        @JvmStatic
        public fun idle(span: java.time.Duration): Deadline = Idle(micros(span))

        /** At that moment; what is finer than microseconds is cut off. */
        @JvmStatic
        public fun at(moment: java.time.Instant): Deadline = At(
            try {
                Math.addExact(Math.multiplyExact(moment.epochSecond, 1_000_000L), moment.nano / 1000L)
            } catch (overflow: ArithmeticException) {
                throw LiteStashException.InvalidArgument("the moment is beyond the calendar", overflow)
            },
        )

        private fun micros(span: java.time.Duration): Long = try {
            Math.addExact(Math.multiplyExact(span.seconds, 1_000_000L), span.nano / 1000L)
        } catch (overflow: ArithmeticException) {
            throw LiteStashException.InvalidArgument("the time to live is too long", overflow)
        }
    }
}

/** That long after the write. */
public fun Deadline.Companion.after(span: Duration): Deadline = Deadline.After(span.inWholeMicroseconds)

/** That long after the last use. */
public fun Deadline.Companion.idle(span: Duration): Deadline = Deadline.Idle(span.inWholeMicroseconds)

/** At that moment; what is finer than microseconds is cut off. */
public fun Deadline.Companion.at(moment: Instant): Deadline =
    at(java.time.Instant.ofEpochSecond(moment.epochSeconds, moment.nanosecondsOfSecond.toLong()))

internal fun Members.deadline(deadline: Deadline?) {
    when (deadline) {
        null -> return
        is Deadline.After -> int("ttl_us", deadline.micros)
        is Deadline.At -> int("expires_at", deadline.unixMicros)
        is Deadline.Idle -> int("idle_us", deadline.micros)
        Deadline.Never -> flag("never", true)
    }
}

/** What must hold for a value to be stored. */
public sealed interface Condition {
    /** The key is missing or expired. */
    public data object Absent : Condition

    /** The key is there. */
    public data object Present : Condition

    /** The key is there with that version, as a set or an entry gave it. */
    public data class Version(val version: Long) : Condition
}

internal fun Members.condition(condition: Condition?) {
    when (condition) {
        null -> return
        Condition.Absent -> text("if", "absent")
        Condition.Present -> text("if", "present")
        is Condition.Version -> value("if", Value.Map(mapOf("version" to Value.Int(condition.version))))
    }
}

/**
 * How a value is stored.
 *
 * @property deadline when it ends; null: after the stash's default time to live, or never
 * @property keepTtl keep the deadline that the row has now; not together with a deadline
 * @property condition what must hold; null: nothing
 */
public data class SetOptions @JvmOverloads constructor(
    val deadline: Deadline? = null,
    val keepTtl: Boolean = false,
    val condition: Condition? = null,
) {
    internal fun encoded(): ByteArray = Members().apply {
        deadline(deadline)
        if (keepTtl) flag("keep_ttl", true)
        condition(condition)
    }.encoded()

    public companion object {
        /** Always, without a deadline of its own. */
        @JvmField
        public val DEFAULT: SetOptions = SetOptions()
    }
}

/**
 * How a missing value is computed and stored.
 *
 * @property deadline when it ends
 * @property acrossProcesses whether processes leave the computation to one of them
 * @property leaseMicros how long others wait for a process that died while it computed, 10 ms to 10 minutes; null: 5 s
 * @property staleWhileRevalidateMicros for how long after its time to live a value may still be returned while one caller
 * computes the next; takes a [Deadline.After]
 */
public data class ComputeOptions @JvmOverloads constructor(
    val deadline: Deadline? = null,
    val acrossProcesses: Boolean = true,
    val leaseMicros: Long? = null,
    val staleWhileRevalidateMicros: Long? = null,
) {
    internal fun encoded(): ByteArray = Members().apply {
        deadline(deadline)
        flag("across_processes", acrossProcesses)
        int("lease_us", leaseMicros)
        int("stale_while_revalidate_us", staleWhileRevalidateMicros)
    }.encoded()
}

/**
 * What an iteration goes over, in the order of shard, slot and hash, the same in every process.
 *
 * @property prefix only text keys that begin with this; null: every key, of any type
 * @property limit at most so many rows; null: all
 * @property cursor begin behind this place, as a [Page] gave it; it stays valid for as long as the stash lives
 */
public data class ScanOptions @JvmOverloads constructor(
    val prefix: String? = null,
    val limit: Long? = null,
    val cursor: String? = null,
) {
    internal fun encoded(rows: Int): ByteArray = Members().apply {
        text("prefix", prefix)
        int("limit", rows.toLong())
        text("cursor", cursor)
    }.encoded()
}
