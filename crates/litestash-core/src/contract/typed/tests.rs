use super::*;
use crate::contract::msgpack::{self, tests::any_value};
use crate::contract::value::{Timestamp, Value, Vector};
use crate::error::ErrorKind;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

fn round_trip<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(value: T) {
    let bytes = to_bytes(&value).unwrap();
    msgpack::validate(&bytes).unwrap();
    assert_eq!(from_bytes::<T>(&bytes).unwrap(), value);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(f64),
    Line(i32, i32),
    Rect { width: u8, height: Option<u8> },
}

#[derive(Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Id(u64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    zebra: String,
    apple: Vec<Shape>,
    moment: Timestamp,
    embedding: Option<Vector>,
    #[serde(with = "serde_bytes")]
    blob: Vec<u8>,
    by_id: HashMap<Id, char>,
    by_flag: BTreeMap<bool, ()>,
    nothing: Option<i64>,
    pair: (i8, u64),
    any: Value,
}

fn everything() -> Everything {
    Everything {
        zebra: "z".into(),
        apple: vec![
            Shape::Empty,
            Shape::Circle(1.0),
            Shape::Line(-1, 70_000),
            Shape::Rect { width: 200, height: None },
        ],
        moment: Timestamp::new(-5, 7).unwrap(),
        embedding: Some(Vector(vec![0.5, -1.0])),
        blob: vec![0, 255],
        by_id: HashMap::from([(Id(1), 'a'), (Id(20), 'é'), (Id(3), '\u{10000}')]),
        by_flag: BTreeMap::from([(true, ()), (false, ())]),
        nothing: None,
        pair: (-128, u64::MAX),
        any: Value::Array(vec![Value::Vector(Vector(vec![1.0])), Value::Nil]),
    }
}

#[test]
fn types_round_trip_in_canonical_form() {
    round_trip(everything());
    round_trip(i128::from(u64::MAX));
    round_trip(Some(Vector(vec![])));
}

#[test]
fn fields_are_sorted_whatever_their_order_in_the_struct() {
    #[derive(Serialize)]
    struct Unsorted {
        name: &'static str,
        age: u8,
    }
    assert_eq!(to_bytes(&Unsorted { name: "Ada", age: 36 }).unwrap(), b"\x82\xa3age\x24\xa4name\xa3Ada");
}

#[test]
fn what_cannot_be_represented_is_refused() {
    let kind = |result: crate::Result<Vec<u8>>| result.unwrap_err().kind();
    assert_eq!(kind(to_bytes(&i128::MAX)), ErrorKind::InvalidValue);
    assert_eq!(kind(to_bytes(&HashMap::from([((1, 2), 3)]))), ErrorKind::InvalidValue);
    assert_eq!(kind(to_bytes(&HashMap::from([(Some('1'), 0), (None, 1)]))), ErrorKind::InvalidValue);
    #[derive(PartialEq, Eq, Hash)]
    struct SameText(u8);
    impl Serialize for SameText {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str("same")
        }
    }
    assert_eq!(kind(to_bytes(&HashMap::from([(SameText(1), 0), (SameText(2), 0)]))), ErrorKind::InvalidValue);
}

#[test]
fn mismatches_name_types_and_never_values() {
    let bytes = to_bytes("secret").unwrap();
    for error in [from_bytes::<i64>(&bytes).unwrap_err(), from_bytes::<Shape>(&bytes).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::TypeMismatch);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert_eq!(from_bytes::<u8>(&to_bytes(&300).unwrap()).unwrap_err().kind(), ErrorKind::TypeMismatch);
    assert_eq!(
        from_bytes::<(i64,)>(&to_bytes(&[1, 2]).unwrap()).unwrap_err().kind(),
        ErrorKind::TypeMismatch
    );
    assert_eq!(from_bytes::<Value>(b"\x01\x01").unwrap_err().kind(), ErrorKind::InvalidValue);
}

proptest! {
    #[test]
    fn a_value_through_serde_has_the_same_bytes(value in any_value()) {
        let mut expected = Vec::new();
        msgpack::encode(&value, &mut expected).unwrap();
        prop_assert_eq!(to_bytes(&value).unwrap(), &expected[..]);
        prop_assert_eq!(from_bytes::<Value>(&expected).unwrap(), value);
    }
}
