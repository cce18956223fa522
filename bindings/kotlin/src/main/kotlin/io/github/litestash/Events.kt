package io.github.litestash

import io.github.litestash.internal.EventQueue
import io.github.litestash.internal.Reader
import java.util.concurrent.atomic.AtomicLong
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/** What happened to a key. */
public enum class EventKind(internal val text: String) {
    /** A value was stored: every write that makes a version. */
    SET("set"),

    /** The row was deleted by a caller. */
    DELETE("delete"),

    /** The row was removed because its deadline had passed. */
    EXPIRE("expire"),

    /** The row was removed to make room. */
    EVICT("evict"),

    /** Every row of a shard was deleted at once; no single rows are named. */
    CLEAR("clear"),

    /** The value was read by its key, and was there. */
    ACCESS("access"),
}

/**
 * What a listener hears. It has no value: who needs it reads the key.
 *
 * @property kind what happened
 * @property key to which key; null for [EventKind.CLEAR]
 * @property version the version that was stored, removed or read, where it is known
 * @property isOwn whether it was done through this handle of the stash
 * @property shard the shard of the key
 * @property missed events between the last one and this one that were dropped, because nobody took them in time
 */
public data class Event(
    val kind: EventKind,
    val key: Key?,
    val version: Long?,
    val isOwn: Boolean,
    val shard: Int,
    val missed: Long,
) {
    internal companion object {
        fun read(encoded: ByteArray): Event {
            val reader = Reader(encoded)
            var kind = EventKind.SET
            var key: Key? = null
            var version: Long? = null
            var isOwn = false
            var shard = 0
            var missed = 0L
            reader.members { name ->
                when (name) {
                    "kind" -> kind = reader.text().let { text -> EventKind.entries.first { it.text == text } }
                    "key" -> key = if (reader.nil()) null else readKey(reader)
                    "version" -> version = if (reader.nil()) null else reader.int()
                    "own" -> isOwn = reader.bool()
                    "shard" -> shard = reader.int().toInt()
                    "missed" -> missed = reader.int()
                    else -> reader.skip()
                }
            }
            return Event(kind, key, version, isOwn, shard, missed)
        }
    }
}

/**
 * What a listener hears of.
 *
 * @property kinds only these kinds; null: all but [EventKind.ACCESS]
 * @property key only this key
 * @property prefix only text keys that begin with this; not together with a key
 * @property allProcesses whether the changes of everybody who writes the directory are heard
 * @property capacity how many events wait for the listener at most; null: 8192
 */
public data class EventFilter @JvmOverloads constructor(
    val kinds: Set<EventKind>? = null,
    val key: Key? = null,
    val prefix: String? = null,
    val allProcesses: Boolean = false,
    val capacity: Long? = null,
) {
    internal fun encoded(): ByteArray = Members().apply {
        value("kinds", kinds?.let { all -> Value.Array(all.map { Value.Text(it.text) }) })
        value("key", key?.let(::valueOf))
        text("prefix", prefix)
        flag("all_processes", allProcesses)
        int("capacity", capacity)
    }.encoded()

    private fun valueOf(key: Key): Value = when (key) {
        is Key.Text -> Value.Text(key.value)
        is Key.Int -> Value.Int(key.value)
        is Key.Float -> Value.Float(key.value)
        is Key.Bytes -> Value.Bytes(key.value)
    }
}

/** Hears events. */
public fun interface EventListener {
    /** Something happened. While this runs, further events wait. */
    public fun onEvent(event: Event)
}

/** How long a thread asks for an event; that late it hears that nobody wants any more. */
internal const val EVENT_WAIT_MS: Long = 100

/** A listener that is called, until this or the stash is closed. */
public class Subscription internal constructor(private val queue: EventQueue, private val listener: EventListener) :
    AutoCloseable {
    private val failures = AtomicLong()
    private val calling = ReentrantLock()

    @Volatile
    private var isClosed = false

    private val thread = Thread(::run, "litestash-events").apply {
        isDaemon = true
        start()
    }

    /** How many events were dropped so far, because nobody took them in time. */
    public val dropped: Long get() = queue.dropped

    /** How many calls of the listener threw something. */
    public val failed: Long get() = failures.get()

    /** Whether the listener is not called any more. */
    public val isEnded: Boolean get() = isClosed || !thread.isAlive

    private fun run() {
        while (!isClosed) {
            val encoded = queue.receive(EVENT_WAIT_MS)
            when {
                encoded != null -> call(Event.read(encoded))
                queue.isEnded -> break
            }
        }
        queue.close()
    }

    @Suppress("TooGenericExceptionCaught")
    private fun call(event: Event) = calling.withLock {
        if (isClosed) return@withLock
        try {
            listener.onEvent(event)
        } catch (thrown: Throwable) {
            failures.incrementAndGet()
        }
    }

    /** Ends it. The listener is not called any more afterwards; waits for a call that runs, unless it is that call. */
    override fun close() {
        isClosed = true
        calling.withLock {}
    }
}
