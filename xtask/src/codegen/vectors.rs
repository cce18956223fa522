//! Vectors and scripts of the conformance suite, which its own generator writes.

use super::Mode;
use crate::process;
use anyhow::{Result, bail};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

pub(super) fn generate(mode: Mode) -> Result<Vec<String>> {
    let mut generator = process::python();
    generator.arg("conformance/generate.py");
    if mode == Mode::Check {
        generator.arg("--check");
    }
    let output = process::output(&mut generator, LIMIT)?;
    let files: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().filter_map(changed).collect();
    // With --check, stale files are its one reason to fail in silence.
    if !output.status.success() && (mode == Mode::Write || files.is_empty()) {
        bail!("conformance/generate.py: {}", output.complaint());
    }
    Ok(files)
}

/// The file in `stale: vectors/keys.json`, `wrote …` or `removed …`.
fn changed(line: &str) -> Option<String> {
    let (_, file) = line.split_once(' ')?;
    Some(format!("conformance/{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generators_lines_name_files() {
        assert_eq!(changed("stale: vectors/keys.json").unwrap(), "conformance/vectors/keys.json");
        assert_eq!(changed("wrote scripts/001_a.json").unwrap(), "conformance/scripts/001_a.json");
    }
}
