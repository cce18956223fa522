"""crc.json: CRC-32/ISO-HDLC over plain bytes."""

from cases.table import Table


def table() -> Table:
    result = Table("crc", "CRC-32/ISO-HDLC; CONTRACT.md section 7.")
    cases = [
        ("empty", "nothing", b"", "00000000"),
        ("check", "the check value of the catalogue", b"123456789", "cbf43926"),
        ("zero", "one zero byte", b"\0", "d202ef8d"),
        ("ff", "one 0xFF", b"\xff", "ff000000"),
        ("a", "one letter", b"a", "e8b7be43"),
        ("abc", "three letters", b"abc", "352441c2"),
        ("zeros-32", "32 zero bytes: leading zeros count", b"\0" * 32, "190a55ad"),
        ("ones-32", "32 bytes 0xFF", b"\xff" * 32, "ff6cab0b"),
        ("fox", "a sentence", b"The quick brown fox jumps over the lazy dog", "414fa339"),
        ("all", "every byte", bytes(range(256)), "29058c73"),
        ("92", "as long as the input of CONTRACT.md section 12", bytes(range(92)), None),
    ]
    cases += [(f"length-{n}", "around the widths of fast implementations", b"\xa5" * n, None) for n in (3, 4, 7, 8, 15, 16, 17, 63, 64, 65)]
    for name, comment, data, crc in cases:
        members = {"data": data.hex()}
        found = result.answer(name, members, None)
        if crc and found["crc"] != crc:
            raise ValueError(f"crc/{name}: {found['crc']}, not {crc}")
        result.add(name, comment, members | found)
    return result
