package io.github.litestash

import kotlinx.serialization.Serializable
import org.junit.jupiter.api.Test
import java.nio.file.Files
import kotlin.io.path.createTempDirectory
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Instant

@Serializable
data class User(val name: String, val age: Int, val tags: List<String> = emptyList())

class StashTest {
    @Test
    fun `operators read and write objects and values`() = withStash { stash ->
        stash["ada"] = User("Ada", 36)
        assertEquals(Value.of(mapOf("name" to "Ada", "age" to 36, "tags" to listOf<Any>())), stash["ada"])
        assertEquals(User("Ada", 36), stash.get<User>("ada"))
        assertTrue("ada" in stash && "bob" !in stash)
        stash["n"] = Value.Int(1)
        assertEquals(Value.Int(1), stash["n"])
        assertNull(stash.get<User>("nobody"))
        assertTrue(stash.delete("ada") && !stash.delete("ada"))
    }

    @Test
    fun `a stored null is told apart from a miss`() = withStash { stash ->
        stash["nil"] = Value.Nil
        assertEquals(Value.Nil, stash["nil"])
        assertNull(stash["missing"])
        assertTrue("nil" in stash)
        assertNull(stash.get<String?>("nil"))
        assertFailsWith<LiteStashException.TypeMismatch> { stash.get<String>("nil") }
    }

    @Test
    fun `keys of every type are keys, and other things are not`() = withStash { stash ->
        val keys = listOf<Any>("a", 1, 1L shl 40, 0.5, byteArrayOf(1, 2), Key.of("b"), Double.POSITIVE_INFINITY)
        keys.forEachIndexed { index, key -> stash[key] = index }
        keys.forEachIndexed { index, key -> assertEquals(index, stash.get<Int>(key)) }
        stash[2.0] = "two"
        assertEquals("two", stash.get<String>(2))
        assertEquals(keys.size + 1L, stash.count())
        assertFailsWith<LiteStashException.InvalidKey> { stash[Double.NaN] }
        assertFailsWith<LiteStashException.InvalidKey> { stash["\ud800"] }
        assertFailsWith<LiteStashException.InvalidKey> { stash["?\ude00é"] }
        assertFailsWith<LiteStashException.InvalidKey> { stash[listOf(1)] }
        assertFailsWith<LiteStashException.TooLarge> { stash["k".repeat(2049)] }
        assertFailsWith<LiteStashException.InvalidValue> { stash["k"] = "\udc00" }
        stash["?"] = "what?"
        assertEquals("what?", stash.get<String>("?"))
    }

    @Test
    fun `conditions, versions and deadlines`() = withStash { stash ->
        val version = stash.set("k", Value.of("a"))
        assertFalse(stash.add("k", Value.of("b")))
        assertTrue(stash.replace("k", Value.of("c"), Deadline.after(1.hours)))
        assertNull(stash.set("k", Value.of("d"), SetOptions(condition = Condition.Version(version))))
        val entry = assertNotNull(stash.entry("k"))
        assertEquals(Value.Text("c"), entry.value)
        assertTrue(assertNotNull(entry.expiresAt) > Instant.fromEpochSeconds(0))
        assertIs<Deadline.At>(stash.deadline("k"))
        assertTrue(stash.persist("k") && !stash.persist("k"))
        assertEquals(Deadline.Never, stash.deadline("k"))
        assertNull(stash.deadline("missing"))
        assertTrue(stash.compareAndSet("k", Value.of("c"), Value.of("e")))
        assertFalse(stash.compareAndSet("k", null, Value.of("f")))
        assertEquals(Value.Text("e"), stash.take("k"))
        assertEquals(3, stash.increment("n", 3))
        assertEquals(4, stash.increment("n"))
        assertEquals(0.5, stash.incrementFloat("f", 0.5))
        stash.set("short", "gone", 1.milliseconds)
        Thread.sleep(5)
        assertNull(stash["short"])
        assertFailsWith<LiteStashException.InvalidArgument> { stash.expire("n", Deadline.After(0)) }
        assertTrue(stash.expire("n", Deadline.idle(1.hours)) && stash.touch("n"))
        assertEquals(1.hours, stash.entry("n")?.idle)
    }

