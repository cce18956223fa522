//! The Hex package as a folder, with the native programs of this platform and their checksums.

use crate::{process, sha256};
use anyhow::{Context, Result, ensure};
use std::path::Path;

const SOURCE: &str = "bindings/elixir";
const FILES: &[&str] = &["mix.exs", ".formatter.exs", "README.md"];
const PROGRAMS: &[&str] = &["liblitestash_nif.so", "litestash-engine"];

/// Builds the programs and lays out the package in an empty or missing folder.
pub(super) fn lay_out(folder: &Path) -> Result<()> {
    let is_empty = folder.read_dir().map_or(true, |mut entries| entries.next().is_none());
    ensure!(is_empty, "{} is not empty", folder.display());
    let packages = ["--package", "litestash-elixir", "--package", "litestash-engine"];
    process::run(process::cargo().args(["build", "--quiet", "--locked", "--release"]).args(packages))?;
    copy_tree(&Path::new(SOURCE).join("lib"), &folder.join("lib"))?;
    for file in FILES {
        copy(&Path::new(SOURCE).join(file), &folder.join(file))?;
    }
    let platform = platform();
    let mut checksums = String::new();
    for program in PROGRAMS {
        let kept = folder.join("precompiled").join(&platform).join(program);
        copy(&process::target().join("release").join(program), &kept)?;
        let digits = sha256::hex(&std::fs::read(&kept)?);
        checksums.push_str(&format!("{digits} {platform}/{program}\n"));
    }
    std::fs::write(folder.join("precompiled/CHECKSUMS"), checksums)?;
    Ok(())
}

/// As `mix.exs` names it.
fn platform() -> String {
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{}-{}-{libc}", std::env::consts::ARCH, std::env::consts::OS)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in from.read_dir().with_context(|| from.display().to_string())? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &to)?;
        } else {
            copy(&entry.path(), &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_copied_whole() {
        let folder = tempfile::tempdir().unwrap();
        copy_tree(&Path::new("..").join(SOURCE).join("lib"), &folder.path().join("lib")).unwrap();
        assert!(folder.path().join("lib/lite_stash/backend/nif.ex").is_file());
        assert!(lay_out(folder.path()).is_err());
    }
}
