"""values_invalid.json: bodies that a decoder must refuse. All written by hand as bytes."""

import struct

from cases.table import Table


def table() -> Table:
    result = Table("values_invalid", "Bodies that must be refused, with the error; CONTRACT.md section 8.")
    _heads(result)
    _integers(result)
    _floats(result)
    _lengths(result)
    _text(result)
    _map_keys(result)
    _extensions(result)
    _timestamps(result)
    _vectors(result)
    _truncated(result)
    _past_the_end(result)
    _trailing(result)
    _depth(result)
    return result


def _add(table: Table, id_: str, comment: str, encoded: str, error: str = "InvalidValue") -> None:
    members = {"encoded": encoded.replace(" ", "")}
    table.answer(id_, members, error)
    table.add(id_, comment, members | {"error": error})


def _heads(table: Table) -> None:
    _add(table, "empty", "an empty body", "")
    _add(table, "c1", "never used", "c1")
    _add(table, "c1-inside", "never used, inside an array", "91c1")
    _add(table, "c1-value", "never used, as a map value", "81a161c1")


def _integers(table: Table) -> None:
    for number in (0, 1, 31, 32, 127):
        _add(table, f"integer-{number}-cc", "fits one byte", f"cc{number:02x}")
    for number in (0, 1, 127, 128, 255):
        _add(table, f"integer-{number}-cd", "fits a shorter form", f"cd{number:04x}")
    for number in (0, 127, 128, 255, 256, 65535):
        _add(table, f"integer-{number}-ce", "fits a shorter form", f"ce{number:08x}")
    for number in (0, 127, 255, 256, 65535, 65536, 2**31 - 1, 2**32 - 1):
        _add(table, f"integer-{number}-cf", "fits a shorter form", f"cf{number:016x}")
    signed = {
        1: (-1, -31, -32),
        2: (-1, -32, -33, -127, -128),
        4: (-1, -32, -33, -128, -129, -32767, -32768),
        8: (-1, -32, -128, -129, -32768, -32769, -(2**31) + 1, -(2**31)),
    }
    positive = {1: (0, 1, 127), 2: (0, 1, 128, 32767), 4: (0, 1, 65535, 65536, 2**31 - 1), 8: (0, 1, 2**31, 2**32, 2**63 - 1)}
    for at, size in enumerate((1, 2, 4, 8)):
        for number in signed[size]:
            _add(table, f"integer-{number}-d{at}", "fits a shorter form", f"d{at}" + number.to_bytes(size, "big", signed=True).hex())
        for number in positive[size]:
            _add(table, f"integer-{number}-d{at}", "signed form of a number that is not negative", f"d{at}" + number.to_bytes(size, "big").hex())


def _floats(table: Table) -> None:
    for name, bits in (("0", "00000000"), ("1", "3f800000"), ("half", "3f000000"), ("inf", "7f800000"), ("nan", "7fc00000")):
        _add(table, f"float32-{name}", "binary32 is not used", "ca" + bits)
    _add(table, "float32-inside", "binary32 inside an array", "91ca3f800000")
    nans = [
        ("negative", "fff8000000000000"),
        ("payload-1", "7ff8000000000001"),
        ("payload-top", "7ffc000000000000"),
        ("all-ones", "7fffffffffffffff"),
        ("negative-all-ones", "ffffffffffffffff"),
        ("signalling-least", "7ff0000000000001"),
        ("signalling-most", "7ff7ffffffffffff"),
        ("signalling-negative", "fff0000000000001"),
        ("widened", "7ff4000000000000"),
        ("java-script", "7ff8000020000000"),
    ]
    for name, bits in nans:
        _add(table, f"nan-{name}", "another NaN", "cb" + bits)
    _add(table, "nan-inside", "another NaN in a map", "81a161cbfff8000000000000")


