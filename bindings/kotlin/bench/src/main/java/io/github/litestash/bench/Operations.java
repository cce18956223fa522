package io.github.litestash.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Gets and sets of 120-byte values under 1000 keys. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class Operations {
    static final int KEYS = 1000;

    /** {@link #KEYS} is no multiple of their number, so a set never finds what it writes: who compares would be done. */
    static final String[] VALUES = {"u".repeat(120), "v".repeat(120), "w".repeat(120)};

    @Param({"litestash", "sqlite-jdbc", "mapdb", "h2-mvstore"})
    public String store;

    private final String[] keys = new String[KEYS];
    private Path directory;
    private Store opened;
    private int next;
    private int value;

    @Setup
    public void open() throws Exception {
        directory = Files.createTempDirectory("litestash-bench-");
        opened = Store.open(store, directory);
        for (int number = 0; number < KEYS; number++) {
            keys[number] = "user:" + number;
            opened.set(keys[number], VALUES[0]);
        }
    }

    @TearDown
    public void close() throws Exception {
        opened.close();
        delete(directory);
    }

    private String key() {
        next = next + 1 == KEYS ? 0 : next + 1;
        return keys[next];
    }

    @Benchmark
    public String get() throws Exception {
        return opened.get(key());
    }

    @Benchmark
    public void set() throws Exception {
        value = value + 1 == VALUES.length ? 0 : value + 1;
        opened.set(key(), VALUES[value]);
    }

    static void delete(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> {
                try {
                    Files.delete(file);
                } catch (IOException failed) {
                    throw new UncheckedIOException(failed);
                }
            });
        }
    }
}
