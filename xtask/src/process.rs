//! Starting other programs.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}

/// Python that leaves no compiled files behind.
pub(crate) fn python() -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// Runs an example of the engine, optimised.
pub(crate) fn example(name: &str, arguments: &[&str]) -> Result<()> {
    let build = ["run", "--quiet", "--release", "--package", "litestash-core", "--example", name, "--"];
    run(cargo().args(build).args(arguments))
}

static LIMIT: OnceLock<Duration> = OnceLock::new();

/// From now on, [`run`] ends a program that takes longer, with all it has started: a run that nobody watches
/// fails and names what hung.
pub(crate) fn limit_each(limit: Duration) {
    let _ = LIMIT.set(limit);
}

/// Runs a program whose output goes to the terminal; fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    // Somebody at a terminal interrupts by hand, which reaches only the terminal's own group of processes.
    let limit = LIMIT.get().filter(|_| !std::io::stdin().is_terminal());
    let status = match limit {
        None => command.status().with_context(|| format!("cannot start {}", text(command)))?,
        Some(limit) => run_within(command, *limit)?,
    };
    if !status.success() {
        bail!("{}: {status}", text(command));
    }
    Ok(())
}

#[cfg(unix)]
fn run_within(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    use std::os::unix::process::CommandExt;
    let mut child =
        command.process_group(0).spawn().with_context(|| format!("cannot start {}", text(command)))?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() > limit {
            run(Command::new("kill").args(["-s", "KILL", "--", &format!("-{}", child.id())]))?;
            child.wait()?;
            bail!("{}: killed after {} s", text(command), limit.as_secs_f64());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(not(unix))]
fn run_within(command: &mut Command, _limit: Duration) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot start {}", text(command)))
}

/// Whether a program can be started and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What a program left.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Output {
    /// The last lines of standard error, on one line.
    pub(crate) fn complaint(&self) -> String {
        last_lines(&self.stderr)
    }
}

/// The last lines of what a program printed, on one line.
pub(crate) fn last_lines(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

/// Runs a program to its end and keeps what it prints. One that takes longer than `limit` is
/// killed, which is an error.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<Output> {
    let name = text(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("{name}: no pipes");
    };
    std::thread::scope(|scope| {
        let stdout = scope.spawn(|| drain(stdout));
        let stderr = scope.spawn(|| drain(stderr));
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                bail!("{name}: killed after {} s", limit.as_secs());
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let read = |thread: std::thread::ScopedJoinHandle<'_, std::io::Result<Vec<u8>>>| match thread.join() {
            Ok(read) => read.with_context(|| format!("reading the output of {name}")),
            Err(_) => bail!("reading the output of {name} panicked"),
        };
        Ok(Output { status, stdout: read(stdout)?, stderr: read(stderr)? })
    })
}

fn drain(mut pipe: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_status_are_kept_and_time_is_limited() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let done = output(&mut shell("echo out; echo why >&2; exit 3"), Duration::from_secs(20)).unwrap();
        assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(3), b"out\n".as_slice()));
        assert_eq!(done.complaint(), "why");
        assert!(output(&mut shell("exec sleep 20"), Duration::from_millis(50)).is_err());
        assert!(run(&mut shell("exit 1")).is_err());
    }
    #[cfg(unix)]
    #[test]
    fn what_takes_too_long_ends_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        // The inner shell would write the file after the outer one is gone.
        shell.args(["-c", "sh -c 'sleep 2; touch late' & wait"]).current_dir(dir.path());
        let error = run_within(&mut shell, Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("killed after 0.2 s"), "{error}");
        std::thread::sleep(Duration::from_secs(3));
        assert!(!dir.path().join("late").exists());
    }
}
