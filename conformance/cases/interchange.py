"""interchange.json: JSON texts of values, read by the rules of INTERCHANGE.md."""

from cases.table import Table


def table() -> Table:
    result = Table("interchange", "JSON texts and the encoding of the value they stand for; INTERCHANGE.md.")
    for topic, cases in VALID.items():
        for number, (comment, text, encoded) in enumerate(cases, 1):
            _valid(result, f"{topic}-{number}", comment, text, encoded)
    for topic, cases in INVALID.items():
        for number, (comment, text) in enumerate(cases, 1):
            id_ = f"{topic}-bad-{number}"
            result.answer(id_, {"json": text}, "InvalidValue")
            result.add(id_, comment, {"json": text, "error": "InvalidValue"})
    for comment, text in TOO_DEEP:
        id_ = f"depth-{comment.split()[0]}"
        result.answer(id_, {"json": text}, "TooLarge")
        result.add(id_, comment, {"json": text, "error": "TooLarge"})
    return result


def _valid(table: Table, id_: str, comment: str, text: str, encoded: str) -> None:
    found = table.answer(id_, {"json": text}, None)
    if found["encoded"] != encoded:
        raise ValueError(f"interchange/{id_}: {found['encoded']}, not {encoded}")
    table.add(id_, comment, {"json": text, "encoded": encoded})


