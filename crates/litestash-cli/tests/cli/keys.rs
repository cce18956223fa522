//! The forms of KEY arguments.

use crate::support::Place;

#[test]
fn every_type_of_key_has_a_form() {
    let place = Place::new();
    place.out(&["set", "1", "\"text\""]);
    place.out(&["set", "--key-type", "int", "1", "\"int\""]);
    place.out(&["set", "--key-type", "int", "-1", "\"negative\""]);
    place.out(&["set", "--key-type", "float", "1.5", "\"float\""]);
    place.out(&["set", "--key-type", "bytes", "31", "\"bytes\""]);
    for (arguments, value) in [
        (["get", "--json-key", "\"1\""], "\"text\"\n"),
        (["get", "--json-key", "1.0"], "\"int\"\n"),
        (["get", "--json-key", "-1"], "\"negative\"\n"),
        (["get", "--json-key", "1.5"], "\"float\"\n"),
        (["get", "--json-key", "{\"$bytes\":\"MQ==\"}"], "\"bytes\"\n"),
    ] {
        assert_eq!(place.out(&arguments), value);
    }
    assert_eq!(place.out(&["get", "--key-type", "float", "1"]), "\"int\"\n");
    assert_eq!(place.out(&["count"]), "5\n");
}

#[test]
fn what_is_no_key_is_refused() {
    let place = Place::new();
    place.out(&["set", "a", "1"]);
    for arguments in [
        ["get", "--key-type=int", "1.5"],
        ["get", "--key-type=float", "nan"],
        ["get", "--key-type=bytes", "xyz"],
        ["get", "--json-key", "true"],
        ["get", "--json-key", "{\"$bytes\":\"?\"}"],
        ["get", "--json-key", "nonsense"],
    ] {
        let (_, err) = place.run(&arguments, 5);
        assert!(err.starts_with("error[InvalidKey] 2: "), "{err}");
    }
    let long = "x".repeat(2049);
    assert!(place.run(&["get", &long], 5).1.starts_with("error[TooLarge] 4: "));
    place.run(&["get", "--json-key", "--key-type", "int", "1"], 2);
}

#[test]
fn a_key_may_look_like_an_option_behind_two_hyphens() {
    let place = Place::new();
    place.out(&["set", "--raw", "--", "--help", "me"]);
    assert_eq!(place.out(&["get", "--", "--help"]), "\"me\"\n");
}
