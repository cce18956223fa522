package io.github.litestash.plugs

import io.github.litestash.Deadline
import io.github.litestash.LiteStash
import io.github.litestash.LiteStashException
import io.github.litestash.SetOptions
import io.github.litestash.Value
import io.github.litestash.idle
import io.github.litestash.io
import io.ktor.server.sessions.SessionStorage
import kotlin.time.Duration

/**
 * Ktor's sessions in a stash, or a bucket of one. Needs `io.ktor:ktor-server-sessions`.
 *
 * @param idle how long after its last use a session ends; null: the stash's default time to live, or never
 */
public class LiteStashSessionStorage(private val stash: LiteStash, idle: Duration? = null) : SessionStorage {
    private val options = SetOptions(idle?.let { Deadline.idle(it) })

    override suspend fun write(id: String, value: String) {
        stash.io { set(id, Value.Text(value), options) }
    }

    override suspend fun read(id: String): String = when (val value = stash.io { get(id) }) {
        null -> throw NoSuchElementException("there is no such session")
        is Value.Text -> value.value
        else -> throw LiteStashException.TypeMismatch("the stored value is no session")
    }

    override suspend fun invalidate(id: String) {
        stash.io { delete(id) }
    }
}
