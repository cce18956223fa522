//! The demo.

use crate::support::{Place, finish, litestash};

#[test]
fn it_shows_everything_and_can_be_run_again() {
    let place = Place::new();
    let demo = || {
        let mut command = litestash();
        // The stash that the user works with is none of the demo's business.
        command.arg("demo").current_dir(place.path("")).env("LITESTASH_DIR", place.stash());
        finish(command, 0)
    };
    let (first, err) = demo();
    assert_eq!(err, "");
    for part in [
        "a new stash in ./litestash-demo",
        "5,000 cities",
        "CC BY 4.0",
        "Tokyo",
        "São Paulo",
        "sound: ",
        "42\n",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert!(!place.stash().exists());
    let (second, _) = demo();
    assert!(second.contains("the stash of an earlier demo") && second.contains("2nd time"), "{second}");
    let mut command = litestash();
    command.args(["-d", "litestash-demo", "count", "--prefix", "city:"]).current_dir(place.path(""));
    assert_eq!(finish(command, 0).0, "5000\n");
}

#[test]
fn a_stash_of_somebody_else_is_left_alone() {
    let place = Place::new();
    place.out(&["set", "mine", "1"]);
    let (out, err) = place.run(&["demo"], 2);
    assert!(out.is_empty() && err.contains("not from a demo"), "{err}");
    assert_eq!(place.out(&["count"]), "1\n");
}
