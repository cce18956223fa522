//! Every operation, and the order of answers.

use crate::client::{Client, map, text};
use litestash_core::{ErrorKind, LiteStash, ScanOptions, Value};

fn int(int: i64) -> Value {
    Value::Int(int)
}

fn array<const N: usize>(values: [Value; N]) -> Value {
    Value::Array(values.into())
}

#[test]
fn one_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    let key = || text("user:1");
    let ada = map([("name", text("Ada")), ("age", int(36))]);
    assert!(matches!(client.call("set", [key(), ada.clone()]).ok(), Value::Int(_)));
    assert_eq!(client.call("get", [key()]).ok(), ada);
    assert_eq!(client.call("get", [text("nobody")]).status, 2);
    client.call("set", [text("nothing"), Value::Nil]).ok();
    let nil = client.call("get", [text("nothing")]);
    assert_eq!((nil.status, nil.result), (0, Value::Nil));
    assert_eq!(client.call("exists", [key()]).ok(), Value::Bool(true));
    assert_eq!(client.call("add", [key(), int(1)]).ok(), Value::Bool(false));
    assert_eq!(client.call("replace", [text("x"), int(1)]).ok(), Value::Bool(false));
    assert_eq!(client.call("increment", [text("n")]).ok(), int(1));
    assert_eq!(client.call("increment", [text("n"), int(41)]).ok(), int(42));
    assert_eq!(client.call("increment_float", [text("f"), Value::Float(1.5)]).ok(), Value::Float(1.5));
    let swap = [text("n"), array([int(42)]), int(7)];
    assert_eq!(client.call("compare_and_set", swap).ok(), Value::Bool(true));
    assert_eq!(client.call("compare_and_set", [text("n"), array([]), int(8)]).ok(), Value::Bool(false));
    let hour = || map([("ttl_us", int(3_600_000_000))]);
    assert_eq!(client.call("expire", [key(), hour()]).ok(), Value::Bool(true));
    assert!(matches!(client.call("ttl", [key()]).ok(), Value::Int(_)));
    assert_eq!(client.call("persist", [key()]).ok(), Value::Bool(true));
    assert_eq!(client.call("ttl", [key()]), crate::client::Answer { status: 0, result: Value::Nil });
    let absent = map([("if", text("absent"))]);
    assert_eq!(client.call("set", [key(), int(0), absent]).ok(), Value::Nil);
    let Value::Map(entry) = client.call("entry", [key()]).ok() else { panic!("an entry is a map") };
    assert_eq!((&entry["value"], &entry["expires_at"]), (&ada, &Value::Nil));
    assert_eq!(client.call("take", [key()]).ok(), ada);
    assert_eq!(client.call("delete", [key()]).ok(), Value::Bool(false));
    for key in [int(1), Value::Float(1.5), Value::Bytes(b"\xff".into())] {
        client.call("set", [key.clone(), key.clone()]).ok();
        assert_eq!(client.call("get", [key.clone()]).ok(), key);
    }
    assert!(client.end().success());
    assert_eq!(LiteStash::open(dir.path()).unwrap().get("n").unwrap(), Some(int(7)));
}

#[test]
fn bad_requests_are_told_by_kind_and_the_session_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    assert_eq!(client.call("no such operation", []).error(), ErrorKind::InvalidArgument);
    assert_eq!(client.call("get", []).error(), ErrorKind::InvalidArgument);
    assert_eq!(client.call("get", [text("k"), int(1)]).error(), ErrorKind::InvalidArgument);
    assert_eq!(client.call("get", [Value::Bool(true)]).error(), ErrorKind::InvalidKey);
    assert_eq!(client.call("get", [text(&"k".repeat(3000))]).error(), ErrorKind::TooLarge);
    let unknown = map([("tll_us", int(5))]);
    assert_eq!(client.call("set", [text("k"), int(1), unknown]).error(), ErrorKind::InvalidArgument);
    client.call("set", [text("k"), text("x")]).ok();
    assert_eq!(client.call("increment", [text("k")]).error(), ErrorKind::TypeMismatch);
    assert_eq!(client.call("hello", [map([])]).error(), ErrorKind::InvalidArgument);
    assert_eq!(client.call("keys", [map([("limit", int(1 << 40))])]).error(), ErrorKind::InvalidArgument);
    assert_eq!(client.call("keys", [map([("cursor", text("x"))])]).error(), ErrorKind::InvalidArgument);
    assert_eq!(client.call("get", [text("k")]).ok(), text("x"));
    assert!(client.end().success());
}

