@file:JvmName("Runner")

package io.github.litestash.conformance

import io.github.litestash.LiteStash
import io.github.litestash.LiteStashException
import io.github.litestash.OpenOptions
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject
import java.io.FileDescriptor
import java.io.FileOutputStream
import java.io.IOException
import java.io.PrintStream
import java.nio.file.Files
import java.nio.file.Path
import java.util.HexFormat
import kotlin.system.exitProcess

/**
 * The runner of the conformance suite for the Maven artifact: `script`, `vectors`, `dump` and `serve`
 * (conformance/PROTOCOL.md). The native library has to be the one for tests, whose clock can be fixed.
 */
public fun main(arguments: Array<String>) {
    val out = PrintStream(FileOutputStream(FileDescriptor.out).buffered(), false, Charsets.UTF_8)
    val status = try {
        if (arguments.contentEquals(arrayOf("serve"))) serve(out) else run(arguments.asList(), out::line)
        0
    } catch (wrong: UsageException) {
        System.err.println(wrong.message)
        2
    } catch (failed: LiteStashException) {
        System.err.println("${failed.kind}: ${failed.message}")
        1
    }
    out.flush()
    exitProcess(status)
}

private fun PrintStream.line(text: String) = print(text + '\n')

private fun serve(out: PrintStream) {
    for (line in generateSequence(::readlnOrNull)) {
        run(Json.decodeFromString<List<String>>(line), out::line)
        out.line("")
        out.flush()
    }
}

/** The arguments, or what they name, cannot be used. */
private class UsageException(message: String) : Exception(message)

private fun run(arguments: List<String>, print: (String) -> Unit) {
    val (command, given) = arguments.firstOrNull() to arguments.drop(1)
    when {
        command == "script" && given.size == 2 -> Script(json(given[0]), given[1], print).run()
        command == "vectors" && given.size == 1 -> answerVectors(json(given[0]), print)
        command == "dump" && given.size in 1..2 -> dump(Path.of(given[0]), given.getOrNull(1), print)
        else -> throw UsageException("usage: Runner script FILE DIR | vectors FILE | dump DIR [KEY] | serve")
    }
}

private fun json(file: String): JsonObject = try {
    Json.parseToJsonElement(Files.readString(Path.of(file))).jsonObject.also {
        if ("operations" !in it && "cases" !in it) throw UsageException("$file is no script and no vectors")
    }
} catch (unreadable: IOException) {
    throw UsageException("$file cannot be read: $unreadable")
} catch (broken: SerializationException) {
    throw UsageException("$file is no JSON: $broken")
} catch (broken: IllegalArgumentException) {
    throw UsageException("$file is no object: $broken")
}

private fun dump(directory: Path, key: String?, print: (String) -> Unit) {
    if (!Files.isDirectory(directory)) return
    val options = OpenOptions().apply {
        readOnly = true
        create = false
        background = false
        clockMicros = 0
        encryptionKey = key?.let(HexFormat.of()::parseHex)
    }
    val stash = try {
        LiteStash.open(directory, options)
    } catch (nothing: LiteStashException.NoStash) {
        return
    }
    val folder = Files.createTempDirectory("litestash-dump-")
    val file = folder.resolve("rows")
    try {
        stash.use { it.export(file) }
        Files.readAllLines(file).forEach(print)
    } finally {
        Files.deleteIfExists(file)
        Files.delete(folder)
    }
}
