package io.github.litestash

import org.junit.jupiter.api.Test
import kotlin.io.path.createTempDirectory
import kotlin.test.assertEquals

class JavaTest {
    @Test
    fun `Java has the functions without default arguments and mangled names`() {
        val directory = createTempDirectory("litestash-test-")
        try {
            assertEquals("hello 48 made 106", JavaCaller.run(directory))
        } finally {
            directory.toFile().deleteRecursively()
        }
    }
}
