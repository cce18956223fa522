package io.github.litestash

import io.github.litestash.internal.NativeLibrary
import org.junit.jupiter.api.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class ErrorTest {
    @Test
    fun `every kind of the engine is an exception with its name, number and hint`() {
        val kinds = Value.decode(Testing.kinds()) as Value.Map
        assertTrue(kinds.entries.size > 20)
        for ((name, facts) in kinds.entries) {
            val (number, retry) = (facts as Value.Array).values.let { (it[0] as Value.Int) to (it[1] as Value.Text) }
            val thrown = assertFailsWith<LiteStashException> { Testing.fail(number.value.toInt()) }
            assertEquals(name, thrown.kind)
            assertEquals(name, thrown.javaClass.simpleName)
            assertEquals(number.value.toInt(), thrown.number)
            assertEquals(Retry.valueOf(retry.value.uppercase()), thrown.retry)
            assertEquals("a test asked for this", thrown.message)
        }
    }

    @Test
    fun `a panic is an internal error, and the engine goes on`() {
        assertFailsWith<LiteStashException.Internal> { Testing.fail(0) }
        LiteStash.memory().use { stash ->
            stash["k"] = 1
            assertEquals(1, stash.get<Int>("k"))
        }
    }

    @Test
    fun `texts hold neither keys nor values`() = LiteStash.memory().use { stash ->
        stash["secret-key"] = "secret-value"
        val thrown = listOf(
            assertFailsWith<LiteStashException> { stash.increment("secret-key") },
            assertFailsWith<LiteStashException> { stash.get<Int>("secret-key") },
            assertFailsWith<LiteStashException> { stash.get<User>("secret-key") },
            assertFailsWith<LiteStashException> { stash["secret-key".repeat(300)] },
        )
        thrown.forEach { assertTrue("secret" !in it.stackTraceToString().lines().first(), it.message) }
    }

    @Test
    fun `the library is found by the names of the machine`() {
        val prefix = "/io/github/litestash/native"
        assertEquals("$prefix/linux-x86_64/liblitestash_jni.so", NativeLibrary.resource("Linux", "amd64"))
        assertEquals("$prefix/macos-aarch64/liblitestash_jni.dylib", NativeLibrary.resource("Mac OS X", "aarch64"))
        assertEquals("$prefix/windows-x86_64/litestash_jni.dll", NativeLibrary.resource("Windows 11", "amd64"))
        assertFailsWith<UnsatisfiedLinkError> { NativeLibrary.resource("Plan 9", "amd64") }
    }
}