def _lengths(table: Table) -> None:
    """Every head that is wider than the length needs, on the greatest and smaller lengths that have a shorter one."""

    def text(length: int) -> str:
        return "74" * length

    for length in (0, 1, 30, 31):
        _add(table, f"text-d9-{length}", "fits the first byte", f"d9{length:02x}" + text(length))
    for length in (0, 31, 32, 255):
        _add(table, f"text-da-{length}", "fits a shorter form", f"da{length:04x}" + text(length))
    for length in (0, 31, 32, 255, 256):
        _add(table, f"text-db-{length}", "fits a shorter form", f"db{length:08x}" + text(length))
    for length in (0, 1, 255):
        _add(table, f"bytes-c5-{length}", "fits a shorter form", f"c5{length:04x}" + text(length))
    for length in (0, 255, 256):
        _add(table, f"bytes-c6-{length}", "fits a shorter form", f"c6{length:08x}" + text(length))
    for count in (0, 1, 15):
        _add(table, f"array-dc-{count}", "fits the first byte", f"dc{count:04x}" + "c0" * count)
    for count in (0, 15, 16, 256):
        _add(table, f"array-dd-{count}", "fits a shorter form", f"dd{count:08x}" + "c0" * count)
    for count in (0, 1, 15):
        _add(table, f"map-de-{count}", "fits the first byte", f"de{count:04x}" + _entries(count))
    for count in (0, 15, 16, 256):
        _add(table, f"map-df-{count}", "fits a shorter form", f"df{count:08x}" + _entries(count))
    _add(table, "map-key-d9", "map key of one byte with a length byte", "81d90161c0")
    _add(table, "map-key-da", "map key of 32 bytes with two length bytes", "81da0020" + text(32) + "c0")
    _add(table, "map-key-db", "map key of 256 bytes with four length bytes", "81db00000100" + text(256) + "c0")


def _entries(count: int) -> str:
    return "".join("a3" + f"{n:03}".encode().hex() + "c0" for n in range(count))


def _text(table: Table) -> None:
    bad = [
        ("continuation", "continuation byte alone", "80"),
        ("continuation-last", "last continuation byte alone", "bf"),
        ("cut-2", "two-byte form cut short", "c3"),
        ("cut-3", "three-byte form cut short", "e282"),
        ("cut-4", "four-byte form cut short", "f09f98"),
        ("broken", "form broken by ASCII", "c328"),
        ("broken-3", "form broken by ASCII", "e28228"),
        ("overlong-2", "overlong slash", "c0af"),
        ("overlong-2-last", "overlong DEL", "c1bf"),
        ("overlong-nul", "overlong NUL (modified UTF-8)", "c080"),
        ("overlong-3", "overlong U+07FF", "e09fbf"),
        ("overlong-4", "overlong U+FFFF", "f08fbfbf"),
        ("surrogate-first", "U+D800", "eda080"),
        ("surrogate-last", "U+DFFF", "edbfbf"),
        ("surrogate-pair", "a pair as six bytes (CESU-8)", "eda0bdedb880"),
        ("over-range", "U+110000", "f4908080"),
        ("f5", "first byte F5", "f5808080"),
        ("five-bytes", "five-byte form", "f888808080"),
        ("six-bytes", "six-byte form", "fc8480808080"),
        ("fe", "0xFE", "fe"),
        ("ff", "0xFF", "ff"),
    ]
    for name, comment, raw in bad:
        head = f"{0xA0 + len(raw) // 2:02x}"
        _add(table, f"utf8-{name}", comment, head + raw)
        _add(table, f"utf8-key-{name}", f"{comment}, in a map key", "81" + head + raw + "c0")
    _add(table, "utf8-long", "late fault in a longer text", "d928" + "61" * 39 + "ff")
    _add(table, "utf8-split", "a form goes on after the end of the text", "92a1c3a1a9")


