//! Clients that break the protocol: an error, an end or a bound, never more memory than a frame.

use crate::client::{Client, frame, map, text};
use litestash_core::{ErrorKind, Value};
use std::io::Write;
use std::time::{Duration, Instant};

/// The most memory the engine ever had, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib(client: &Client) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.engine.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn code(mut client: Client) -> Option<i32> {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if let Some(status) = client.engine.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    client.input.take();
    panic!("the engine does not end");
}

#[test]
fn a_length_over_the_limit_ends_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    client.send("set", &[text("k"), Value::Int(1)]);
    client.send_bytes(&[0xff; 8]);
    assert!(client.receive().unwrap().1.status == 0);
    let (id, answer) = client.receive().unwrap();
    assert_eq!((id, answer.error()), (None, ErrorKind::TooLarge));
    assert!(client.receive().is_none());
    assert_eq!(code(client), Some(3));
}

#[test]
fn a_payload_that_is_no_request_is_told_and_the_session_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    for garbage in [&b""[..], b"\xc1", b"\x05", b"\x91\x05", b"\xdd\xff\xff\xff\xff", &[0x91; 5000]] {
        client.send_bytes(&frame(garbage));
        let (id, answer) = client.receive().unwrap();
        assert_eq!((id, answer.status), (None, 1), "{garbage:02x?}");
    }
    let deep = [&b"\x94\x07\xa3set\xa1k"[..], &[0x91; 100], b"\x01"].concat();
    client.send_bytes(&frame(&deep));
    let (id, answer) = client.receive().unwrap();
    assert_eq!((id, answer.error()), (Some(7), ErrorKind::TooLarge));
    assert_eq!(client.call("ping", []).ok(), Value::Nil);
    assert!(client.end().success());
}

#[test]
fn nothing_is_done_before_a_hello() {
    for first in [&b"\x92\x01\xa4ping"[..], b"garbage", b"\x93\x01\xa5hello\x81\xa8protocol\x09"] {
        let mut client = Client::start(&[]);
        client.send_bytes(&frame(first));
        assert_eq!(client.receive().unwrap().1.status, 1);
        assert_eq!(code(client), Some(3));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn memory_follows_what_arrives_and_not_what_is_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    client.call("set", [text("k"), Value::Int(1)]).ok();
    let before = peak_kib(&client);
    // Sixty million claimed, ten bytes sent; the engine waits for the rest.
    client.send_bytes(&60_000_000_u32.to_be_bytes());
    client.send_bytes(&[0; 10]);
    std::thread::sleep(Duration::from_millis(100));
    assert!(peak_kib(&client) < before + 4096);
    client.input.take();
    assert_eq!(code(client), Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn millions_of_empty_values_are_refused_before_they_are_built() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    let before = peak_kib(&client);
    let count = 50_000_000_u32;
    let mut payload = b"\x94\x07\xa3set\xa1k\xdd".to_vec();
    payload.extend_from_slice(&count.to_be_bytes());
    payload.resize(payload.len() + count as usize, 0xc0);
    client.send_bytes(&frame(&payload));
    let (id, answer) = client.receive().unwrap();
    assert_eq!((id, answer.error()), (Some(7), ErrorKind::TooLarge));
    // The frame itself, in a buffer that grows by doubling.
    assert!(peak_kib(&client) < before + 180_000, "{} KiB", peak_kib(&client) - before);
    assert!(client.end().success());
}

#[test]
#[cfg(target_os = "linux")]
fn a_client_that_never_reads_is_not_collected_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    client.call("set", [text("k"), Value::Bytes(vec![7; 50_000])]).ok();
    let before = peak_kib(&client);
    let (_, payload) = client.request("get", &[text("k")]);
    let requests = frame(&payload).repeat(1000);
    let mut input = client.input.take().unwrap();
    // Ends when the engine does: its pipes are full long before.
    let sender =
        std::thread::spawn(move || (0..1000).take_while(|_| input.write_all(&requests).is_ok()).count());
    std::thread::sleep(Duration::from_millis(500));
    assert!(peak_kib(&client) < before + 20_000);
    client.engine.kill().unwrap();
    client.engine.wait().unwrap();
    assert!(sender.join().unwrap() < 1000);
}

#[test]
fn random_bytes_never_crash_it() {
    fastrand::seed(7);
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    let mut input = client.input.take().unwrap();
    let sender = std::thread::spawn(move || {
        for _ in 0..3000 {
            let mut payload: Vec<u8> = (0..fastrand::usize(0..60)).map(|_| fastrand::u8(..)).collect();
            if fastrand::bool() {
                let known = *fastrand::choice(&[&b"\x93\x05\xa3get"[..], b"\x94\x05\xa3set\xa1k"]).unwrap();
                payload.splice(..0, known.iter().copied());
            }
            input.write_all(&frame(&payload)).unwrap();
        }
        input
    });
    for _ in 0..3000 {
        assert!(client.receive().is_some());
    }
    client.input = Some(sender.join().unwrap());
    assert_eq!(client.call("exists", [map([])]).error(), ErrorKind::InvalidKey);
    assert!(client.end().success());
}