# Topic -> comment, JSON text, encoding written by hand.
VALID = {
    "literal": [
        ("nil", "null", "c0"),
        ("true", "true", "c3"),
        ("false", "false", "c2"),
        ("white space around", " \t\r\n null \n", "c0"),
    ],
    "number": [
        ("integer", "36", "24"),
        ("minus zero without fraction is the integer 0", "-0", "00"),
        ("greatest integer", "18446744073709551615", "cfffffffffffffffff"),
        ("least integer", "-9223372036854775808", "d38000000000000000"),
        ("an integer that no binary64 holds", "9007199254740993", "cf0020000000000001"),
        ("a fraction makes a float", "1.0", "cb3ff0000000000000"),
        ("a fraction of zeros makes a float", "1.000", "cb3ff0000000000000"),
        ("an exponent makes a float", "1e0", "cb3ff0000000000000"),
        ("upper-case exponent with a plus", "1E+2", "cb4059000000000000"),
        ("exponent with leading zeros", "1e002", "cb4059000000000000"),
        ("an integral float with a negative exponent", "100e-2", "cb3ff0000000000000"),
        ("minus zero as a float", "-0.0", "cb8000000000000000"),
        ("minus zero with an exponent", "-0e0", "cb8000000000000000"),
        ("zero with a great exponent", "0e999", "cb0000000000000000"),
        ("a great float", "1e300", "cb7e37e43c8800759c"),
        ("greatest finite", "1.7976931348623157e308", "cb7fefffffffffffff"),
        ("rounds down to the greatest finite", "1.7976931348623158e308", "cb7fefffffffffffff"),
        ("underflow is zero", "1e-400", "cb0000000000000000"),
        ("negative underflow is minus zero", "-1e-400", "cb8000000000000000"),
        ("least subnormal", "5e-324", "cb0000000000000001"),
        ("just over half of the least subnormal", "2.4703282292062328e-324", "cb0000000000000001"),
        ("half of the least subnormal goes to even", "2.4703282292062327e-324", "cb0000000000000000"),
        ("halfway goes to even, down", "9007199254740993.0", "cb4340000000000000"),
        ("halfway goes to even, up", "9007199254740995.0", "cb4340000000000002"),
        ("a hair over halfway", "9007199254740993.00000000000000000000000000000000001", "cb4340000000000001"),
        ("more digits than a float has", "0.1000000000000000055511151231257827021181583404541015625", "cb3fb999999999999a"),
        ("integer range does not bind floats", "18446744073709551616.0", "cb43f0000000000000"),
        ("wrong by one bit in sloppy readers", "6.0221407599999999e23", "cb44dfe185ca57c517"),
        ("wrong by one bit in sloppy readers", "2.2250738585072011e-308", "cb000fffffffffffff"),
        ("famous for hanging readers", "2.2250738585072012e-308", "cb0010000000000000"),
    ],
    "float": [
        ("NaN", '{"$float": "nan"}', "cb7ff8000000000000"),
        ("infinity", '{"$float": "inf"}', "cb7ff0000000000000"),
        ("minus infinity", '{"$float": "-inf"}', "cbfff0000000000000"),
        ("inside an array", '[{"$float":"inf"}]', "91cb7ff0000000000000"),
    ],
    "text": [
        ("empty", '""', "a0"),
        ("short escapes", '"\\b\\f\\n\\r\\t\\"\\\\\\/"', "a8080c0a0d09225c2f"),
        ("escape of four digits", '"\\u00e9"', "a2c3a9"),
        ("upper-case digits", '"\\u00E9"', "a2c3a9"),
        ("U+0000", '"\\u0000"', "a100"),
        ("surrogate pair as escapes", '"\\ud83d\\ude00"', "a4f09f9880"),
        ("as it stands", '"\U0001f600"', "a4f09f9880"),
        ("U+FFFF", '"\\uffff"', "a3efbfbf"),
        ("U+007F as it stands", '"\x7f"', "a17f"),
        ("U+2028 as it stands", '"\u2028"', "a3e280a8"),
        ("an escaped backslash before u", '"\\\\ud800"', "a65c7564383030"),
    ],
    "bytes": [
        ("empty", '{"$bytes": ""}', "c400"),
        ("two of padding", '{"$bytes": "AA=="}', "c40100"),
        ("one of padding", '{"$bytes": "AAE="}', "c4020001"),
        ("no padding", '{"$bytes": "AAEC"}', "c403000102"),
        ("plus and slash", '{"$bytes": "+/+/"}', "c403fbffbf"),
        ("escapes in the content", '{"$bytes": "\\u0041AEC"}', "c403000102"),
        ("escape in the tag", '{"\\u0024bytes": "AAEC"}', "c403000102"),
    ],
    "map": [
        ("empty", "{}", "80"),
        ("sorted on writing", '{"b":1,"a":2}', "82a16102a16201"),
        ("sorted by UTF-8, not UTF-16", '{"\\ud800\\udc00":1,"\\uffff":2}', "82a3efbfbf02a4f090808001"),
        ("one member with a dollar, escaped", '{"$map":{"$bytes":"AA=="}}', "81a6246279746573a441413d3d"),
        ("two members with a dollar are a map", '{"$bytes":"AA==","$x":1}', "82a6246279746573a441413d3da2247801"),
        ("a known tag beside another member", '{"$float":"nan","a":1}', "82a624666c6f6174a36e616ea16101"),
        ("escape of an empty map", '{"$map":{}}', "80"),
        ("escape of a plain map", '{"$map":{"a":1}}', "81a16101"),
        ("escape of two members", '{"$map":{"$a":1,"$b":2}}', "82a2246101a2246202"),
        ("a map whose key is the escape", '{"$map":{"$map":{}}}', "81a4246d617080"),
        ("escape in an escape", '{"$map":{"$map":{"$map":{"a":1}}}}', "81a4246d617081a16101"),
        ("a tag as a value in an escape", '{"$map":{"$x":{"$bytes":"AA=="}}}', "81a22478c40100"),
        ("empty name", '{"":1}', "81a001"),
        ("dollar alone, escaped", '{"$map":{"$":1}}', "81a12401"),
        ("composed and decomposed are two names", '{"\\u00e9":1,"e\\u0301":2}', "82a365cc8102a2c3a901"),
        ("white space", ' { "a" : [ 1 , 2 ] } ', "81a161920102"),
    ],
    "timestamp": [
        ("epoch", '{"$timestamp":"1970-01-01T00:00:00Z"}', "d6ff00000000"),
        ("nine digits", '{"$timestamp":"2026-01-02T03:04:05.678901234Z"}', "d7ffa1dcd7c8695735a5"),
        ("one digit", '{"$timestamp":"1970-01-01T00:00:00.5Z"}', "d7ff7735940000000000"),
        ("one nanosecond", '{"$timestamp":"1970-01-01T00:00:00.000000001Z"}', "d7ff0000000400000000"),
        ("before the epoch", '{"$timestamp":"1969-12-31T23:59:59.999999999Z"}', "c70cff3b9ac9ffffffffffffffffff"),
        ("leap day", '{"$timestamp":"2000-02-29T00:00:00Z"}', "d6ff38bb0c00"),
        ("leap day of the year 0", '{"$timestamp":"0000-02-29T00:00:00Z"}', "c70cff00000000fffffff186d94c80"),
        ("first second of four digits", '{"$timestamp":"0000-01-01T00:00:00Z"}', "c70cff00000000fffffff1868b8400"),
        ("last nanosecond of four digits", '{"$timestamp":"9999-12-31T23:59:59.999999999Z"}', "c70cff3b9ac9ff0000003afff4417f"),
        ("after the year 9999", '{"$timestamp":[253402300800,0]}', "c70cff000000000000003afff44180"),
        ("before the year 0", '{"$timestamp":[-62167219201,999999999]}', "c70cff3b9ac9fffffffff1868b83ff"),
        ("greatest", '{"$timestamp":[9223372036854775807,999999999]}', "c70cff3b9ac9ff7fffffffffffffff"),
        ("least", '{"$timestamp":[-9223372036854775808,0]}', "c70cff000000008000000000000000"),
    ],
    "vector": [
        ("empty", '{"$vector":""}', "c70001"),
        ("two numbers", '{"$vector":"AACAPwAAAEA="}', "d7010000803f00000040"),
        ("NaN", '{"$vector":"AADAfw=="}', "d6010000c07f"),
    ],
    "depth": [
        ("64 arrays", "[" * 64 + "]" * 64, "91" * 63 + "90"),
        ("the escape adds no depth", "[" * 63 + '{"$map":{"a":1}}' + "]" * 63, "91" * 63 + "81a16101"),
    ],
}

