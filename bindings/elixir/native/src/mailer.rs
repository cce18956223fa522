//! Answers and events on their way to processes.

use litestash_core::contract::msgpack::read::{Reader, Token};
use litestash_engine::embedded::Sink;
use rustler::env::{OwnedEnv, SavedTerm};
use rustler::types::LocalPid;
use rustler::{Env, Term};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The second element of an event's frame.
const EVENT: i64 = 3;

/// Who waits for the answer to which request.
#[derive(Default)]
pub(crate) struct Callers(Mutex<HashMap<u64, Caller>>);

struct Caller {
    pid: LocalPid,
    /// Has the reference by which the process knows the answer.
    env: OwnedEnv,
    reference: SavedTerm,
    /// Whether events follow the answer.
    subscribes: bool,
}

impl Callers {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Caller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a process waits.
    pub(crate) fn add(&self, id: u64, pid: LocalPid, reference: Term<'_>, subscribes: bool) {
        let env = OwnedEnv::new();
        let reference = env.save(reference);
        self.waiting().insert(id, Caller { pid, env, reference, subscribes });
    }

    /// Forgets a process.
    pub(crate) fn remove(&self, id: u64) {
        self.waiting().remove(&id);
    }
}

/// Sends each payload as `{Reference, Payload}`.
pub(crate) struct Mailer(pub(crate) Arc<Callers>);

impl Sink for Mailer {
    fn deliver(&mut self, payload: &[u8]) {
        let Some((id, status)) = head(payload) else { return };
        let mut waiting = self.0.waiting();
        if status == EVENT || waiting.get(&id).is_some_and(|caller| caller.subscribes) {
            if let Some(caller) = waiting.get(&id) {
                let mut message = OwnedEnv::new();
                caller.env.run(|env| {
                    let reference = caller.reference.load(env);
                    // A process that has gone needs no answer.
                    let _ =
                        message.send_and_clear(&caller.pid, |env| body(env, reference.in_env(env), payload));
                });
            }
            return;
        }
        let caller = waiting.remove(&id);
        drop(waiting);
        if let Some(Caller { pid, mut env, reference, .. }) = caller {
            let _ = env.send_and_clear(&pid, |env| body(env, reference.load(env), payload));
        }
    }
}

fn body<'a>(env: Env<'a>, reference: Term<'a>, payload: &[u8]) -> (Term<'a>, Term<'a>) {
    (reference, crate::decode::binary(env, payload))
}

/// The number and the status of an answer.
fn head(payload: &[u8]) -> Option<(u64, i64)> {
    let mut reader = Reader::new(payload);
    let Ok(Token::Array(3)) = reader.token() else { return None };
    let Ok(Token::Int(id)) = reader.token() else { return None };
    let Ok(Token::Int(status)) = reader.token() else { return None };
    Some((u64::try_from(id).ok()?, status))
}