#[test]
fn several_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    let items = Value::Array((0..100).map(|n| array([int(n), int(n * n)])).collect());
    let Value::Array(versions) = client.call("set_many", [items]).ok() else { panic!("versions") };
    assert_eq!(versions.len(), 100);
    let found = client.call("get_many", [array([int(3), int(1000), int(9)])]).ok();
    assert_eq!(found, array([array([int(9)]), Value::Nil, array([int(81)])]));
    let deleted = client.call("delete_many", [array([int(3), int(1000)])]).ok();
    assert_eq!(deleted, array([Value::Bool(true), Value::Bool(false)]));
    let operations = array([
        array([text("increment"), text("n"), int(5)]),
        array([text("get"), text("n")]),
        array([text("get"), text("missing")]),
        array([text("nonsense"), text("n")]),
    ]);
    let Value::Array(answers) = client.call("apply", [operations]).ok() else { panic!("answers") };
    assert_eq!(answers[..3], [array([int(0), int(5)]), array([int(0), int(5)]), array([int(2), Value::Nil])]);
    assert!(matches!(&answers[3], Value::Array(pair) if pair[0] == int(1)));
    assert!(client.end().success());
}

#[test]
fn pages_go_over_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    let items = Value::Array((0..1000).map(|n| array([text(&format!("k{n}")), int(n)])).collect());
    client.call("set_many", [items]).ok();
    let mut seen = Vec::new();
    let mut cursor = Value::Nil;
    loop {
        let options = map([("limit", int(64)), ("cursor", cursor), ("prefix", text("k"))]);
        let Value::Map(mut page) = client.call("items", [options]).ok() else { panic!("a page is a map") };
        let Some(Value::Array(items)) = page.remove("items") else { panic!("a page has items") };
        assert_eq!(page["errors"], array([]));
        seen.extend(items);
        cursor = page.remove("cursor").unwrap_or_default();
        if cursor == Value::Nil {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
    seen.sort_by_key(|item| format!("{item:?}"));
    seen.dedup();
    assert_eq!(seen.len(), 1000);
    assert_eq!(client.call("len", []).ok(), int(1000));
    client.call("clear", []).ok();
    assert_eq!(client.call("len", []).ok(), int(0));
    assert!(client.end().success());
}

#[test]
fn what_waits_in_the_pipe_is_done_in_order_per_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    let mut bytes = Vec::new();
    let mut ids = Vec::new();
    for n in 0..5000 {
        let key = text(&format!("k{}", n % 7));
        for (operation, arguments) in [("set", vec![key.clone(), int(n)]), ("get", vec![key])] {
            let (id, payload) = client.request(operation, &arguments);
            bytes.extend_from_slice(&crate::client::frame(&payload));
            ids.push(id);
        }
    }
    let mut input = client.input.take().unwrap();
    let sender = std::thread::spawn(move || {
        std::io::Write::write_all(&mut input, &bytes).unwrap();
        input
    });
    let answers: Vec<_> = ids.iter().map(|id| client.answer(*id).ok()).collect();
    for (n, pair) in answers.chunks(2).enumerate() {
        assert_eq!(pair[1], int(n as i64));
    }
    client.input = Some(sender.join().unwrap());
    assert!(client.end().success());
}

#[test]
fn long_operations_answer_when_they_are_done_and_others_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(&dir.path().join("stash"));
    let items = Value::Array((0..5000).map(|n| array([int(n), text(&"x".repeat(100))])).collect());
    client.call("set_many", [items]).ok();
    let file = dir.path().join("rows.jsonl");
    let path = || text(file.to_str().unwrap());
    let ids = [
        client.send("verify", &[]),
        client.send("stats", &[]),
        client.send("backup", &[text(dir.path().join("backup").to_str().unwrap())]),
        client.send("export", &[path()]),
    ];
    assert_eq!(client.call("get", [int(7)]).ok(), text(&"x".repeat(100)));
    for id in ids {
        client.answer(id).ok();
    }
    assert_eq!(client.call("export", [path()]).error(), ErrorKind::Io);
    client.call("clear", []).ok();
    let Value::Map(report) = client.call("import", [path()]).ok() else { panic!("a report is a map") };
    assert_eq!(report["rows"], int(5000));
    assert_eq!(client.call("cancel", [int(999_999)]).ok(), Value::Bool(false));
    client.call("sync", []).ok();
    client.call("compact", []).ok();
    client.call("close", []).ok();
    assert!(client.end().success());
    let restored = LiteStash::open(dir.path().join("backup")).unwrap();
    assert_eq!(restored.keys(ScanOptions::default()).count(), 5000);
}

