//! Scripts of the conformance suite through `apply`.

use crate::support::Place;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/scripts")
}

/// A script as text: each operation and each result stands on a line of its own.
struct Script {
    path: PathBuf,
    text: String,
}

impl Script {
    fn read(path: &Path) -> Self {
        Self { path: path.to_owned(), text: std::fs::read_to_string(path).unwrap() }
    }

    fn section(&self, name: &str) -> Vec<&str> {
        let begin = format!("\"{name}\": [");
        let lines = self.text.lines().skip_while(|line| *line != begin).skip(1);
        lines.take_while(|line| !matches!(*line, "]" | "],")).map(|line| line.trim_end_matches(',')).collect()
    }

    /// A member that stands on a line of its own.
    fn member(&self, name: &str) -> Option<&str> {
        let begin = format!("\"{name}\": ");
        let line = self.text.lines().find_map(|line| line.strip_prefix(&begin))?;
        Some(line.trim_end_matches(','))
    }

    /// Runs the operations and compares the results, both seen through `view`.
    fn check(&self, clock: Option<&str>, view: fn(Value) -> Value) {
        let (operations, results) = (self.section("operations"), self.section("results"));
        assert!(!operations.is_empty() && operations.len() == results.len(), "{:?}", self.path);
        let place = Place::new();
        let mut command = place.command(&["apply"]);
        let mut options: Map<String, Value> =
            serde_json::from_str(self.member("options").unwrap_or("{}")).unwrap();
        if let Some(ttl) = options.remove("default_ttl_us") {
            command.args(["--default-ttl", &format!("{ttl}us")]);
        }
        if let Some(limits) = options.remove("limits") {
            command.args(["--max-rows", &limits["rows"].to_string()]);
            command.args(["--eviction", limits["eviction"].as_str().unwrap()]);
        }
        if let Some(clock) = clock {
            command.env("LITESTASH_CONFORMANCE_CLOCK", clock);
        }
        // Keys and compression, which are no flags: a build for the suite takes them from here.
        if !options.is_empty() {
            command.env("LITESTASH_CONFORMANCE_OPTIONS", Value::Object(options).to_string());
        }
        let output = command.write_stdin(operations.join("\n")).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{:?}: {output:?}", self.path);
        let out = String::from_utf8(output.stdout).unwrap();
        assert_eq!(out.lines().count(), results.len(), "{:?}", self.path);
        let parse = |json: &str| view(serde_json::from_str::<Value>(json).unwrap());
        for ((operation, found), expected) in operations.iter().zip(out.lines()).zip(results) {
            // Deep values are beyond the test's parser, but then the texts are equal.
            let equal = found == expected || parse(found) == parse(expected);
            assert!(equal, "{:?}: {operation}: {found}, not {expected}", self.path);
        }
    }
}

/// Without the suite's clock the versions are those of today.
fn without_versions(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|number| number > 1_700_000_000_000_000) => {
            Value::from("version")
        }
        Value::Array(values) => values.into_iter().map(without_versions).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, without_versions(value))).collect()
        }
        other => other,
    }
}

#[test]
fn scripts_without_a_clock_have_the_expected_results() {
    for name in [
        "010_unicode",
        "025_compare_kinds",
        "028_increment_float",
        "054_apply_every_operation",
        "053_apply_errors",
    ] {
        Script::read(&directory().join(name).with_extension("json")).check(None, without_versions);
    }
}

#[cfg(feature = "conformance")]
#[test]
fn every_script_has_the_expected_results_under_its_clock() {
    let paths: Vec<_> = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() >= 50);
    for path in paths {
        let script = Script::read(&path);
        script.check(Some(script.member("clock").unwrap()), |value| value);
    }
}

#[cfg(feature = "conformance")]
#[test]
fn the_librarys_own_script_runner_does_the_same() {
    let place = Place::new();
    let options = litestash_core::Options::new();
    let mut script = litestash_cli::ops::Script::open(options, place.stash(), 100).unwrap();
    for (operation, result) in [
        (r#"{"op":"set","key":"a","value":1,"ttl_us":10}"#, "100"),
        (r#"{"op":"reopen"}"#, "null"),
        (r#"{"op":"ttl","key":"a"}"#, r#"{"expires_at":110}"#),
        (r#"{"op":"tick","us":10}"#, "null"),
        (r#"{"op":"get","key":"a"}"#, "null"),
    ] {
        assert_eq!(script.run_op(operation).unwrap(), result);
    }
    script.close().unwrap();
}