    @Test
    fun `batches and transactions`() = withStash { stash ->
        assertEquals(2, stash.setMany(mapOf("a" to Value.of(1), 2 to Value.of("two"))).size)
        assertEquals(listOf(Value.Int(1), null, Value.Text("two")), stash.getMany(listOf("a", "b", 2)))
        assertEquals(listOf(true, false), stash.deleteMany(listOf(2, "b")))
        val outcomes = stash.apply(
            listOf(
                Operation.set("x", Value.of("text")),
                Operation.increment("x"),
                Operation.get("x"),
                Operation.get("missing"),
                Operation.entry("missing"),
            ),
        )
        assertIs<Outcome.Version>(outcomes[0])
        assertIs<LiteStashException.TypeMismatch>(assertIs<Outcome.Failed>(outcomes[1]).error)
        assertEquals<List<Outcome>>(
            listOf(Outcome.OfValue(Value.of("text")), Outcome.OfValue(null), Outcome.OfEntry(null)),
            outcomes.drop(2),
        )
        val transfer = listOf(Operation.increment("ada", -30), Operation.increment("bob", 30))
        assertIs<TransactionResult.Committed>(stash.transaction(transfer))
        val refused = transfer + Operation.check("ada", Condition.Absent)
        assertEquals(TransactionResult.Refused(2), stash.transaction(refused))
        assertEquals(30, stash.get<Int>("bob"))
        val tooMany = List(10_001) { Operation.get(it) }
        assertFailsWith<LiteStashException.TooLarge> { stash.apply(tooMany) }
    }

    @Test
    fun `iteration is lazy, resumes at a cursor, and notices a close`() = withStash { stash ->
        stash.setMany(List(2000) { Item(Key.of("k:$it"), Value.of(it)) })
        stash["other"] = 1
        assertEquals(2001, stash.keys().count())
        assertEquals(2000, stash.items(ScanOptions(prefix = "k:")).map { it.key }.toSet().size)
        assertEquals(7, stash.values(ScanOptions(limit = 7)).count())
        val page = stash.keyPage(ScanOptions(limit = 10))
        val rest = stash.keys(ScanOptions(cursor = page.cursor)).toList()
        assertEquals(2001, (page.items + rest).toSet().size)
        assertTrue(page.failures.isEmpty())
        val iterator = stash.items().iterator()
        repeat(10) { iterator.next() }
        stash.close()
        assertFailsWith<LiteStashException.Closed> { while (iterator.hasNext()) iterator.next() }
    }

    @Test
    fun `buckets are stashes of their own`() = withStash { stash ->
        val bucket = stash.bucket("sessions", BucketOptions().apply { durability = Durability.FULL })
        bucket["k"] = "in the bucket"
        assertNull(stash["k"])
        assertEquals(listOf("sessions"), stash.buckets())
        assertTrue(stash.dropBucket("sessions") && !stash.dropBucket("sessions"))
        assertNull(bucket["k"])
        assertFailsWith<LiteStashException.InvalidArgument> { stash.bucket("") }
        assertFailsWith<LiteStashException.InvalidArgument> { stash.bucket("\ud800") }
    }

    @Test
    fun `a missing value is computed once`() = withStash { stash ->
        var calls = 0
        repeat(2) { assertEquals("made", stash.getOrSet<String>("k") { "made".also { calls++ } }) }
        assertEquals(1, calls)
        class Odd : Exception("mine")
        assertFailsWith<Odd> { stash.getOrSet<String>("bad") { throw Odd() } }
        assertFalse("bad" in stash)
        assertFailsWith<LiteStashException.InvalidArgument> {
            stash.getOrSet<String>("k2", ComputeOptions(leaseMicros = 1)) { "never" }
        }
        assertFailsWith<LiteStashException.InvalidArgument> {
            stash.getOrSet<String>("self") { stash.getOrSet<String>("self") { "never" } }
        }
    }

