//! `bindings/swift/Sources/`: what uniffi makes of the crate in `bindings/uniffi`.

use super::Mode;
use crate::process;
use anyhow::{Context, Result};
use std::path::Path;
use uniffi_bindgen::bindings::{GenerateOptions, TargetLanguage, generate as generate_bindings};

const CONFIG: &str = "bindings/uniffi/uniffi.toml";

/// What is generated, and where it is kept.
const FILES: &[(&str, &str)] = &[
    ("LiteStashEngine.swift", "bindings/swift/Sources/LiteStashEngine/LiteStashEngine.swift"),
    ("CLiteStash.h", "bindings/swift/Sources/CLiteStash/CLiteStash.h"),
];

/// uniffi's own module map names modules of Apple's systems only and does not say what to link.
const MODULE_MAP: &str = "bindings/swift/Sources/CLiteStash/module.modulemap";
const MODULE_MAP_TEXT: &str =
    "module CLiteStash {\n    header \"CLiteStash.h\"\n    link \"litestash_uniffi\"\n    export *\n}\n";

pub(super) fn generate(mode: Mode) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    generate_into(folder.path())?;
    let mut stale = super::file(MODULE_MAP, MODULE_MAP_TEXT, mode)?;
    for (name, kept) in FILES {
        let text =
            std::fs::read_to_string(folder.path().join(name)).with_context(|| format!("reading {name}"))?;
        stale.append(&mut super::file(kept, &tidied(&text), mode)?);
    }
    Ok(stale)
}

fn generate_into(folder: &Path) -> Result<()> {
    // A release build has none of the descriptions that this reads.
    process::run(process::cargo().args(["build", "--quiet", "--package", "litestash-uniffi"]))?;
    let name = format!("{}litestash_uniffi{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let path = |path: &Path| path.to_str().map(Into::into).context("a path is not UTF-8");
    generate_bindings(GenerateOptions {
        languages: vec![TargetLanguage::Swift],
        source: path(&process::target().join("debug").join(name))?,
        out_dir: path(folder)?,
        config_override: Some(CONFIG.into()),
        ..GenerateOptions::default()
    })
}

/// Without white space at the ends of lines, and with one line end behind the last.
fn tidied(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(str::trim_end).collect();
    // What uniffi's authors mean to do is no matter of this repository.
    (lines.join("\n") + "\n").replace(concat!("TO", "DO: "), "Note: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_no_ends_of_white_space() {
        assert_eq!(tidied("a  \n\n b\t\n\n\n"), "a\n\n b\n");
    }
}
