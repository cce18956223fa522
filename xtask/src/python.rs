//! The Python binding: building its native part, its tests, and its runner of the conformance suite.

use crate::{process, setup};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Build and test the Python binding
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fail if it cannot run here
    #[arg(long)]
    require_all: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    test(arguments.require_all)
}

const FOLDER: &str = "bindings/python";

/// The packages that the tests need, with their versions.
const REQUIREMENTS: &str = "bindings/python/requirements-test.txt";

/// Mypy keeps nothing.
const CACHE: &str = "/dev/null";

fn folder(name: &str) -> Result<PathBuf> {
    Ok(std::path::absolute(process::target().join("python").join(name))?)
}

/// Builds the native part with what only tests need, and puts the package together.
pub(crate) fn build_for_tests() -> Result<()> {
    let build = ["build", "--quiet", "--package", "litestash-python", "--features", "testing"];
    process::run(process::cargo().args(build))?;
    let package = folder("testing")?.join("litestash");
    if package.exists() {
        std::fs::remove_dir_all(&package)?;
    }
    copy_sources(&Path::new(FOLDER).join("python/litestash"), &package)?;
    let built = process::target().join("debug/lib_litestash.so");
    std::fs::copy(&built, package.join("_litestash.abi3.so"))
        .with_context(|| format!("copying {}", built.display()))?;
    Ok(())
}

fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "__pycache__" {
                copy_sources(&entry.path(), &target)?;
            }
        } else if entry.path().extension().is_none_or(|extension| extension != "so") {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The runner, without its arguments. It needs nothing but the package.
pub(crate) fn runner() -> Command {
    let mut runner = process::python();
    runner.arg(Path::new(FOLDER).join("conformance/runner.py"));
    runner.env("PYTHONPATH", process::target().join("python/testing"));
    runner
}

/// Gets what the tests need.
pub(crate) fn install() -> Result<()> {
    sources(&environment()?).map(drop)
}

static INSTALLING: Mutex<()> = Mutex::new(());

/// Python of an environment with the packages that the tests need, which is made anew when they change.
fn environment() -> Result<PathBuf> {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let (venv, wanted) = (folder("venv")?, std::fs::read_to_string(REQUIREMENTS)?);
    let (python, marker) = (venv.join("bin/python"), venv.join("requirements"));
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!("installing what {REQUIREMENTS} names");
    process::run(process::python().args(["-m", "venv", "--clear"]).arg(&venv))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    process::run(Command::new(&python).args(install).arg(REQUIREMENTS))?;
    std::fs::write(&marker, wanted)?;
    Ok(python)
}

/// Packages whose own tests of their caches run with this package's plugs.
const TESTED_BY: &[&str] = &["Django", "cachelib", "aiocache"];

/// The folder of the source distributions of these packages, which hold their tests.
fn sources(python: &Path) -> Result<PathBuf> {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = folder("venv")?.join("sources");
    let requirements = std::fs::read_to_string(REQUIREMENTS)?;
    for package in TESTED_BY {
        let pinned = |line: &&str| line.strip_prefix(package).is_some_and(|rest| rest.starts_with("=="));
        let pinned = requirements.lines().find(pinned);
        let pinned = pinned.with_context(|| format!("{REQUIREMENTS} names no version of {package}"))?;
        let name = pinned.replace("==", "-").to_lowercase();
        if folder.join(format!("{name}.complete")).exists() {
            continue;
        }
        println!("getting the tests of {pinned}");
        let mut download = Command::new(python);
        download.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        process::run(download.args(["--no-binary", package, pinned, "--dest"]).arg(&folder))?;
        let archive = folder.join(format!("{name}.tar.gz"));
        process::run(Command::new(python).args(["-m", "tarfile", "--extract"]).arg(archive).arg(&folder))?;
        ensure!(folder.join(&name).join("tests").exists(), "{pinned} has no tests");
        std::fs::write(folder.join(format!("{name}.complete")), "")?;
    }
    Ok(folder)
}

/// Runs the tests, the checks of types, and builds what is published.
pub(crate) fn test(require_all: bool) -> Result<()> {
    if setup::is_skipped("the Python binding", setup::python_problem(), require_all)? {
        return Ok(());
    }
    build_for_tests()?;
    process::run(process::cargo().args(["build", "--quiet", "--package", "litestash-cli"]))?;
    let python = environment()?;
    let (package, sources) = (folder("testing")?, sources(&python)?);
    let program = std::path::absolute(process::target().join("debug/litestash"))?;
    let tool = |arguments: &[&str]| {
        let mut tool = Command::new(&python);
        tool.args(arguments).current_dir(FOLDER);
        tool.env("PYTHONPATH", &package).env("PYTHONDONTWRITEBYTECODE", "1");
        // What the tests of the command line's import run.
        tool.env("LITESTASH_PROGRAM", &program);
        tool
    };
    process::run(&mut tool(&["-m", "pytest", "-q", "-p", "no:cacheprovider"]))?;
    process::run(tool(&["tests/suites"]).arg(sources))?;
    // The package's own types, what users see of them, and that the stubs say what the native part has.
    let mypy = ["-m", "mypy", "--cache-dir", CACHE];
    process::run(tool(&mypy).args(["--package", "litestash"]))?;
    process::run(tool(&mypy).arg("tests"))?;
    let mut pyright = tool(&["-m", "pyright", "--pythonpath"]);
    // It brings its own Node.js, and keeps its program beside the packages.
    process::run(pyright.arg(&python).env("PYRIGHT_PYTHON_CACHE_DIR", folder("venv")?.join("pyright")))?;
    let stubs = ["-m", "mypy.stubtest", "litestash._litestash", "--allowlist", "tests/stubtest.txt"];
    process::run(&mut tool(&stubs))?;
    source_distribution(&python)
}

/// What is published from here builds: the source distribution is made, and what it holds is enough to compile.
fn source_distribution(python: &Path) -> Result<()> {
    let (made, unpacked) = (folder("dist")?, folder("unpacked")?);
    for place in [&made, &unpacked] {
        if place.exists() {
            std::fs::remove_dir_all(place)?;
        }
    }
    let mut sdist = Command::new(python);
    sdist.args(["-m", "maturin", "sdist", "--manifest-path", "bindings/python/Cargo.toml", "--out"]);
    process::run(sdist.arg(&made))?;
    let archive = only_entry(&made)?;
    process::run(Command::new(python).args(["-m", "tarfile", "--extract"]).arg(archive).arg(&unpacked))?;
    let mut check = process::cargo();
    check.args(["check", "--quiet", "--package", "litestash-python"]).current_dir(only_entry(&unpacked)?);
    process::run(check.env("CARGO_TARGET_DIR", std::path::absolute(process::target())?))
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let mut entries = std::fs::read_dir(folder)?;
    let entry = entries.next().with_context(|| format!("{} is empty", folder.display()))??;
    ensure!(entries.next().is_none(), "{} has more than one entry", folder.display());
    Ok(entry.path())
}
