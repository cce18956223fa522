"""values_valid.json: values of every type, with the one legal encoding."""

import json
import math
import struct

from cases.table import Table
from encode import encode
from interchange import value_to_json
from values import Timestamp, Vector


def table() -> Table:
    result = Table("values_valid", "Values and their one legal encoding; CONTRACT.md section 8.")
    _scalars(result)
    _integers(result)
    _floats(result)
    _lengths(result)
    _text(result)
    _maps(result)
    _timestamps(result)
    _vectors(result)
    _nesting(result)
    return result


def _add(table: Table, id_: str, comment: str, value: object, head: str) -> None:
    """`head` is how the encoding must begin, written by hand."""
    encoded = encode(value).hex()
    if not encoded.startswith(head):
        raise ValueError(f"{id_}: encoding begins {encoded[:40]}, not {head}")
    members = {"value": value_to_json(value), "encoded": encoded}
    found = table.answer(id_, members, None)
    if found["encoded"] != encoded or _text_of(found["value"]) != _text_of(members["value"]):
        raise ValueError(f"{id_}: does not survive the way through the encoding")
    table.add(id_, comment, members)


def _text_of(tree: object) -> str:
    """Members sorted, because a case may give a map in any order; text keeps 1 and 1.0, 0.0 and -0.0 apart."""
    return json.dumps(tree, sort_keys=True)


def _scalars(table: Table) -> None:
    _add(table, "nil", "nil", None, "c0")
    _add(table, "false", "false", False, "c2")
    _add(table, "true", "true", True, "c3")


def _integers(table: Table) -> None:
    cases = [
        (0, "00"), (1, "01"), (126, "7e"), (127, "7f"),
        (128, "cc80"), (129, "cc81"), (200, "ccc8"), (254, "ccfe"), (255, "ccff"),
        (256, "cd0100"), (257, "cd0101"), (32767, "cd7fff"), (32768, "cd8000"), (65534, "cdfffe"), (65535, "cdffff"),
        (65536, "ce00010000"), (65537, "ce00010001"), (2**31 - 1, "ce7fffffff"), (2**31, "ce80000000"),
        (2**32 - 2, "cefffffffe"), (2**32 - 1, "ceffffffff"),
        (2**32, "cf0000000100000000"), (2**32 + 1, "cf0000000100000001"),
        (2**53 - 1, "cf001fffffffffffff"), (2**53, "cf0020000000000000"), (2**53 + 1, "cf0020000000000001"),
        (2**63 - 1, "cf7fffffffffffffff"), (2**63, "cf8000000000000000"), (2**63 + 1, "cf8000000000000001"),
        (2**64 - 2, "cffffffffffffffffe"), (2**64 - 1, "cfffffffffffffffff"),
        (-1, "ff"), (-2, "fe"), (-31, "e1"), (-32, "e0"),
        (-33, "d0df"), (-34, "d0de"), (-127, "d081"), (-128, "d080"),
        (-129, "d1ff7f"), (-130, "d1ff7e"), (-255, "d1ff01"), (-256, "d1ff00"), (-32767, "d18001"), (-32768, "d18000"),
        (-32769, "d2ffff7fff"), (-65535, "d2ffff0001"), (-65536, "d2ffff0000"), (-(2**31) + 1, "d280000001"), (-(2**31), "d280000000"),
        (-(2**31) - 1, "d3ffffffff7fffffff"), (-(2**32), "d3ffffffff00000000"),
        (-(2**53) - 1, "d3ffdfffffffffffff"), (-(2**63) + 1, "d38000000000000001"), (-(2**63), "d38000000000000000"),
    ]  # fmt: skip
    for number, encoded in cases:
        _add(table, f"integer-{number}", "integer", number, encoded)
        if table.cases[-1]["encoded"] != encoded:
            raise ValueError(f"integer {number} has another encoding")


