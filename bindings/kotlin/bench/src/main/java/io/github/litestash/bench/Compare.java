package io.github.litestash.bench;

import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/** Runs {@link Operations} and prints each store's time, and LiteStash's as a share of it. */
public final class Compare {
    private Compare() {}

    public static void main(String[] arguments) throws Exception {
        Collection<RunResult> results =
                new Runner(new OptionsBuilder().include(Operations.class.getName()).build()).run();
        Map<String, Map<String, Double>> times = new TreeMap<>();
        for (RunResult result : results) {
            String name = result.getParams().getBenchmark();
            times.computeIfAbsent(name.substring(name.lastIndexOf('.') + 1), key -> new TreeMap<>())
                    .put(result.getParams().getParam("store"), result.getPrimaryResult().getScore());
        }
        System.out.println();
        times.forEach((operation, stores) -> {
            double own = stores.get("litestash");
            stores.forEach((store, nanoseconds) -> System.out.printf(
                    "%-4s %-12s %9.2f us   litestash/%s %.2f%n", operation, store, nanoseconds / 1000, store, own / nanoseconds));
        });
        Engine.print(times);
    }
}
