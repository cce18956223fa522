package io.github.litestash

import io.github.litestash.internal.Stop
import io.github.litestash.serialization.LiteStashFormat
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOn
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.serialization.KSerializer
import kotlinx.serialization.serializer
import java.nio.file.Path
import java.util.concurrent.ConcurrentHashMap
import kotlin.time.Duration
import kotlin.time.toJavaDuration

/** Does something with the stash on [Dispatchers.IO]: `stash.io { items().count() }`. */
public suspend fun <T> LiteStash.io(block: LiteStash.() -> T): T = withContext(Dispatchers.IO) { block() }

/** The functions that take long, or wait for somebody, for coroutines. They end early when their coroutine is cancelled. */
public val LiteStash.suspending: SuspendingStash get() = SuspendingStash(this)

/**
 * The events of a stash from the moment in which somebody collects. Who collects too slowly misses some, which the next event
 * tells; nobody waits. Ends when the stash is closed. Each collector has a thread of its own.
 */
public fun LiteStash.events(filter: EventFilter = EventFilter()): Flow<Event> =
    eventsOf(filter) { it?.let(Event::read) }

/** Calls `read` once with null when it has begun to listen, and with each event, and emits what that gives. */
internal fun <T : Any> LiteStash.eventsOf(filter: EventFilter, read: (ByteArray?) -> T?): Flow<T> = flow {
    val queue = queue(filter)
    try {
        read(null)?.let { emit(it) }
        while (true) {
            val encoded = queue.receive(EVENT_WAIT_MS)
            currentCoroutineContext().ensureActive()
            when {
                encoded != null -> read(encoded)?.let { emit(it) }
                queue.isEnded -> break
            }
        }
    } finally {
        queue.close()
    }
}.flowOn(listening)

/** The keys with their values, fetched in pages on [Dispatchers.IO] as they are collected. */
public fun LiteStash.itemFlow(options: ScanOptions = ScanOptions()): Flow<Item> =
    items(options).asFlow().flowOn(Dispatchers.IO)

/** The keys, as [itemFlow]. */
public fun LiteStash.keyFlow(options: ScanOptions = ScanOptions()): Flow<Key> =
    keys(options).asFlow().flowOn(Dispatchers.IO)

/** Threads beside those of [Dispatchers.IO], so that what waits here does not keep them from what it waits for. */
private val patient: CoroutineDispatcher = Dispatchers.IO.limitedParallelism(64, "litestash-patient")

/** As many threads as somebody collects events. */
private val listening: CoroutineDispatcher = Dispatchers.IO.limitedParallelism(Int.MAX_VALUE / 2, "litestash-events")

/** What [LiteStash.suspending] gives. */
public class SuspendingStash internal constructor(
    /** The stash itself. */
    public val stash: LiteStash,
) {
    /** As [LiteStash.verify]. */
    public suspend fun verify(): VerifyReport = stoppable { stash.verify(it) }

    /** As [LiteStash.backup]. */
    public suspend fun backup(destination: Path): BackupReport = stoppable { stash.backup(destination, it) }

    /** As [LiteStash.export]. */
    public suspend fun export(file: Path, prefix: String? = null): ExportReport =
        stoppable { stash.export(file, prefix, it) }

    /** As [LiteStash.importLines]. */
    public suspend fun importLines(file: Path, keepVersions: Boolean = false): ImportReport =
        stoppable { stash.importLines(file, keepVersions, it) }

    /** As [LiteStash.stats]. */
    public suspend fun stats(): Stats = stash.io { stats() }

    /** As [LiteStash.compact]. */
    public suspend fun compact(): CompactReport = stash.io { compact() }

    /** As [LiteStash.sync]. */
    public suspend fun sync(): Unit = stash.io { sync() }

    /** As [LiteStash.count]. */
    public suspend fun count(): Long = stash.io { count() }

    /** As [LiteStash.clear]. */
    public suspend fun clear(): Unit = stash.io { clear() }

    /** As [LiteStash.close]. */
    public suspend fun close(): Unit = stash.io { close() }

    /** As [LiteStash.waitFor], for at most that long, without holding a thread of [Dispatchers.IO] that others need. */
    public suspend fun waitFor(key: Any, timeout: Duration, test: ValueTest): Boolean =
        withContext(patient) { stash.waitFor(key, timeout.toJavaDuration(), test) }

    /**
     * The stored object; if the key is not there, what the computation gives, which is stored. However many coroutines,
     * threads and processes ask for a key at once, one computes. What the computation throws goes to all coroutines that
     * waited for it through the stash's handle of this object.
     */
    public suspend inline fun <reified T> getOrSet(
        key: Any,
        options: ComputeOptions = ComputeOptions(),
        noinline compute: suspend () -> T,
    ): T = getOrSet(key, options, serializer<T>(), compute)

    /** As the function without a serializer. */
    public suspend fun <T> getOrSet(
        key: Any,
        options: ComputeOptions,
        serializer: KSerializer<T>,
        compute: suspend () -> T,
    ): T {
        if (options.staleWhileRevalidateMicros == null) stash.getAs(key, serializer)?.let { return it }
        val context = currentCoroutineContext()
        val encoded = alone(Flight(stash.handle, keyOf(key))) {
            withContext(patient) {
                stash.getOrSetEncoded(key, options) {
                    LiteStashFormat.Default.encodeToByteArray(serializer, runBlocking(context) { compute() })
                }
            }
        }
        return LiteStashFormat.decodeTrusted(serializer, encoded)
    }

    /** Which computation: those of one handle and key are one. */
    private data class Flight(val handle: Any, val key: Key)

    private suspend fun alone(flight: Flight, compute: suspend () -> ByteArray): ByteArray {
        while (true) {
            val landing = CompletableDeferred<ByteArray>()
            val running = flights.putIfAbsent(flight, landing)
            if (running == null) return lead(flight, landing, compute)
            try {
                return running.await()
            } catch (cancelled: CancellationException) {
                // Either this coroutine was cancelled, or the one that computed; then somebody else has to.
                currentCoroutineContext().ensureActive()
            }
        }
    }

    @Suppress("TooGenericExceptionCaught")
    private suspend fun lead(
        flight: Flight,
        landing: CompletableDeferred<ByteArray>,
        compute: suspend () -> ByteArray,
    ): ByteArray = try {
        compute().also(landing::complete)
    } catch (thrown: Throwable) {
        landing.completeExceptionally(thrown)
        throw thrown
    } finally {
        flights.remove(flight, landing)
    }

    private companion object {
        val flights = ConcurrentHashMap<Flight, Deferred<ByteArray>>()

        suspend fun <T> stoppable(work: (Stop) -> T): T = coroutineScope {
            val stop = Stop()
            val running = async(Dispatchers.IO) { work(stop) }
            try {
                running.await()
            } catch (cancelled: CancellationException) {
                stop.stop()
                throw cancelled
            }
        }
    }
}
