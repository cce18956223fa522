//! import of CSV.

use crate::support::Place;

#[test]
fn other_columns_become_a_map_of_text() {
    let place = Place::new();
    let file = place.file("people.csv", "id,name,age\n1,Ada,36\n2,\"Grace \"\"H\"\"\nHopper\",\n");
    place.out(&["import", file.to_str().unwrap(), "--key-column", "id"]);
    assert_eq!(place.out(&["get", "1"]), "{\"age\":\"36\",\"name\":\"Ada\"}\n");
    assert_eq!(place.out(&["get", "2"]), "{\"age\":\"\",\"name\":\"Grace \\\"H\\\"\\nHopper\"}\n");
}

#[test]
fn cells_are_inferred_on_request() {
    let place = Place::new();
    let file = place.file("data.CSV", "\u{feff}key,int,float,flag,none,zip\nä,-5,1.0,true,,007\n");
    place.out(&["import", file.to_str().unwrap(), "--infer"]);
    assert_eq!(
        place.out(&["get", "ä"]),
        "{\"flag\":true,\"float\":1.0,\"int\":-5,\"none\":null,\"zip\":\"007\"}\n"
    );
}

#[test]
fn one_column_can_be_the_value() {
    let place = Place::new();
    let text = "sku,price,note\n1,[1.5],x\n2,oops,y\n";
    let csv = ["import", "-", "--format", "csv", "--key-column", "sku", "--value-column", "price"];
    place.run_with(&csv, text, 0);
    assert_eq!(place.out(&["get", "1", "2"]), "\"[1.5]\"\n\"oops\"\n");
    let (_, err) = place.run_with(&[&csv[..], &["--json-cells"]].concat(), text, 3);
    assert!(err.contains("line 3: InvalidValue"), "{err}");
    assert_eq!(place.out(&["get", "1", "2"]), "[1.5]\n\"oops\"\n");
}

#[test]
fn keys_can_be_numbers() {
    let place = Place::new();
    let csv = ["import", "-", "--format=csv", "--key-type=int"];
    let (_, err) = place.run_with(&csv, "key,v\n42,x\nforty,y\n", 3);
    assert!(err.contains("line 3: InvalidKey"), "{err}");
    assert_eq!(place.out(&["get", "--key-type=int", "42"]), "{\"v\":\"x\"}\n");
}

#[test]
fn refused_records_have_the_number_of_their_line() {
    for end in ["\n", "\r\n", "\r"] {
        let place = Place::new();
        let text = ["key,v", "a,1", "b", "", "", "c,\"x", "y\"", "d,1,2", "e,5", "f"].join(end);
        let (_, err) = place.run_with(&["import", "-", "--format=csv"], &text, 3);
        let lines: Vec<_> = err.lines().filter_map(|line| line.strip_prefix("  line ")).collect();
        assert_eq!(
            lines,
            [
                "3: InvalidValue: the record has 1 cells, the header has 2",
                "8: InvalidValue: the record has 3 cells, the header has 2",
                "10: InvalidValue: the record has 1 cells, the header has 2",
            ],
            "{end:?}"
        );
        assert_eq!(place.out(&["count"]), "3\n");
    }
}

#[test]
fn line_numbers_stay_right_over_many_reads() {
    let place = Place::new();
    let mut text = String::from("key,v\r\n");
    for number in 2..20_000 {
        // Every thousandth record is a cell short.
        text += &if number % 1000 == 0 {
            format!("{number}\r\n")
        } else {
            format!("{number},\"a\r\nb\"\r\n\r\n")
        };
    }
    let (out, _) = place.run_with(&["import", "-", "--format=csv", "--json"], &text, 3);
    let numbers: Vec<u64> = out
        .split("\"line\":")
        .skip(1)
        .map(|part| part.split([',', '}']).next().unwrap().parse().unwrap())
        .collect();
    let expected: Vec<u64> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.parse::<u64>().is_ok_and(|number| number % 1000 == 0))
        .map(|(index, _)| index as u64 + 1)
        .collect();
    assert_eq!(numbers, expected);
    assert_eq!(numbers.len(), 19);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let place = Place::new();
    let file = place.file("data.csv", b"key,v\na,\xff\nb,1\n");
    let (_, err) = place.run(&["import", file.to_str().unwrap()], 3);
    assert!(err.contains("line 2: InvalidValue: the record is not valid UTF-8"), "{err}");
    assert_eq!(place.out(&["count"]), "1\n");
}

#[test]
fn a_header_that_does_not_fit_is_wrong_usage() {
    let place = Place::new();
    for (text, options, message) in [
        ("id,v\n1,2\n", "--infer", "no column `key`; choose one with --key-column: id, v"),
        ("key,v,v\n1,2,3\n", "--infer", "column `v` twice"),
        ("key,v\n1,2\n", "--value-column=w", "no column `w`"),
        ("", "--infer", "no column `key`"),
    ] {
        let (_, err) = place.run_with(&["import", "-", "--format=csv", options], text, 2);
        assert!(err.contains(message), "{err}");
    }
    assert!(!place.stash().exists());
}
