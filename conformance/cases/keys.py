"""keys.json: normal form, hash and routing of keys, and what is no key."""

import hashlib
import struct

from cases.table import Table


def table() -> Table:
    result = Table("keys", "Keys: normal form, storage class, hash, shard and slot; CONTRACT.md sections 3 to 5.")
    _text(result)
    _bad_text(result)
    _integers(result)
    _floats(result)
    _bytes(result)
    _routes(result)
    return result


def _add(table: Table, id_: str, comment: str, kind: str, text: str, error: str | None = None) -> None:
    table.judged(id_, comment, {"type": kind, "input": text}, error)


def _text(table: Table) -> None:
    cases = [
        ("contract", "the key of CONTRACT.md section 12", "user:1001"),
        ("empty", "empty text is an ordinary key", ""),
        ("one", "text of one byte; not the bytes 0x61", "a"),
        ("digit", "text 1; not the integer 1", "1"),
        ("nul", "U+0000 alone", "\0"),
        ("nul-inside", "U+0000 does not end the text", "a\0b"),
        ("nul-end", "U+0000 at the end counts", "a\0"),
        ("space", "white space is kept", " a "),
        ("newline", "line ends are kept", "a\r\nb"),
        ("composed", "e with acute, one code point", "\u00e9"),
        ("decomposed", "e with acute, two code points: another key", "e\u0301"),
        ("angstrom", "U+212B is not normalised to U+00C5", "\u212b"),
        ("hangul", "conjoining jamo stay apart", "\u1112\u1161\u11ab"),
        ("two-bytes-last", "U+07FF", "\u07ff"),
        ("three-bytes-first", "U+0800", "\u0800"),
        ("before-surrogates", "U+D7FF", "\ud7ff"),
        ("after-surrogates", "U+E000", "\ue000"),
        ("bom", "U+FEFF is kept", "\ufeffa"),
        ("noncharacter", "U+FFFF is valid text", "\uffff"),
        ("astral-first", "U+10000", "\U00010000"),
        ("astral-last", "U+10FFFF", "\U0010ffff"),
        ("emoji", "four bytes", "\U0001f600"),
        ("emoji-joined", "joined emoji", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("rtl", "right to left", "\u0645\u0641\u062a\u0627\u062d"),
        ("case-upper", "case matters", "KEY"),
        ("case-lower", "case matters", "key"),
        ("dollar", "no tag in a text key", "$bytes"),
        ("quote", "quotes and backslashes", "'\"\\"),
        ("2047", "one byte under the limit", "k" * 2047),
        ("2048", "at the limit", "k" * 2048),
        ("2048-multibyte", "the limit counts bytes, not code points", "\u00e9" * 1024),
        ("127", "127 bytes", "k" * 127),
        ("128", "one block of the hash", "k" * 128),
        ("129", "one byte over a block of the hash", "k" * 129),
    ]
    for name, comment, text in cases:
        _add(table, f"text-{name}", comment, "text", text.encode().hex())
    _add(table, "text-2049", "one byte over the limit", "text", ("k" * 2049).encode().hex(), "TooLarge")
    _add(table, "text-2049-multibyte", "1025 code points, 2049 bytes", "text", ("k" + "\u00e9" * 1024).encode().hex(), "TooLarge")
    _add(table, "text-4096", "far over the limit", "text", "6b" * 4096, "TooLarge")


def _bad_text(table: Table) -> None:
    cases = [
        ("continuation", "a continuation byte alone", "80"),
        ("cut-2", "two-byte form cut short", "c3"),
        ("cut-3", "three-byte form cut short", "e282"),
        ("cut-4", "four-byte form cut short", "f09f98"),
        ("cut-inside", "form broken by ASCII", "c361"),
        ("overlong-2", "overlong slash", "c0af"),
        ("overlong-nul", "overlong NUL (modified UTF-8)", "c080"),
        ("overlong-3", "overlong form of three bytes", "e08080"),
        ("overlong-4", "overlong form of four bytes", "f0808080"),
        ("surrogate-high", "U+D800 as three bytes", "eda080"),
        ("surrogate-low", "U+DFFF as three bytes", "edbfbf"),
        ("surrogate-pair", "a pair as six bytes (CESU-8)", "eda0bdedb880"),
        ("over-range", "U+110000", "f4908080"),
        ("five-bytes", "five-byte form", "f888808080"),
        ("ff", "0xFF", "ff"),
        ("fe", "0xFE, start of a UTF-16 mark", "feff0061"),
        ("latin-1", "latin-1 text", "636166e9"),
        ("late", "valid but for the last byte", "61626380"),
    ]
    for name, comment, text in cases:
        _add(table, f"text-bad-{name}", comment, "text", text, "InvalidKey")


def _integers(table: Table) -> None:
    boundaries = [0, 1, -1, 9, 10, 31, 32, -32, -33, 127, 128, -128, -129, 255, 256, 1000]
    for power in (15, 16, 31, 32, 52, 53, 54, 62):
        boundaries += [2**power - 1, 2**power, 2**power + 1, -(2**power) - 1, -(2**power), -(2**power) + 1]
    boundaries += [2**63 - 2, 2**63 - 1, -(2**63) + 1, -(2**63)]
    for number in dict.fromkeys(boundaries):
        _add(table, f"integer-{number}", "integer", "integer", str(number))
    for number in (2**63, 2**63 + 1, -(2**63) - 1, 2**64 - 1, 2**64, -(2**64), 10**30, -(10**30)):
        _add(table, f"integer-{number}", "integer out of range", "integer", str(number), "InvalidKey")


def _floats(table: Table) -> None:
    integral = [1.0, -1.0, 2.0, 1e15, 2.0**31, 2.0**32, 2.0**52, 2.0**53, 2.0**53 - 1, 2.0**53 + 2, -(2.0**53), -(2.0**53) - 2]
    integral += [1e18, 2.0**62, -(2.0**62), 2.0**63 - 1024, -(2.0**63), -(2.0**63) + 1024]
    _float(table, "zero", "0.0 is the integer key 0", 0.0)
    _float(table, "negative-zero", "-0.0 is the integer key 0", -0.0)
    for number in integral:
        _float(table, f"integral-{int(number)}", "integral and in range: an integer key", number)
    proper = [
        ("half", "not integral", 0.5),
        ("negative-half", "not integral", -0.5),
        ("tenth", "not integral", 0.1),
        ("one-and-ulp", "next above 1", 1.0000000000000002),
        ("one-less-ulp", "next below 1", 0.9999999999999999),
        ("pi", "not integral", 3.141592653589793),
        ("last-fraction", "greatest that is not integral: 2^52 - 0.5", 2.0**52 - 0.5),
        ("2^63", "integral, but one above the range", 2.0**63),
        ("-2^63-2048", "integral, next below the range", -(2.0**63) - 2048),
        ("2^64", "integral, out of range", 2.0**64),
        ("1e300", "integral, out of range", 1e300),
        ("-1e300", "integral, out of range", -1e300),
        ("max", "greatest finite", 1.7976931348623157e308),
        ("lowest", "least finite", -1.7976931348623157e308),
        ("min-normal", "least positive normal", 2.2250738585072014e-308),
        ("subnormal-greatest", "greatest subnormal", 2.225073858507201e-308),
        ("subnormal-least", "least positive subnormal", 5e-324),
        ("subnormal-negative", "greatest negative subnormal", -5e-324),
        ("inf", "infinity is a key", float("inf")),
        ("negative-inf", "minus infinity is a key", float("-inf")),
    ]
    for name, comment, number in proper:
        _float(table, name, comment, number)
    nans = ["7ff8000000000000", "fff8000000000000", "7ff0000000000001", "fff0000000000001", "7fffffffffffffff", "ffffffffffffffff"]
    for bits in [*nans, "7ff4000000000000", "7ff8000000000001"]:
        _add(table, f"float-nan-{bits}", "NaN is no key", "float", bits, "InvalidKey")


def _float(table: Table, name: str, comment: str, number: float) -> None:
    _add(table, f"float-{name}", comment, "float", struct.pack(">d", number).hex())


def _bytes(table: Table) -> None:
    cases = [
        ("empty", "the empty byte string; not the empty text", b""),
        ("zero", "0x00", b"\0"),
        ("a", "0x61; not the text a", b"a"),
        ("user", "the bytes of the contract's text key hash differently", b"user:1001"),
        ("ff", "need not be UTF-8", b"\xff"),
        ("surrogate", "need not be UTF-8", b"\xed\xa0\x80"),
        ("integer-image", "the eight bytes of the integer 1", (1).to_bytes(8, "big")),
        ("float-image", "the eight bytes of 0.5", struct.pack(">d", 0.5)),
        ("all", "every byte", bytes(range(256))),
        ("2047", "one byte under the limit", b"\xaa" * 2047),
        ("2048", "at the limit", b"\xaa" * 2048),
    ]
    for name, comment, raw in cases:
        _add(table, f"bytes-{name}", comment, "bytes", raw.hex())
    _add(table, "bytes-2049", "one byte over the limit", "bytes", "aa" * 2049, "TooLarge")


def _routes(table: Table) -> None:
    """The first key of key:0, key:1 … for each of the 64 tables. The hash is taken here once more, without the reference."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < 64:
        text = f"key:{number}"
        found.setdefault(hashlib.blake2b(text.encode()).digest()[0] >> 2, text)
        number += 1
    for place in range(64):
        comment = f"shard {place >> 2}, slot {place & 3}"
        _add(table, f"route-{place >> 2:x}-{place & 3}", comment, "text", found[place].encode().hex())
        case = table.cases[-1]
        if (case["shard"], case["slot"]) != (place >> 2, place & 3):
            raise ValueError(f"{case['id']}: reference routes elsewhere")
