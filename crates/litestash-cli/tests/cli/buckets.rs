//! `--bucket`, `buckets` and `drop-bucket`.

use crate::support::Place;

#[test]
fn commands_work_in_a_bucket() {
    let place = Place::new();
    place.out(&["set", "k", "1"]);
    place.out(&["set", "k", "2", "--bucket", "b"]);
    place.out(&["--bucket", "a/b \u{e9}", "set", "k", "3"]);
    assert_eq!(place.out(&["get", "k"]), "1\n");
    assert_eq!(place.out(&["get", "k", "--bucket", "b"]), "2\n");
    assert_eq!(place.out(&["buckets"]), "a/b \u{e9}\nb\n");
    assert_eq!(place.out(&["buckets", "--json"]), "\"a/b \u{e9}\"\n\"b\"\n");
    assert!(place.out(&["export", "-", "--bucket", "b"]).contains("\"value\":2"));
    place.run_with(&["import", "-", "--bucket", "c"], "{\"key\":\"k\",\"value\":4}\n", 0);
    assert_eq!(place.out(&["count", "--bucket", "c"]), "1\n");
    assert!(place.out(&["stats"]).contains("3 buckets, with 3 rows"), "{}", place.out(&["stats"]));
    assert_eq!(place.out(&["verify"]), "sound: 4 rows in 4 shards\n");
    assert_eq!(place.out(&["verify", "--bucket", "b"]), "sound: 1 row in 1 shard\n");
    let applied = "{\"op\":\"get\",\"key\":\"k\",\"bucket\":\"c\"}\n{\"op\":\"buckets\"}\n";
    let out = place.run_with(&["apply"], applied, 0);
    assert!(format!("{out:?}").contains("value"), "{out:?}");
}

#[test]
fn a_bucket_is_dropped_by_name_and_not_by_accident() {
    let place = Place::new();
    place.out(&["set", "k", "1"]);
    place.out(&["set", "k", "2", "--bucket", "b"]);
    place.run_with(&["drop-bucket", "b"], "", 2);
    place.run_with(&["drop-bucket", "b", "--yes", "--bucket", "b"], "", 2);
    assert_eq!(place.out(&["buckets"]), "b\n");
    assert_eq!(place.out(&["drop-bucket", "b", "--yes", "--json"]), "{\"dropped\":true}\n");
    place.run_with(&["drop-bucket", "b", "--yes"], "", 1);
    place.run_with(&["drop-bucket", "", "--yes"], "", 5);
    assert_eq!(place.out(&["buckets"]), "");
    assert_eq!(place.out(&["get", "k"]), "1\n");
}
