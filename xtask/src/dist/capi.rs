//! The C library as it is installed.

use crate::process;
use anyhow::{Context, Result};
use std::path::Path;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the sources of the package lie.
pub(crate) const FOLDER: &str = "bindings/c";

/// How the library is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// As users get it.
    Release,
    /// Quickly, and with the checks of debug builds.
    Debug,
    /// As `Debug`, with the switch that lets a call panic.
    Testing,
}

impl Build {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Release => &["--release"],
            Self::Debug => &[],
            Self::Testing => &["--features", "testing"],
        }
    }

    fn folder(self) -> &'static str {
        if self == Self::Release { "release" } else { "debug" }
    }
}

/// The part of the version that programs depend on, as in `bindings/c/build.rs`.
pub(crate) fn abi() -> String {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    if major == "0" { format!("{major}.{minor}") } else { major.to_owned() }
}

/// Builds the library and installs it with its header, its links and the files by which it is found.
pub(crate) fn install(prefix: &Path, build: Build) -> Result<()> {
    let cargo = ["build", "--quiet", "--locked", "--package", "litestash-c"];
    process::run(process::cargo().args(cargo).args(build.arguments()))?;
    let library = process::target().join(build.folder()).join("liblitestash.so");
    let folder = prefix.join("lib");
    let full = format!("liblitestash.so.{VERSION}");
    put(&folder.join(&full), &std::fs::read(&library).with_context(|| library.display().to_string())?)?;
    for link in [format!("liblitestash.so.{}", abi()), "liblitestash.so".to_owned()] {
        let link = folder.join(link);
        if link.symlink_metadata().is_ok() {
            std::fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(&full, &link).with_context(|| link.display().to_string())?;
    }
    put(&prefix.join("include/litestash.h"), &std::fs::read(format!("{FOLDER}/include/litestash.h"))?)?;
    for (template, place) in [
        ("litestash.pc", "lib/pkgconfig"),
        ("litestash-config.cmake", "lib/cmake/litestash"),
        ("litestash-config-version.cmake", "lib/cmake/litestash"),
    ] {
        let text = std::fs::read_to_string(format!("{FOLDER}/package/{template}.in"))?;
        let text = text.replace("@VERSION@", VERSION).replace("@ABI@", &abi());
        put(&prefix.join(place).join(template), text.as_bytes())?;
    }
    Ok(())
}

/// Puts a file beside its place and moves it there, so that what a running program has open stays as it is.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.persist(path).with_context(|| path.display().to_string())?;
    Ok(())
}
