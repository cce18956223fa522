//! import --from: handing over to the Python package, of which there is a stand-in here. The package's own tests
//! run the program with the real one.

use crate::support::{Place, finish};

/// Writes down what it is called with, and exits as told.
#[cfg(unix)]
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/python.sh");

#[test]
#[cfg(unix)]
fn the_package_is_called_and_its_exit_code_is_ours() {
    let place = Place::new();
    for (code, expected) in [(0, 0), (1, 5), (2, 2), (3, 3)] {
        let mut command =
            place.command(&["import", "--from", "kv-cache", "old.db", "--pickled=plain", "--table=t"]);
        command.args(["--store-key-env", "KEY", "--json"]);
        command.env("LITESTASH_PYTHON", STAND_IN).env("STAND_IN_EXIT", code.to_string());
        finish(command, expected);
        let stash = place.stash().display().to_string();
        let words = [
            "--from",
            "kv-cache",
            "--pickled",
            "plain",
            "--table",
            "t",
            "--key-env",
            "KEY",
            "--json",
            "--to",
        ];
        let words: Vec<_> = words.into_iter().chain([stash.as_str(), "--", "old.db"]).collect();
        let called = std::fs::read_to_string(place.path("called")).unwrap();
        assert_eq!(called.lines().collect::<Vec<_>>(), words);
    }
}

#[test]
#[cfg(unix)]
fn a_python_without_the_package_and_none_at_all_are_told() {
    let place = Place::new();
    for python in [STAND_IN.into(), place.path("no-python")] {
        let mut command = place.command(&["import", "--from", "diskcache", "old"]);
        command.env("LITESTASH_PYTHON", python).env("STAND_IN_EXIT", "97");
        let (_, err) = finish(command, 5);
        assert!(err.starts_with("error[") && err.contains("hint: `pip install litestash`"), "{err}");
    }
}

#[test]
fn what_would_be_lost_on_the_way_is_refused() {
    let place = Place::new();
    let key = place.file("key", "ab".repeat(32));
    for option in
        ["--bucket=b", "--compress", "--durability=full", "--max-rows=5", "--default-ttl=1h", "--read-only"]
    {
        assert!(place.run(&["import", "--from=diskstore", "old", option], 2).1.contains("only --dir"));
    }
    let mut command = place.command(&["import", "--from=diskstore", "old"]);
    command.env("LITESTASH_KEY_FILE", key);
    assert!(finish(command, 2).1.contains("only --dir"));
    for wrong in
        [&["--from=shelve"][..], &["--from=livedict", "--format=csv"], &["--table=t"], &["--pickled=plain"]]
    {
        let mut command = place.command(&["import", "old"]);
        command.args(wrong);
        finish(command, 2);
    }
    assert!(!place.stash().exists());
}
