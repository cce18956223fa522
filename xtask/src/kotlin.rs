//! The Kotlin binding: its native part, what Maven does with it, its runner of the conformance suite, measurements.

use crate::dist::kotlin as dist;
use crate::{process, setup, sha256};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const FOLDER: &str = "bindings/kotlin";

/// What Maven takes at most, with everything that it has to fetch.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Build, test or measure the Maven artifact
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Measure it against other stores of the JVM
    #[arg(long)]
    bench: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.bench { bench() } else { test(true) }
}

/// Which native part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Build {
    /// With the clock of tests.
    Testing,
    /// For users.
    Release,
    /// For users, with the engine measured inside.
    Measured,
}

/// Builds the native part and puts it where the jar takes it from.
fn native(build: Build) -> Result<PathBuf> {
    let (arguments, folder): (&[&str], _) = match build {
        Build::Testing => (&["--features", "testing"], "debug"),
        Build::Release => (&["--release"], "release"),
        Build::Measured => (&["--release", "--features", "testing"], "release"),
    };
    process::run(process::cargo().args(["build", "--quiet", "--package", "litestash-jni"]).args(arguments))?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = format!("{prefix}litestash_jni{suffix}");
    let natives = natives(build)?;
    let machine = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let kept = dist::place(&natives, &machine);
    fs::create_dir_all(&kept)?;
    let (built, kept) = (process::target().join(folder).join(&library), kept.join(&library));
    // What a debugger wants is ten times the rest.
    if setup::on_path("strip") {
        process::run(Command::new("strip").arg("-g").arg("-o").arg(&kept).arg(&built))?;
    } else {
        fs::copy(&built, &kept)?;
    }
    Ok(natives)
}

fn natives(build: Build) -> Result<PathBuf> {
    let name = match build {
        Build::Testing => "kotlin/natives",
        Build::Release => "kotlin/natives-release",
        Build::Measured => "kotlin/natives-measured",
    };
    Ok(std::path::absolute(process::target().join(name))?)
}

fn maven(folder: &str, build: Build, arguments: &[&str]) -> Result<()> {
    let mut maven = Command::new("mvn");
    maven.current_dir(folder).args(["--quiet", "--batch-mode"]);
    maven.arg(format!("-Dlitestash.natives={}", natives(build)?.display())).args(arguments);
    let done = process::output(&mut maven, LIMIT)?;
    if !done.status.success() {
        println!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        bail!("mvn {}: {}", arguments.join(" "), done.status);
    }
    Ok(())
}

/// What the library and its tests were last compiled from.
const BUILT_FROM: &str = "bindings/kotlin/target/built-from";

/// Compiles the library and its tests if they are not there. Maven would compile all of them each time, which takes it
/// a minute.
pub(crate) fn build_for_tests() -> Result<()> {
    let sources = sources(&native(Build::Testing)?)?;
    if fs::read_to_string(BUILT_FROM).is_ok_and(|built_from| built_from == sources) {
        return Ok(());
    }
    maven(FOLDER, Build::Testing, &["test-compile"])?;
    Ok(fs::write(BUILT_FROM, sources)?)
}

/// The names and digests of all that is compiled and put into the jar.
fn sources(natives: &Path) -> Result<String> {
    let mut files = vec![Path::new(FOLDER).join("pom.xml")];
    for folder in [&Path::new(FOLDER).join("src"), natives] {
        add_files(folder, &mut files).with_context(|| folder.display().to_string())?;
    }
    files.sort();
    let line = |file: &PathBuf| Ok(format!("{}  {}\n", sha256::hex(&fs::read(file)?), file.display()));
    files.iter().map(line).collect()
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { add_files(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// The runner, without its arguments.
pub(crate) fn runner() -> Command {
    let target = Path::new(FOLDER).join("target");
    let libraries = fs::read_to_string(target.join("classpath.txt")).unwrap_or_default();
    let folders = ["test-classes", "classes"].map(|name| target.join(name).display().to_string());
    let mut runner = Command::new("java");
    // What it does is short: starting fast is better than running fast.
    runner.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xss4m", "-cp"]);
    runner.arg(format!("{}:{libraries}", folders.join(":")));
    runner.arg("io.github.litestash.conformance.Runner");
    runner
}

/// Builds the jar, and runs its tests.
pub(crate) fn test(require_all: bool) -> Result<()> {
    if setup::is_skipped("the Kotlin binding", setup::maven_problem(), require_all)? {
        return Ok(());
    }
    let sources = sources(&native(Build::Testing)?)?;
    maven(FOLDER, Build::Testing, &["verify"])?;
    fs::write(BUILT_FROM, sources)?;
    let summary = summary(&Path::new(FOLDER).join("target/surefire-reports"))?;
    ensure!(!platforms(&jar())?.is_empty(), "the jar has no native library");
    println!("{summary}");
    Ok(())
}

/// How many tests there were, from the reports: Maven is asked to be quiet.
fn summary(reports: &Path) -> Result<String> {
    let (mut run, mut skipped) = (0, 0);
    for report in fs::read_dir(reports).context("there are no reports of tests")? {
        let path = report?.path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let number = |name: &str| {
            let behind = text.split_once(name)?.1;
            behind.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        run += number("Tests run:").unwrap_or(0);
        skipped += number("Skipped:").unwrap_or(0);
    }
    ensure!(run > skipped, "no test was run");
    Ok(format!("Tests run: {run}, Failures: 0, Errors: 0, Skipped: {skipped}"))
}

fn jar() -> PathBuf {
    Path::new(FOLDER).join("target/litestash-0.1.0.jar")
}

/// The platforms that a jar has native libraries for.
fn platforms(jar: &Path) -> Result<Vec<&'static str>> {
    let listed = process::output(Command::new("jar").arg("tf").arg(jar), LIMIT)?;
    ensure!(listed.status.success(), "jar tf: {}", listed.complaint());
    dist::platforms(&String::from_utf8_lossy(&listed.stdout))
}

/// The jar for users of this machine, and of the platforms of those libraries.
pub(crate) fn package(libraries: &[dist::Library]) -> Result<(PathBuf, Vec<&'static str>)> {
    dist::lay_out(&native(Build::Release)?, libraries)?;
    maven(FOLDER, Build::Release, &["clean", "package", "-DskipTests"])?;
    let platforms = platforms(&jar())?;
    Ok((jar(), platforms))
}

/// Measures gets and sets in one run, and prints ratios.
fn bench() -> Result<()> {
    native(Build::Measured)?;
    maven(FOLDER, Build::Measured, &["clean", "package", "-DskipTests"])?;
    let folder = format!("{FOLDER}/bench");
    maven(&folder, Build::Measured, &["package"])?;
    let libraries = fs::read_to_string(Path::new(&folder).join("target/classpath.txt"))?;
    let mut java = Command::new("java");
    java.current_dir(&folder).args(["-cp", &format!("target/classes:{libraries}")]);
    process::run(java.arg("io.github.litestash.bench.Compare"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_from_reports_and_none_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let report = "Tests run: 12, Failures: 0, Errors: 0, Skipped: 1, Time elapsed: 1 s";
        assert!(summary(folder.path()).is_err());
        fs::write(folder.path().join("A.txt"), report).unwrap();
        fs::write(folder.path().join("B.txt"), report).unwrap();
        let summary = summary(folder.path()).unwrap();
        assert_eq!(summary, "Tests run: 24, Failures: 0, Errors: 0, Skipped: 2");
    }
}
