package io.github.litestash.internal

import java.util.concurrent.locks.ReentrantReadWriteLock
import kotlin.concurrent.read
import kotlin.concurrent.write

/** The events that wait for one subscription. */
internal class EventQueue(private val address: Long) {
    private val freeing = cleaner.register(this, freeing(address))
    private val use = ReentrantReadWriteLock()
    private var isClosed = false
    private var lastDropped = 0L

    /** The next event, encoded, within that time; null if there is none. */
    fun receive(timeoutMs: Long): ByteArray? = use.read { if (isClosed) null else receive(address, timeoutMs) }

    /** Whether no event will come any more. */
    val isEnded: Boolean get() = use.read { isClosed || isEnded(address) }

    /** How many events were dropped. */
    val dropped: Long get() = use.read { if (isClosed) lastDropped else dropped(address) }

    /** Ends the subscription, after waiting for a [receive] that runs. */
    fun close() = use.write {
        if (!isClosed) {
            lastDropped = dropped(address)
            isClosed = true
            freeing.clean()
        }
    }

    private external fun receive(queue: Long, timeoutMs: Long): ByteArray?

    private external fun isEnded(queue: Long): Boolean

    private external fun dropped(queue: Long): Long

    companion object {
        @JvmStatic
        private external fun free(queue: Long)

        /** Made here, so that it does not hold on to what it frees. */
        private fun freeing(address: Long) = Runnable { free(address) }
    }
}
