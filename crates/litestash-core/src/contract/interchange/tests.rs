use super::*;
use crate::contract::key::Key;
use crate::contract::msgpack::tests::any_value;
use crate::contract::record::Expiry;
use crate::contract::value::{Map, Timestamp, Value};
use crate::contract::version::Version;
use crate::error::ErrorKind;
use proptest::prelude::*;

fn json(value: &Value) -> String {
    let mut out = String::new();
    value_to_json(value, &mut out);
    out
}

fn check(value: impl Into<Value>, expected: &str) {
    let value = value.into();
    assert_eq!(json(&value), expected);
    assert_eq!(value_from_json(expected).unwrap(), value);
}

fn refused(json: &str) {
    assert_eq!(value_from_json(json).unwrap_err().kind(), ErrorKind::InvalidValue, "{json}");
}

#[test]
fn every_type_has_one_form() {
    check(1, "1");
    check(1.0, "1.0");
    check(-0.0, "-0.0");
    check(u64::MAX, "18446744073709551615");
    check(f64::NAN, r#"{"$float":"nan"}"#);
    check(vec![0u8, 1, 2], r#"{"$bytes":"AAEC"}"#);
    check(Map::from([("$bytes".into(), "AAEC".into())]), r#"{"$map":{"$bytes":"AAEC"}}"#);
    check(Map::from([("$a".into(), 1.into()), ("b".into(), 2.into())]), r#"{"$a":1,"b":2}"#);
    check(
        Timestamp::new(1_767_323_045, 678_901_000).unwrap(),
        r#"{"$timestamp":"2026-01-02T03:04:05.678901Z"}"#,
    );
    check(Timestamp::new(-1, 500_000_000).unwrap(), r#"{"$timestamp":"1969-12-31T23:59:59.5Z"}"#);
    check(Timestamp::new(253_402_300_799, 0).unwrap(), r#"{"$timestamp":"9999-12-31T23:59:59Z"}"#);
    check(Timestamp::new(253_402_300_800, 1).unwrap(), r#"{"$timestamp":[253402300800,1]}"#);
    check(Timestamp::new(-62_167_219_200, 0).unwrap(), r#"{"$timestamp":"0000-01-01T00:00:00Z"}"#);
    check(Timestamp::new(-62_167_219_201, 9).unwrap(), r#"{"$timestamp":[-62167219201,9]}"#);
}

#[test]
fn integers_are_never_turned_into_floats() {
    assert_eq!(value_from_json("-0").unwrap(), Value::Int(0));
    assert_eq!(
        value_from_json(r#"["-0", -0, -0.0, -0]"#).unwrap(),
        value_from_json(r#"["-0",0,-0.0,0]"#).unwrap()
    );
    assert_eq!(
        value_from_json("18446744073709551616.0").unwrap(),
        Value::Float(18_446_744_073_709_551_616.0)
    );
    for json in ["18446744073709551616", "-9223372036854775809", "1e999", r#"{"a":[18446744073709551616]}"#] {
        refused(json);
    }
    check("18446744073709551616 \" -0", r#""18446744073709551616 \" -0""#);
}

#[test]
fn what_is_not_one_value_is_refused() {
    for json in [
        "",
        "1 2",
        "{",
        r#"{"a":1,"a":1}"#,
        r#"{"$unknown":1}"#,
        r#"{"$bytes":"A"}"#,
        r#"{"$bytes":1}"#,
        r#""\ud800""#,
        "NaN",
        r#"{"$timestamp":"2026-01-02T03:04:05.10Z"}"#,
        r#"{"$timestamp":"2026-01-02T03:04:05"}"#,
        r#"{"$timestamp":[0,0]}"#,
        r#"{"$vector":"AA=="}"#,
        r#"{"$vector":"AQDAfw=="}"#,
        r#"{"$float":"1.0"}"#,
    ] {
        refused(json);
    }
    refused(&"[".repeat(100_000));
}

#[test]
fn lines_hold_whole_rows() {
    let line = Line {
        key: Key::from(7),
        value: Value::Nil,
        expiry: Expiry { expires_at: Some(9), idle_us: Some(3) },
        version: Some(Version::from_micros(5)),
    };
    let mut out = String::new();
    line.to_json(&mut out);
    assert_eq!(out, "{\"key\":7,\"value\":null,\"expires_at\":9,\"idle_us\":3,\"version\":5}\n");
    assert_eq!(Line::from_json(&out).unwrap(), line);
    for (json, kind) in [
        (r#"{"value":1}"#, ErrorKind::InvalidValue),
        (r#"{"key":1}"#, ErrorKind::InvalidValue),
        (r#"{"key":null,"value":1}"#, ErrorKind::InvalidKey),
        (r#"{"key":{"$bytes":1},"value":1}"#, ErrorKind::InvalidKey),
        (r#"{"key":1,"value":1,"more":1}"#, ErrorKind::InvalidValue),
        (r#"{"key":1,"value":1,"idle_us":1}"#, ErrorKind::InvalidValue),
        ("[]", ErrorKind::InvalidValue),
    ] {
        assert_eq!(Line::from_json(json).unwrap_err().kind(), kind, "{json}");
    }
}

#[test]
fn the_fast_path_has_the_errors_of_the_slow_one() {
    for json in [
        r#"{"key":"a","value":{"b":1,"b":2}}"#,
        r#"{"key":"a","value":[18446744073709551616]}"#,
        r#"{"key":"a"}"#,
        "[1]",
        "{",
        r#"{"key":"a","value":1} x"#,
        r#"{"key":"a","value":{"$bytes":7}}"#,
        r#"{"key":"a","key":"a","value":1}"#,
    ] {
        let (fast, slow) = (EncodedLine::from_json(json).unwrap_err(), Line::from_json(json).unwrap_err());
        assert_eq!(fast.to_string(), slow.to_string(), "{json}");
    }
    let deep = format!(r#"{{"key":"a","value":{}{}}}"#, "[".repeat(65), "]".repeat(65));
    assert_eq!(EncodedLine::from_json(&deep).unwrap_err().kind(), ErrorKind::TooLarge);
}

proptest! {
    #[test]
    fn both_ways_to_read_a_line_agree(
        value in any_value(),
        key in ".{0,9}",
        version in proptest::option::of(any::<i64>()),
    ) {
        let version = version.map(Version::from_micros);
        let line = Line { key: Key::from(key), value, expiry: Expiry::NEVER, version };
        let mut json = String::new();
        line.to_json(&mut json);
        prop_assert_eq!(EncodedLine::from_json(&json).unwrap(), EncodedLine::try_from(line).unwrap());
    }

    #[test]
    fn reading_inverts_writing(value in any_value()) {
        prop_assert_eq!(value_from_json(&json(&value)).unwrap(), value);
    }
}
