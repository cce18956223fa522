package io.github.litestash

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.count
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.atomic.AtomicInteger
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

@Timeout(120)
class LoadTest {
    @Test
    fun `thousands of coroutines at once`() = withStash { stash ->
        runBlocking(Dispatchers.Default) {
            List(5_000) { number ->
                async {
                    stash["k:${number % 500}"] = number
                    stash.io { increment("sum") }
                    stash.get<Int>("k:${number % 500}")
                }
            }.awaitAll().forEach { assertTrue(it in 0..4_999) }
            assertEquals(5_000, stash.get<Int>("sum"))
            assertEquals(501, stash.itemFlow().count())
            assertEquals(501, stash.suspending.count())
        }
    }

    @Test
    fun `thousands of coroutines compute a value once, also with every thread of theirs in use`() = withStash { stash ->
        val computed = AtomicInteger()
        runBlocking(Dispatchers.IO) {
            val values = List(2_000) { number ->
                async {
                    stash.suspending.getOrSet<Int>("k:${number % 100}") {
                        computed.incrementAndGet()
                        withContext(Dispatchers.IO) { delay(5) }
                        number % 100
                    }
                }
            }
            assertEquals(List(2_000) { it % 100 }, values.awaitAll())
        }
        assertEquals(100, computed.get())
    }

    @Test
    fun `what a computation throws goes to who waits, and a cancelled one is done by another`() = withStash { stash ->
        runBlocking(Dispatchers.Default) {
            class Odd : Exception("mine")
            assertFailsWith<Odd> { stash.suspending.getOrSet<Int>("bad") { throw Odd() } }
            val first = launch { stash.suspending.getOrSet<Int>("k") { delay(60_000); 1 } }
            delay(100)
            val second = async { stash.suspending.getOrSet<Int>("k") { 2 } }
            delay(50)
            first.cancel(CancellationException("not needed"))
            assertEquals(2, second.await())
        }
    }

    @Test
    fun `a long operation ends early when its coroutine is cancelled`() = withStash { stash ->
        repeat(10) { round -> stash.setMany(List(2_000) { Item(Key.of("$round:$it"), Value.of("x".repeat(500))) }) }
        val file = Files.createTempDirectory("litestash-test-").resolve("lines")
        runBlocking(Dispatchers.Default) {
            val running = launch { stash.suspending.export(file) }
            running.cancel()
            running.join()
            assertTrue(running.isCancelled)
            assertEquals(20_000, stash.suspending.export(file.resolveSibling("whole")).rows)
        }
        assertTrue(!Files.exists(file))
        file.parent.toFile().deleteRecursively()
    }

    @Test
    fun `closing under many readers and writers is an error for them and no crash`() {
        repeat(20) {
            withStash { stash ->
                val threads = List(8) { number ->
                    Thread {
                        try {
                            while (true) {
                                stash["k$number"] = number
                                stash.get<Int>("k${number xor 1}")
                                stash.keys().take(3)
                            }
                        } catch (_: LiteStashException.Closed) {
                            // What the test is about.
                        }
                    }.apply { start() }
                }
                Thread.sleep(20)
                stash.close()
                threads.forEach { thread ->
                    thread.join(20_000)
                    assertTrue(!thread.isAlive)
                }
            }
        }
    }

    @Test
    fun `a million operations hold their memory`() = withStash(OpenOptions().apply { durability = Durability.RELAXED }) { stash ->
        val value = Value.of("v".repeat(120))
        val round = {
            for (number in 0 until 100_000) {
                val key = "k${number % 1000}"
                when (number % 10) {
                    0 -> stash[key] = value
                    1 -> stash.entry(key)
                    2 -> if (number % 1000 == 2) assertFailsWith<LiteStashException.TypeMismatch> { stash.increment(key) }
                    3 -> if (number % 1000 == 3) stash.subscribe {}.close()
                    4 -> if (number % 5000 == 4) stash.withDurability(Durability.FULL)
                    else -> stash[key]
                }
            }
            System.gc()
            residentKib()
        }
        // The caches and the JVM's own structures fill first.
        repeat(3) { round() }
        val before = round()
        repeat(6) { round() }
        val grown = round() - before
        assertTrue(grown < 24 * 1024, "the process has grown by $grown KiB")
    }

    /** What the process has in memory, its heap included, which the test's options bound. */
    private fun residentKib(): Long = Files.readAllLines(Path.of("/proc/self/status"))
        .first { it.startsWith("VmRSS:") }.filter(Char::isDigit).toLong()
}
