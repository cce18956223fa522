//! What the engine itself costs, for measurements. Never in a package.

use crate::atoms;
use crate::handle::failure;
use litestash_core::{LiteStash, Result, SetOptions};
use rustler::{Binary, Encoder, Env, Term};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

static STASH: Mutex<Option<LiteStash>> = Mutex::new(None);

/// Nanoseconds of a set and of a hot get of the engine itself under that many keys, to measure against, in a stash that
/// the first call opens.
#[rustler::nif(schedule = "DirtyIo")]
fn measure_core<'a>(env: Env<'a>, dir: String, encoded: Binary<'a>, count: u32) -> Term<'a> {
    let mut opened = STASH.lock().unwrap_or_else(PoisonError::into_inner);
    let measure = || -> Result<_> {
        let stash = match &mut *opened {
            Some(stash) => stash,
            none => none.insert(LiteStash::open(dir)?),
        };
        let each = |started: Instant| started.elapsed().as_nanos() as f64 / f64::from(count);
        let started = Instant::now();
        for n in 0..count {
            stash.set_encoded(format!("key:{n}"), encoded.as_slice().to_vec(), SetOptions::default())?;
        }
        let set = each(started);
        let started = Instant::now();
        for n in 0..count {
            stash.get_encoded(format!("key:{n}"))?;
        }
        Ok((set, each(started)))
    };
    match measure() {
        Ok((set, get)) => (atoms::ok(), (set, get)).encode(env),
        Err(error) => failure(env, &error),
    }
}
