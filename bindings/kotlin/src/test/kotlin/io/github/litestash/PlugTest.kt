package io.github.litestash

import androidx.datastore.core.DataStore
import com.russhwolf.settings.ExperimentalSettingsApi
import com.russhwolf.settings.ObservableSettings
import com.russhwolf.settings.Settings
import io.github.litestash.plugs.LiteStashSessionStorage
import io.github.litestash.plugs.LiteStashSettings
import io.github.litestash.plugs.dataStore
import io.github.litestash.plugs.toFlowSettings
import io.ktor.client.plugins.cookies.HttpCookies
import io.ktor.client.request.get
import io.ktor.client.statement.bodyAsText
import io.ktor.server.application.install
import io.ktor.server.response.respondText
import io.ktor.server.routing.get
import io.ktor.server.routing.routing
import io.ktor.server.sessions.Sessions
import io.ktor.server.sessions.cookie
import io.ktor.server.sessions.get
import io.ktor.server.sessions.sessions
import io.ktor.server.sessions.set
import io.ktor.server.testing.testApplication
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.Serializable
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.seconds

@Timeout(60)
class PlugTest {
    @Serializable
    data class Visits(val count: Int)

    @Test
    fun `settings of every type, and listeners`() = withStash { stash ->
        val settings: ObservableSettings = LiteStashSettings(stash)
        settings.putInt("int", 1)
        settings.putLong("long", 1L shl 40)
        settings.putString("string", "s")
        settings.putFloat("float", 0.1f)
        settings.putDouble("double", 0.1)
        settings.putBoolean("boolean", true)
        assertEquals(setOf("int", "long", "string", "float", "double", "boolean"), settings.keys)
        assertEquals(6, settings.size)
        assertEquals(1, settings.getInt("int", 0))
        assertEquals(1L shl 40, settings.getLong("long", 0))
        assertEquals("s", settings.getString("string", ""))
        assertEquals(0.1f, settings.getFloat("float", 0f))
        assertEquals(0.1, settings.getDouble("double", 0.0))
        assertTrue(settings.getBoolean("boolean", false))
        assertEquals(7, settings.getInt("missing", 7))
        assertNull(settings.getStringOrNull("missing"))
        assertFailsWith<LiteStashException.TypeMismatch> { settings.getInt("string", 0) }
        assertFailsWith<LiteStashException.TypeMismatch> { settings.getIntOrNull("long") }
        val heard = LinkedBlockingQueue<String>()
        val listener = settings.addStringListener("string", "gone", heard::add)
        settings.putString("string", "t")
        assertEquals("t", heard.poll(10, TimeUnit.SECONDS))
        settings.remove("string")
        assertEquals("gone", heard.poll(10, TimeUnit.SECONDS))
        listener.deactivate()
        assertTrue(!settings.hasKey("string") && settings.hasKey("int"))
        settings.clear()
        assertEquals(0, settings.size)
        val named: Settings = LiteStashSettings.Factory(stash).create("user")
        named.putInt("x", 1)
        assertEquals(listOf("user"), stash.buckets())
    }

    @OptIn(ExperimentalSettingsApi::class)
    @Test
    fun `settings as flows`() = withStash { stash ->
        runBlocking {
            val settings = LiteStashSettings(stash).toFlowSettings()
            settings.putInt("n", 1)
            assertEquals(1, settings.getIntFlow("n", 0).first())
            val two = async(Dispatchers.Default) { settings.getIntOrNullFlow("n").first { it == 2 } }
            settings.putInt("n", 2)
            assertEquals(2, withTimeout(10.seconds) { two.await() })
        }
    }

    @Test
    fun `a data store loses no update, and tells of them`() = withStash { stash ->
        runBlocking(Dispatchers.Default) {
            val store: DataStore<Visits> = stash.dataStore("visits", Visits(0))
            // Another handle of the same key, as another process would have one.
            val other: DataStore<Visits> = stash.dataStore("visits", Visits(0))
            assertEquals(Visits(0), store.data.first())
            val hundred = async { store.data.first { it.count == 100 } }
            List(100) { number ->
                async { (if (number % 2 == 0) store else other).updateData { Visits(it.count + 1) } }
            }.awaitAll()
            assertEquals(Visits(100), withTimeout(10.seconds) { hundred.await() })
            assertFailsWith<IllegalStateException> { store.updateData { error("mine") } }
            assertEquals(Visits(100), stash.get<Visits>("visits"))
        }
    }

    @Test
    fun `sessions of Ktor`() = withStash { stash ->
        val storage = LiteStashSessionStorage(stash.bucket("sessions"), idle = 1.hours)
        runBlocking {
            assertFailsWith<NoSuchElementException> { storage.read("none") }
            storage.write("id", "content")
            assertEquals("content", storage.read("id"))
            storage.invalidate("id")
            assertFailsWith<NoSuchElementException> { storage.read("id") }
        }
        testApplication {
            application {
                install(Sessions) { cookie<Visits>("visits", storage) }
                routing {
                    get("/") {
                        val visits = (call.sessions.get<Visits>() ?: Visits(0)).let { Visits(it.count + 1) }
                        call.sessions.set(visits)
                        call.respondText(visits.count.toString())
                    }
                }
            }
            val client = createClient { install(HttpCookies) }
            repeat(3) { assertEquals("${it + 1}", client.get("/").bodyAsText()) }
        }
        assertEquals(1, stash.bucket("sessions").count())
    }
}
