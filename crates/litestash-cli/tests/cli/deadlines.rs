//! set with deadlines, touch, expire, persist, ttl, sweep and expire-older-than.

use crate::support::Place;

/// Unix time in microseconds, or none, of `ttl --json`.
fn expires_at(place: &Place, key: &str) -> Option<i64> {
    let json: serde_json::Value = serde_json::from_str(&place.out(&["ttl", key, "--json"])).unwrap();
    json["expires_at"].as_i64()
}

#[test]
fn a_touch_begins_the_time_of_a_key_anew() {
    let place = Place::new();
    place.out(&["set", "sliding", "1", "--idle", "1h"]);
    place.out(&["set", "fixed", "1", "--ttl", "1h"]);
    let before = [expires_at(&place, "sliding"), expires_at(&place, "fixed")];
    assert_eq!(place.out(&["touch", "sliding"]), "");
    assert_eq!(place.out(&["touch", "fixed", "--json"]), "true\n");
    assert!(expires_at(&place, "sliding") > before[0]);
    assert_eq!(expires_at(&place, "fixed"), before[1]);
    let (out, err) = place.run(&["touch", "missing"], 1);
    assert!(out.is_empty() && err.contains("no such key"), "{err}");
    let entry = place.out(&["get", "sliding", "--entry", "--json"]);
    assert!(entry.contains("\"idle_us\":3600000000"), "{entry}");
}

#[test]
fn a_key_gets_another_deadline_or_none() {
    let place = Place::new();
    place.out(&["set", "a", "1"]);
    assert_eq!(place.out(&["expire", "a", "--ttl", "1h"]), "");
    assert!(expires_at(&place, "a").is_some());
    assert_eq!(place.out(&["expire", "a", "--at", "9000000000000000", "--json"]), "true\n");
    assert_eq!(expires_at(&place, "a"), Some(9_000_000_000_000_000));
    assert_eq!(place.out(&["persist", "a", "--json"]), "true\n");
    assert_eq!(expires_at(&place, "a"), None);
    assert_eq!(place.run(&["persist", "a", "--json"], 1).0, "false\n");
    place.out(&["expire", "a", "--idle", "1h"]);
    assert!(place.out(&["get", "a", "--entry", "--json"]).contains("\"idle_us\":3600000000"));
    place.out(&["expire", "a", "--at", "5"]);
    place.run(&["get", "a"], 1);
    for command in [&["expire", "a", "--ttl", "1h"][..], &["persist", "a"]] {
        let (out, err) = place.run(command, 1);
        assert!(out.is_empty() && err.contains("no such key"), "{err}");
    }
    for wrong in [&["expire", "a"][..], &["expire", "a", "--ttl", "1h", "--idle", "1h"]] {
        place.run(wrong, 2);
    }
}

#[test]
fn a_default_time_to_live_is_for_what_says_nothing() {
    let place = Place::new();
    for (key, flag) in [("plain", None), ("never", Some("--no-ttl")), ("kept", Some("--keep-ttl"))] {
        let mut arguments = vec!["--default-ttl", "1h", "set", key, "1"];
        arguments.extend(flag);
        place.out(&arguments);
    }
    assert!(expires_at(&place, "plain").is_some() && expires_at(&place, "kept").is_some());
    assert_eq!(place.out(&["ttl", "never"]), "none\n");
    for flags in [["--ttl", "1s", "--no-ttl"], ["--idle", "1s", "--no-ttl"], ["--idle", "1s", "--keep-ttl"]] {
        place.run(&[["set", "a", "1"], flags].concat(), 2);
    }
}

#[test]
fn expired_and_old_rows_are_removed() {
    let place = Place::new();
    let over = r#"{"key":"over","value":1,"expires_at":5}"#;
    let others = r#"{"key":"a:1","value":1}"#.to_owned() + "\n" + r#"{"key":"b","value":1}"#;
    place.run_with(&["import", "-"], &format!("{over}\n{others}\n"), 0);
    assert_eq!(place.out(&["sweep"]), "removed 1 expired row\n");
    let report = place.out(&["sweep", "--json"]);
    assert_eq!(report, "{\"hints\":0,\"postponed\":false,\"rows\":0,\"unreadable\":0}\n");
    assert_eq!(place.out(&["expire-older-than", "1h"]), "removed 0 rows\n");
    assert_eq!(place.out(&["expire-older-than", "1us", "--prefix", "a:", "--json"]), "{\"removed\":1}\n");
    assert_eq!(place.out(&["expire-older-than", "1us"]), "removed 1 row\n");
    assert_eq!(place.out(&["count"]), "0\n");
    place.run(&["--read-only", "sweep"], 5);
}