    @Test
    fun `reports, copies and lines`() = withStash { stash ->
        stash.setMany(List(100) { Item(Key.of(it.toLong()), Value.of("value $it")) })
        stash.sync()
        val stats = stash.stats()
        assertEquals(100, stats.rows)
        assertTrue(stats.shards.isNotEmpty() && stats.sqliteVersion.startsWith("3."))
        assertTrue(stash.verify().isSound)
        assertEquals(0, stash.compact().shardsBusy)
        assertEquals(0, stash.sweep().rows)
        assertEquals(0, stash.expireOlderThan(java.time.Duration.ofHours(1)))
        val folder = createTempDirectory("litestash-test-")
        try {
            assertTrue(stash.backup(folder.resolve("copy")).shards > 0)
            LiteStash.open(folder.resolve("copy")).use { assertEquals(100, it.count()) }
            assertEquals(100, stash.export(folder.resolve("lines")).rows)
            assertEquals(100, LiteStash.repair(folder.resolve("copy"), folder.resolve("mended")).rows)
            LiteStash.memory().use { other ->
                Files.writeString(folder.resolve("lines"), "no line\n", java.nio.file.StandardOpenOption.APPEND)
                val report = other.importLines(folder.resolve("lines"))
                assertEquals(100L to 1L, report.rows to report.rejectedLines)
                assertEquals("value 7", other.get<String>(7))
            }
            assertFailsWith<LiteStashException.Io> { stash.export(folder.resolve("lines")) }
        } finally {
            folder.toFile().deleteRecursively()
        }
    }

    @Test
    fun `a closed stash refuses everything and says so`() = withStash { stash ->
        stash["k"] = 1
        val other = stash.withDurability(Durability.FULL)
        assertFalse(stash.isClosed)
        stash.close()
        stash.close()
        assertTrue(stash.isClosed && other.isClosed)
        val calls = listOf<() -> Any?>(
            { stash["k"] },
            { stash["k"] = 2 },
            { stash.delete("k") },
            { "k" in stash },
            { stash.getMany(listOf("k")) },
            { stash.keys().toList() },
            { stash.count() },
            { stash.bucket("b").count() },
            { stash.subscribe { } },
            { stash.getOrSet<Int>("k") { 1 } },
            { stash.stats() },
            { other["k"] },
        )
        calls.forEach { call -> assertFailsWith<LiteStashException.Closed> { call() } }
    }

    @Test
    fun `options are used, and refused where they make no sense`() {
        val directory = createTempDirectory("litestash-test-")
        try {
            assertFailsWith<LiteStashException.NoStash> { LiteStash.open(directory) { create = false } }
            assertFailsWith<LiteStashException.InvalidArgument> {
                LiteStash.open(directory, OpenOptions().apply { limits = Limits(bytes = 1) })
            }
            LiteStash.open(directory) { defaultTtl = 1.hours }.use { stash ->
                stash["k"] = 1
                assertIs<Deadline.At>(stash.deadline("k"))
            }
            LiteStash.open(directory) { readOnly = true }.use { stash ->
                assertTrue(stash.isReadOnly)
                assertFailsWith<LiteStashException.ReadOnly> { stash["k"] = 2 }
            }
            LiteStash.open(directory.resolve("full"), OpenOptions().apply { limits = Limits(rows = 2) }).use { stash ->
                stash["a"] = 1
                stash["b"] = 1
                assertFailsWith<LiteStashException.LimitReached> { stash["c"] = 1 }
            }
        } finally {
            directory.toFile().deleteRecursively()
        }
    }

    @Test
    fun `encoded values are checked where they enter`() = withStash { stash ->
        stash.setEncoded("k", byteArrayOf(0x05))
        assertContentEquals(byteArrayOf(0x05), stash.getEncoded("k"))
        for (broken in listOf(byteArrayOf(), byteArrayOf(0xc1.toByte()), byteArrayOf(0xcc.toByte(), 5))) {
            assertFailsWith<LiteStashException.InvalidValue> { stash.setEncoded("k", broken) }
            assertFailsWith<LiteStashException.InvalidValue> { stash.setEncoded("k", broken, SetOptions(keepTtl = true)) }
            assertFailsWith<LiteStashException.InvalidValue> { Value.decode(broken) }
        }
    }
}
