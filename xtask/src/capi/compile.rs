//! Compiling C programs against an installed library.

use crate::process;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a source is compiled as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compiler {
    C,
    Cpp,
}

impl Compiler {
    fn command(self) -> Command {
        let (program, flags) = match self {
            Self::C => ("cc", ["-std=c11"].as_slice()),
            Self::Cpp => ("c++", ["-x", "c++", "-std=c++17"].as_slice()),
        };
        let mut command = Command::new(program);
        command.args(["-g", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror", "-pedantic"]).args(flags);
        command
    }
}

/// A program that uses the library.
pub(crate) struct Program<'a> {
    pub(crate) compiler: Compiler,
    /// Further flags.
    pub(crate) flags: &'a [&'a str],
    pub(crate) sources: &'a [String],
    /// Where the library is installed.
    pub(crate) prefix: &'a Path,
}

impl Program<'_> {
    /// Compiles it, without any warning.
    pub(crate) fn compile(&self, output: &Path) -> Result<PathBuf> {
        let library = self.prefix.join("lib");
        let mut command = self.compiler.command();
        command.args(self.flags).arg("-I").arg(self.prefix.join("include")).args(self.sources);
        // What follows is for the linker, and no source.
        command.args(["-x", "none", "-L"]).arg(&library).arg("-llitestash");
        let mut path = std::ffi::OsString::from("-Wl,-rpath,");
        path.push(&library);
        process::run(command.arg(path).arg("-o").arg(output))?;
        Ok(output.to_owned())
    }
}
