//! What callers use that pass canonical MessagePack: bindings.

use crate::support::{check_kind, stash};
use litestash_core::{Action, ErrorKind, Key, Op, Outcome, ScanOptions, SetOptions};

const ONE: &[u8] = &[1];

#[test]
fn a_value_is_looked_at_where_it_lies() {
    let (_dir, stash) = stash();
    stash.set_encoded("a", ONE.to_vec(), SetOptions::default()).unwrap();
    // Twice: from the file, and from memory.
    for _ in 0..2 {
        assert_eq!(stash.with_encoded("a", |encoded| Ok(encoded.to_vec())).unwrap(), Some(ONE.to_vec()));
    }
    assert_eq!(stash.with_encoded("b", |encoded| Ok(encoded.len())).unwrap(), None);
    let refused = stash
        .with_encoded("a", |_| Err::<(), _>(litestash_core::Error::new(ErrorKind::OutOfMemory, "no room")));
    check_kind(refused, ErrorKind::OutOfMemory);
}

#[test]
fn items_come_encoded() {
    let (_dir, stash) = stash();
    stash.set("a", &1).unwrap();
    stash.set("b", &"text").unwrap();
    let mut items: Vec<_> = stash.items_encoded(ScanOptions::default()).map(Result::unwrap).collect();
    items.sort();
    assert_eq!(items, [(Key::from("a"), ONE.to_vec()), (Key::from("b"), b"\xa4text".to_vec())]);
}

#[test]
fn one_operation_answers_as_its_method_does() {
    let (_dir, stash) = stash();
    let perform = |action| stash.perform(&Op::new("n", action).unwrap());
    assert_eq!(perform(Action::Get).unwrap(), Outcome::Value(None));
    assert_eq!(perform(Action::Increment(1)).unwrap(), Outcome::Int(1));
    assert_eq!(perform(Action::Exists).unwrap(), Outcome::Flag(true));
    assert_eq!(perform(Action::Take).unwrap(), Outcome::Value(Some(ONE.to_vec())));
    assert_eq!(perform(Action::Delete).unwrap(), Outcome::Flag(false));
    stash.set("n", "text").unwrap();
    check_kind(perform(Action::Increment(1)), ErrorKind::TypeMismatch);
    stash.close().unwrap();
    check_kind(perform(Action::Get), ErrorKind::Closed);
}

#[test]
fn one_failure_is_the_failure_of_all() {
    let (_dir, stash) = stash();
    let set = |key: &str, options| Op::new(key, Action::Set { encoded: ONE.to_vec(), options }).unwrap();
    let zero = SetOptions::ttl(std::time::Duration::ZERO);
    check_kind(
        stash.apply_all(&[set("a", SetOptions::default()), set("b", zero)]),
        ErrorKind::InvalidArgument,
    );
    assert!(stash.is_empty().unwrap(), "refused before anything is written");
    let outcomes = stash.apply_all(&[set("a", SetOptions::default()), Op::delete("b").unwrap()]).unwrap();
    assert!(matches!(outcomes[..], [Outcome::Version(Some(_)), Outcome::Flag(false)]));
}

#[test]
fn what_is_expected_must_be_canonical_too() {
    let compare = |expected: &[u8]| {
        Op::new("a", Action::CompareAndSet { expected: Some(expected.to_vec()), encoded: ONE.to_vec() })
    };
    assert!(compare(ONE).is_ok());
    // 1 in two bytes.
    check_kind(compare(&[0xcc, 1]), ErrorKind::InvalidValue);
}
