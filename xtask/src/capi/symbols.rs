//! What the library shows: the functions of its header, and nothing else.

use crate::process;
use anyhow::{Result, bail, ensure};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Compares the library's symbols with the header's functions; returns how many there are.
pub(super) fn check(prefix: &Path) -> Result<usize> {
    let mut nm = Command::new("nm");
    nm.args(["--dynamic", "--defined-only", "--format=just-symbols"]).arg(prefix.join("lib/liblitestash.so"));
    let output = process::output(&mut nm, Duration::from_secs(60))?;
    ensure!(output.status.success(), "nm: {}", output.complaint());
    let shown: BTreeSet<_> = std::str::from_utf8(&output.stdout)?.lines().collect();
    let header = header(prefix)?;
    let declared: BTreeSet<_> = functions(&header).map(|(_, name)| name).collect();
    let foreign: Vec<_> = shown.difference(&declared).collect();
    let missing: Vec<_> = declared.difference(&shown).collect();
    if !foreign.is_empty() || !missing.is_empty() {
        bail!("symbols that the header has not: {foreign:?}; that the library has not: {missing:?}");
    }
    has_soname(prefix)?;
    Ok(declared.len())
}

fn has_soname(prefix: &Path) -> Result<()> {
    let mut readelf = Command::new("readelf");
    let output = process::output(
        readelf.args(["--dynamic", "--wide"]).arg(prefix.join("lib/liblitestash.so")),
        Duration::from_secs(60),
    )?;
    let wanted = format!("[liblitestash.so.{}]", crate::dist::capi::abi());
    ensure!(String::from_utf8_lossy(&output.stdout).contains(&wanted), "the library is not named {wanted}");
    Ok(())
}

/// How many functions answer with a status of their own. (`litestash_error_status` answers with another's.)
pub(super) fn fallible(prefix: &Path) -> Result<usize> {
    let header = header(prefix)?;
    let answers =
        |(result, name): &(&str, &str)| *result == "litestash_status" && *name != "litestash_error_status";
    Ok(functions(&header).filter(answers).count())
}

fn header(prefix: &Path) -> Result<String> {
    Ok(std::fs::read_to_string(prefix.join("include/litestash.h"))?)
}

/// The results and names of the functions that a header declares; inline ones are no symbols.
fn functions(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.lines().filter_map(|line| {
        let (head, _) = line.split_once('(')?;
        let inline =
            ["static ", "typedef ", "//", " ", "#", "/*"].iter().any(|start| line.starts_with(start));
        let (result, name) = head.rsplit_once([' ', '*'])?;
        (!inline && name.starts_with("litestash_")).then_some((result.trim(), name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_told_from_all_else() {
        let header = "// litestash_a(b)\ntypedef int (*litestash_b)(void);\nstatic inline int litestash_c(int d)\n\
            litestash_status litestash_open(const char *directory,\n                    int litestash_x(void));\n\
            const char *litestash_version(void);\n";
        let found: Vec<_> = functions(header).collect();
        assert_eq!(found, [("litestash_status", "litestash_open"), ("const char", "litestash_version")]);
    }
}