# Topic -> comment, JSON text. All are InvalidValue.
INVALID = {
    "json": [
        ("nothing", ""),
        ("white space only", "  "),
        ("two texts", "1 2"),
        ("unclosed", "[1"),
        ("trailing comma", "[1,]"),
        ("trailing comma in an object", '{"a":1,}'),
        ("name without quotes", "{a:1}"),
        ("single quotes", "'a'"),
        ("comment", "[1/*a*/]"),
        ("upper-case literal", "True"),
        ("byte-order mark", "\ufeff1"),
        ("unknown escape", '"\\x41"'),
        ("escape cut short", '"\\u12"'),
        ("control character as it stands", '"a\nb"'),
        ("white space that JSON does not know", "\u00a01"),
    ],
    "number": [
        ("integer over the range", "18446744073709551616"),
        ("integer under the range", "-9223372036854775809"),
        ("integer of 400 digits", "9" * 400),
        ("overflows", "1e999"),
        ("overflows, negative", "-1e999"),
        ("rounds up to infinity", "1.7976931348623159e308"),
        ("overflows without an exponent", "9" * 310 + ".0"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("minus Infinity", "-Infinity"),
        ("leading zero", "01"),
        ("leading plus", "+1"),
        ("no digit before the point", ".5"),
        ("no digit after the point", "1."),
        ("no digit in the exponent", "1e"),
        ("hexadecimal", "0x10"),
        ("digits of another script", "\u0661"),
        ("separator", "1_000"),
    ],
    "text": [
        ("high surrogate alone", '"\\ud800"'),
        ("low surrogate alone", '"\\udc00"'),
        ("pair in the wrong order", '"\\ude00\\ud83d"'),
        ("high surrogate before a letter", '"\\ud83da"'),
        ("high surrogate twice", '"\\ud83d\\ud83d"'),
        ("in a map key", '{"\\ud800":1}'),
        ("in an array", '["\\udfff"]'),
        ("in an escaped map", '{"$map":{"$\\ud800":1}}'),
    ],
    "float": [
        ("upper case", '{"$float":"NaN"}'),
        ("long name", '{"$float":"infinity"}'),
        ("plus", '{"$float":"+inf"}'),
        ("a finite number as text", '{"$float":"1.0"}'),
        ("a number", '{"$float":1.0}'),
        ("null", '{"$float":null}'),
    ],
    "bytes": [
        ("no padding", '{"$bytes":"AA"}'),
        ("too little padding", '{"$bytes":"AA="}'),
        ("too much padding", '{"$bytes":"AAE=="}'),
        ("padding alone", '{"$bytes":"===="}'),
        ("padding inside", '{"$bytes":"AA==AA=="}'),
        ("one digit", '{"$bytes":"A"}'),
        ("set bits after the last byte", '{"$bytes":"AB=="}'),
        ("set bits after the last byte", '{"$bytes":"AAF="}'),
        ("alphabet for addresses", '{"$bytes":"-_-_"}'),
        ("white space", '{"$bytes":"AA EC"}'),
        ("line end", '{"$bytes":"AAEC\\n"}'),
        ("hexadecimal array", '{"$bytes":[0,1]}'),
        ("not ASCII", '{"$bytes":"\u00c4AEC"}'),
    ],
    "map": [
        ("duplicate", '{"a":1,"a":1}'),
        ("duplicate, written in two ways", '{"a":1,"\\u0061":2}'),
        ("duplicate inside", '[{"b":{"a":1,"c":2,"a":3}}]'),
        ("duplicate tag", '{"$bytes":"","$bytes":""}'),
        ("duplicate in an escape", '{"$map":{"$a":1,"$a":2}}'),
        ("escape around an array", '{"$map":[]}'),
        ("escape around nil", '{"$map":null}'),
        ("wrong tag in an escape", '{"$map":{"a":{"$nope":1}}}'),
    ],
    "tag": [
        ("unknown", '{"$nope":1}'),
        ("empty", '{"$":1}'),
        ("upper case", '{"$Bytes":"AA=="}'),
        ("unknown, deep", '[[{"a":{"$date":"x"}}]]'),
        ("two dollars", '{"$$bytes":"AA=="}'),
        ("white space", '{"$bytes ":"AA=="}'),
    ],
    "timestamp": [
        ("no zone", '{"$timestamp":"2026-01-02T03:04:05"}'),
        ("offset", '{"$timestamp":"2026-01-02T03:04:05+00:00"}'),
        ("lower-case z", '{"$timestamp":"2026-01-02T03:04:05z"}'),
        ("lower-case t", '{"$timestamp":"2026-01-02t03:04:05Z"}'),
        ("space", '{"$timestamp":"2026-01-02 03:04:05Z"}'),
        ("date only", '{"$timestamp":"2026-01-02"}'),
        ("no seconds", '{"$timestamp":"2026-01-02T03:04Z"}'),
        ("ten digits", '{"$timestamp":"2026-01-02T03:04:05.1234567891Z"}'),
        ("trailing zero", '{"$timestamp":"2026-01-02T03:04:05.10Z"}'),
        ("fraction of zero", '{"$timestamp":"2026-01-02T03:04:05.0Z"}'),
        ("no digit after the point", '{"$timestamp":"2026-01-02T03:04:05.Z"}'),
        ("comma", '{"$timestamp":"2026-01-02T03:04:05,5Z"}'),
        ("month 0", '{"$timestamp":"2026-00-02T03:04:05Z"}'),
        ("month 13", '{"$timestamp":"2026-13-02T03:04:05Z"}'),
        ("day 0", '{"$timestamp":"2026-01-00T03:04:05Z"}'),
        ("31 April", '{"$timestamp":"2026-04-31T03:04:05Z"}'),
        ("29 February of no leap year", '{"$timestamp":"2026-02-29T03:04:05Z"}'),
        ("29 February 1900", '{"$timestamp":"1900-02-29T03:04:05Z"}'),
        ("hour 24", '{"$timestamp":"2026-01-02T24:00:00Z"}'),
        ("minute 60", '{"$timestamp":"2026-01-02T03:60:05Z"}'),
        ("leap second", '{"$timestamp":"2016-12-31T23:59:60Z"}'),
        ("five digits of year", '{"$timestamp":"12026-01-02T03:04:05Z"}'),
        ("negative year", '{"$timestamp":"-0001-01-02T03:04:05Z"}'),
        ("digits of another script", '{"$timestamp":"\u0662026-01-02T03:04:05Z"}'),
        ("a number", '{"$timestamp":1767323045}'),
        ("one number", '{"$timestamp":[1767323045000]}'),
        ("three numbers", '{"$timestamp":[253402300800,0,0]}'),
        ("a float", '{"$timestamp":[253402300800.0,0]}'),
        ("negative nanoseconds", '{"$timestamp":[253402300800,-1]}'),
        ("too many nanoseconds", '{"$timestamp":[253402300800,1000000000]}'),
        ("seconds over the range", '{"$timestamp":[9223372036854775808,0]}'),
        ("seconds under the range", '{"$timestamp":[-9223372036854775809,0]}'),
        ("true", '{"$timestamp":[253402300800,true]}'),
        ("two numbers for the epoch", '{"$timestamp":[0,0]}'),
        ("two numbers for the first second of the year 0", '{"$timestamp":[-62167219200,0]}'),
        ("two numbers for the last nanosecond of the year 9999", '{"$timestamp":[253402300799,999999999]}'),
    ],
    "vector": [
        ("two bytes", '{"$vector":"AAA="}'),
        ("five bytes", '{"$vector":"AACAPwA="}'),
        ("another NaN", '{"$vector":"AADA/w=="}'),
        ("an array", '{"$vector":[1.0,2.0]}'),
        ("no padding", '{"$vector":"AACAPw"}'),
    ],
}

TOO_DEEP = [
    ("arrays of depth 65", "[" * 65 + "]" * 65),
    ("maps of depth 65", '{"a":' * 64 + "{}" + "}" * 64),
]
