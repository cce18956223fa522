//! Two dumps of one stash.

use super::super::json::{Json, brief};
use super::shown;
use std::collections::BTreeMap;

pub(crate) fn difference(expected: &[Json], got: &[Json]) -> Option<String> {
    if expected == got {
        return None;
    }
    let by_key = |lines: &[Json]| -> BTreeMap<String, String> {
        let key = |line: &Json| line.get("key").unwrap_or(line).to_string();
        lines.iter().map(|line| (key(line), line.to_string())).collect()
    };
    let (old, new) = (by_key(expected), by_key(got));
    let mut lines = Vec::new();
    for (key, line) in &old {
        match new.get(key) {
            None => lines.push(format!("row {} is missing", brief(key))),
            Some(other) if other != line => {
                lines.push(format!(
                    "row {}:\nexpected {}\ngot      {}",
                    brief(key),
                    brief(line),
                    brief(other)
                ));
            }
            Some(_) => {}
        }
    }
    let more = new.keys().filter(|key| !old.contains_key(*key));
    lines.extend(more.map(|key| format!("row {} should not be there", brief(key))));
    if lines.is_empty() {
        let at = expected.iter().zip(got).position(|(old, new)| old != new);
        lines.push(match at {
            Some(line) => format!("the rows are in another order, from line {} on", line + 1),
            None => format!("a row is repeated: {} lines, expected {}", got.len(), expected.len()),
        });
    }
    Some(shown(lines).join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &[&str], got: &[&str], fragment: &str) {
        let parse = |lines: &[&str]| lines.iter().map(|line| Json::parse(line).unwrap()).collect::<Vec<_>>();
        let found = difference(&parse(expected), &parse(got)).unwrap();
        assert!(found.contains(fragment), "{found}");
    }

    #[test]
    fn the_differing_row_is_named() {
        let (a, b) = (r#"{"key":"a","value":1}"#, r#"{"key":"b","value":2}"#);
        assert_eq!(difference(&[Json::Null], &[Json::Null]), None);
        check(&[a, b], &[a], "row \"b\" is missing");
        check(&[a], &[a, b], "row \"b\" should not be there");
        check(&[a], &[r#"{"key":"a","value":1.0}"#], "row \"a\":\nexpected");
        check(&[a, b], &[b, a], "another order, from line 1 on");
        check(&[a], &[a, a], "repeated");
    }
}
