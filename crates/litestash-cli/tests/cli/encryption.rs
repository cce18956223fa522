//! Encrypted stashes from the command line.

use crate::support::Place;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn a_new_key_opens_what_it_encrypted_and_nothing_else_does() {
    let place = Place::new();
    place.run(&["key", "new", "a.key"], 0);
    let (_, refused) = place.run(&["key", "new", "a.key"], 5);
    assert!(refused.contains("error["), "{refused}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(place.path("a.key").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    place.run(&["key", "new", "b.key"], 0);
    place.out(&["set", "--key-file", "a.key", "name", "\"Ada\""]);
    assert_eq!(place.out(&["get", "--key-file", "a.key", "name"]).trim(), "\"Ada\"");
    for wrong in [&["get", "name"][..], &["get", "--key-file", "b.key", "name"]] {
        let (_, refused) = place.run(wrong, 5);
        assert!(refused.contains("error[WrongKey] 25"), "{refused}");
    }
    let mut command = place.command(&["get", "name"]);
    command.env("LITESTASH_KEY_FILE", place.path("a.key")).assert().success();
}

#[test]
fn keys_rotate_and_change() {
    let place = Place::new();
    place.file("a.key", format!("{KEY}\n"));
    place.file("word", "correct horse\nnot this line\n");
    for key in 0..20 {
        place.out(&["set", "--key-file", "a.key", "--compress", &format!("key{key}"), "1"]);
    }
    let rotated = place.out(&["key", "rotate", "--key-file", "a.key"]);
    assert_eq!(rotated.trim(), "encrypted 20 rows with data key 2");
    place.run(&["key", "change", "--key-file", "a.key", "--new-passphrase-file", "word"], 0);
    place.run(&["count", "--key-file", "a.key"], 5);
    assert_eq!(place.out(&["count", "--passphrase-file", "word"]).trim(), "20");
    let mut command = place.command(&["count", "--passphrase-env", "WORD"]);
    command.env("WORD", "correct horse").assert().success();
    place.run(&["key", "change", "--passphrase-file", "word", "--new-key-file", "a.key"], 0);
    let mut command = place.command(&["count", "--key-env", "KEY"]);
    command.env("KEY", KEY).assert().success();
    place.out(&["backup", "--key-file", "a.key", "copy"]);
    place.out(&["repair", "--key-file", "a.key", "copy", "repaired"]);
}

#[test]
fn bad_keys_are_refused_before_anything_is_made() {
    let place = Place::new();
    place.file("short", "abc");
    place.file("a.key", KEY);
    place.file("word", "correct horse");
    place.run(&["set", "--key-file", "short", "a", "1"], 5);
    place.run(&["set", "--key-file", "missing", "a", "1"], 5);
    place.run(&["set", "--key-file", "a.key", "--passphrase-file", "word", "a", "1"], 2);
    place.run(&["set", "--key-env", "LITESTASH_NO_SUCH_VARIABLE", "a", "1"], 2);
    place.run(&["key", "change", "--key-file", "a.key"], 2);
    assert!(!place.stash().exists());
    place.out(&["set", "a", "1"]);
    let (_, refused) = place.run(&["key", "rotate"], 5);
    assert!(refused.contains("InvalidArgument"), "{refused}");
}
