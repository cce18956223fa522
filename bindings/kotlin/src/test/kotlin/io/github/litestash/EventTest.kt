package io.github.litestash

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Timeout(60)
class EventTest {
    private fun LinkedBlockingQueue<Event>.next() = assertNotNull(poll(20, TimeUnit.SECONDS))

    @Test
    fun `a listener hears what happens, in order, and nothing after its end`() = withStash { stash ->
        val heard = LinkedBlockingQueue<Event>()
        val subscription = stash.subscribe(EventFilter(prefix = "a"), heard::add)
        stash["a1"] = 1
        stash["b1"] = 1
        stash.delete("a1")
        val set = heard.next()
        assertEquals(EventKind.SET to Key.of("a1"), set.kind to set.key)
        assertTrue(set.isOwn && assertNotNull(set.version) > 0)
        assertEquals(EventKind.DELETE, heard.next().kind)
        subscription.close()
        stash["a2"] = 1
        Thread.sleep(300)
        assertNull(heard.poll())
        assertEquals(0L to 0L, subscription.dropped to subscription.failed)
        assertTrue(subscription.isEnded)
    }

    @Test
    fun `a listener that throws is called again, and one may close itself and the stash`() = withStash { stash ->
        val heard = LinkedBlockingQueue<Event>()
        val throwing = stash.subscribe { event ->
            heard.add(event)
            error("a listener's own trouble")
        }
        stash["a"] = 1
        stash["b"] = 1
        repeat(2) { heard.next() }
        while (throwing.failed < 2) Thread.sleep(5)
        lateinit var own: Subscription
        own = stash.subscribe { event ->
            own.close()
            stash.close()
            heard.add(event)
        }
        stash["c"] = 1
        repeat(2) { assertEquals(Key.of("c"), heard.next().key) }
        assertTrue(stash.isClosed)
        while (!throwing.isEnded) Thread.sleep(5)
    }

    @Test
    fun `a listener that is slow misses events, and is told so`() = withStash { stash ->
        val begun = java.util.concurrent.CountDownLatch(1)
        val goOn = java.util.concurrent.CountDownLatch(1)
        val heard = LinkedBlockingQueue<Event>()
        stash.subscribe(EventFilter(capacity = 2)) { event ->
            heard.add(event)
            begun.countDown()
            goOn.await()
        }.use { subscription ->
            stash[0] = 0
            begun.await()
            for (key in 1..10) stash[key] = key
            assertEquals(8, subscription.dropped)
            goOn.countDown()
            repeat(3) { heard.next() }
            stash["after"] = 1
            assertEquals(8, heard.next().missed)
        }
        assertFailsWith<LiteStashException.InvalidArgument> { stash.subscribe(EventFilter(capacity = 0)) {} }
        assertFailsWith<LiteStashException.InvalidArgument> { stash.subscribe(EventFilter(kinds = emptySet())) {} }
    }

    @Test
    fun `a flow of events begins with its collector and ends with the stash`() = withStash { stash ->
        runBlocking {
            val first = async(Dispatchers.Default) { stash.events().take(2).toList() }
            val all = async(Dispatchers.Default) { stash.events(EventFilter(kinds = setOf(EventKind.DELETE))).toList() }
            while (!first.isCompleted) {
                stash["k"] = 1
                delay(5)
            }
            assertEquals(2, first.await().size)
            stash.delete("k")
            delay(200)
            stash.close()
            withTimeout(10.seconds) { assertTrue(all.await().size <= 1) }
        }
    }

    @Test
    fun `collecting and waiting end when they are cancelled`() = withStash { stash ->
        runBlocking {
            val collecting = launch { stash.events().first { false } }
            val waiting = launch { stash.suspending.waitFor("never", 500.milliseconds) { it != null } }
            delay(50)
            withTimeout(5.seconds) {
                collecting.cancelAndJoin()
                waiting.cancelAndJoin()
            }
        }
    }

    @Test
    fun `a value is waited for`() = withStash { stash ->
        runBlocking {
            val seen = CompletableDeferred<Boolean>()
            launch(Dispatchers.Default) {
                seen.complete(stash.suspending.waitFor("job", 20.seconds) { it == Value.of("done") })
            }
            delay(20)
            stash["job"] = "running"
            stash["job"] = "done"
            assertTrue(seen.await())
            assertTrue(!stash.suspending.waitFor("job", 10.milliseconds) { it == null })
            assertFailsWith<IllegalStateException> { stash.suspending.waitFor("job", 1.seconds) { error("mine") } }
        }
    }
}
