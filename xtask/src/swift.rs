//! The Swift package: a Debian with a Swift compiler to build it in, its tests, and its runner of the conformance
//! suite.

mod documentation;

use crate::dist::capi::Build;
use crate::{capi, process, setup};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const FOLDER: &str = "bindings/swift";

/// The Debian whose Swift is used. Older ones have none.
const SUITE: &str = "trixie";

/// What is installed there: the compiler, and the headers and linker that it needs.
const PACKAGES: &[&str] = &["swiftlang", "libc6-dev", "libstdc++-14-dev", "gcc", "libsqlite3-dev"];

/// Build the Swift package and run its tests, or a command of SwiftPM
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What `swift` is to do, such as `build`; else the tests are run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    /// Measure instead: hot gets, beside those of SQLite
    #[arg(long)]
    bench: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.bench {
        return bench();
    }
    match arguments.command.split_first() {
        None => test(true),
        Some((command, rest)) => swift(command, rest, Build::Debug),
    }
}

/// Why the package cannot be built here, if it cannot.
pub(crate) fn problem() -> Option<&'static str> {
    let makes = setup::is_root() && setup::on_path("debootstrap") && setup::on_path("unshare");
    let works = cfg!(target_os = "linux") && makes;
    (!works).then_some("needs Linux, root, debootstrap and unshare for a Debian with Swift")
}

/// Runs the tests.
pub(crate) fn test(require_all: bool) -> Result<()> {
    if setup::is_skipped("the Swift package", problem(), require_all)? {
        return Ok(());
    }
    swift("test", &[], Build::Testing)?;
    documentation::check()?;
    generated(Build::Debug, &[])?;
    crate::dist::swift::check()
}

/// Compiles the Swift that uniffi makes together with a program that uses it, and runs that.
fn generated(build: Build, arguments: &[&str]) -> Result<()> {
    const UNIFFI: &str = "bindings/uniffi";
    let (cargo, folder): (&[&str], _) =
        if build == Build::Release { (&["--release"], "release") } else { (&[], "debug") };
    process::run(process::cargo().args(["build", "--quiet", "--package", "litestash-uniffi"]).args(cargo))?;
    let libraries = std::path::absolute(process::target().join(folder))?;
    let name = format!("{folder}-generated");
    std::fs::create_dir_all(scratch())?;
    let path = |path: PathBuf| Ok::<_, anyhow::Error>(std::path::absolute(path)?.display().to_string());
    let mut swiftc = vec!["swiftc".to_owned(), "-module-name".to_owned(), "Generated".to_owned()];
    if build == Build::Release {
        swiftc.push("-O".to_owned());
    }
    swiftc.extend(["-o".to_owned(), path(scratch().join(&name))?]);
    swiftc.extend(["-I".to_owned(), path(Path::new(UNIFFI).join("swift"))?]);
    swiftc.extend(["-L".to_owned(), path(libraries.clone())?]);
    for source in ["swift/LiteStashEngine.swift", "tests/main.swift"] {
        swiftc.push(path(Path::new(UNIFFI).join(source))?);
    }
    process::run(&mut inside(&swiftc)?)?;
    process::run(program(&name, &libraries).args(arguments))
}

/// Whether SwiftPM understands the manifest of a package that was laid out.
pub(crate) fn check_manifest(manifest: &Path) -> Result<()> {
    make_root()?;
    // Where that Debian sees it.
    let package = tempfile::tempdir_in(process::target())?;
    std::fs::copy(manifest, package.path().join("Package.swift"))?;
    let package = std::path::absolute(package.path())?.display().to_string();
    let dump = ["swift", "package", "--package-path", &package, "dump-package"];
    quietly(&mut inside(&dump.map(str::to_owned))?)
}

/// Builds the runner.
pub(crate) fn build_runner() -> Result<()> {
    swift("build", &["--product", "ConformanceRunner"].map(str::to_owned), Build::Debug)
}

/// The runner, without its arguments.
pub(crate) fn runner() -> Command {
    program("debug/ConformanceRunner", &installed(Build::Debug))
}

/// Where the C library lies that the package was linked to.
fn installed(build: Build) -> PathBuf {
    capi::prefix(build).map(|prefix| prefix.join("lib")).unwrap_or_default()
}

fn bench() -> Result<()> {
    swift("build", &["-c", "release", "--product", "Benchmark"].map(str::to_owned), Build::Release)?;
    process::run(&mut program("release/Benchmark", &installed(Build::Release)))?;
    println!("\nuniffi's calls:");
    generated(Build::Release, &["bench"])
}

/// A program that was built there. It runs here, by the loader and the libraries of that Debian.
fn program(built: &str, library: &Path) -> Command {
    let root = root();
    let mut libraries = OsString::new();
    for folder in ["usr/libexec/swift/lib/swift/linux", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"] {
        libraries.push(root.join(folder));
        libraries.push(":");
    }
    libraries.push(library);
    let mut program = Command::new(root.join("lib64/ld-linux-x86-64.so.2"));
    program.arg("--library-path").arg(libraries).arg(scratch().join(built));
    program
}

/// Where SwiftPM puts what it builds.
fn scratch() -> PathBuf {
    process::target().join("swift")
}

