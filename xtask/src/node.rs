//! The Node binding: building its native part, its tests, and its runner of the conformance suite.

use crate::{process, setup};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "bindings/node";

/// Builds the native part with what only tests need.
pub(crate) fn build_for_tests() -> Result<()> {
    process::run(node().args(["scripts/build.js", "--testing"]))
}

/// The runner, without its arguments.
pub(crate) fn runner() -> Command {
    let mut runner = Command::new("node");
    runner.arg(Path::new(FOLDER).join("conformance/runner.js"));
    runner.env("LITESTASH_TESTING", "1");
    runner
}

/// Installs what the tests need from the registry, and runs them.
pub(crate) fn test(require_all: bool) -> Result<()> {
    if setup::is_skipped("the Node binding", setup::node_problem(), require_all)? {
        return Ok(());
    }
    // Of all packages only this one is built, from its source.
    process::run(npm().args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    process::run(npm().args(["rebuild", "better-sqlite3"]))?;
    build_for_tests()?;
    process::run(npm().args(["run", "types"]))?;
    process::run(npm().arg("test"))
}

fn node() -> Command {
    let mut node = Command::new("node");
    node.current_dir(FOLDER);
    node
}

fn npm() -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(FOLDER);
    npm
}
