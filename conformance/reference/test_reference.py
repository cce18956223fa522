"""Facts worked out by hand or with other tools, so that the reference is not only compared with itself.

Run with `python3 -m unittest discover -s conformance/reference`.
"""

import math
import tempfile
import unittest
import zlib
from pathlib import Path

import jsontext
import record
import rfc3339
import script
import xchacha
from decode import decode
from encode import encode
from errors import Refused
from interchange import key_from_json, value_from_json, value_to_json
from keys import make_key
from layout import JOURNAL_SCHEMA, OPTIONAL_SCHEMA, SCHEMA
from values import MAX_VALUES, Timestamp, Vector

# printf %s user:1001 | b2sum
USER_HASH = (
    "24c580f64b17c1ce5eafab1d00856428981edb4da5fb998253f60ca19a22d887"
    "6732849c3dd5137da3bc1c436f1ab04cb3f9449e30817ea59d81c24ba61ce5bb"
)
ADA = bytes.fromhex("82a361676524a46e616d65a3416461")
VERSION = 1_767_323_045_678_901


class Case(unittest.TestCase):
    def refused(self, kind: str, work, *arguments) -> None:
        with self.assertRaises(Refused) as caught:
            work(*arguments)
        self.assertEqual(caught.exception.kind, kind)

    def refused_bytes(self, kind: str, *encodings: str) -> None:
        for encoded in encodings:
            with self.subTest(encoded=encoded):
                self.refused(kind, decode, bytes.fromhex(encoded))


class WorkedExample(Case):
    """CONTRACT.md section 12."""

    def test_key(self) -> None:
        key = make_key("user:1001")
        self.assertEqual((key.hash.hex(), key.storage, key.shard, key.slot), (USER_HASH, "text", 2, 1))

    def test_version(self) -> None:
        self.assertEqual(record.split_version(VERSION), (1_767_323_045, 678_901))
        self.assertEqual(f"{1_767_323_045:016x} {678_901:08x}", "00000000695735a5 000a5bf5")

    def test_body(self) -> None:
        self.assertEqual(encode({"name": "Ada", "age": 36}), ADA)
        self.assertEqual(decode(ADA), {"age": 36, "name": "Ada"})

    def test_record(self) -> None:
        key_hash = bytes.fromhex(USER_HASH)
        self.assertEqual(record.build(key_hash, VERSION, ADA, None).hex(), "00eda2ff46" + ADA.hex())
        later = record.build(key_hash, VERSION, ADA, 1_767_326_645_678_901)
        self.assertEqual(later.hex(), "01233f8d1b0006475fcceaf335" + ADA.hex())
        self.assertEqual(record.parse(key_hash, 1_767_323_045, 678_901, later).expires_at, 1_767_326_645_678_901)

    def test_files(self) -> None:
        operation = {"op": "set", "key": "user:1001", "value": {"name": "Ada", "age": 36}}
        with tempfile.TemporaryDirectory() as directory:
            given = list(script.run({"clock": VERSION, "operations": [operation]}, Path(directory)))
            self.assertEqual([path.name for path in Path(directory).iterdir()], ["shard-2.db"])
        self.assertEqual(given, [VERSION])


