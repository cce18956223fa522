package io.github.litestash.internal

private const val REPLACEMENT = '?'.code.toByte()

/** UTF-8 of valid text; null if there is a lone surrogate in it. */
internal fun utf8OrNull(text: String): ByteArray? {
    // The fast way writes a question mark, one byte for one character, for a lone surrogate, and tells nobody.
    val bytes = text.toByteArray(Charsets.UTF_8)
    val isSuspicious = bytes.size != text.length || bytes.contains(REPLACEMENT)
    return if (isSuspicious && hasLoneSurrogate(text)) null else bytes
}

private fun hasLoneSurrogate(text: String): Boolean {
    var at = 0
    while (at < text.length) {
        val char = text[at++]
        if (!char.isSurrogate()) continue
        if (char.isLowSurrogate() || at == text.length || !text[at].isLowSurrogate()) return true
        at++
    }
    return false
}