#[test]
fn buckets_deadlines_and_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    let within = |name: &str| array([text("sessions"), text(name)]);
    client.call("set", [text("k"), int(1)]).ok();
    assert_eq!(client.call_in(within("get"), [text("k")]).status, 2);
    client.call_in(within("set"), [text("k"), int(2), map([("idle_us", int(60_000_000))])]).ok();
    assert_eq!(client.call_in(within("touch"), [text("k")]).ok(), Value::Bool(true));
    assert_eq!(client.call_in(within("get"), [text("k")]).ok(), int(2));
    assert_eq!(client.call("get", [text("k")]).ok(), int(1));
    assert_eq!(client.call("buckets", []).ok(), array([text("sessions")]));
    assert_eq!(client.call("drop_bucket", [text("sessions")]).ok(), Value::Bool(true));
    assert_eq!(client.call_in(within("get"), [text("k")]).status, 2);
    let transfer = |expected: i64| {
        array([
            array([text("check"), text("a"), array([int(expected)])]),
            array([text("increment"), text("a"), int(-1)]),
            array([text("increment"), text("b"), int(1)]),
        ])
    };
    client.call("set", [text("a"), int(5)]).ok();
    let done = client.call("transaction", [transfer(5)]).ok();
    let answer = |value| array([int(0), value]);
    let answers = array([answer(Value::Bool(true)), answer(int(4)), answer(int(1))]);
    assert_eq!(done, map([("committed", answers)]));
    assert_eq!(client.call("transaction", [transfer(5)]).ok(), map([("refused", int(0))]));
    assert_eq!(client.call("get", [text("b")]).ok(), int(1));
    assert!(client.end().success());
}

#[test]
fn a_bucket_with_options_has_them_in_every_request() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    let with = |options| array([text("sessions"), options]);
    let options = || map([("default_ttl_us", int(3_600_000_000)), ("value_bytes_max", int(100))]);
    let within = |name: &str| array([with(options()), text(name)]);
    client.call_in(within("set"), [text("k"), int(1)]).ok();
    assert!(matches!(client.call_in(within("ttl"), [text("k")]).ok(), Value::Int(_)));
    let long = Value::Bytes(vec![0; 200]);
    assert_eq!(client.call_in(within("set"), [text("l"), long.clone()]).error(), ErrorKind::TooLarge);
    // By its name alone it is the same bucket.
    let plain = |name: &str| array([text("sessions"), text(name)]);
    assert_eq!(client.call_in(plain("get"), [text("k")]).ok(), int(1));
    assert_eq!(client.call_in(plain("set"), [text("l"), long]).error(), ErrorKind::TooLarge);
    let other = array([with(map([("max_rows", int(5))])), text("get")]);
    assert_eq!(client.call_in(other, [text("k")]).error(), ErrorKind::InvalidArgument);
    for options in [map([("colour", int(1))]), int(5), map([("eviction", text("all"))])] {
        let refused = array([array([text("other"), options]), text("get")]);
        assert_eq!(client.call_in(refused, [text("k")]).error(), ErrorKind::InvalidArgument);
    }
    let long_name = array([array([text(&"n".repeat(5000))]), text("get")]);
    assert_eq!(client.call_in(long_name, [text("k")]).error(), ErrorKind::InvalidArgument);
    assert!(client.end().success());
}

