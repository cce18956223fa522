//! Opens what a power cut left, as the next process would.

use crate::disk::State;
use crate::history::Violation;
use crate::level::Level;
use crate::workload::{number_of, stash_in};
use anyhow::Result;
use litestash_core::{LiteStash, Options, ScanOptions};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of a `-shm` file.
const SHARED_MEMORY_BYTES: usize = 32 << 10;

/// A key of no workload.
const AFTERWARDS: &str = "afterwards";

/// Adds `-shm` files of garbage: their names may have reached the disk, their contents mean nothing.
pub(crate) fn add_shared_memory(state: &mut State, random: &mut SmallRng) {
    let shards: Vec<_> = state.keys().filter(|path| path.ends_with(".db")).cloned().collect();
    for path in shards {
        let mut bytes = vec![0; SHARED_MEMORY_BYTES];
        let garbage = random.random_range(0..=SHARED_MEMORY_BYTES);
        random.fill_bytes(&mut bytes[..garbage]);
        state.insert(path + "-shm", Some(bytes));
    }
}

/// Writes a state's files into a directory, which is made.
pub(crate) fn write(state: &State, directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir(directory)?;
    // In the order of paths a directory comes before what is in it.
    state.iter().try_for_each(|(path, contents)| match contents {
        None => std::fs::create_dir(directory.join(path)),
        Some(bytes) => std::fs::write(directory.join(path), bytes),
    })
}

/// What is there: the numbers of the values. `go_on`: also write, close and look again.
pub(crate) fn read(directory: &Path, level: Level, go_on: bool) -> Result<BTreeMap<String, u64>, Violation> {
    let path = stash_in(directory);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let failed = |what: &str, error: litestash_core::Error| Violation::Corrupt(format!("{what}: {error:?}"));
    let open =
        || Options::new().durability(level.durability).open(&path).map_err(|error| failed("open", error));
    let stash = open()?;
    verify(&stash)?;
    let found = numbers(&stash)?;
    if go_on {
        stash.set(AFTERWARDS, &1).map_err(|error| failed("set", error))?;
        stash.close().map_err(|error| failed("close", error))?;
        let stash = open()?;
        verify(&stash)?;
        let written = stash.delete(AFTERWARDS).map_err(|error| failed("delete", error))?;
        if !written || numbers(&stash)? != found {
            return Err(Violation::Corrupt("the stash changed when it was opened again".to_owned()));
        }
    }
    Ok(found)
}

fn verify(stash: &LiteStash) -> Result<(), Violation> {
    let report = stash.verify().map_err(|error| Violation::Corrupt(format!("verify: {error:?}")))?;
    match report.problems.first() {
        None => Ok(()),
        Some(problem) => Err(Violation::Corrupt(format!("verify: {problem:?}"))),
    }
}

fn numbers(stash: &LiteStash) -> Result<BTreeMap<String, u64>, Violation> {
    let mut numbers = BTreeMap::new();
    for item in stash.items(ScanOptions::default()) {
        let (key, value) = item.map_err(|error| Violation::Corrupt(format!("items: {error:?}")))?;
        let number = key.as_text().and_then(|key| number_of(key, &value));
        let (Some(key), Some(number)) = (key.as_text(), number) else {
            return Err(Violation::Corrupt("there is a value that nobody wrote".to_owned()));
        };
        numbers.insert(key.to_owned(), number);
    }
    Ok(numbers)
}
