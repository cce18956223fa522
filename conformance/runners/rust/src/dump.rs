//! `dump DIR [KEY]`: the rows of a stash, without changing it.

use crate::Failure;
use litestash_cli::ops;
use litestash_core::{ErrorKind, FixedClock, Options, ScanOptions};
use std::io::Write;
use std::path::Path;

pub(crate) fn run(directory: &Path, key: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    let options = Options::new().read_only(true).clock(FixedClock::new(0));
    let stash = match ops::with_key(options, key)?.open(directory) {
        Err(error) if error.kind() == ErrorKind::NoStash => return Ok(()),
        opened => opened?,
    };
    stash.export(out, ScanOptions::default())?;
    Ok(stash.close()?)
}
