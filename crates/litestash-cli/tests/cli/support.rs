//! A stash in a temporary directory and a way to run commands on it.

use assert_cmd::Command;
use std::path::PathBuf;
use tempfile::TempDir;

/// The program without arguments, in surroundings that decide nothing.
pub(crate) fn litestash() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("litestash"));
    for name in [
        "LITESTASH_DIR",
        "LITESTASH_LOG",
        "LITESTASH_KEY_FILE",
        "LITESTASH_PASSPHRASE_FILE",
        "LITESTASH_CONFORMANCE_CLOCK",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command
}

/// A directory for one test.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn stash(&self) -> PathBuf {
        self.path("stash")
    }

    /// A file with that text.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A command on the stash.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = litestash();
        command.arg("--dir").arg(self.stash()).args(arguments).current_dir(self.directory.path());
        command
    }

    /// Runs a command that must exit with `code`, and answers with stdout and stderr.
    pub(crate) fn run(&self, arguments: &[&str], code: i32) -> (String, String) {
        finish(self.command(arguments), code)
    }

    /// The same for a command that succeeds, of which only stdout matters.
    pub(crate) fn out(&self, arguments: &[&str]) -> String {
        self.run(arguments, 0).0
    }

    /// The same with input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str, code: i32) -> (String, String) {
        let mut command = self.command(arguments);
        command.write_stdin(input);
        finish(command, code)
    }
}

pub(crate) fn finish(mut command: Command, code: i32) -> (String, String) {
    let output = command.assert().code(code).get_output().clone();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}
