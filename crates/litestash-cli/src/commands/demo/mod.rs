//! `litestash demo`

mod report;
mod show;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use clap::Args;
use litestash_core::{Error, ErrorKind, LiteStash};
use report::Report;
use std::path::{Path, PathBuf};

/// Where the demo keeps its stash unless `--dir` says otherwise.
const DIRECTORY: &str = "./litestash-demo";

/// The key that counts the runs, and that tells a demo's stash from any other.
const RUNS: &str = "demo:runs";

/// Try everything out on 5,000 real cities
///
/// Makes a stash in ./litestash-demo, or in --dir DIR (LITESTASH_DIR is left alone), and shows what it does.
/// Can be run again on the same directory; a stash that is not from a demo is refused.
#[derive(Debug, Args)]
pub(crate) struct Demo {}

impl Demo {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        app.refuse_bucket()?;
        let directory = app.explicit_directory().map_or_else(|| PathBuf::from(DIRECTORY), Path::to_owned);
        refuse_foreign(app, &directory)?;
        let stash = app.options()?.open(&directory).map_err(|error| error.context(directory.display()))?;
        let run = stash.increment(RUNS, 1)?;
        let mut report = Report::new(app);
        report.title(&directory, run)?;
        show::import(&stash, &mut report)?;
        show::read(&stash, &mut report)?;
        show::list(&stash, &mut report)?;
        show::write(&stash, &mut report)?;
        show::speed(&stash, &mut report)?;
        show::check(&stash, &mut report)?;
        show::spread(&stash, &mut report)?;
        stash.close()?;
        show::files(&directory, &mut report)?;
        Ok(Exit::Success)
    }
}

/// A stash without the counter of runs belongs to somebody, and is not for trying things out.
fn refuse_foreign(app: &App, directory: &Path) -> Result<(), Failure> {
    let stash: LiteStash = match app.options()?.create(false).open(directory) {
        Err(error) if error.kind() == ErrorKind::NoStash => return Ok(()),
        other => other.map_err(|error: Error| error.context(directory.display()))?,
    };
    if stash.exists(RUNS)? || stash.is_empty()? {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} holds a stash that is not from a demo; choose another place with --dir",
        directory.display()
    )))
}
