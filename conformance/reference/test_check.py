"""Shows that `check` accepts what the reference writes and notices each kind of damage."""

import sqlite3
import tempfile
import unittest
from pathlib import Path

import dump
import script
from check import check
from errors import Refused
from keys import make_key
from record import build

CLOCK = 1_767_323_045_678_901
NAME = "shard-2.db"


class Damage(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.directory = Path(folder.name)
        self.file = self.directory / NAME
        operations = [
            {"op": "set", "key": "user:1001", "value": {"name": "Ada"}, "ttl_us": 10**9},
            {"op": "set", "key": 1, "value": "x" * 9000},
        ]
        list(script.run({"clock": CLOCK, "operations": operations}, self.directory))

    def sql(self, *statements: tuple) -> None:
        connection = sqlite3.connect(self.file, isolation_level=None)
        for text, *values in statements:
            connection.execute(text, values)
        connection.close()

    def noticed(self, part: str) -> None:
        problems = check(self.directory).problems
        self.assertTrue(any(part in problem for problem in problems), problems)

    def test_good(self) -> None:
        found = check(self.directory)
        self.assertEqual((found.problems, found.rows, found.shards), ([], 2, 2))
        # Neither check nor dump leaves anything beside the shards.
        list(dump.lines(self.directory))
        self.assertEqual(len(list(self.directory.iterdir())), 2)

    def test_every_bit_of_the_record(self) -> None:
        connection = sqlite3.connect(self.file, isolation_level=None)
        value = connection.execute("SELECT value FROM slot_1").fetchone()[0]
        for bit in range(8 * len(value)):
            flipped = bytearray(value)
            flipped[bit // 8] ^= 1 << bit % 8
            connection.execute("UPDATE slot_1 SET value = ?", (bytes(flipped),))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            self.noticed("record: Corrupt")
            connection = sqlite3.connect(self.file, isolation_level=None)
        connection.close()

    def test_bit_of_a_data_page(self) -> None:
        """SQLite does not notice a flipped bit inside a value; the CRC does."""
        raw = bytearray(self.file.read_bytes())
        at = raw.index(b"Ada")
        raw[at] ^= 1
        self.file.write_bytes(raw)
        self.noticed("record: Corrupt: wrong CRC")
        with self.assertRaises(Refused):
            list(dump.lines(self.directory))

    def test_log_of_changes(self) -> None:
        operations = [{"op": "watch", "us": 10**6}, {"op": "set", "key": "user:1001", "value": 1}, {"op": "clear"}]
        list(script.run({"clock": CLOCK, "operations": operations}, self.directory))
        self.assertEqual(check(self.directory).problems, [])
        for change, part in (
            ("UPDATE changes SET kind = 9 WHERE number = 2", "kind 9"),
            ("UPDATE changes SET kind = 1, key = 'user:1002' WHERE number = 2", "does not belong there"),
            ("UPDATE changes SET key = 1.0 WHERE number = 2", "not its normal form"),
            ("UPDATE changes SET slot = 1 WHERE kind = 5", "names no key"),
            ("UPDATE meta SET value = 'x' WHERE name = 'watched_until'", "meta holds"),
            ("DROP TABLE changes", None),
            ("CREATE TABLE changes (number INTEGER PRIMARY KEY)", "schema texts differ"),
        ):
            with self.subTest(change=change):
                self.sql((change,))
                if part:
                    self.noticed(part)

    def test_header(self) -> None:
        for at, part in ((18, "journal mode"), (63, "user_version"), (71, "application_id"), (67, "incremental vacuum")):
            with self.subTest(part=part):
                good = self.file.read_bytes()
                bad = bytearray(good)
                bad[at] ^= 3
                self.file.write_bytes(bad)
                self.noticed(part)
                self.file.write_bytes(good)

    def test_renamed(self) -> None:
        self.file.rename(self.directory / "shard-3.db")
        self.noticed("meta holds")

    def test_foreign_schema(self) -> None:
        self.sql(("CREATE INDEX extra ON slot_0 (timestamp)",))
        self.noticed("schema texts differ")
        self.noticed("foreign index extra")

    def test_meta(self) -> None:
        self.sql(("UPDATE meta SET value = '1' WHERE name = 'format'",))
        self.noticed("meta holds")

    def test_missing_hint(self) -> None:
        self.sql(("DELETE FROM expiry",))
        self.noticed("no expiry row")

    def test_other_version(self) -> None:
        self.sql(("UPDATE slot_1 SET microsecond = microsecond + 1",))
        self.noticed("record: Corrupt")

    def test_microsecond(self) -> None:
        self.sql(("UPDATE slot_1 SET microsecond = 1000000",))
        self.noticed("microsecond is 1000000")

    def test_other_key(self) -> None:
        self.sql(("UPDATE slot_1 SET key = 'user:1002'",))
        self.noticed("key_hash is not that of the key")
        with self.assertRaises(Refused):
            list(dump.lines(self.directory))

    def test_key_not_normal(self) -> None:
        self.sql(("UPDATE slot_1 SET key = 2.0",))
        self.noticed("not its normal form")

    def test_key_not_text(self) -> None:
        self.sql(("UPDATE slot_1 SET key = CAST(x'ff' AS TEXT)",))
        self.noticed("text is not UTF-8")

    def test_wrong_table(self) -> None:
        self.sql(("INSERT INTO slot_2 SELECT * FROM slot_1",))
        self.noticed("belongs into shard-2.db slot_1")

    def test_body_not_canonical(self) -> None:
        sealed = build(make_key("user:1001").hash, CLOCK, b"\xcc\x01", None)
        self.sql(("UPDATE slot_1 SET value = ?", sealed))
        self.noticed("shorter form")

    def test_not_closed(self) -> None:
        self.file.with_name(NAME + "-wal").write_bytes(b"")
        self.noticed("not closed")

    def test_no_database(self) -> None:
        self.file.write_bytes(b"text" * 100)
        self.noticed("not a SQLite database")

    def test_cut_short_creation_is_missing(self) -> None:
        (self.directory / "shard-0.db").write_bytes(b"")
        self.assertEqual(check(self.directory).problems, [])

    def test_bucket(self) -> None:
        bucket = self.directory / "buckets" / "a%2Eb"
        list(script.run({"clock": 0, "operations": [{"op": "set", "key": 1, "value": 1}]}, bucket))
        found = check(self.directory)
        self.assertEqual((found.problems, found.rows), ([], 3))
        bucket.rename(self.directory / "buckets" / "a.b")
        # Every other name is ignored.
        found = check(self.directory)
        self.assertEqual((found.problems, found.rows), ([], 2))


if __name__ == "__main__":
    unittest.main()
