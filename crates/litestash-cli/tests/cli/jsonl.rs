//! import and export of JSON Lines.

use crate::support::Place;

const LINES: &str = "\
{\"key\":\"a\",\"value\":1}
no json

{\"key\":true,\"value\":1}
{\"key\":\"b\",\"value\":{\"$nope\":1}}
{\"key\":\"c\",\"value\":[1.0],\"expires_at\":9000000000000000,\"version\":1767323045678901}
{\"key\":\"d\",\"value\":1,\"extra\":2}
";

#[test]
fn refused_lines_are_named_and_the_others_stored() {
    let place = Place::new();
    let file = place.file("rows.jsonl", LINES);
    let (out, err) = place.run(&["import", file.to_str().unwrap()], 3);
    assert_eq!(out, "");
    assert!(err.starts_with("imported 2 rows in ") && err.contains("refused 4 lines:"), "{err}");
    for part in ["line 2: InvalidValue", "line 4: InvalidKey", "line 5: InvalidValue", "line 7: InvalidValue"]
    {
        assert!(err.contains(part), "{err}");
    }
    assert_eq!(place.out(&["count"]), "2\n");
    assert_eq!(place.out(&["get", "c"]), "[1.0]\n");
    assert!(place.out(&["ttl", "c", "--json"]).contains("9000000000000000"));
}

#[test]
fn the_summary_is_json_for_programs() {
    let place = Place::new();
    let (out, err) = place.run_with(&["import", "-", "--json"], LINES, 3);
    assert_eq!(err, "");
    for part in ["\"rows\":2", "\"lines\":7", "\"rejected_lines\":4", "\"line\":2"] {
        assert!(out.contains(part), "{out}");
    }
}

#[test]
fn an_export_with_its_versions_exports_equal_text() {
    let place = Place::new();
    place.run_with(&["import", "-"], LINES, 3);
    place.out(&["set", "text", "--raw", "é\u{1f980}"]);
    place.out(&["set", "--json-key", "{\"$bytes\":\"AA==\"}", "{\"$float\":\"inf\"}"]);
    let (text, message) = place.run(&["export"], 0);
    assert!(message.starts_with("exported 4 rows"), "{message}");
    let other = Place::new();
    other.run_with(&["import", "-", "--keep-versions"], &text, 0);
    assert_eq!(other.out(&["export", "-"]), text);
    let (_, again) = other.run_with(&["import", "-", "--keep-versions"], &text, 0);
    assert!(again.contains("left alone 4 rows"), "{again}");
    other.run_with(&["import", "-"], &text, 0);
    assert_ne!(other.out(&["export"]), text);
}

#[test]
fn a_file_is_replaced_whole() {
    let place = Place::new();
    place.run_with(&["import", "-"], LINES, 3);
    let file = place.file("out.jsonl", "old");
    let path = file.to_str().unwrap();
    assert_eq!(place.out(&["export", path]), "");
    let (text, _) = place.run(&["export"], 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert!(place.out(&["export", path, "--json", "--prefix", "a"]).contains("\"rows\":1"));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
    let names: Vec<_> =
        std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    place.run(&["export", "no/such/directory/out"], 5);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_devices_written() {
    let place = Place::new();
    place.run_with(&["import", "-"], LINES, 3);
    let file = place.file("real", "");
    std::os::unix::fs::symlink(&file, place.path("link")).unwrap();
    place.out(&["export", "link"]);
    assert!(place.path("link").is_symlink() && file.metadata().unwrap().len() > 0);
    place.out(&["export", "/dev/null"]);
    assert!(!std::path::Path::new("/dev/null").is_file());
}

#[test]
fn a_missing_file_makes_no_stash() {
    let place = Place::new();
    assert!(place.run(&["import", "missing.jsonl"], 5).1.contains("missing.jsonl: "));
    assert!(!place.stash().exists());
}
