//! get, set, del, exists and ttl.

use crate::support::Place;
use predicates::prelude::*;

#[test]
fn a_value_is_stored_read_and_deleted() {
    let place = Place::new();
    let version = place.out(&["set", "user:1", r#"{"name": "Ada", "age": 36}"#]);
    assert!(version.trim().parse::<i64>().unwrap() > 1_700_000_000_000_000);
    assert_eq!(place.out(&["get", "user:1"]), "{\"age\":36,\"name\":\"Ada\"}\n");
    assert_eq!(place.out(&["exists", "user:1"]), "true\n");
    assert_eq!(place.out(&["del", "user:1", "user:2"]), "1\n");
    assert_eq!(place.out(&["del", "user:1", "--json"]), "{\"deleted\":0}\n");
    assert_eq!(place.run(&["exists", "user:1"], 1).0, "false\n");
}

#[test]
fn a_miss_is_on_stderr_with_exit_code_1() {
    let place = Place::new();
    place.out(&["set", "a", "null"]);
    let (out, err) = place.run(&["get", "a", "b"], 1);
    assert_eq!((out.as_str(), err.as_str()), ("null\n", "no such key: b\n"));
    let (out, err) = place.run(&["get", "a", "b", "--json"], 1);
    assert_eq!(out, "{\"key\":\"a\",\"found\":true,\"value\":null}\n{\"key\":\"b\",\"found\":false}\n");
    assert_eq!(err, "");
    assert_eq!(place.run(&["ttl", "b"], 1).0, "");
}

#[test]
fn values_keep_their_types() {
    let place = Place::new();
    for json in [
        "1",
        "1.0",
        "-0.0",
        "18446744073709551615",
        "null",
        "true",
        "\"é\"",
        "[1,[2]]",
        "{\"$bytes\":\"AAEC\"}",
        "{\"$float\":\"nan\"}",
        "{\"$map\":{\"$x\":1}}",
        "{\"$vector\":\"AACAPw==\"}",
        "{\"$timestamp\":\"2026-01-02T03:04:05.5Z\"}",
    ] {
        place.out(&["set", "a", json]);
        assert_eq!(place.out(&["get", "a"]).trim_end(), json);
    }
}

#[test]
fn what_is_no_json_is_refused_with_a_hint() {
    let place = Place::new();
    for text in ["hello", "{", "18446744073709551616", "{\"$nope\":1}", "1 2", ""] {
        let (out, err) = place.run(&["set", "a", text], 5);
        assert_eq!(out, "");
        assert!(err.starts_with("error[InvalidValue] 3: ") && err.contains("--raw"), "{err}");
    }
    assert!(!place.stash().exists());
}

#[test]
fn raw_text_passes_as_it_is() {
    let place = Place::new();
    place.out(&["set", "a", "--raw", "two\nlines"]);
    assert_eq!(place.out(&["get", "a", "--raw"]), "two\nlines");
    assert_eq!(place.out(&["get", "a"]), "\"two\\nlines\"\n");
    place.run_with(&["set", "b", "--raw"], "from stdin\n", 0);
    assert_eq!(place.out(&["get", "b", "--raw"]), "from stdin\n");
    place.run_with(&["set", "c", "-"], "[1, 2]\n", 0);
    assert_eq!(place.out(&["get", "c", "--raw"]), "[1,2]\n");
    assert!(place.run(&["get", "a", "b", "--raw"], 2).1.contains("one KEY"));
}

#[test]
fn bytes_pass_as_they_are() {
    let place = Place::new();
    let path = place.file("photo", [0, 159, 146, 150, 13, 10]);
    let path = path.to_str().unwrap();
    place.out(&["set", "photo", "--bytes", "--file", path]);
    place.command(&["get", "photo", "--raw"]).assert().success().stdout(&[0u8, 159, 146, 150, 13, 10][..]);
    let (_, err) = place.run(&["set", "text", "--raw", "--file", path], 5);
    assert!(err.contains("not valid UTF-8") && err.contains("--bytes"), "{err}");
    assert!(place.run(&["set", "a", "--file", "missing"], 5).1.contains("missing: "));
}

#[test]
fn conditions_that_do_not_hold_store_and_print_nothing() {
    let place = Place::new();
    assert_eq!(place.run(&["set", "a", "1", "--if-present"], 1).0, "");
    let version = place.out(&["set", "a", "1", "--if-absent"]);
    assert_eq!(place.run(&["set", "a", "2", "--if-absent"], 1).0, "");
    assert_eq!(place.run(&["set", "a", "2", "--if-version", "5"], 1).0, "");
    let json = place.out(&["set", "a", "3", "--if-version", version.trim(), "--json"]);
    assert!(json.starts_with("{\"version\":"));
    place.out(&["set", "a", "4", "--if-present"]);
    assert_eq!(place.out(&["get", "a"]), "4\n");
    place.run(&["set", "a", "5", "--if-present", "--if-absent"], 2);
}

#[test]
fn deadlines_are_set_shown_kept_and_cleared() {
    let place = Place::new();
    place.out(&["set", "a", "1", "--ttl", "2h"]);
    assert!(place.out(&["ttl", "a"]).starts_with("1h 59m 5"));
    let json = place.out(&["ttl", "a", "--json"]);
    assert!(json.contains("\"expires_at\":1") && json.contains("\"ttl_us\":7199"), "{json}");
    place.out(&["set", "a", "2", "--keep-ttl"]);
    assert!(place.out(&["ttl", "a"]).starts_with("1h 59m"));
    place.out(&["set", "a", "3"]);
    assert_eq!(place.out(&["ttl", "a"]), "none\n");
    assert_eq!(place.out(&["ttl", "a", "--json"]), "{\"expires_at\":null,\"ttl_us\":null}\n");
    place.out(&["set", "gone", "1", "--ttl", "1us"]);
    assert_eq!(place.run(&["get", "gone"], 1).0, "");
    for ttl in ["5", "0s", "soon", "-1s"] {
        place.run(&["set", "a", "1", "--ttl", ttl], 2);
    }
    place.run(&["set", "a", "1", "--ttl", "1s", "--keep-ttl"], 2);
}

#[test]
fn an_entry_has_version_deadline_and_size() {
    let place = Place::new();
    let version = place.out(&["set", "a", "\"text\""]);
    let entry =
        format!("{{\"value\":\"text\",\"version\":{},\"expires_at\":null,\"size\":5}}", version.trim());
    assert_eq!(place.out(&["get", "a", "--entry"]), format!("{entry}\n"));
    let json = place.out(&["get", "a", "--entry", "--json"]);
    assert_eq!(json, format!("{{\"key\":\"a\",\"found\":true,\"entry\":{entry}}}\n"));
}

#[test]
fn a_read_only_stash_is_not_written() {
    let place = Place::new();
    place.out(&["set", "a", "1"]);
    assert_eq!(place.out(&["get", "a", "--read-only"]), "1\n");
    let written = place.command(&["--read-only", "set", "a", "2"]).assert().code(5);
    written.stderr(predicate::str::contains("error[ReadOnly] 8: ").and(predicate::str::contains("hint: ")));
    assert_eq!(place.out(&["get", "a"]), "1\n");
}
