use crate::support::{NOW_US, check_kind, stash, stash_at_now};
use litestash_core::{
    Deadline, ErrorKind, ImportOptions, Key, LiteStash, Map, ScanOptions, SetOptions, Timestamp, Value,
    Vector,
};

fn export(stash: &LiteStash) -> String {
    let mut out = Vec::new();
    let report = stash.export(&mut out, ScanOptions::default()).unwrap();
    assert_eq!(report.bytes, out.len() as u64);
    String::from_utf8(out).unwrap()
}

/// One of everything that JSON has no word for, and a deadline.
fn fill(stash: &LiteStash) {
    let values = [
        Value::Nil,
        Value::Float(1.0),
        Value::Float(-0.0),
        Value::Float(f64::NAN),
        Value::Float(f64::NEG_INFINITY),
        Value::Uint(u64::MAX),
        Value::Bytes(vec![0, 255]),
        Value::Timestamp(Timestamp::new(-1, 999_999_999).unwrap()),
        Value::Timestamp(Timestamp::new(i64::MAX, 0).unwrap()),
        Value::Vector(Vector(vec![0.1, f32::NAN])),
        Value::Map(Map::from([("$bytes".into(), Value::Array(vec![Value::Map(Map::new())]))])),
        Value::Text("\u{0}\u{10ffff}\"\\".into()),
    ];
    for (number, value) in values.iter().enumerate() {
        stash.set(number, value).unwrap();
        stash.set(format!("text:{number}"), value).unwrap();
        stash.set(vec![0xff, number as u8], value).unwrap();
        stash.set(number as f64 + 0.5, value).unwrap();
    }
    stash.set(f64::INFINITY, &1).unwrap();
    let options = SetOptions { deadline: Some(Deadline::At(NOW_US + 5)), ..SetOptions::default() };
    stash.set_with("ends", &1, options).unwrap();
}

#[test]
fn export_and_import_with_versions_give_equal_rows() {
    let (_dir, stash, _clock) = stash_at_now();
    fill(&stash);
    let text = export(&stash);
    let (_dir2, copy, _clock) = stash_at_now();
    let options = || ImportOptions { keep_versions: true, progress: None };
    let report = copy.import(text.as_bytes(), options()).unwrap();
    assert_eq!((report.rows, report.rejected_lines, report.bytes), (50, 0, text.len() as u64));
    assert_eq!(export(&copy), text);
    assert!(copy.verify().unwrap().is_sound());
    let again = copy.import(text.as_bytes(), options()).unwrap();
    assert_eq!((again.rows, again.older), (0, 50));
}

#[test]
fn import_without_versions_writes_anew() {
    let (_dir, stash, clock) = stash_at_now();
    stash.set("k", &1).unwrap();
    let text = export(&stash);
    clock.advance(1_000);
    stash.import(text.as_bytes(), ImportOptions::default()).unwrap();
    assert_eq!(stash.entry("k").unwrap().unwrap().version.micros(), NOW_US + 1_000);
}

#[test]
fn rejected_lines_are_named_and_the_others_stored() {
    let (_dir, stash) = stash();
    let mut text = String::from("{\"key\":\"a\",\"value\":1}\n\n  \n{\"key\":null,\"value\":1}\nnonsense\n");
    text += &format!("{{\"key\":\"{}\",\"value\":1}}\n", "k".repeat(2049));
    text += &format!("{{\"key\":\"deep\",\"value\":{}{}}}\n", "[".repeat(65), "]".repeat(65));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(b"{\"key\":\"\xff\",\"value\":1}\n{\"key\":\"last\",\"value\":2}");
    let report = stash.import(bytes.as_slice(), ImportOptions::default()).unwrap();
    let rejected: Vec<_> = report.rejected.iter().map(|rejected| (rejected.line, rejected.error)).collect();
    assert_eq!(
        rejected,
        [(4, "InvalidKey"), (5, "InvalidValue"), (6, "TooLarge"), (7, "TooLarge"), (8, "InvalidValue")]
    );
    assert_eq!((report.lines, report.rows), (9, 2));
    assert_eq!(stash.get_as("last").unwrap(), Some(2));
}

#[test]
fn a_line_longer_than_any_value_is_rejected_and_the_next_one_read() {
    let dir = tempfile::tempdir().unwrap();
    let stash = litestash_core::Options::new().value_bytes_max(1000).open(dir.path()).unwrap();
    let text = format!("{{\"key\":1,\"value\":\"{}\"}}\n{{\"key\":2,\"value\":2}}\n", "x".repeat(1 << 20));
    let report = stash.import(text.as_bytes(), ImportOptions::default()).unwrap();
    assert_eq!((report.rows, report.rejected[0].line, report.rejected[0].error), (1, 1, "TooLarge"));
    assert_eq!(report.bytes, text.len() as u64);
    assert_eq!(stash.get_as(2).unwrap(), Some(2));
}

#[test]
fn the_last_of_several_lines_of_one_key_wins() {
    let (_dir, stash) = stash();
    let text: String = (0..30_000).map(|n| format!("{{\"key\":{},\"value\":{n}}}\n", n % 100)).collect();
    let report = stash.import(text.as_bytes(), ImportOptions::default()).unwrap();
    assert_eq!(report.rows, 30_000);
    for key in 0..100 {
        assert_eq!(stash.get_as(key).unwrap(), Some(29_900 + key));
    }
}

#[test]
fn progress_can_stop_an_import() {
    let (_dir, stash) = stash();
    let text: String = (0..50_000).map(|n| format!("{{\"key\":{n},\"value\":null}}\n")).collect();
    let mut calls = 0;
    let mut stop = |_: &_| {
        calls += 1;
        calls < 2
    };
    let stopped =
        stash.import(text.as_bytes(), ImportOptions { keep_versions: false, progress: Some(&mut stop) });
    check_kind(stopped, ErrorKind::Cancelled);
    let rows = stash.len().unwrap();
    assert!(0 < rows && rows < 50_000, "{rows}");
}

#[test]
fn prefix_and_types_of_keys_survive() {
    let (_dir, stash) = stash();
    stash.set("1", &0).unwrap();
    stash.set(1, &0).unwrap();
    stash.set(b"1".as_slice(), &0).unwrap();
    let mut out = Vec::new();
    stash.export(&mut out, ScanOptions::prefix("")).unwrap();
    let line = String::from_utf8(out).unwrap();
    assert!(
        line.starts_with("{\"key\":\"1\",\"value\":0,\"version\":") && line.lines().count() == 1,
        "{line}"
    );
    let (_dir2, copy) = crate::support::stash();
    copy.import(export(&stash).as_bytes(), ImportOptions::default()).unwrap();
    let mut keys: Vec<_> = copy.keys(ScanOptions::default()).map(Result::unwrap).collect();
    keys.sort();
    assert_eq!(keys, [Key::from("1"), Key::from(1), Key::from(b"1".as_slice())]);
}
