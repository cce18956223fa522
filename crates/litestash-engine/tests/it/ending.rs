//! How a session ends, and that nothing acknowledged is lost by it.

use crate::client::{Client, map, text};
use litestash_core::{LiteStash, Value};
use std::process::Command;
use std::time::{Duration, Instant};

fn wait(client: &mut Client) -> std::process::ExitStatus {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = client.engine.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < until, "the engine does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn log_files(dir: &std::path::Path) -> usize {
    let names = dir.read_dir().unwrap().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().ends_with("-wal")).count()
}

#[test]
fn at_the_end_of_input_what_was_sent_is_done_and_the_stash_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    for n in 0..2000 {
        client.send("set", &[Value::Int(n), Value::Int(n)]);
    }
    // The last frame is cut short: it is not performed.
    let (_, payload) = client.request("set", &[text("half"), Value::Int(1)]);
    let whole = crate::client::frame(&payload);
    client.send_bytes(&whole[..whole.len() - 1]);
    assert!(client.end().success());
    assert_eq!(log_files(dir.path()), 0);
    let stash = LiteStash::open(dir.path()).unwrap();
    assert_eq!(stash.len().unwrap(), 2000);
    assert!(!stash.exists("half").unwrap());
}

#[test]
#[cfg(unix)]
fn on_a_signal_the_stash_is_closed() {
    for signal in ["TERM", "INT"] {
        let dir = tempfile::tempdir().unwrap();
        let mut client = Client::open(dir.path());
        client.call("set", [text("k"), Value::Int(1)]).ok();
        let id = client.engine.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        assert!(wait(&mut client).success());
        assert_eq!(log_files(dir.path()), 0);
        assert_eq!(LiteStash::open(dir.path()).unwrap().get("k").unwrap(), Some(Value::Int(1)));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_engine_whose_parent_is_killed_ends_and_closes_the_stash() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let dir = tempfile::tempdir().unwrap();
    // The shell alone holds the other end of the engine's input.
    let script = r#"mkfifo "$1/pipe" && { "$0" --dir "$1/stash" <"$1/pipe" >/dev/null & } &&
        exec 3>"$1/pipe" && echo $! && printf "$2" >&3 && read forever"#;
    let hello_and_set = concat!(
        r"\000\000\000\023\223\001\245hello\201\250protocol\001",
        r"\000\000\000\011\224\002\243set\241k\005"
    );
    let mut parent = Command::new("sh")
        .args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_litestash-engine"),
            dir.path().to_str().unwrap(),
            hello_and_set,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut engine = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut engine).unwrap();
    let stash = dir.path().join("stash");
    let until = Instant::now() + Duration::from_secs(20);
    let is_set = || stash.is_dir() && log_files(&stash) > 0;
    while !is_set() {
        assert!(Instant::now() < until, "nothing was written");
        std::thread::sleep(Duration::from_millis(5));
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    let process = std::path::Path::new("/proc").join(engine.trim()).join("exe");
    while std::fs::read_link(&process).is_ok() {
        assert!(Instant::now() < until, "the engine lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(log_files(&stash), 0);
    assert_eq!(LiteStash::open(&stash).unwrap().get("k").unwrap(), Some(Value::Int(5)));
}

#[test]
#[cfg(unix)]
fn a_signal_ends_an_engine_whose_client_does_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut client = Client::open(dir.path());
    client.call("set", [text("k"), Value::Bytes(vec![7; 100_000])]).ok();
    for _ in 0..20 {
        client.send("get", &[text("k")]);
    }
    std::thread::sleep(Duration::from_millis(200));
    let id = client.engine.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert_eq!(wait(&mut client).code(), Some(1));
    assert!(LiteStash::open(dir.path()).unwrap().exists("k").unwrap());
}

#[test]
fn several_engines_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (Client::open(dir.path()), Client::open(dir.path()));
    for n in 0..200 {
        one.call("increment", [text("n")]).ok();
        assert_eq!(two.call("increment", [text("n")]).ok(), Value::Int(2 * n + 2));
        assert_eq!(one.call("get", [text("n")]).ok(), Value::Int(2 * n + 2));
    }
    assert!(one.end().success());
    assert!(two.end().success());
}

#[test]
fn a_directory_given_at_the_start_is_not_for_the_client_to_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let mut client = Client::start(&["--dir", path]);
    let hello = map([("protocol", Value::Int(1)), ("dir", text("/elsewhere"))]);
    assert_eq!(client.call("hello", [hello]).error(), litestash_core::ErrorKind::InvalidArgument);
    assert_eq!(wait(&mut client).code(), Some(3));
    let mut client = Client::start(&["--dir", path]);
    client.call("hello", [map([("protocol", Value::Int(1))])]).ok();
    client.call("set", [text("k"), Value::Int(1)]).ok();
    assert!(client.end().success());
    assert!(LiteStash::open(dir.path()).unwrap().exists("k").unwrap());
}
