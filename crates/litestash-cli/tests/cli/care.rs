//! stats, verify, repair, backup and compact.

use crate::support::Place;

fn filled() -> Place {
    let place = Place::new();
    let lines: String =
        (0..300).map(|n| format!("{{\"key\":{n},\"value\":\"{}\"}}\n", "v".repeat(500))).collect();
    place.run_with(&["import", "-"], &lines, 0);
    place
}

/// Changes one byte of a value, so that its checksum differs.
fn damage(place: &Place) {
    let path = place.stash().join("shard-3.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(100).position(|window| window.iter().all(|byte| *byte == b'v')).unwrap();
    bytes[at + 50] = b'w';
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn stats_draw_a_line_for_every_shard() {
    let place = filled();
    let text = place.out(&["stats"]);
    assert!(text.contains("rows     300") && text.contains("16 of 16 shards"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains('█')).count(), 16, "{text}");
    let json = place.out(&["stats", "--json"]);
    assert!(json.contains("\"rows\":300") && json.contains("\"slots\":["), "{json}");
}

#[test]
fn a_sound_stash_verifies() {
    let place = filled();
    assert_eq!(place.out(&["verify"]), "sound: 300 rows in 16 shards\n");
    assert!(place.out(&["verify", "--json"]).contains("\"problems\":[]"));
}

#[test]
fn damage_is_found_and_the_rest_is_saved() {
    let place = filled();
    damage(&place);
    let (out, _) = place.run(&["verify"], 4);
    assert!(out.contains("shard 3, table slot_") && out.contains("record: "), "{out}");
    assert!(out.contains("unsound: 1 problem in 300 rows"), "{out}");
    assert!(place.run(&["verify", "--json"], 4).0.contains("\"kind\":\"record\""));

    let (_, err) = place.run(&["export"], 5);
    assert!(err.contains("error[Corrupt] 13: ") && err.contains("litestash verify"), "{err}");
    let (out, err) = place.run(&["items"], 5);
    assert_eq!(out.lines().count(), 299);
    assert!(err.contains("error[Corrupt]"), "{err}");

    let (source, new) = (place.stash(), place.path("new"));
    let (source, new) = (source.to_str().unwrap(), new.to_str().unwrap());
    let (out, _) = place.run(&["repair", source, new], 4);
    assert!(out.contains("lost: shard 3, table slot_") && out.contains("saved 299 rows"), "{out}");
    let again = place.path("again");
    let (out, _) = place.run(&["repair", new, again.to_str().unwrap()], 0);
    assert!(out.contains("nothing was lost"), "{out}");
    assert!(place.run(&["repair", source, new], 5).1.contains("InvalidArgument"));
}

#[test]
fn a_backup_is_a_stash() {
    let place = filled();
    let copy = place.path("copy");
    let copy = copy.to_str().unwrap();
    assert!(place.out(&["backup", copy]).starts_with("copied 16 shards, "));
    assert_eq!(place.out(&["export"]), {
        let mut command = crate::support::litestash();
        command.args(["-d", copy, "export"]);
        crate::support::finish(command, 0).0
    });
    assert!(place.run(&["backup", copy], 5).1.contains("InvalidArgument"));
    let other = place.path("other");
    assert!(place.out(&["backup", other.to_str().unwrap(), "--json"]).contains("\"shards\":16"));
}

#[test]
fn compacting_gives_space_back() {
    let place = filled();
    place.run_with(&["apply"], "{\"op\":\"clear\"}", 0);
    let json = place.out(&["compact", "--json"]);
    assert!(json.contains("\"shards_busy\":0") && !json.contains("\"pages_freed\":0,"), "{json}");
    assert_eq!(place.out(&["compact"]), "gave back 0 B\n");
}

#[test]
fn limits_hold_for_a_command_and_are_shown() {
    let place = filled();
    let (_, err) = place.run(&["--max-rows", "300", "set", "one-more", "1"], 5);
    assert!(err.contains("error[LimitReached] 26: "), "{err}");
    place.run(&["--max-rows", "200", "--eviction", "least-recently-stored", "set", "one-more", "1"], 0);
    let text = place.out(&["--max-bytes", "64MiB", "stats"]);
    let rows = place.out(&["count"]);
    assert!(rows.trim().parse::<u32>().unwrap() < 300, "{rows}");
    let counted = format!("counted {} rows", rows.trim());
    assert!(text.contains("of 64.0 MiB at most") && text.contains(&counted), "{text}");
    assert!(place.run(&["--max-bytes", "64MB", "stats"], 2).1.contains("a size is"));
    assert!(place.run(&["--max-bytes", "1MiB", "set", "a", "1"], 5).1.contains("InvalidArgument"));
}
