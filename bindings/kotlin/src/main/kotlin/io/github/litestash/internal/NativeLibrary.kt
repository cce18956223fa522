package io.github.litestash.internal

import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption

/**
 * Finds and loads the native library: the file that the system property `litestash.library` names, or the one inside
 * the jar, which is written to a temporary file of this process.
 */
internal object NativeLibrary {
    private const val PROPERTY = "litestash.library"

    init {
        val given = System.getProperty(PROPERTY)
        if (given != null) System.load(Path.of(given).toAbsolutePath().toString()) else loadFromJar()
    }

    /** Loads the library, once. */
    fun ensureLoaded() {
        // The initialiser has done it.
    }

    /** Where the library lies inside the jar, by the machine's names. */
    fun resource(osName: String, architecture: String): String {
        val system = osName.lowercase()
        val (os, file) = when {
            system.startsWith("linux") -> "linux" to "liblitestash_jni.so"
            system.startsWith("mac") -> "macos" to "liblitestash_jni.dylib"
            system.startsWith("windows") -> "windows" to "litestash_jni.dll"
            else -> throw UnsatisfiedLinkError("LiteStash has no native library for $osName")
        }
        val machine = when (architecture) {
            "amd64", "x86_64" -> "x86_64"
            "aarch64", "arm64" -> "aarch64"
            else -> architecture
        }
        return "/io/github/litestash/native/$os-$machine/$file"
    }

    private fun loadFromJar() {
        val resource = resource(System.getProperty("os.name"), System.getProperty("os.arch"))
        val file = NativeLibrary::class.java.getResourceAsStream(resource).use { library ->
            library ?: throw UnsatisfiedLinkError("this jar has no $resource; -D$PROPERTY names a file elsewhere")
            val folder = Files.createTempDirectory("litestash-")
            folder.resolve(resource.substringAfterLast('/')).also {
                Files.copy(library, it, StandardCopyOption.REPLACE_EXISTING)
            }
        }
        try {
            System.load(file.toString())
        } finally {
            // Where the system allows it the file goes now; what is loaded stays.
            if (runCatching { Files.delete(file) }.isFailure) file.toFile().deleteOnExit()
            if (runCatching { Files.delete(file.parent) }.isFailure) file.parent.toFile().deleteOnExit()
        }
    }
}