def _floats(table: Table) -> None:
    cases = [
        ("zero", "a float, not the integer 0", 0.0, "cb0000000000000000"),
        ("negative-zero", "keeps its sign", -0.0, "cb8000000000000000"),
        ("one", "a float, not the integer 1", 1.0, "cb3ff0000000000000"),
        ("minus-one", "a float, not the integer -1", -1.0, "cbbff0000000000000"),
        ("half", "never binary32, although it would fit", 0.5, "cb3fe0000000000000"),
        ("tenth", "shortest digits 0.1", 0.1, "cb3fb999999999999a"),
        ("0.3-sum", "shortest digits 0.30000000000000004", 0.1 + 0.2, "cb3fd3333333333334"),
        ("third", "16 digits", 1 / 3, "cb3fd5555555555555"),
        ("pi", "pi", math.pi, "cb400921fb54442d18"),
        ("binary32-tenth", "0.1 as binary32, widened", struct.unpack(">f", struct.pack(">f", 0.1))[0], "cb3fb99999a0000000"),
        ("17-digits", "needs 17 digits", 5e-324 * 2**60 + 1.1, "cb3ff199999999999a"),
        ("9007199254740993", "2^53 + 1 is none: rounds to even", 9007199254740993.0, "cb4340000000000000"),
        ("2^53-1", "2^53 - 1", 2.0**53 - 1, "cb433fffffffffffff"),
        ("1e15", "integral", 1e15, "cb430c6bf526340000"),
        ("1e16", "integral", 1e16, "cb4341c37937e08000"),
        ("1e17", "integral", 1e17, "cb4376345785d8a000"),
        ("123456789012345680", "integral, 17 digits", 123456789012345680.0, "cb437b69b4ba630f35"),
        ("1e21", "exponent in many languages", 1e21, "cb444b1ae4d6e2ef50"),
        ("1e22", "last exact power of ten", 1e22, "cb4480f0cf064dd592"),
        ("1e23", "not exact: famous for its rounding", 1e23, "cb44b52d02c7e14af6"),
        ("1e-4", "small", 1e-4, "cb3f1a36e2eb1c432d"),
        ("1e-5", "small", 1e-5, "cb3ee4f8b588e368f1"),
        ("1e-6", "small", 1e-6, "cb3eb0c6f7a0b5ed8d"),
        ("1e-7", "small", 1e-7, "cb3e7ad7f29abcaf48"),
        ("1e300", "great", 1e300, "cb7e37e43c8800759c"),
        ("2^63", "2^63", 2.0**63, "cb43e0000000000000"),
        ("2^64", "2^64", 2.0**64, "cb43f0000000000000"),
        ("max", "greatest finite", 1.7976931348623157e308, "cb7fefffffffffffff"),
        ("lowest", "least finite", -1.7976931348623157e308, "cbffefffffffffffff"),
        ("min-normal", "least positive normal", 2.2250738585072014e-308, "cb0010000000000000"),
        ("subnormal-greatest", "greatest subnormal", 2.225073858507201e-308, "cb000fffffffffffff"),
        ("subnormal-least", "least positive subnormal", 5e-324, "cb0000000000000001"),
        ("subnormal-negative", "negative subnormal", -5e-324, "cb8000000000000001"),
        ("inf", "infinity", math.inf, "cb7ff0000000000000"),
        ("negative-inf", "minus infinity", -math.inf, "cbfff0000000000000"),
        ("nan", "the only NaN", math.nan, "cb7ff8000000000000"),
    ]
    for name, comment, number, encoded in cases:
        _add(table, f"float-{name}", comment, number, encoded)