def _map_keys(table: Table) -> None:
    cases = [
        ("duplicate", "one key twice", "82 a161 01 a161 01"),
        ("duplicate-apart", "one key twice, not neighbours", "83 a161 01 a162 01 a161 01"),
        ("duplicate-empty", "the empty key twice", "82 a0 01 a0 02"),
        ("order", "b before a", "82 a162 01 a161 02"),
        ("order-prefix", "longer before its prefix", "82 a26162 01 a161 02"),
        ("order-empty", "the empty key last", "82 a161 01 a0 02"),
        ("order-length", "shorter first is not the order", "82 a162 01 a26161 02"),
        ("order-case", "order without case", "82 a161 01 a142 02"),
        ("order-numbers", "9 before 10", "82 a139 01 a23130 02"),
        ("order-utf16", "order of UTF-16 code units", "82 a4f0908080 01 a3efbfbf 02"),
        ("order-signed", "order of signed bytes", "82 a2c3a9 01 a17a 02"),
        ("order-inner", "in a map inside", "81 a161 82 a162 01 a161 02"),
        ("order-array", "in a map inside an array", "91 82 a162 01 a161 02"),
        ("order-head", "order of whole encodings, with heads", "82 a162 01 d928" + "61" * 40 + "02"),
        ("nil", "nil as key", "81 c0 01"),
        ("bool", "true as key", "81 c3 01"),
        ("integer", "integer as key", "81 01 01"),
        ("negative", "negative integer as key", "81 ff 01"),
        ("uint8", "integer as key", "81 cc80 01"),
        ("float", "float as key", "81 cb3ff0000000000000 01"),
        ("bytes", "bytes as key", "81 c40161 01"),
        ("array", "array as key", "81 90 01"),
        ("map", "map as key", "81 80 01"),
        ("timestamp", "timestamp as key", "81 d6ff00000000 01"),
        ("vector", "vector as key", "81 c70001 01"),
        ("second", "second key is no text", "82 a161 01 02 03"),
    ]
    for name, comment, encoded in cases:
        _add(table, f"map-key-{name}", comment, encoded)


def _extensions(table: Table) -> None:
    fixed = {"d4": 1, "d5": 2, "d6": 4, "d7": 8, "d8": 16}
    for kind in ("00", "02", "7f", "80", "fe"):
        for head, size in fixed.items():
            _add(table, f"ext-{head}-{kind}", f"extension type {int(kind, 16)}", head + kind + "00" * size)
        _add(table, f"ext-c7-{kind}", f"extension type {int(kind, 16)}", "c70c" + kind + "00" * 12)
    for kind in ("00", "02"):
        _add(table, f"ext-c7-empty-{kind}", "unknown type without payload", "c700" + kind)
        _add(table, f"ext-c8-{kind}", "unknown type, two length bytes", "c80100" + kind + "00" * 256)
        _add(table, f"ext-c9-{kind}", "unknown type, four length bytes", "c900000004" + kind + "00" * 4)


def _timestamps(table: Table) -> None:
    def eight(nanoseconds: int, seconds: int) -> str:
        return "d7ff" + f"{nanoseconds << 34 | seconds:016x}"

    def twelve(nanoseconds: int, seconds: int) -> str:
        return "c70cff" + struct.pack(">Iq", nanoseconds, seconds).hex()

    cases = [
        ("8-for-4-zero", "eight bytes for the epoch", eight(0, 0)),
        ("8-for-4-one", "eight bytes where four do", eight(0, 1)),
        ("8-for-4-last", "eight bytes where four just do", eight(0, 2**32 - 1)),
        ("12-for-4-zero", "twelve bytes for the epoch", twelve(0, 0)),
        ("12-for-4-last", "twelve bytes where four just do", twelve(0, 2**32 - 1)),
        ("12-for-8-first", "twelve bytes where eight do", twelve(0, 2**32)),
        ("12-for-8-ns", "twelve bytes where eight do", twelve(1, 0)),
        ("12-for-8-last", "twelve bytes where eight just do", twelve(999_999_999, 2**34 - 1)),
        ("8-ns-over", "10^9 nanoseconds", eight(1_000_000_000, 0)),
        ("8-ns-most", "2^30 - 1 nanoseconds", eight(2**30 - 1, 1)),
        ("12-ns-over", "10^9 nanoseconds", twelve(1_000_000_000, -1)),
        ("12-ns-most", "2^32 - 1 nanoseconds", twelve(2**32 - 1, -1)),
        ("length-0", "no payload", "c700ff"),
        ("length-1", "one byte", "d4ff00"),
        ("length-2", "two bytes", "d5ff0000"),
        ("length-3", "three bytes", "c703ff000000"),
        ("length-11", "eleven bytes", "c70bff" + "00" * 11),
        ("length-13", "thirteen bytes", "c70dff" + "00" * 4 + "ff" * 9),
        ("length-16", "sixteen bytes", "d8ff" + "ff" * 16),
        ("length-256", "256 bytes", "c80100ff" + "ff" * 256),
        ("c7-4", "four bytes, wider head", "c704ff00000001"),
        ("c7-8", "eight bytes, wider head", "c708ff" + eight(1, 1)[4:]),
        ("c8-4", "four bytes, two length bytes", "c80004ff00000001"),
        ("c8-12", "twelve bytes, two length bytes", "c8000cff" + twelve(0, -1)[6:]),
        ("c9-4", "four bytes, four length bytes", "c900000004ff00000001"),
        ("c9-8", "eight bytes, four length bytes", "c900000008ff" + eight(1, 1)[4:]),
        ("c9-12", "twelve bytes, four length bytes", "c90000000cff" + twelve(0, -1)[6:]),
    ]
    for name, comment, encoded in cases:
        _add(table, f"timestamp-{name}", comment, encoded)


