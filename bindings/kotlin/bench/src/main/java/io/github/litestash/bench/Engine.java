package io.github.litestash.bench;

import io.github.litestash.LiteStash;
import io.github.litestash.Testing;
import io.github.litestash.Value;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** The same gets and sets inside the engine, without Java. */
final class Engine {
    private static final int ROUNDS = 5;

    private Engine() {}

    static void print(Map<String, Map<String, Double>> times) throws Exception {
        Path directory = Files.createTempDirectory("litestash-bench-");
        byte[] prefix = "user:".getBytes(StandardCharsets.UTF_8);
        byte[] value = new Value.Text(Operations.VALUES[0]).encoded();
        try (LiteStash stash = LiteStash.open(directory)) {
            long set = Long.MAX_VALUE;
            long get = Long.MAX_VALUE;
            for (int round = 0; round < ROUNDS; round++) {
                set = Math.min(set, Testing.measure(stash, prefix, Operations.KEYS, 50_000, value));
                get = Math.min(get, Testing.measure(stash, prefix, Operations.KEYS, 1_000_000, null));
            }
            report("set", set, times);
            report("get", get, times);
        }
        Operations.delete(directory);
    }

    private static void report(String operation, long engine, Map<String, Map<String, Double>> times) {
        double own = times.get(operation).get("litestash");
        System.out.printf(
                "%-4s %-12s %9.2f us   litestash/engine %.2f, %.2f us more%n",
                operation, "engine", engine / 1000.0, own / engine, (own - engine) / 1000);
    }
}
