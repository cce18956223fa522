package io.github.litestash;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** What Java has of the library. */
public final class JavaCaller {
    private JavaCaller() {}

    public static String run(Path directory) {
        OpenOptions options = new OpenOptions();
        options.setDurability(Durability.FULL);
        try (LiteStash stash = LiteStash.open(directory, options)) {
            stash.set("greeting", Value.of("hello"));
            stash.set(7, Value.of(List.of(1, 2.5, true)), new SetOptions(Deadline.after(Duration.ofHours(1))));
            stash.setMany(Map.of("a", Value.of(1), "b", Value.of(2)));
            long sum = stash.increment("count") + stash.increment("count", 41);
            Value computed = stash.getOrSet("computed", () -> Value.of("made"));
            int keys = 0;
            for (Key key : stash.keys()) {
                keys++;
            }
            for (Item item : stash.items(new ScanOptions("a"))) {
                keys += item.getKey().equals(Key.of("a")) ? 100 : 0;
            }
            stash.apply(List.of(Operation.delete("a"), Operation.set("c", Value.of(null))));
            try (Subscription subscription = stash.subscribe(event -> {})) {
                stash.delete("b");
            }
            if (stash.get("missing") != null || !stash.contains("c")) {
                return "wrong";
            }
            try {
                stash.increment("greeting");
                return "wrong";
            } catch (LiteStashException.TypeMismatch mismatch) {
                sum += mismatch.getNumber();
            }
            String greeting = ((Value.Text) stash.get("greeting")).getValue();
            return greeting + " " + sum + " " + ((Value.Text) computed).getValue() + " " + keys;
        }
    }
}