def _vectors(table: Table) -> None:
    cases = [
        ("1", "one byte", "d40100"),
        ("2", "two bytes", "d5010000"),
        ("3", "three bytes", "c70301000000"),
        ("5", "five bytes", "c70501" + "00" * 5),
        ("255", "255 bytes", "c7ff01" + "00" * 255),
        ("257", "257 bytes", "c8010101" + "00" * 257),
        ("c7-4", "four bytes have a head of their own", "c704010000803f"),
        ("c7-8", "eight bytes have a head of their own", "c70801" + "00" * 8),
        ("c7-16", "sixteen bytes have a head of their own", "c71001" + "00" * 16),
        ("c8-0", "empty, two length bytes", "c8000001"),
        ("c8-4", "four bytes, two length bytes", "c80004010000803f"),
        ("c8-12", "twelve bytes, two length bytes", "c8000c01" + "00" * 12),
        ("c8-252", "252 bytes, two length bytes", "c800fc01" + "00" * 252),
        ("c9-0", "empty, four length bytes", "c90000000001"),
        ("c9-4", "four bytes, four length bytes", "c900000004010000803f"),
        ("c9-16", "sixteen bytes, four length bytes", "c90000001001" + "00" * 16),
        ("c9-252", "252 bytes, four length bytes", "c9000000fc01" + "00" * 252),
        ("c9-256", "256 bytes, four length bytes", "c90000010001" + "00" * 256),
        ("nan-negative", "another NaN", "d6010000c0ff"),
        ("nan-payload", "another NaN", "d6010100c07f"),
        ("nan-signalling", "another NaN", "d6010100807f"),
        ("nan-all-ones", "another NaN", "d601ffffffff"),
        ("nan-signalling-most", "another NaN", "d601ffffbf7f"),
        ("nan-big-endian", "another NaN, bytes of 2.3e-41 reversed", "d6010100c0ff"),
        ("nan-last", "another NaN as the last number", "c70c010000803f000000400000c0ff"),
        ("inside", "wrong payload inside an array", "91d5010000"),
    ]
    for name, comment, encoded in cases:
        _add(table, f"vector-{name}", comment, encoded)


def _truncated(table: Table) -> None:
    """One value of each form, cut before its last byte, and to its head where that is another cut."""
    whole = {
        "uint8": "cc80", "uint16": "cd0100", "uint32": "ce00010000", "uint64": "cf0000000100000000",
        "int8": "d080", "int16": "d18000", "int32": "d280000000", "int64": "d38000000000000000",
        "float": "cb3ff0000000000000",
        "fixtext": "a3616263", "text8": "d920" + "61" * 32, "text16": "da0100" + "61" * 256, "text32": "db00010000" + "61" * 40,
        "bytes8": "c403010203", "bytes16": "c50100" + "01" * 256, "bytes32": "c600010000" + "01" * 40,
        "fixarray": "93010203", "array16": "dc0010" + "01" * 16, "array32": "dd00010000" + "01" * 40,
        "fixmap": "82a16101a16202", "map16": "de0010" + _entries(16), "map32": "df00010000" + _entries(20),
        "timestamp4": "d6ff00000001", "timestamp8": "d7ff0000000400000000", "timestamp12": "c70cff00000000ffffffffffffffff",
        "vector4": "d6010000803f", "vector12": "c70c01" + "00" * 12, "vector256": "c8010001" + "00" * 256,
        "vector32": "c90001000001" + "00" * 40,
        "nested": "9191a3616263",
    }  # fmt: skip
    for name, encoded in whole.items():
        _add(table, f"truncated-{name}-last", "one byte is missing", encoded[:-2])
        if len(encoded) > 4:
            _add(table, f"truncated-{name}-first", "only the first byte is there", encoded[:2])
    for name in ("text16", "bytes16", "array16", "map16", "vector256"):
        _add(table, f"truncated-{name}-head", "cut inside the length", whole[name][:4])
    _add(table, "truncated-map-value", "map key without a value", "81a161")
    _add(table, "truncated-map-second", "second entry without a value", "82a16101a162")
    _add(table, "truncated-ext-type", "head of an extension without its type", "c70c")
    _add(table, "truncated-fixext-type", "head of a fixed extension without its type", "d6")


