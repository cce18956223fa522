//! `dump DIR`: the rows of a stash, without changing it.

use crate::Failure;
use litestash_core::{ErrorKind, FixedClock, Options, ScanOptions};
use std::io::Write;
use std::path::Path;

pub(crate) fn run(directory: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let stash = match Options::new().read_only(true).clock(FixedClock::new(0)).open(directory) {
        Err(error) if error.kind() == ErrorKind::NoStash => return Ok(()),
        opened => opened?,
    };
    stash.export(out, ScanOptions::default())?;
    Ok(stash.close()?)
}
