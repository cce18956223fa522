use super::*;
use crate::contract::limits::DEPTH_MAX;
use crate::contract::value::{Map, Timestamp, Value, Vector};
use crate::error::ErrorKind;
use proptest::prelude::*;

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out).unwrap();
    out
}

fn check(value: impl Into<Value>, expected: &[u8]) {
    let value = value.into();
    assert_eq!(encoded(&value), expected);
    assert_eq!(decode(expected).unwrap(), value);
    validate(expected).unwrap();
}

fn refused(bytes: &[u8]) {
    assert_eq!(decode(bytes).unwrap_err().kind(), ErrorKind::InvalidValue, "{bytes:02x?}");
    assert_eq!(validate(bytes).unwrap_err().kind(), ErrorKind::InvalidValue, "{bytes:02x?}");
}

/// Any value, up to a moderate size and depth.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-300i64..300).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just(f64::NAN), Just(-0.0), Just(1.0), Just(f64::INFINITY)].prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::from),
        (any::<i64>(), 0u32..1_000_000_000)
            .prop_map(|(s, ns)| Value::Timestamp(Timestamp::new(s >> (ns % 40), ns * (ns % 2)).unwrap())),
        proptest::collection::vec(any::<f32>(), 0..70).prop_map(|floats| Value::Vector(Vector(floats))),
    ];
    leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
            proptest::collection::btree_map("[$a-z\u{e9}\u{ffff}\u{10000}]{0,6}", inner, 0..20)
                .prop_map(Value::Map),
        ]
    })
}

#[test]
fn one_form_each() {
    check((), b"\xc0");
    check(127, b"\x7f");
    check(128, b"\xcc\x80");
    check(65_536, b"\xce\x00\x01\x00\x00");
    check(u64::MAX, b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
    check(-32, b"\xe0");
    check(-33, b"\xd0\xdf");
    check(i64::MIN, b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00");
    check(1.0, b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00");
    check("a", b"\xa1a");
    check(vec![0u8, 1], b"\xc4\x02\x00\x01");
    check(Timestamp::new(1, 0).unwrap(), b"\xd6\xff\x00\x00\x00\x01");
    check(Timestamp::new(1, 1).unwrap(), b"\xd7\xff\x00\x00\x00\x04\x00\x00\x00\x01");
    check(Timestamp::new(-1, 0).unwrap(), b"\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff");
    check(Vector(vec![1.0]), b"\xd6\x01\x00\x00\x80\x3f");
    check(Vector(vec![]), b"\xc7\x00\x01");
}

#[test]
fn other_forms_are_refused() {
    for bytes in [
        &b"\xcc\x7f"[..],
        b"\xcd\x00\xff",
        b"\xd0\x00",
        b"\xd1\xff\x80",
        b"\xd9\x1f",
        b"\xc5\x00\x01a",
        b"\xca\x3f\x80\x00\x00",
        b"\xc1",
        b"\xc0\xc0",
        b"",
        b"\xa1",
        b"\xa1\xff",
        b"\xdc\x00\x01\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\x81\x01\x01",
        b"\x82\xa1b\x01\xa1a\x01",
        b"\x82\xa1a\x01\xa1a\x01",
        b"\xd4\x01\x00",
        b"\xd6\x02\x00\x00\x00\x00",
        b"\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x01",
        b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x01",
        b"\xd6\x01\x01\x00\xc0\x7f",
    ] {
        refused(bytes);
    }
}

#[test]
fn depth_has_a_limit_on_both_sides() {
    let nested = |depth| (0..depth).fold(Value::Nil, |inner, _| Value::Array(vec![inner]));
    check(nested(DEPTH_MAX), &[vec![0x91; DEPTH_MAX], vec![0xc0]].concat());
    let mut out = Vec::new();
    assert_eq!(encode(&nested(DEPTH_MAX + 1), &mut out).unwrap_err().kind(), ErrorKind::TooLarge);
    let deep = [vec![0x91; DEPTH_MAX + 1], vec![0xc0]].concat();
    assert_eq!(decode(&deep).unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(validate(&vec![0x91; 1 << 20]).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn map_order_is_by_bytes() {
    let map: Map = ["\u{10000}", "\u{ffff}", "b", "ab", "a"].map(|key| (key.to_owned(), Value::Nil)).into();
    assert_eq!(
        encoded(&map.into()),
        "\u{85}"
            .chars()
            .map(|c| c as u8)
            .chain(*b"\xa1a\xc0\xa2ab\xc0\xa1b\xc0\xa3\xef\xbf\xbf\xc0\xa4\xf0\x90\x80\x80\xc0")
            .collect::<Vec<_>>()
    );
}

proptest! {
    #[test]
    fn decoding_inverts_encoding(value in any_value()) {
        let bytes = encoded(&value);
        prop_assert_eq!(&decode(&bytes).unwrap(), &value);
        validate(&bytes).unwrap();
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let decoded = decode(&bytes);
        prop_assert_eq!(validate(&bytes).is_ok(), decoded.is_ok());
        if let Ok(value) = decoded {
            prop_assert_eq!(encoded(&value), bytes);
        }
    }
}