def _past_the_end(table: Table) -> None:
    cases = [
        ("text8", "text of 255 bytes in three", "d9ff61"),
        ("text16", "text of 65 535 bytes in four", "daffff61"),
        ("text32", "text of 4 GiB in six bytes", "dbffffffff61"),
        ("text32-sign", "length with the top bit", "db8000000061"),
        ("bytes8", "255 bytes in three", "c4ff01"),
        ("bytes16", "65 535 bytes in four", "c5ffff01"),
        ("bytes32", "4 GiB in six bytes", "c6ffffffff01"),
        ("bytes32-sign", "length with the top bit", "c68000000001"),
        ("array16", "65 535 elements in four bytes", "dcffff01"),
        ("array32", "2^32 - 1 elements in nothing: not TooLarge, the count cannot be true", "ddffffffff"),
        ("array32-some", "2^32 - 1 elements in ten bytes", "ddffffffff" + "c0" * 10),
        ("array32-sign", "2^31 elements", "dd80000000c0"),
        ("array32-values", "one more than the values of a record, but not there", "dd00400000c0"),
        ("map16", "65 535 entries in four bytes", "deffff01"),
        ("map32", "2^32 - 1 entries in nothing: not TooLarge, the count cannot be true", "dfffffffff"),
        ("map32-sign", "2^31 entries", "df80000000a0c0"),
        ("map-half", "as many bytes as entries: an entry takes two", "82a0c0a0"),
        ("fixarray", "15 elements in three bytes", "9fc0c0"),
        ("fixmap", "15 entries in four bytes", "8fa0c0a161"),
        ("vector8", "252 bytes of vector in nothing", "c7fc01"),
        ("vector16", "65 532 bytes of vector in nothing", "c8fffc01"),
        ("vector32", "4 GiB of vector in nothing", "c9fffffffc01"),
        ("ext32", "4 GiB of an unknown extension", "c9ffffffff05"),
        ("array-depth", "nested counts that cannot be true", "ddffffffff" * 70),
        ("array-inner", "the inner count takes what is not there", "9293c0c0"),
    ]
    for name, comment, encoded in cases:
        _add(table, f"past-{name}", comment, encoded)


def _trailing(table: Table) -> None:
    values = {
        "nil": "c0", "integer": "01", "uint8": "cc80", "float": "cb3ff0000000000000", "text": "a161", "bytes": "c40161",
        "array": "9101", "empty-array": "90", "map": "81a16101", "empty-map": "80", "timestamp": "d6ff00000000", "vector": "c70001",
    }  # fmt: skip
    for name, encoded in values.items():
        _add(table, f"trailing-{name}", "a byte after the value", encoded + "00")
    _add(table, "trailing-twice", "a second value", "c0c0")
    _add(table, "trailing-c1", "a byte that begins no value", "c0c1")


def _depth(table: Table) -> None:
    cases = [
        ("arrays", "65 arrays, the innermost empty", "91" * 64 + "90"),
        ("arrays-scalar", "65 arrays around a scalar", "91" * 65 + "c0"),
        ("maps", "65 maps, the innermost empty", "81a161" * 64 + "80"),
        ("maps-scalar", "65 maps around a scalar", "81a161" * 65 + "c0"),
        ("mixed", "maps and arrays in turn", "81a16191" * 32 + "90"),
        ("mixed-map", "arrays and maps in turn", "9181a161" * 32 + "80"),
        ("last", "the deep element is the last one", "92c0" + "91" * 63 + "90"),
        ("wide", "deep in the last of 16 elements", "dc0010" + "c0" * 15 + "91" * 63 + "90"),
        ("1000", "1000 arrays", "91" * 999 + "90"),
        ("5000", "5000 arrays", "91" * 4999 + "90"),
    ]
    for name, comment, encoded in cases:
        _add(table, f"depth-{name}", comment, encoded, "TooLarge")
    _add(table, "depth-cut", "64 arrays and nothing in them: the count cannot be true", "91" * 64)
