//! `get_or_set` in two halves: the client computes, and the engine sees to it that nobody else does meanwhile.

use crate::answer::Answer;
use crate::request::{Arguments, Id, malformed};
use crate::settings;
use litestash_core::contract::msgpack::write;
use litestash_core::{Begun, Computation, Error, ErrorKind, LiteStash, Result};
use std::collections::HashMap;

/// Computations of a session at once; a further one is `Busy`.
const COMPUTATIONS_MAX: usize = 1024;

/// The values that a client computes, by the numbers of the requests that gave it the turn.
#[derive(Default)]
pub(crate) struct Computations(HashMap<Id, Box<Computation>>);

impl Computations {
    /// `{"value": what is stored}`, `{"turn": id}` or `{"elsewhere": true}`.
    pub(crate) fn begin(
        &mut self,
        id: Id,
        arguments: &mut Arguments<'_>,
        stash: &LiteStash,
    ) -> Result<Answer> {
        let key = arguments.key()?;
        let mut members = arguments.options()?;
        let options = settings::take_compute(&mut members)?;
        members.end()?;
        if self.0.len() >= COMPUTATIONS_MAX {
            return Err(Error::new(ErrorKind::Busy, format!("{COMPUTATIONS_MAX} computations are running")));
        }
        if self.0.contains_key(&id) {
            return Err(malformed("a computation of this number is running"));
        }
        let mut out = vec![0x81];
        match stash.begin_get_or_set(key, options, false)? {
            Begun::Found(found) => {
                write::text(&mut out, "value")?;
                out.extend_from_slice(&found);
            }
            Begun::Mine(computation) => {
                self.0.insert(id, computation);
                write::text(&mut out, "turn")?;
                write::uint(&mut out, id);
            }
            Begun::Elsewhere => {
                write::text(&mut out, "elsewhere")?;
                write::bool(&mut out, true);
            }
        }
        Ok(Answer::encoded(out))
    }

    /// Stores what was computed, if it was, and answers what is stored. Missing, if there is no such turn any more.
    pub(crate) fn end(&mut self, arguments: &mut Arguments<'_>) -> Result<Answer> {
        let id = arguments.index("the number of the computation")?;
        let value = if arguments.is_empty() { None } else { Some(arguments.value()?.into_owned()) };
        arguments.end()?;
        let Some(computation) = self.0.remove(&id) else { return Ok(Answer::missing()) };
        match value {
            Some(value) => Ok(Answer::encoded(computation.finish(Ok(value))?.to_vec())),
            None => {
                let failed = Error::new(ErrorKind::ComputeFailed, "the computation of the value failed");
                // What those who wait are told; there is nothing to tell the client that says so.
                let _ = computation.finish(Err(failed));
                Ok(Answer::done())
            }
        }
    }

    /// Gives all turns back.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