class Keys(Case):
    def test_hashes_of_b2sum(self) -> None:
        # printf %s TEXT | b2sum
        known = {
            "": "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
            "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce",
            "abc": "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        }
        for text, digest in known.items():
            self.assertEqual(make_key(text).hash.hex(), digest)

    def test_types_do_not_meet(self) -> None:
        self.assertEqual(len({make_key(native).hash for native in ("a", b"a", "1", 1, 1.5, b"", "")}), 7)

    def test_one_number_one_key(self) -> None:
        for number, integer in ((1.0, 1), (-0.0, 0), (2.0**53, 2**53), (-(2.0**63), -(2**63))):
            self.assertEqual(make_key(number), make_key(integer))
            self.assertIs(type(make_key(number).native), int)
        for number in (0.5, 2.0**63, 1e300, math.inf, -math.inf, 5e-324):
            self.assertEqual(make_key(number).storage, "real")

    def test_no_keys(self) -> None:
        for native in (True, False, None, [], {}, math.nan, 2**63, -(2**63) - 1, "\ud800", Timestamp(0, 0), Vector(b"")):
            self.refused("InvalidKey", make_key, native)
        for native in ("k" * 2049, b"k" * 2049, "\u00e9" * 1024 + "k"):
            self.refused("TooLarge", make_key, native)
        make_key("\u00e9" * 1024)


class Encoding(Case):
    def test_written_by_hand(self) -> None:
        table = [
            (None, "c0"), (False, "c2"), (True, "c3"), (0, "00"), (127, "7f"), (128, "cc80"), (255, "ccff"), (256, "cd0100"),
            (65535, "cdffff"), (65536, "ce00010000"), (2**32 - 1, "ceffffffff"), (2**32, "cf0000000100000000"),
            (2**64 - 1, "cfffffffffffffffff"), (-1, "ff"), (-32, "e0"), (-33, "d0df"), (-128, "d080"), (-129, "d1ff7f"),
            (-32768, "d18000"), (-32769, "d2ffff7fff"), (-(2**31), "d280000000"), (-(2**31) - 1, "d3ffffffff7fffffff"),
            (-(2**63), "d38000000000000000"), (1.0, "cb3ff0000000000000"), (-0.0, "cb8000000000000000"),
            (math.inf, "cb7ff0000000000000"), ("", "a0"), ("\u00e9", "a2c3a9"), (b"", "c400"), ([], "90"), ({}, "80"),
            ([1, [2]], "92019102"), ({"b": 1, "a": 2}, "82a16102a16201"), ({"": 0}, "81a000"),
            (Timestamp(0, 0), "d6ff00000000"), (Timestamp(2**32, 0), "d7ff0000000100000000"),
            (Timestamp(0, 1), "d7ff0000000400000000"), (Timestamp(-1, 0), "c70cff00000000ffffffffffffffff"),
            (Timestamp(2**34, 0), "c70cff000000000000000400000000"), (Vector(b""), "c70001"),
            (Vector(bytes.fromhex("0000803f")), "d6010000803f"), (Vector(bytes(12)), "c70c01" + "00" * 12),
        ]  # fmt: skip
        for value, encoded in table:
            with self.subTest(encoded=encoded):
                self.assertEqual(encode(value).hex(), encoded)
                back = decode(bytes.fromhex(encoded))
                self.assertEqual((back, type(back)), (value, type(value)))
                self.assertEqual(encode(back).hex(), encoded)

    def test_every_nan_becomes_one(self) -> None:
        self.assertEqual(encode(-math.nan).hex(), "cb7ff8000000000000")

    def test_length_heads(self) -> None:
        for size, text, binary in ((31, "bf", "c41f"), (32, "d920", "c420"), (255, "d9ff", "c4ff"), (256, "da0100", "c50100")):
            self.assertTrue(encode("t" * size).hex().startswith(text))
            self.assertTrue(encode(b"\xaa" * size).hex().startswith(binary))
        for size, text, binary in ((65535, "daffff74", "c5ffffaa"), (65536, "db0001000074", "c600010000aa")):
            self.assertTrue(encode("t" * size).hex().startswith(text))
            self.assertTrue(encode(b"\xaa" * size).hex().startswith(binary))

    def test_order_is_that_of_utf8(self) -> None:
        self.assertEqual(encode({"\U00010000": 1, "\uffff": 2}).hex(), "82a3efbfbf02a4f090808001")

    def test_no_values(self) -> None:
        for value in (2**64, -(2**63) - 1, "\ud800", {1: 1}, {True: 1}, Vector(b"ab"), Vector(b"\0\0\xc0\xff"), object()):
            self.refused("InvalidValue", encode, value)
        for value in (Timestamp(2**63, 0), Timestamp(0, -1), Timestamp(0, 10**9)):
            self.refused("InvalidValue", encode, value)


class Refusals(Case):
    def test_not_shortest(self) -> None:
        self.refused_bytes("InvalidValue", "cc7f", "cd00ff", "ce0000ffff", "cf00000000ffffffff", "d0e0", "d1ff80", "d2ffff8000")
        self.refused_bytes("InvalidValue", "d3ffffffff80000000", "d07f", "d900", "da0001ff", "c50000", "dc0000", "de0000")
        self.refused_bytes("InvalidValue", "d6ff", "d7ff0000000000000001", "c70cff000000000000000000000001", "c704010000803f")

    def test_not_shortest_of_64_kib(self) -> None:
        for head in ("db0000ffff", "c60000ffff"):
            self.refused("InvalidValue", decode, bytes.fromhex(head) + b"t" * 65535)
        self.refused("InvalidValue", decode, bytes.fromhex("dd0000ffff") + b"\xc0" * 65535)
        self.refused("InvalidValue", decode, bytes.fromhex("c90000fffc01") + bytes(65532))
        entries = b"".join(b"\xa5" + f"{number:05}".encode() + b"\xc0" for number in range(65536))
        self.refused("InvalidValue", decode, bytes.fromhex("df0000ffff") + entries[:-7])
        self.assertEqual(len(decode(bytes.fromhex("df00010000") + entries)), 65536)

    def test_never_legal(self) -> None:
        self.refused_bytes("InvalidValue", "", "c1", "ca3f800000", "cbfff8000000000000", "d40000", "d6000000000000", "c70005")
        self.refused_bytes("InvalidValue", "a1ff", "a3eda080", "a2c0af", "8101c0", "82a161c0a161c0", "82a162c0a161c0", "c000")
        self.refused_bytes("InvalidValue", "d6010000c0ff", "d5010000", "d7ffee6b280000000000")

    def test_hostile_counts(self) -> None:
        self.refused_bytes("InvalidValue", "ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c9ffffffff01")
        self.refused("TooLarge", decode, b"\x91" * 1_000_000)

    def test_depth(self) -> None:
        decode(b"\x91" * 63 + b"\x90")
        decode(b"\x91" * 64 + b"\xc0")
        self.refused("TooLarge", decode, b"\x91" * 64 + b"\x90")
        deep: object = None
        for _ in range(64):
            deep = [deep]
        encode(deep)
        self.refused("TooLarge", encode, [deep])

    def test_number_of_values(self) -> None:
        most = MAX_VALUES - 1
        self.assertEqual(len(decode(b"\xdd" + most.to_bytes(4, "big") + b"\xc0" * most)), most)
        self.refused("TooLarge", decode, b"\xdd" + MAX_VALUES.to_bytes(4, "big") + b"\xc0" * MAX_VALUES)
        self.refused("TooLarge", encode, [None] * MAX_VALUES)

    def test_size(self) -> None:
        largest = 67_108_864 - 5
        self.assertEqual(len(encode(b"b" * largest)), 67_108_864)
        self.refused("TooLarge", encode, b"b" * (largest + 1))


class Records(Case):
    def test_check_value(self) -> None:
        self.assertEqual(zlib.crc32(b"123456789"), 0xCBF43926)

    def test_negative_versions(self) -> None:
        self.assertEqual(record.split_version(-1), (-1, 999_999))
        self.assertEqual(record.split_version(-1_000_001), (-2, 999_999))
        self.assertEqual(record.join_version(-2, 999_999), -1_000_001)

    def test_crc_comes_first(self) -> None:
        sealed = record.seal(bytes(64), 0, 0, 0x80, b"\xc0")
        self.refused("UnsupportedFormat", record.parse, bytes(64), 0, 0, sealed)
        self.refused("Corrupt", record.parse, bytes(64), 0, 0, b"\x80\0\0\0\0\xc0")
        self.refused("Corrupt", record.parse, bytes(64), 0, 0, record.seal(bytes(64), 0, 0, 0, b""))


class Json(Case):
    def test_numbers(self) -> None:
        for text, value in (("-0", 0), ("1.0", 1.0), ("1e2", 100.0), ("18446744073709551615", 2**64 - 1)):
            found = jsontext.loads(text)
            self.assertEqual((found, type(found)), (value, type(value)))
        for text in ("1e999", "NaN", "01", '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', "\ufeff1"):
            self.refused("InvalidValue", jsontext.loads, text)

    def test_float_text(self) -> None:
        table = {
            0.0: "0.0", 1.0: "1.0", 100.0: "100.0", 0.1: "0.1", 123.456: "123.456", 1e15: "1000000000000000.0",
            1e16: "1e16", 1e300: "1e300", 1.5e-7: "1.5e-7", 1e-5: "0.00001", 1e-6: "1e-6", 5e-324: "5e-324",
            1.7976931348623157e308: "1.7976931348623157e308", -2.5: "-2.5",
        }  # fmt: skip
        for number, text in table.items():
            self.assertEqual((jsontext.float_text(number), float(text)), (text, number))
        self.assertEqual(jsontext.float_text(-0.0), "-0.0")

    def test_tags(self) -> None:
        table = [
            ({"$bytes": "AAEC"}, b"\0\1\2"), ({"$float": "inf"}, math.inf), ({"$map": {"$bytes": "x"}}, {"$bytes": "x"}),
            ({"$map": {"$map": {}}}, {"$map": {}}), ({"$vector": "AACAPwAAAEA="}, Vector(bytes.fromhex("0000803f00000040"))),
            ({"$timestamp": "2026-01-02T03:04:05.678901234Z"}, Timestamp(1_767_323_045, 678_901_234)),
            ({"$timestamp": [253402300800, 0]}, Timestamp(253402300800, 0)), ({"$a": 1, "$b": 2}, {"$a": 1, "$b": 2}),
        ]  # fmt: skip
        for tree, value in table:
            self.assertEqual(value_from_json(tree), value)
            self.assertEqual(value_to_json(value), tree)
        for tree in ({"$nope": 1}, {"$bytes": "A"}, {"$bytes": "AB=="}, {"$float": "NaN"}, {"$map": 1}, "\ud800", 2**64):
            self.refused("InvalidValue", value_from_json, tree)
        for tree in (None, True, [], {}, {"$map": {}}, {"$bytes": "A"}):
            self.refused("InvalidKey", key_from_json, tree)

    def test_times(self) -> None:
        # date -u -d TEXT +%s
        table = {
            "1970-01-01T00:00:00Z": 0, "2000-02-29T00:00:00Z": 951_782_400, "1900-03-01T00:00:00Z": -2_203_891_200,
            "2100-03-01T00:00:00Z": 4_107_542_400, "9999-12-31T23:59:59Z": 253_402_300_799, "0001-01-01T00:00:00Z": -62_135_596_800,
            "0000-01-01T00:00:00Z": -62_167_219_200, "1969-12-31T23:59:59Z": -1, "2024-12-31T12:30:45Z": 1_735_648_245,
        }  # fmt: skip
        for text, seconds in table.items():
            self.assertEqual(rfc3339.parse(text), Timestamp(seconds, 0))
            self.assertEqual(rfc3339.text(Timestamp(seconds, 0)), text)
        self.assertEqual(rfc3339.text(Timestamp(-1, 500_000_000)), "1969-12-31T23:59:59.5Z")

    def test_every_day_there_and_back(self) -> None:
        for seconds in range(-62_167_219_200, 253_402_300_800, 86_400 * 97):
            self.assertEqual(rfc3339.parse(rfc3339.text(Timestamp(seconds, 7))), Timestamp(seconds, 7))


class Schema(Case):
    def test_texts_of_the_contract(self) -> None:
        contract = (Path(__file__).resolve().parents[2] / "docs" / "CONTRACT.md").read_text(encoding="utf-8")
        printed = [line.strip() for line in contract.splitlines() if line.startswith("    CREATE TABLE ")]
        self.assertEqual(SCHEMA + OPTIONAL_SCHEMA + JOURNAL_SCHEMA, printed)


class Encryption(unittest.TestCase):
    def test_xchacha20_poly1305_is_that_of_the_draft(self) -> None:
        """draft-irtf-cfrg-xchacha-03, A.3.1."""
        plain = (
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
        )
        data = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
        key, nonce = bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58))
        sealed = xchacha.encrypt(key, nonce, data, plain)
        self.assertEqual(sealed[:16].hex(), "bd6d179d3e83d43b9576579493c0e939")
        self.assertEqual(sealed[-16:].hex(), "c0875924c1c7987947deafd8780acf49")
        self.assertEqual(xchacha.decrypt(key, nonce, data, sealed), plain)
        with self.assertRaises(Refused):
            xchacha.decrypt(key, nonce, data + b"\0", sealed)


if __name__ == "__main__":
    unittest.main()
