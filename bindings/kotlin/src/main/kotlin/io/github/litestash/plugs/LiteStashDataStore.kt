package io.github.litestash.plugs

import androidx.datastore.core.DataStore
import io.github.litestash.Condition
import io.github.litestash.EventFilter
import io.github.litestash.Key
import io.github.litestash.LiteStash
import io.github.litestash.SetOptions
import io.github.litestash.eventsOf
import io.github.litestash.io
import io.github.litestash.serialization.LiteStashFormat
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.serialization.KSerializer
import kotlinx.serialization.serializer

/**
 * One key of a stash as a `DataStore`. Needs `androidx.datastore:datastore-core`.
 *
 * `data` is the object as it is and then as it becomes, without those that were replaced before anybody looked. `updateData`
 * reads, transforms and stores as one step, also among processes: where another one was faster, it transforms once more.
 *
 * @param default the object of a key that is not there
 * @param allProcesses whether `data` hears of what other processes change
 */
public class LiteStashDataStore<T> @JvmOverloads constructor(
    private val stash: LiteStash,
    private val key: Key,
    private val serializer: KSerializer<T>,
    private val default: T,
    private val allProcesses: Boolean = false,
) : DataStore<T> {
    private val updating = Mutex()

    override val data: Flow<T> = stash.eventsOf(EventFilter(key = key, allProcesses = allProcesses)) { Read(read()) }
        .map { it.value }
        .distinctUntilChanged()

    private class Read<T>(val value: T)

    private fun read(): T =
        stash.getEncoded(key)?.let { LiteStashFormat.decodeTrusted(serializer, it) } ?: default

    override suspend fun updateData(transform: suspend (t: T) -> T): T = updating.withLock {
        while (true) {
            val entry = stash.io { entry(key) }
            val old = entry?.let { LiteStashFormat.decodeTrusted(serializer, it.value.encoded()) } ?: default
            val new = transform(old)
            val condition = entry?.let { Condition.Version(it.version) } ?: Condition.Absent
            val encoded = LiteStashFormat.Default.encodeToByteArray(serializer, new)
            val stored = stash.io { setEncoded(key, encoded, SetOptions(keepTtl = entry != null, condition = condition)) }
            if (stored != null) return new
        }
        @Suppress("UNREACHABLE_CODE")
        error("the loop ends by storing")
    }
}

/** One key of the stash as a `DataStore`. */
public inline fun <reified T> LiteStash.dataStore(key: String, default: T, allProcesses: Boolean = false): DataStore<T> =
    LiteStashDataStore(this, Key.of(key), serializer<T>(), default, allProcesses)
