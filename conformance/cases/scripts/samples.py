"""Keys and values that several scripts use."""

VALUES = [
    None, False, True, 0, 1, -1, 127, 128, -32, -33, 65535, 65536, -(2**63), 2**63 - 1, 2**64 - 1,
    0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, {"$float": "inf"}, {"$float": "-inf"}, {"$float": "nan"},
    "", "a", "\u00e9", "\U0001f600", "nul\0inside", {"$bytes": ""}, {"$bytes": "AAEC/w=="},
    [], [1, 1.0, "1", None], [[[]]], {}, {"a": 1, "b": [True, {}]}, {"$map": {"$x": 1}}, {"$a": 1, "$b": 2},
    {"$timestamp": "1970-01-01T00:00:00Z"}, {"$timestamp": "2026-01-02T03:04:05.678901234Z"},
    {"$timestamp": "1969-12-31T23:59:59.5Z"}, {"$timestamp": [253402300800, 1]},
    {"$vector": ""}, {"$vector": "AACAPwAAAEA="}, {"$vector": "AADAfw=="},
]  # fmt: skip

KEYS = [
    "", "a", "\u00e9", "e\u0301", "\U0001f600", "a\0b", "user:1001", "$bytes", "1",
    0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1,
    0.5, -0.1, 1e300, 9223372036854775808.0, 5e-324, {"$float": "inf"}, {"$float": "-inf"},
    {"$bytes": ""}, {"$bytes": "YQ=="}, {"$bytes": "AAH/"}, {"$bytes": "AAAAAAAAAAE="},
]  # fmt: skip
