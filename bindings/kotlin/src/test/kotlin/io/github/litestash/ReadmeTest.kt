package io.github.litestash

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.createTempDirectory
import kotlin.test.assertEquals

class ReadmeTest {
    @Test
    fun `the quick start is the one that is run`() {
        val page = Files.readString(Path.of("README.md"))
        val shown = page.substringAfter("```kotlin\n").substringBefore("```")
        val source = Files.readString(Path.of("src/test/kotlin/io/github/litestash/Quickstart.kt"))
        assertEquals(source.substringAfter("package io.github.litestash.quickstart\n\n"), shown)
        val directory = createTempDirectory("litestash-test-")
        try {
            runBlocking { io.github.litestash.quickstart.main(arrayOf(directory.toString())) }
            LiteStash.open(directory).use { assertEquals(30, it.get<Int>("bob")) }
        } finally {
            directory.toFile().deleteRecursively()
        }
    }
}
