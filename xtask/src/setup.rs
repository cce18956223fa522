//! What the tests need besides Rust.

use crate::process;
use anyhow::{Result, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program or library, the Debian package that has it, and what needs it.
struct Need {
    /// A library by its file name, which has `.so` in it.
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
}

const NEEDS: &[Need] = &[
    Need { program: "git", package: "git", purpose: "tidy lists the files of the repository" },
    Need { program: "python3", package: "python3", purpose: "the conformance suite and its reference" },
    Need {
        program: ENSUREPIP,
        package: "python3-venv",
        purpose: "the packages that the Python binding plugs into",
    },
    Need { program: "cc", package: "gcc", purpose: "the bundled SQLite, and C programs" },
    Need { program: "c++", package: "g++", purpose: "the fuzzer's library, and C++ programs" },
    Need {
        program: "libsqlite3.so.0",
        package: "libsqlite3-0",
        purpose: "a second copy of SQLite, for the test of the lock armour",
    },
    Need { program: "node", package: "nodejs", purpose: "the Node binding" },
    Need { program: "npm", package: "npm", purpose: "the Node binding" },
    Need { program: "mix", package: "elixir", purpose: "the Elixir binding" },
    Need {
        program: "valgrind",
        package: "valgrind",
        purpose: "counting instructions, and the memory of C programs",
    },
    Need { program: "pkg-config", package: "pkg-config", purpose: "finding the installed C library" },
    Need { program: "cmake", package: "cmake", purpose: "finding the installed C library" },
    Need { program: "make", package: "make", purpose: "what CMake writes" },
    Need { program: "javac", package: "default-jdk-headless", purpose: "the Kotlin binding" },
    Need { program: "mvn", package: "maven", purpose: "the Kotlin binding" },
    Need { program: "debootstrap", package: "debootstrap", purpose: "a Debian with a Swift compiler" },
];

/// A module of Python's, which Debian has in a package of its own.
const ENSUREPIP: &str = "python3 -m ensurepip";

/// Installs what is missing where that is possible without asking, and returns what is
/// still missing, in words.
pub(crate) fn prepare() -> Result<Vec<String>> {
    let absent = || NEEDS.iter().filter(|need| !is_there(need.program));
    let packages: Vec<_> = absent().map(|need| need.package).collect();
    if !packages.is_empty() && on_path("apt-get") && is_root() {
        println!("installing {}", packages.join(", "));
        let apt = |arguments: &[&str]| {
            let mut apt = Command::new("apt-get");
            apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq").args(arguments);
            process::succeeds(&mut apt)
        };
        apt(&["update"]);
        apt(&[&["install", "--yes", "--no-install-recommends"], packages.as_slice()].concat());
    }
    Ok(absent().map(|need| format!("{} is missing: {}", need.program, need.purpose)).collect())
}

/// The search path with that version of a tool from crates.io first. This repository keeps its own, which is
/// installed if it is missing or has another version.
pub(crate) fn path_with_tool(name: &str, version: &str) -> Result<OsString> {
    let root: PathBuf = process::target().join("tools").join(format!("{name}-{version}"));
    let folder = std::path::absolute(root.join("bin"))?;
    if !folder.join(name).is_file() {
        println!("installing {name} {version}");
        // Compiled twice as fast as optimised, and none has much to do.
        let install = ["install", "--quiet", "--debug", name, "--locked", "--version", version, "--root"];
        process::run(process::cargo().args(install).arg(&root))?;
    }
    let old = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&old)))?)
}

/// Whether a part of the tests is left out for that problem, which is then said. A failure if everything is required.
pub(crate) fn is_skipped(part: &str, problem: Option<&str>, require_all: bool) -> Result<bool> {
    let Some(problem) = problem else { return Ok(false) };
    ensure!(!require_all, "{part} {problem}");
    println!("SKIPPED: {part} {problem}");
    Ok(true)
}

/// Why Python cannot run the reference, if it cannot.
pub(crate) fn python_problem() -> Option<&'static str> {
    const CHECK: &str = "import sqlite3, sys\n\
        sys.exit(sys.version_info < (3, 11) or sqlite3.sqlite_version_info < (3, 37, 0))";
    let found = process::succeeds(process::python().args(["-c", CHECK]));
    (!found).then_some("needs Python 3.11 with SQLite 3.37 or newer")
}

/// Why Node cannot run the npm package, if it cannot.
pub(crate) fn node_problem() -> Option<&'static str> {
    const CHECK: &str = "process.exit(Number(process.versions.node.split('.')[0]) < 20 ? 1 : 0)";
    let found = process::succeeds(Command::new("node").args(["--eval", CHECK]));
    (!found).then_some("needs Node 20 or newer")
}

/// Why Maven cannot build the Kotlin binding, if it cannot.
pub(crate) fn maven_problem() -> Option<&'static str> {
    (!on_path("mvn") || !on_path("javac")).then_some("needs Maven and a JDK of version 17 or newer")
}

fn is_there(program: &str) -> bool {
    match program {
        ENSUREPIP => process::succeeds(process::python().args(["-c", "import ensurepip, venv"])),
        library if library.contains(".so") => is_library(library),
        program => on_path(program),
    }
}

/// Whether a library lies in a folder where the dynamic linker looks, or one below, as Debian has them.
fn is_library(name: &str) -> bool {
    let folders = ["/lib", "/usr/lib", "/usr/lib64", "/usr/local/lib"].map(Path::new);
    let holds = |folder: &Path| folder.join(name).exists();
    folders.iter().any(|folder| {
        let below = std::fs::read_dir(folder).into_iter().flatten().flatten();
        holds(folder) || below.map(|entry| entry.path()).any(|folder| holds(&folder))
    })
}

/// Whether a program is on the search path.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// `/proc/self` belongs to the user who runs this.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_up_on_the_path() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-of-this-name"));
    }

    #[test]
    fn libraries_are_looked_up_where_the_linker_looks() {
        assert!(is_library("libc.so.6"));
        assert!(!is_there("no-such-library.so.0"));
    }
}
