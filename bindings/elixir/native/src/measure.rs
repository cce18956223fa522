//! What the engine itself costs, for measurements. Never in a package.

use crate::atoms;
use crate::handle::failure;
use litestash_core::{LiteStash, Result, SetOptions};
use rustler::{Binary, Encoder, Env, Term};
use std::time::Instant;

/// Nanoseconds of a set and of a hot get of the engine itself, to measure against: the best of five rounds.
#[rustler::nif(schedule = "DirtyIo")]
fn measure_core<'a>(env: Env<'a>, dir: String, encoded: Binary<'a>, count: u32) -> Term<'a> {
    let measure = || -> Result<_> {
        let stash = LiteStash::open(dir)?;
        let (mut set, mut get) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..5 {
            let started = Instant::now();
            for n in 0..count {
                stash.set_encoded(format!("key:{n}"), encoded.as_slice().to_vec(), SetOptions::default())?;
            }
            set = set.min(started.elapsed().as_nanos() as f64 / f64::from(count));
            let started = Instant::now();
            for n in 0..count {
                stash.get_encoded(format!("key:{n}"))?;
            }
            get = get.min(started.elapsed().as_nanos() as f64 / f64::from(count));
        }
        stash.close()?;
        Ok((set, get))
    };
    match measure() {
        Ok((set, get)) => (atoms::ok(), (set, get)).encode(env),
        Err(error) => failure(env, &error),
    }
}