def _lengths(table: Table) -> None:
    """Both sides of every length class."""
    texts = {0: "a0", 1: "a1", 31: "bf", 32: "d920", 255: "d9ff", 256: "da0100", 65535: "daffff", 65536: "db00010000"}
    for length, head in texts.items():
        _add(table, f"text-length-{length}", f"{length} bytes", "t" * length, head)
    binaries = {0: "c400", 1: "c401", 31: "c41f", 32: "c420", 255: "c4ff", 256: "c50100", 65535: "c5ffff", 65536: "c600010000"}
    for length, head in binaries.items():
        _add(table, f"bytes-length-{length}", f"{length} bytes", b"\xb7" * length, head)
    arrays = {0: "90", 1: "91", 2: "92", 14: "9e", 15: "9f", 16: "dc0010", 31: "dc001f", 255: "dc00ff", 256: "dc0100"}
    for count, head in (arrays | {65535: "dcffff", 65536: "dd00010000"}).items():
        _add(table, f"array-count-{count}", f"{count} elements", [count % 10] * count, head)
    maps = {0: "80", 1: "81", 2: "82", 14: "8e", 15: "8f", 16: "de0010", 17: "de0011", 255: "de00ff", 256: "de0100"}
    for count, head in maps.items():
        _add(table, f"map-count-{count}", f"{count} entries", {f"{n:03}": n for n in range(count)}, head)
    vectors = {0: "c70001", 4: "d601", 8: "d701", 12: "c70c01", 16: "d801", 20: "c71401", 24: "c71801", 32: "c72001", 252: "c7fc01"}
    for length, head in (vectors | {256: "c8010001", 65536: "c90001000001"}).items():
        payload = struct.pack("<f", 1.5) * (length // 4)
        _add(table, f"vector-length-{length}", f"payload of {length} bytes", Vector(payload), head)


def _text(table: Table) -> None:
    cases = [
        ("nul", "U+0000", "\0", "a100"),
        ("controls", "every C0 control character", "".join(map(chr, range(32))), "d920"),
        ("delete", "U+007F needs no escape", "\x7f", "a17f"),
        ("quotes", "quote, backslash, slash", '"\\/', "a3225c2f"),
        ("two-bytes", "U+0080 and U+07FF", "\x80\u07ff", "a4c280dfbf"),
        ("three-bytes", "U+0800 and U+FFFF", "\u0800\uffff", "a6e0a080efbfbf"),
        ("around-surrogates", "U+D7FF and U+E000", "\ud7ff\ue000", "a6ed9fbfee8080"),
        ("four-bytes", "U+10000 and U+10FFFF", "\U00010000\U0010ffff", "a8f0908080f48fbfbf"),
        ("line-separators", "U+2028 and U+2029", "\u2028\u2029", "a6e280a8e280a9"),
        ("composed", "one code point", "\u00e9", "a2c3a9"),
        ("decomposed", "two code points, not normalised", "e\u0301", "a365cc81"),
        ("31-in-16", "length counts bytes: 16 code points, 31 bytes", "\u00e9" * 15 + "e", "bf"),
        ("32-in-16", "length counts bytes: 16 code points, 32 bytes", "\u00e9" * 16, "d920"),
        ("255-in-128", "128 code points, 255 bytes", "\u00e9" * 127 + "e", "d9ff"),
        ("256-in-128", "128 code points, 256 bytes", "\u00e9" * 128, "da0100"),
        ("dollar", "text that looks like a tag", "$bytes", "a6"),
        ("bom", "U+FEFF is kept", "\ufeff", "a3efbbbf"),
    ]
    for name, comment, text, head in cases:
        _add(table, f"text-{name}", comment, text, head)
    _add(table, "bytes-all", "every byte", bytes(range(256)), "c50100000102")
    _add(table, "bytes-text", "bytes that are text stay bytes", b"abc", "c403616263")
    for size in (1, 2, 3):
        _add(table, f"bytes-padding-{size}", "base64 with each padding", b"\xff" * size, f"c40{size}")


def _maps(table: Table) -> None:
    cases = [
        ("contract", "CONTRACT.md section 12", {"name": "Ada", "age": 36}, "82a361676524a46e616d65a3416461"),
        ("empty-key", "the empty text is a key", {"": 1}, "81a001"),
        ("empty-key-first", "the empty text comes first", {"\0": 2, "": 1}, "82a001a10002"),
        ("prefix", "a prefix comes first", {"ab": 2, "a": 1, "abc": 3}, "83a16101a2616202a361626303"),
        ("length", "bytes decide, not lengths", {"b": 1, "aa": 2}, "82a2616102a16201"),
        ("case", "upper case before lower case", {"a": 1, "B": 2}, "82a14202a16101"),
        ("digits", "text order, not number order", {"10": 1, "9": 2}, "82a2313001a13902"),
        ("ascii-multibyte", "ASCII before all others", {"\u00e9": 1, "z": 2}, "82a17a02a2c3a901"),
        ("unsigned", "bytes are unsigned", {"\U00010000": 1, "\x7f": 2}, "82a17f02a4f090808001"),
        ("utf16", "U+FFFF before U+10000: not the order of UTF-16", {"\U00010000": 1, "\uffff": 2}, "82a3efbfbf02a4f090808001"),
        ("private", "U+E000 before U+1F600: not the order of UTF-16", {"\U0001f600": 1, "\ue000": 2}, "82a3ee808002a4f09f988001"),
        ("forms", "composed and decomposed are two keys", {"\u00e9": 1, "e\u0301": 2}, "82a365cc8102a2c3a901"),
        ("key-31", "key of 31 bytes", {"k" * 31: 0}, "81bf"),
        ("key-32", "key of 32 bytes", {"k" * 32: 0}, "81d920"),
        ("key-255", "key of 255 bytes", {"k" * 255: 0}, "81d9ff"),
        ("key-256", "key of 256 bytes", {"k" * 256: 0}, "81da0100"),
        ("key-3000", "a map key may be longer than a stash key", {"k" * 3000: 0}, "81da0bb8"),
        ("long-short", "a head with length bytes does not count in the order", {"b": 1, "a" * 40: 2}, "82d928"),
        ("dollar", "single key with a dollar: escaped in JSON", {"$bytes": "AA=="}, "81a6"),
        ("dollar-unknown", "single key with a dollar, no known tag", {"$": 1}, "81a12401"),
        ("dollar-map", "the escape's own name", {"$map": {}}, "81a4246d617080"),
        ("dollar-map-twice", "escape in escape", {"$map": {"$map": {"$float": "nan"}}}, "81a4246d617081a4"),
        ("dollar-two", "two keys: no escape", {"$a": 1, "$b": 2}, "82a2246101a2246202"),
        ("dollar-value", "tagged value under a dollar key", {"$x": b"\x01"}, "81a22478c40101"),
        ("dollar-inner", "escape inside an array", [{"$float": "inf"}], "9181a6"),
        ("dollar-later", "a dollar later in the key", {"a$": 1}, "81a2612401"),
        ("all-types", "one entry of each type", _every_type(), "8a"),
    ]
    for name, comment, value, head in cases:
        _add(table, f"map-{name}", comment, value, head)


def _every_type() -> dict:
    return {
        "nil": None, "bool": True, "integer": -7, "float": 2.0, "text": "t", "bytes": b"b", "array": [1, [2]],
        "map": {"k": "v"}, "timestamp": Timestamp(1, 5), "vector": Vector(struct.pack("<f", -0.0)),
    }  # fmt: skip


def _timestamps(table: Table) -> None:
    cases = [
        ("zero", "the epoch", 0, 0, "d6ff00000000"),
        ("contract", "a day in 2026", 1767323045, 678901234, "d7ffa1dcd7c8695735a5"),
        ("one", "one second", 1, 0, "d6ff00000001"),
        ("32-last", "last of four bytes", 2**32 - 1, 0, "d6ffffffffff"),
        ("32-over", "first that needs 34 bits", 2**32, 0, "d7ff0000000100000000"),
        ("one-ns", "one nanosecond", 0, 1, "d7ff0000000400000000"),
        ("max-ns", "most nanoseconds", 0, 999_999_999, "d7ffee6b27fc00000000"),
        ("32-last-ns", "nanoseconds need eight bytes", 2**32 - 1, 1, "d7ff00000004ffffffff"),
        ("34-last", "last of 34 bits", 2**34 - 1, 0, "d7ff00000003ffffffff"),
        ("34-last-ns", "last of 34 bits, most nanoseconds", 2**34 - 1, 999_999_999, "d7ffee6b27ffffffffff"),
        ("34-over", "first that needs twelve bytes", 2**34, 0, "c70cff000000000000000400000000"),
        ("34-over-ns", "with nanoseconds", 2**34, 5, "c70cff000000050000000400000000"),
        ("minus-one", "one second before the epoch", -1, 0, "c70cff00000000ffffffffffffffff"),
        ("minus-ns", "one nanosecond before the epoch", -1, 999_999_999, "c70cff3b9ac9ffffffffffffffffff"),
        ("greatest", "greatest second", 2**63 - 1, 999_999_999, "c70cff3b9ac9ff7fffffffffffffff"),
        ("least", "least second", -(2**63), 0, "c70cff000000008000000000000000"),
        ("year-0", "first second of the year 0", -62_167_219_200, 0, "c70cff00000000"),
        ("year-before-0", "one second earlier: an array in JSON", -62_167_219_201, 0, "c70cff00000000"),
        ("year-before-0-ns", "one nanosecond before the year 0", -62_167_219_201, 999_999_999, "c70cff3b9ac9ff"),
        ("year-9999", "last nanosecond of the year 9999", 253_402_300_799, 999_999_999, "c70cff3b9ac9ff"),
        ("year-10000", "one second later: an array in JSON", 253_402_300_800, 0, "c70cff00000000"),
        ("leap-day", "29 February 2000", 951_782_400, 0, "d6ff38bb0c00"),
        ("1900", "1 March 1900: no leap year", -2_203_891_200, 0, "c70cff00000000ffffffff7ca34a00"),
        ("2100", "1 March 2100: no leap year", 4_107_542_400, 0, "d6fff4d41f80"),
        ("milli", "fraction of three digits", 1, 500_000_000 + 1_000_000, "d7ff"),
        ("fraction-1", "fraction of one digit", 1, 500_000_000, "d7ff"),
        ("fraction-zero", "fraction with leading zeros", 1, 10, "d7ff"),
        ("end-of-day", "last second of a day", 86_399, 0, "d6ff0001517f"),
    ]
    for name, comment, seconds, nanoseconds, head in cases:
        _add(table, f"timestamp-{name}", comment, Timestamp(seconds, nanoseconds), head)


def _vectors(table: Table) -> None:
    cases = [
        ("one", "1.0, little-endian", "0000803f", "d6010000803f"),
        ("pair", "1.0 and 2.0", "0000803f00000040", "d7010000803f00000040"),
        ("nan", "the only NaN", "0000c07f", "d6010000c07f"),
        ("inf", "both infinities", "0000807f000080ff", "d7010000807f000080ff"),
        ("zeros", "0.0 and -0.0", "0000000000000080", "d7010000000000000080"),
        ("subnormal", "least and greatest subnormal", "01000000ffff7f00", "d701"),
        ("max", "greatest and least finite", "ffff7f7fffff7fff", "d701"),
        ("nan-among", "a NaN among numbers", "0000803f0000c07f00000040", "c70c01"),
    ]
    for name, comment, payload, head in cases:
        _add(table, f"vector-{name}", comment, Vector(bytes.fromhex(payload)), head)


def _nesting(table: Table) -> None:
    def nest(depth: int, core: object, wrap) -> object:
        for _ in range(depth):
            core = wrap(core)
        return core

    _add(table, "depth-64-arrays", "64 arrays, the innermost empty", nest(63, [], lambda v: [v]), "91" * 63 + "90")
    _add(table, "depth-64-scalar", "64 arrays around a scalar", nest(64, 7, lambda v: [v]), "91" * 64 + "07")
    _add(table, "depth-64-maps", "64 maps around nil", nest(64, None, lambda v: {"a": v}), "81a161" * 64 + "c0")
    _add(table, "depth-64-mixed", "maps and arrays in turn", nest(32, True, lambda v: {"a": [v]}), "81a16191" * 32 + "c3")
    _add(table, "depth-64-last", "the deep element is the last one", [1, [2], nest(63, "x", lambda v: [v])], "9301910291")
    _add(table, "array-mixed", "one element of each type", list(_every_type().values()), "9ac0c3f9cb")
    _add(table, "array-numbers", "integer and float of one number stay apart", [1, 1.0, -1, -1.0, 0, 0.0, -0.0], "9701cb3ff0")
    _add(table, "array-nested-empty", "empty containers", [[], {}, "", b""], "949080a0c400")
    _add(table, "array-nils", "nils are elements", [None, None, None], "93c0c0c0")