/// Where the Debian lies: outside of the repository, kept between runs.
fn root() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_else(|| PathBuf::from("/var"));
    cache.unwrap_or_else(|| home.join(".cache")).join("litestash").join(format!("{SUITE}-swift"))
}

/// Runs SwiftPM on the package, with the library built like that.
fn swift(command: &str, arguments: &[String], build: Build) -> Result<()> {
    make_root()?;
    let prefix = capi::install(build)?;
    let library = prefix.join("lib").display().to_string();
    let mut swift = vec!["swift".to_owned(), command.to_owned()];
    swift.extend(["--package-path".to_owned(), std::path::absolute(FOLDER)?.display().to_string()]);
    swift.extend(["--scratch-path".to_owned(), std::path::absolute(scratch())?.display().to_string()]);
    for flag in [format!("-L{library}"), "-rpath".to_owned(), library.clone()] {
        swift.extend(["-Xlinker".to_owned(), flag]);
    }
    swift.extend_from_slice(arguments);
    let mut swift = inside(&swift)?;
    if build == Build::Testing {
        // The tests then insist on the switch that lets a call panic.
        swift.env("LITESTASH_TESTING", "1");
    }
    process::run(&mut swift)
}

/// A command in that Debian, which sees the repository and the target folder where they are here. What is mounted for
/// it is seen by no other process and ends with it.
fn inside(command: &[String]) -> Result<Command> {
    const SCRIPT: &str = r#"
        set -e
        root=$1; repository=$2; target=$3
        shift 3
        mount -t proc proc "$root/proc"
        for folder in "$repository" "$target"; do
            mkdir -p "$root$folder"
            mount --bind "$folder" "$root$folder"
        done
        exec chroot "$root" "$@"
    "#;
    let target = std::path::absolute(process::target())?;
    std::fs::create_dir_all(&target)?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]);
    unshare.arg(root()).arg(std::env::current_dir()?).arg(target).args(command);
    Ok(unshare)
}

/// Makes that Debian, if it is not there. It gets its name when it is complete. Of several runs one makes it.
pub(crate) fn make_root() -> Result<()> {
    let root = root();
    if is_there(&root) {
        return Ok(());
    }
    let folder = root.parent().context("a folder to keep it in")?;
    std::fs::create_dir_all(folder)?;
    let turn = std::fs::File::create(folder.join(format!("{SUITE}-swift.lock")))?;
    turn.lock()?;
    if is_there(&root) {
        return Ok(());
    }
    println!("making a Debian {SUITE} with Swift in {}", root.display());
    let new = folder.join(format!("{SUITE}-swift.new"));
    if new.exists() {
        std::fs::remove_dir_all(&new)?;
    }
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", SUITE]).arg(&new).args(mirror());
    quietly(&mut debootstrap)?;
    // What names are looked up with here.
    if Path::new("/etc/resolv.conf").exists() {
        std::fs::copy("/etc/resolv.conf", new.join("etc/resolv.conf"))?;
    }
    install(&new, PACKAGES)?;
    if root.exists() {
        std::fs::remove_dir_all(&root)?;
    }
    Ok(std::fs::rename(&new, &root)?)
}

/// Whether there is such a Debian. What lies at `usr/bin/swift` in it is a link that leads nowhere from here.
fn is_there(root: &Path) -> bool {
    root.join("usr/libexec/swift/bin/swift").exists()
}

/// Installs packages in a Debian that lies there.
fn install(root: &Path, packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("chroot");
        apt.arg(root).args(["apt-get", "-qq"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        quietly(&mut apt)
    };
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())?;
    apt(&["clean"])
}

/// Where this Debian gets its packages from, if it says so.
fn mirror() -> Option<String> {
    let sources = std::fs::read_to_string("/etc/apt/sources.list.d/debian.sources").ok()?;
    let uris = sources.lines().find_map(|line| line.strip_prefix("URIs:"))?;
    uris.split_whitespace().next().map(str::to_owned)
}

/// Runs a program and shows what it prints only if it fails.
fn quietly(command: &mut Command) -> Result<()> {
    let output = process::output(command, std::time::Duration::from_secs(600))?;
    if !output.status.success() {
        bail!("{:?}: {}: {}", command.get_program(), output.status, output.complaint());
    }
    Ok(())
}

/// A command in that Debian, with other packages of it besides; it has them once it has the program `probe`. For those
/// who want something newer than what runs here.
pub(crate) fn beside(packages: &[&str], probe: &str, command: &[String]) -> Result<Command> {
    make_root()?;
    if !root().join(probe).exists() {
        install(&root(), packages)?;
    }
    inside(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debian_is_made_once() {
        let root = tempfile::tempdir().unwrap();
        assert!(!is_there(root.path()));
        let tools = root.path().join("usr/libexec/swift/bin");
        std::fs::create_dir_all(&tools).unwrap();
        std::fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        std::fs::write(tools.join("swift"), "").unwrap();
        // As Debian's alternatives make it.
        std::os::unix::fs::symlink("/usr/libexec/swift/bin/swift", root.path().join("usr/bin/swift"))
            .unwrap();
        assert!(is_there(root.path()));
    }
}
