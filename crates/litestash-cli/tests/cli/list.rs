//! keys, items and count.

use crate::support::Place;
use std::collections::BTreeSet;

fn filled() -> Place {
    let place = Place::new();
    let lines: String = (0..50).map(|n| format!("{{\"key\":\"a:{n}\",\"value\":{n}}}\n")).collect();
    place.run_with(
        &["import", "-"],
        &(lines + "{\"key\":7,\"value\":[]}\n{\"key\":\"b\\n\",\"value\":{}}\n"),
        0,
    );
    place
}

#[test]
fn keys_are_plain_or_json() {
    let place = filled();
    let plain = place.out(&["keys"]);
    assert_eq!(plain.lines().count(), 52);
    assert!(plain.lines().any(|key| key == "7") && plain.lines().any(|key| key == "\"b\\n\""));
    let json = place.out(&["keys", "--json"]);
    assert!(json.lines().any(|key| key == "7") && json.lines().any(|key| key == "\"a:7\""));
    assert_eq!(place.out(&["keys", "--prefix", "a:4"]).lines().count(), 11);
    assert_eq!(place.out(&["keys", "--prefix", "nothing"]), "");
}

#[test]
fn items_can_be_imported_again() {
    let place = filled();
    let items = place.out(&["items", "--prefix", "a:"]);
    assert!(items.lines().any(|item| item == "{\"key\":\"a:7\",\"value\":7}"));
    let other = Place::new();
    other.run_with(&["import", "-"], &items, 0);
    assert_eq!(other.out(&["items"]), items);
}

#[test]
fn pages_follow_each_other_by_cursor() {
    let place = filled();
    let mut seen = BTreeSet::new();
    let (mut cursor, mut pages) = (String::new(), 0);
    loop {
        let (out, err) = place.run(&["keys", "--limit", "13", "--json", "--cursor", &cursor], 0);
        pages += 1;
        for key in out.lines() {
            assert!(seen.insert(key.to_owned()), "{key} comes twice");
        }
        let Some(rest) = err.strip_prefix("{\"cursor\":\"") else { break };
        cursor = rest.trim_end_matches("\"}\n").to_owned();
    }
    assert_eq!((pages, seen.len()), (4, 52));
    assert!(place.run(&["keys", "--limit", "5"], 0).1.starts_with("more: --cursor "));
    assert_eq!(place.run(&["items", "--limit", "52"], 0).1, "");
    place.run(&["keys", "--cursor", "abc"], 2);
}

#[test]
fn counting() {
    let place = filled();
    assert_eq!(place.out(&["count"]), "52\n");
    assert_eq!(place.out(&["count", "--prefix", "a:", "--json"]), "{\"count\":50}\n");
}
