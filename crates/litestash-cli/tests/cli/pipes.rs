//! Readers that go away, and conversations through pipes.

use crate::support::Place;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

fn program(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("litestash"));
    command.arg("--dir").arg(place.stash()).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let place = Place::new();
    let lines: String =
        (0..20_000).map(|n| format!("{{\"key\":{n},\"value\":\"{}\"}}\n", "v".repeat(50))).collect();
    place.run_with(&["import", "-"], &lines, 0);
    for arguments in [&["items"][..], &["export"], &["keys"]] {
        let mut child = program(&place, arguments).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        let status = child.wait().unwrap();
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((status.code(), err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn apply_answers_before_its_input_ends() {
    let place = Place::new();
    let mut child = program(&place, &["apply"]).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for sum in 1..4 {
        input.write_all(b"{\"op\":\"increment\",\"key\":\"n\",\"by\":1}\n").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{sum}\n"));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}
