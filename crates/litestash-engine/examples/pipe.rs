//! What a client of the engine gets over a pipe: one request at a time, and many at once.
//!
//! usage: pipe [--short]; run it with `--release`.

use litestash_core::contract::msgpack;
use litestash_core::{Map, Value};
#[cfg(unix)]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::error::Error;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
#[cfg(unix)]
use std::time::Duration;
use std::time::Instant;

/// For how long a client looks for an answer before it sleeps.
#[cfg(unix)]
const LOOK: Duration = Duration::from_micros(60);

/// How a client waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Asleep,
    Awake,
}

type Done<T> = Result<T, Box<dyn Error>>;

struct Client {
    engine: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn start(directory: &Path) -> Done<Self> {
        let mut engine = Command::new(engine()?)
            .arg("--dir")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = engine.stdin.take().ok_or("no pipe to the engine")?;
        let output = BufReader::with_capacity(1 << 20, engine.stdout.take().ok_or("no pipe from it")?);
        let mut client = Self { engine, input, output };
        let hello = Value::Map(Map::from([("protocol".into(), Value::Int(1))]));
        client.input.write_all(&request(0, "hello", vec![hello])?)?;
        client.answer()?;
        Ok(client)
    }

    fn answer(&mut self) -> Done<()> {
        let mut head = [0; 4];
        self.output.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes(head) as usize];
        self.output.read_exact(&mut payload)?;
        let failed = matches!(msgpack::decode(&payload)?, Value::Array(parts) if parts[1] == Value::Int(1));
        if failed { Err("the engine refused a request".into()) } else { Ok(()) }
    }

    /// Microseconds of each request, sent alone, by a client that sleeps until its answer is there or looks for it.
    fn alone(&mut self, requests: &[Vec<u8>], waits: Waits) -> Done<f64> {
        let started = Instant::now();
        for request in requests {
            self.input.write_all(request)?;
            if waits == Waits::Awake {
                self.look();
            }
            self.answer()?;
        }
        Ok(started.elapsed().as_secs_f64() * 1e6 / requests.len() as f64)
    }

    /// Looks for an answer, as the engine looks for a request, for at most a moment.
    #[cfg(unix)]
    fn look(&self) {
        let began = Instant::now();
        let mut pipes = [PollFd::new(self.output.get_ref(), PollFlags::IN)];
        while poll(&mut pipes, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0) && began.elapsed() < LOOK {
            std::thread::yield_now();
        }
    }

    #[cfg(not(unix))]
    fn look(&self) {}

    /// Requests per second, sent without waiting.
    fn pipelined(&mut self, requests: &[Vec<u8>]) -> Done<f64> {
        let together: Vec<_> = requests.chunks(500).map(<[Vec<u8>]>::concat).collect();
        let started = Instant::now();
        std::thread::scope(|scope| {
            let input = &mut self.input;
            let sender = scope.spawn(move || together.iter().try_for_each(|bytes| input.write_all(bytes)));
            // Answers are only counted: a client's own decoding is not the engine's.
            let mut answers = requests.len();
            while answers > 0 {
                let mut head = [0; 4];
                self.output.read_exact(&mut head)?;
                std::io::copy(
                    &mut (&mut self.output).take(u32::from_be_bytes(head).into()),
                    &mut std::io::sink(),
                )?;
                answers -= 1;
            }
            sender.join().map_err(|_| "the sender panicked")??;
            Ok(requests.len() as f64 / started.elapsed().as_secs_f64())
        })
    }
}

/// The program, built beside this example.
fn engine() -> Done<PathBuf> {
    let example = std::env::current_exe()?;
    let folder = example.parent().and_then(Path::parent).ok_or("an example lies in a folder")?;
    Ok(folder.join("litestash-engine"))
}

fn request(id: i64, operation: &str, arguments: Vec<Value>) -> Done<Vec<u8>> {
    let mut parts = vec![Value::Int(id), Value::Text(operation.into())];
    parts.extend(arguments);
    let mut payload = Vec::new();
    msgpack::encode(&Value::Array(parts), &mut payload)?;
    Ok([&u32::try_from(payload.len())?.to_be_bytes(), payload.as_slice()].concat())
}

fn main() -> Done<()> {
    let short = std::env::args().any(|argument| argument == "--short");
    let count: i64 = if short { 2_000 } else { 200_000 };
    let directory = tempfile::tempdir()?;
    let mut client = Client::start(directory.path())?;
    let key = |n: i64| Value::Text(format!("key:{:06}", n % 10_000));
    let value = |n: i64| {
        Value::Map(Map::from([
            ("id".into(), Value::Int(n)),
            ("name".into(), Value::Text("x".repeat(90))),
            ("on".into(), Value::Bool(true)),
        ]))
    };
    let all = |operation: &str, arguments: &dyn Fn(i64) -> Vec<Value>| {
        (0..count).map(|n| request(n, operation, arguments(n))).collect::<Done<Vec<_>>>()
    };
    let sets = all("set", &|n| vec![key(n), value(n)])?;
    let gets = all("get", &|n| vec![key(n)])?;
    println!("pipelined set  {:>9.0} /s", client.pipelined(&sets)?);
    println!("pipelined set  {:>9.0} /s", client.pipelined(&sets)?);
    println!("pipelined get  {:>9.0} /s", client.pipelined(&gets)?);
    println!("pipelined get  {:>9.0} /s", client.pipelined(&gets)?);
    let few = gets.len().min(20_000);
    for (name, waits) in [("asleep", Waits::Asleep), ("awake", Waits::Awake)] {
        println!("one get, waited for {name:7} {:>6.2} us", client.alone(&gets[..few], waits)?);
        println!("one set, waited for {name:7} {:>6.2} us", client.alone(&sets[..few], waits)?);
    }
    drop(client.input);
    client.engine.wait()?;
    Ok(())
}
