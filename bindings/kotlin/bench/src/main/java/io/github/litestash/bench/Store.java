package io.github.litestash.bench;

import io.github.litestash.LiteStash;
import io.github.litestash.Value;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.ConcurrentMap;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;
import org.mapdb.DB;
import org.mapdb.DBMaker;
import org.mapdb.Serializer;

/** What is measured: text under text, each set written to the store's files or log before it returns. */
interface Store extends AutoCloseable {
    String get(String key) throws Exception;

    void set(String key, String value) throws Exception;

    /** The store of that name in a new directory. */
    static Store open(String name, Path directory) throws Exception {
        return switch (name) {
            case "litestash" -> new Stash(LiteStash.open(directory));
            case "sqlite-jdbc" -> new Sqlite(directory.resolve("one.db"));
            case "mapdb" -> new MapDb(directory.resolve("one.mapdb"));
            case "h2-mvstore" -> new Mv(directory.resolve("one.mv"));
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** LiteStash, with its defaults. */
    record Stash(LiteStash stash) implements Store {
        @Override
        public String get(String key) {
            return stash.get(key) instanceof Value.Text text ? text.getValue() : null;
        }

        @Override
        public void set(String key, String value) {
            stash.set(key, new Value.Text(value));
        }

        @Override
        public void close() {
            stash.close();
        }
    }

    /** SQLite with prepared statements and LiteStash's pragmas. */
    final class Sqlite implements Store {
        private final Connection connection;
        private final PreparedStatement read;
        private final PreparedStatement write;

        Sqlite(Path file) throws SQLException {
            connection = DriverManager.getConnection("jdbc:sqlite:" + file);
            try (Statement statement = connection.createStatement()) {
                statement.execute("PRAGMA journal_mode = WAL");
                statement.execute("PRAGMA synchronous = NORMAL");
                statement.execute("PRAGMA cache_size = -16384");
                statement.execute("PRAGMA mmap_size = 0");
                statement.execute("CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
            }
            read = connection.prepareStatement("SELECT value FROM kv WHERE key = ?");
            write = connection.prepareStatement(
                    "INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value");
        }

        @Override
        public String get(String key) throws SQLException {
            read.setString(1, key);
            try (ResultSet rows = read.executeQuery()) {
                return rows.next() ? rows.getString(1) : null;
            }
        }

        @Override
        public void set(String key, String value) throws SQLException {
            write.setString(1, key);
            write.setString(2, value);
            write.executeUpdate();
        }

        @Override
        public void close() throws SQLException {
            connection.close();
        }
    }

    /** MapDB with transactions, one for each set. */
    final class MapDb implements Store {
        private final DB database;
        private final ConcurrentMap<String, String> map;

        MapDb(Path file) {
            database = DBMaker.fileDB(file.toFile()).fileMmapEnableIfSupported().transactionEnable().make();
            map = database.hashMap("kv", Serializer.STRING, Serializer.STRING).createOrOpen();
        }

        @Override
        public String get(String key) {
            return map.get(key);
        }

        @Override
        public void set(String key, String value) {
            map.put(key, value);
            database.commit();
        }

        @Override
        public void close() {
            database.close();
        }
    }

    /** H2's MVStore with a commit for each set, without a sync. */
    final class Mv implements Store {
        private final MVStore store;
        private final MVMap<String, String> map;

        Mv(Path file) {
            store = new MVStore.Builder().fileName(file.toString()).autoCommitDisabled().open();
            map = store.openMap("kv");
        }

        @Override
        public String get(String key) {
            return map.get(key);
        }

        @Override
        public void set(String key, String value) {
            map.put(key, value);
            store.commit();
        }

        @Override
        public void close() {
            store.close();
        }
    }
}
