//! apply, without the suite's own operations.

use crate::support::Place;

#[test]
fn each_line_has_one_result() {
    let place = Place::new();
    let operations = r#"{"op": "increment", "key": "n", "by": 2}
{"op":"set_many","items":[["a",1],["b",{"x":[1.0]}]]}

{"op":"get_many","keys":["a","b","c"]}
{"op":"items","prefix":"a"}
{"op":"keys","limit":0}
{"op":"values","prefix":"b"}
{"op":"delete_many","keys":["a","c"]}
{"op":"compare_and_set","key":"b","value":null}
{"op":"compare_and_set","key":"b","expected":{"x":[1.0]},"value":null}
{"op":"get","key":"b"}
{"op":"apply","operations":[{"op":"increment","key":"n","by":1},{"op":"get","key":true},{"op":"tick"}]}
{"op":"len"}
{"op":"clear"}
{"op":"len"}
"#;
    let (out, err) = place.run_with(&["apply"], operations, 0);
    assert_eq!(err, "");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 14);
    assert_eq!(lines[0], "2");
    assert_eq!(
        lines[2..],
        [
            "[{\"value\":1},{\"value\":{\"x\":[1.0]}},null]",
            "[[\"a\",1]]",
            "[]",
            "[{\"x\":[1.0]}]",
            "[true,false]",
            "false",
            "true",
            "{\"value\":null}",
            "[3,{\"error\":\"InvalidKey\"},{\"error\":\"InvalidArgument\"}]",
            "2",
            "null",
            "0",
        ]
    );
}

#[test]
fn what_is_no_operation_is_refused_by_name() {
    let place = Place::new();
    for operation in [
        "hello",
        "[]",
        "{}",
        "{\"op\":1}",
        "{\"op\":\"nonsense\",\"key\":\"a\"}",
        "{\"op\":\"get\"}",
        "{\"op\":\"get\",\"key\":\"a\",\"extra\":1}",
        "{\"op\":\"get\",\"key\":\"a\",\"key\":\"b\"}",
        "{\"op\":\"set\",\"key\":\"a\"}",
        "{\"op\":\"set\",\"key\":\"a\",\"value\":1,\"if\":\"never\"}",
        "{\"op\":\"set\",\"key\":\"a\",\"value\":1,\"if\":{\"version\":1,\"x\":1}}",
        "{\"op\":\"set\",\"key\":\"a\",\"value\":1,\"keep_ttl\":1}",
        "{\"op\":\"set\",\"key\":\"a\",\"value\":1,\"ttl_us\":1.0}",
        "{\"op\":\"set\",\"key\":\"a\",\"value\":1,\"ttl_us\":-1}",
        "{\"op\":\"expire\",\"key\":\"a\"}",
        "{\"op\":\"increment\",\"key\":\"a\",\"by\":1.0}",
        "{\"op\":\"increment\",\"key\":\"a\",\"by\":9223372036854775808}",
        "{\"op\":\"increment_float\",\"key\":\"a\",\"by\":1}",
        "{\"op\":\"get_many\",\"keys\":\"a\"}",
        "{\"op\":\"set_many\",\"items\":[[\"a\"]]}",
        "{\"op\":\"keys\",\"limit\":-1}",
        "{\"op\":\"keys\",\"prefix\":1}",
        "{\"op\":\"len\",\"x\":1}",
        "{\"op\":\"clear\",\"x\":1}",
    ] {
        let (out, err) = place.run_with(&["apply"], operation, 3);
        assert_eq!(out, "{\"error\":\"InvalidArgument\"}\n", "{operation}");
        assert!(err.starts_with("line 1: InvalidArgument: "), "{err}");
    }
}

#[test]
fn errors_of_the_stash_have_their_names() {
    let place = Place::new();
    for (operation, name) in [
        ("{\"op\":\"get\",\"key\":18446744073709551616}", "InvalidKey"),
        ("{\"op\":\"get\",\"key\":{\"$bytes\":\"?\"}}", "InvalidKey"),
        ("{\"op\":\"set\",\"key\":\"a\",\"value\":18446744073709551616}", "InvalidValue"),
        ("{\"op\":\"set\",\"key\":\"a\",\"value\":1,\"ttl_us\":0}", "InvalidArgument"),
        ("{\"op\":\"increment_float\",\"key\":\"a\",\"by\":{\"$float\":\"inf\"}}", "InvalidArgument"),
        ("{\"op\":\"set_many\",\"items\":[[null,1]]}", "InvalidKey"),
    ] {
        let (out, err) = place.run_with(&["apply"], operation, 3);
        assert_eq!(out, format!("{{\"error\":\"{name}\"}}\n"), "{operation}");
        assert!(err.contains("refused 1 operation"), "{err}");
    }
}

#[cfg(not(feature = "conformance"))]
#[test]
fn a_normal_build_knows_no_operations_of_the_suite() {
    let place = Place::new();
    for operation in ["{\"op\":\"tick\",\"us\":1}", "{\"op\":\"reopen\"}"] {
        assert_eq!(place.run_with(&["apply"], operation, 3).0, "{\"error\":\"InvalidArgument\"}\n");
    }
}

#[test]
fn the_clock_of_the_suite_has_no_say_in_a_normal_build() {
    let place = Place::new();
    let mut command = place.command(&["set", "a", "1"]);
    command.env("LITESTASH_CONFORMANCE_CLOCK", "5");
    let (out, _) = crate::support::finish(command, 0);
    assert_eq!(out == "5\n", cfg!(feature = "conformance"));
}
