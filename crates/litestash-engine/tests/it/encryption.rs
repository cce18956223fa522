//! Keys, passphrases and compression: in the hello, on the command line, and changed on the way.

use crate::client::{Client, map, text};
use litestash_core::{Compression, ErrorKind, LiteStash, Options, Value};
use std::path::Path;

const KEY: [u8; 32] = [7; 32];

fn hello(dir: &Path, more: &[(&str, Value)]) -> Value {
    let given = [("protocol", Value::Int(1)), ("dir", text(dir.to_str().unwrap()))];
    let members = given.iter().chain(more).map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Map(members.collect())
}

/// An engine that was greeted so; the kind of the error if it refused.
fn greet(dir: &Path, more: &[(&str, Value)]) -> Result<Client, ErrorKind> {
    let mut client = Client::start(&[]);
    let answer = client.call("hello", [hello(dir, more)]);
    if answer.status == 0 {
        return Ok(client);
    }
    let kind = answer.error();
    assert_eq!(client.end().code(), Some(3));
    Err(kind)
}

fn key() -> (&'static str, Value) {
    ("encryption_key", Value::Bytes(KEY.to_vec()))
}

#[test]
fn a_key_of_the_hello_opens_what_it_made_and_no_other_does() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "07".repeat(32)).unwrap();
    let dir = dir.path().join("stash");
    let mut client = greet(&dir, &[key()]).unwrap();
    client.call("set", [text("k"), text("v")]).ok();
    assert!(client.end().success());
    let wrong: [&[(&str, Value)]; 4] = [
        &[],
        &[("encryption_key", Value::Bytes(vec![8; 32]))],
        &[("passphrase", text("a"))],
        &[("passphrase", text("a")), ("read_only", Value::Bool(true))],
    ];
    for more in wrong {
        assert_eq!(greet(&dir, more).err(), Some(ErrorKind::WrongKey), "{more:?}");
    }
    let malformed: [&[(&str, Value)]; 4] = [
        &[("encryption_key", Value::Bytes(vec![7; 31]))],
        &[("encryption_key", text("07"))],
        &[key(), ("passphrase", text("a"))],
        &[key(), ("key_file", text(file.to_str().unwrap()))],
    ];
    for more in malformed {
        assert_eq!(greet(&dir, more).err(), Some(ErrorKind::InvalidArgument), "{more:?}");
    }
    let mut client = greet(&dir, &[("key_file", text(file.to_str().unwrap()))]).unwrap();
    assert_eq!(client.call("get", [text("k")]).ok(), text("v"));
    assert!(client.end().success());
    let arguments = ["--dir", dir.to_str().unwrap(), "--key-file", file.to_str().unwrap()];
    let mut client = Client::start(&arguments);
    client.call("hello", [map([("protocol", Value::Int(1))])]).ok();
    assert_eq!(client.call("get", [text("k")]).ok(), text("v"));
    assert!(client.end().success());
}

#[test]
fn keys_are_rotated_and_changed() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = greet(dir.path(), &[key()]).unwrap();
    for number in 0..50 {
        client.call("set", [Value::Int(number), Value::Int(number)]).ok();
    }
    let Value::Map(report) = client.call("rotate_key", []).ok() else { panic!("a report is a map") };
    assert_eq!((&report["resealed"], &report["finished"]), (&Value::Int(50), &Value::Bool(true)));
    client.call("change_key", [Value::Bytes(vec![9; 32])]).ok();
    assert_eq!(client.call("change_key", [Value::Bytes(vec![9; 3])]).error(), ErrorKind::InvalidArgument);
    client.call("change_passphrase", [text("correct horse")]).ok();
    assert!(client.end().success());
    assert_eq!(greet(dir.path(), &[key()]).err(), Some(ErrorKind::WrongKey));
    let stash = Options::new().passphrase("correct horse").open(dir.path()).unwrap();
    assert_eq!((stash.len().unwrap(), stash.get_as(7).unwrap()), (50, Some(7)));

    let plain = tempfile::tempdir().unwrap();
    let mut client = Client::open(plain.path());
    assert_eq!(client.call("rotate_key", []).error(), ErrorKind::InvalidArgument);
    assert!(client.end().success());
}

#[test]
fn values_are_compressed_if_that_is_asked_for() {
    let long = || text(&"abc".repeat(10_000));
    let options = map([("min_bytes", Value::Int(100)), ("level", Value::Int(1))]);
    for (compression, smaller) in [(Value::Bool(true), true), (Value::Bool(false), false), (options, true)] {
        let dir = tempfile::tempdir().unwrap();
        let mut client = greet(dir.path(), &[("compression", compression)]).unwrap();
        client.call("set", [text("k"), long()]).ok();
        assert_eq!(client.call("get", [text("k")]).ok(), long());
        assert!(client.end().success());
        let stash = LiteStash::open(dir.path()).unwrap();
        assert_eq!(stash.stats().unwrap().record_bytes < 1000, smaller);
        assert_eq!(stash.get("k").unwrap(), Some(long()));
    }
    let dir = tempfile::tempdir().unwrap();
    for wrong in [map([("level", Value::Int(20))]), map([("levels", Value::Int(1))]), Value::Int(3)] {
        let refused = greet(dir.path(), &[("compression", wrong)]);
        assert_eq!(refused.err(), Some(ErrorKind::InvalidArgument));
    }
    assert_eq!(Compression::default(), Compression { min_bytes: 1024, level: 3 });
}