#[test]
fn a_stash_in_memory_leaves_nothing() {
    let mut client = Client::start(&[]);
    let protocol = || ("protocol", int(1));
    client.call("hello", [map([protocol(), ("memory", Value::Bool(true))])]).ok();
    client.call("set", [text("k"), int(1)]).ok();
    assert_eq!(client.call("get", [text("k")]).ok(), int(1));
    let within = |name: &str| array([text("b"), text(name)]);
    client.call_in(within("set"), [text("k"), int(2)]).ok();
    assert_eq!(client.call_in(within("get"), [text("k")]).ok(), int(2));
    assert!(client.end().success());
    let mut both = Client::start(&[]);
    let hello = map([protocol(), ("memory", Value::Bool(true)), ("dir", text("x"))]);
    assert_eq!(both.call("hello", [hello]).error(), ErrorKind::InvalidArgument);
}

#[test]
fn one_client_computes_and_the_others_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (Client::open(dir.path()), Client::open(dir.path()));
    let elsewhere = || map([("elsewhere", Value::Bool(true))]);
    let begin = |client: &mut Client| {
        let id = client.send("begin_compute", &[text("k"), map([("ttl_us", int(3_600_000_000))])]);
        (int(id as i64), client.answer(id).ok())
    };
    let (id, turn) = begin(&mut one);
    assert_eq!(turn, map([("turn", id.clone())]));
    assert_eq!(begin(&mut other).1, elsewhere());
    assert_eq!(begin(&mut one).1, elsewhere());
    assert_eq!(one.call("end_compute", [id.clone(), int(7)]).ok(), int(7));
    assert_eq!(one.call("end_compute", [id, int(8)]).status, 2);
    assert_eq!(begin(&mut other).1, map([("value", int(7))]));
    assert!(matches!(one.call("ttl", [text("k")]).ok(), Value::Int(_)));
    // A computation that failed is another's turn, and so is that of a client that has gone.
    one.call("delete", [text("k")]).ok();
    let (id, _) = begin(&mut one);
    assert_eq!(one.call("end_compute", [id]).ok(), Value::Nil);
    let (id, turn) = begin(&mut other);
    assert_eq!(turn, map([("turn", id)]));
    assert!(other.end().success());
    let (id, turn) = begin(&mut one);
    assert_eq!(turn, map([("turn", id.clone())]));
    // What was written meanwhile is kept.
    one.call("set", [text("k"), int(9)]).ok();
    assert_eq!(one.call("end_compute", [id, int(8)]).ok(), int(9));
    let wrong = [map([("lease_us", int(1))]), map([("if", text("absent"))]), map([("ttl", int(1))])];
    for options in wrong {
        let refused = one.call("begin_compute", [text("k"), options]);
        assert_eq!(refused.error(), ErrorKind::InvalidArgument);
    }
    assert!(one.end().success());
}

#[test]
fn an_engine_that_is_killed_leaves_its_turn_after_the_lease() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (Client::open(dir.path()), Client::open(dir.path()));
    let options = || map([("lease_us", int(50_000))]);
    let Value::Map(turn) = one.call("begin_compute", [text("k"), options()]).ok() else { panic!("a map") };
    assert!(turn.contains_key("turn"));
    one.engine.kill().unwrap();
    one.engine.wait().unwrap();
    loop {
        let Value::Map(begun) = other.call("begin_compute", [text("k"), options()]).ok() else {
            panic!("a map")
        };
        if begun.contains_key("turn") {
            break;
        }
        assert!(begun.contains_key("elsewhere"));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(other.end().success());
}

#[test]
fn events_come_between_answers() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    let id = client.send("subscribe", &[map([("prefix", text("user:"))])]);
    client.answer(id).ok();
    client.call("set", [text("user:1"), int(1)]).ok();
    client.call("set", [text("other"), int(1)]).ok();
    client.call("delete", [text("user:1")]).ok();
    for kind in ["set", "delete"] {
        let Value::Map(event) = client.event(id) else { panic!("an event is a map") };
        assert_eq!((&event["kind"], &event["key"]), (&text(kind), &text("user:1")));
        assert_eq!((&event["own"], &event["missed"]), (&Value::Bool(true), &int(0)));
    }
    assert_eq!(client.call("unsubscribe", [int(id as i64)]).ok(), Value::Bool(true));
    assert_eq!(client.call("subscribe", [map([("kinds", text("set"))])]).error(), ErrorKind::InvalidArgument);
    assert!(client.end().success());
}
