//! What comes before the command, wrong usage, errors and colours.

use crate::support::{Place, finish, litestash};

#[test]
fn the_stash_comes_from_the_option_or_the_environment() {
    let place = Place::new();
    let mut command = litestash();
    command.args(["get", "a"]);
    assert!(finish(command, 2).1.contains("LITESTASH_DIR"));
    let mut command = litestash();
    command.env("LITESTASH_DIR", place.stash()).args(["set", "a", "1"]);
    finish(command, 0);
    assert_eq!(place.out(&["get", "a"]), "1\n");
    let mut command = litestash();
    command.env("LITESTASH_DIR", place.stash()).args(["get", "a", "-d"]).arg(place.path("other"));
    assert!(finish(command, 5).1.contains("error[NoStash] 20: "));
}

#[test]
fn reading_makes_no_stash() {
    let place = Place::new();
    for arguments in [
        &["get", "a"][..],
        &["del", "a"],
        &["exists", "a"],
        &["ttl", "a"],
        &["keys"],
        &["items"],
        &["count"],
        &["export"],
        &["stats"],
        &["verify"],
        &["backup", "copy"],
        &["compact"],
    ] {
        let (out, err) = place.run(arguments, 5);
        assert_eq!(out, "");
        assert!(err.starts_with("error[NoStash] 20: ") && err.contains("hint: check --dir"), "{err}");
        assert!(!place.stash().exists() && !place.path("copy").exists());
    }
}

#[test]
fn errors_are_json_for_programs() {
    let place = Place::new();
    let (out, err) = place.run(&["--json", "get", "a"], 5);
    assert_eq!(out, "");
    for part in ["\"error\":\"NoStash\"", "\"number\":20", "\"retry\":\"after_repair\"", "\"message\":\""] {
        assert!(err.contains(part), "{err}");
    }
    assert_eq!(err.lines().count(), 1);
    let mut command = litestash();
    command.args(["--json", "stats"]);
    assert!(finish(command, 2).1.starts_with("{\"error\":\"Usage\""));
}

#[test]
fn wrong_usage_exits_with_2() {
    let place = Place::new();
    for arguments in [
        &["nonsense"][..],
        &["get"],
        &["set"],
        &["set", "a", "1", "--durability", "some"],
        &["keys", "--limit", "-1"],
        &["--log", "loud", "count"],
        &["import"],
    ] {
        assert_eq!(place.run(arguments, 2).0, "");
    }
    assert_eq!(finish(litestash(), 2).0, "");
}

#[test]
fn the_help_has_examples_and_exit_codes() {
    let mut command = litestash();
    command.arg("--help");
    let (help, _) = finish(command, 0);
    for part in ["Examples:", "Exit codes:", "LITESTASH_DIR", "litestash demo"] {
        assert!(help.contains(part), "{part}");
    }
    for name in
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty())
    {
        // A line that begins further to the right goes on with the description above it.
        if let Some(name) = name.strip_prefix("  ").and_then(|line| line.split(' ').next())
            && !name.is_empty()
            && name != "help"
            && !name.starts_with(char::is_uppercase)
        {
            let mut command = litestash();
            command.args([name, "--help"]);
            assert!(finish(command, 0).0.contains("Usage: litestash"), "{name}");
        }
    }
    let mut command = litestash();
    command.arg("--version");
    assert!(finish(command, 0).0.starts_with("litestash "));
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let place = Place::new();
    place.out(&["set", "a", "1"]);
    assert!(!place.out(&["stats"]).contains('\x1b'));
    assert!(place.out(&["stats", "--color", "always"]).contains('\x1b'));
    assert!(!place.run(&["get", "b", "--color", "never"], 1).1.contains('\x1b'));
    assert!(place.run(&["get", &"x".repeat(3000), "--color", "always"], 5).1.starts_with("\x1b[1;31merror"));
}

#[test]
fn both_levels_of_durability_store() {
    let place = Place::new();
    for level in ["normal", "full"] {
        place.out(&["--durability", level, "set", "a", "1"]);
    }
    assert_eq!(place.out(&["get", "a"]), "1\n");
}
