//! A client in Rust: starts an engine, sends requests, and finds the answers by their numbers.

use litestash_core::contract::msgpack;
use litestash_core::{ErrorKind, Value};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// An engine and the answers that were read before they were asked for.
pub(crate) struct Client {
    pub(crate) engine: Child,
    pub(crate) input: Option<ChildStdin>,
    pub(crate) output: ChildStdout,
    next_id: u64,
    answers: HashMap<u64, Answer>,
    events: Vec<(u64, Value)>,
}

/// Status and result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: i64,
    pub(crate) result: Value,
}

impl Answer {
    /// The result of what succeeded.
    pub(crate) fn ok(self) -> Value {
        assert!(self.status == 0 || self.status == 2, "{self:?}");
        self.result
    }

    /// The kind of what failed.
    pub(crate) fn error(self) -> ErrorKind {
        assert_eq!(self.status, 1, "{self:?}");
        let Value::Map(mut error) = self.result else { panic!("an error is a map") };
        let Some(Value::Int(number)) = error.remove("number") else { panic!("an error has a number") };
        let kind = ErrorKind::from_number(u16::try_from(number).unwrap()).unwrap();
        assert_eq!(error.remove("kind"), Some(Value::Text(kind.name().into())));
        assert_eq!(error.remove("retry"), Some(Value::Text(kind.retry().name().into())));
        kind
    }
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

pub(crate) fn map<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_be_bytes(), payload].concat()
}

impl Client {
    /// An engine that was told nothing.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut engine = Command::new(env!("CARGO_BIN_EXE_litestash-engine"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (engine.stdin.take(), engine.stdout.take().unwrap());
        Self { engine, input, output, next_id: 0, answers: HashMap::new(), events: Vec::new() }
    }

    /// An engine with a stash in that directory.
    pub(crate) fn open(directory: &Path) -> Self {
        let mut client = Self::start(&[]);
        let hello = map([("protocol", Value::Int(1)), ("dir", text(directory.to_str().unwrap()))]);
        let hello = client.call("hello", [hello]).ok();
        let Value::Map(hello) = hello else { panic!("{hello:?}") };
        assert_eq!(hello["protocol"], Value::Int(1));
        client
    }

    /// The payload of a request, and its number.
    pub(crate) fn request(&mut self, operation: &str, arguments: &[Value]) -> (u64, Vec<u8>) {
        self.request_of(text(operation), arguments)
    }

    fn request_of(&mut self, operation: Value, arguments: &[Value]) -> (u64, Vec<u8>) {
        self.next_id += 1;
        let mut request = vec![Value::Int(self.next_id as i64), operation];
        request.extend_from_slice(arguments);
        let mut payload = Vec::new();
        msgpack::encode(&Value::Array(request), &mut payload).unwrap();
        (self.next_id, payload)
    }

    pub(crate) fn send(&mut self, operation: &str, arguments: &[Value]) -> u64 {
        let (id, payload) = self.request(operation, arguments);
        self.send_bytes(&frame(&payload));
        id
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// The next answer, whatever it answers.
    pub(crate) fn receive(&mut self) -> Option<(Option<u64>, Answer)> {
        let mut head = [0; 4];
        self.output.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes(head) as usize];
        self.output.read_exact(&mut payload).unwrap();
        let Value::Array(parts) = msgpack::decode(&payload).unwrap() else { panic!("an answer is an array") };
        let [id, Value::Int(status), result] = <[Value; 3]>::try_from(parts).unwrap() else {
            panic!("an answer has a status")
        };
        let id = match id {
            Value::Nil => None,
            Value::Int(id) => Some(id as u64),
            other => panic!("{other:?} is no number"),
        };
        Some((id, Answer { status, result }))
    }

    /// The answer to that request.
    pub(crate) fn answer(&mut self, id: u64) -> Answer {
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return answer;
            }
            self.read_one();
        }
    }

    fn read_one(&mut self) {
        let (id, answer) = self.receive().expect("the engine has ended");
        let id = id.expect("an answer without a number");
        if answer.status == 3 {
            self.events.push((id, answer.result));
        } else {
            self.answers.insert(id, answer);
        }
    }

    /// The next event of that subscription.
    pub(crate) fn event(&mut self, id: u64) -> Value {
        loop {
            if let Some(index) = self.events.iter().position(|(of, _)| *of == id) {
                return self.events.remove(index).1;
            }
            self.read_one();
        }
    }

    /// A call of an operation that is more than a name.
    pub(crate) fn call_in<const N: usize>(&mut self, operation: Value, arguments: [Value; N]) -> Answer {
        let (id, payload) = self.request_of(operation, &arguments);
        self.send_bytes(&frame(&payload));
        self.answer(id)
    }

    pub(crate) fn call<const N: usize>(&mut self, operation: &str, arguments: [Value; N]) -> Answer {
        let id = self.send(operation, &arguments);
        self.answer(id)
    }

    /// Ends the engine's input and waits for it.
    pub(crate) fn end(mut self) -> ExitStatus {
        drop(self.input.take());
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        self.engine.wait().unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // After a failed test; otherwise it has ended already.
        let _ = self.engine.kill();
        let _ = self.engine.wait();
    }
}
