package io.github.litestash;

/** The measuring loop of the native library for tests. */
public final class Testing {
    private Testing() {}

    private static native long measure(long handle, byte[] prefix, int keys, int count, byte[] value);

    /** Nanoseconds that each of so many gets of the engine takes; of sets, if there is a value. */
    public static long measure(LiteStash stash, byte[] prefix, int keys, int count, byte[] value) {
        return measure(stash.getHandle$litestash().getAddress(), prefix, keys, count, value);
    }
}
