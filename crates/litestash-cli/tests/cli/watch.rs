//! `litestash watch`, told of by other processes.

use crate::support::Place;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A watcher that watches.
fn watcher(place: &Place, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("litestash"))
        .arg("--dir")
        .arg(place.stash())
        .arg("watch")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("watching"), "{said}");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[test]
fn changes_of_other_processes_are_printed() {
    let place = Place::new();
    place.out(&["set", "before", "1"]);
    let (mut child, lines) = watcher(&place, &["--limit", "3"]);
    place.out(&["set", "user:1", "1"]);
    place.out(&["del", "before"]);
    place.out(&["set", "--key-type", "int", "7", "1"]);
    let lines: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success());
    let mut found: Vec<_> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    found.sort_unstable();
    assert_eq!(found, ["delete before", "set 7", "set user:1"]);
}

#[test]
fn filters_and_json() {
    let place = Place::new();
    place.out(&["set", "before", "1"]);
    let arguments = ["--json", "--prefix", "user:", "--kinds", "set,clear", "--limit", "1"];
    let (mut child, mut lines) = watcher(&place, &arguments);
    place.out(&["set", "other", "1"]);
    place.out(&["del", "other"]);
    place.out(&["set", "user:1", "1"]);
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with("{\"kind\":\"set\",\"key\":\"user:1\",\"version\":"), "{line}");
    assert!(line.contains("\"origin\":\"other\"") && line.ends_with("\"missed\":0}"), "{line}");
    assert!(child.wait().unwrap().success());
    place.run(&["watch", "--key", "a", "--prefix", "b"], 2);
    place.run(&["--read-only", "watch"], 5);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_well() {
    let place = Place::new();
    place.out(&["set", "before", "1"]);
    let (mut child, mut lines) = watcher(&place, &[]);
    place.out(&["set", "user:1", "1"]);
    assert!(lines.next().unwrap().unwrap().starts_with("set user:1 "));
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert!(lines.next().is_none());
    assert!(child.wait().unwrap().success());
    let left: Vec<_> = place.stash().read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".db")), "{left:?}");
}
