//! `cargo xtask fuzz`: every fuzz target of the engine for some seconds each.

use crate::{process, setup};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

const FUZZ: &str = "crates/litestash-core/fuzz";
const CARGO_FUZZ_VERSION: &str = "0.13.2";
const SECONDS_SHORT: u32 = 15;

/// Run the fuzz targets of the engine
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// 15 seconds each, for every run of the tests
    #[arg(long, conflicts_with = "seconds")]
    short: bool,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn short() -> Self {
        Self { seconds: SECONDS_SHORT, short: true }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let targets = targets(&Path::new(FUZZ).join("fuzz_targets"))?;
    let seconds = if arguments.short { SECONDS_SHORT } else { arguments.seconds };
    let path = setup::path_with_tool("cargo-fuzz", CARGO_FUZZ_VERSION)?;
    // cargo-fuzz would write a stale one anew and say nothing.
    let manifest = Path::new(FUZZ).join("Cargo.toml");
    let check = ["update", "--quiet", "--workspace", "--locked", "--manifest-path"];
    process::run(process::cargo().args(check).arg(manifest)).context("the fuzzer's lock file is stale")?;
    let mut failed = Vec::new();
    for target in &targets {
        println!("fuzz {target}, {seconds} s");
        let result = process::run(
            process::cargo()
                .env("PATH", &path)
                // cargo-fuzz instruments with options that rustc calls unstable.
                .env("RUSTC_BOOTSTRAP", "1")
                // Freed memory that the sanitizer keeps would count against the limit.
                .env("ASAN_OPTIONS", "quarantine_size_mb=16")
                .args(["fuzz", "run", "--fuzz-dir", FUZZ])
                .args(arguments.short.then_some("--dev"))
                .args([target, "--"])
                .arg(format!("-max_total_time={seconds}"))
                // Long inputs from the start: in a short run the fuzzer would not get to them by itself.
                .args(["-len_control=0", "-rss_limit_mb=512", "-timeout=20"])
                // The same inputs in every short run, so that a red one means the change at hand.
                .args(arguments.short.then_some("-seed=1"))
                .args(["-print_final_stats=1", "-verbosity=0"]),
        );
        if let Err(error) = result {
            eprintln!("{error:#}");
            failed.push(target.as_str());
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    println!("{} fuzz targets found nothing", targets.len());
    Ok(())
}

fn targets(folder: &Path) -> Result<Vec<String>> {
    let entries = folder.read_dir().with_context(|| format!("no fuzz targets: {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    if names.is_empty() {
        bail!("no fuzz targets: {} holds no .rs file", folder.display());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_rust_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        assert!(targets(folder.path()).is_err());
        assert!(targets(&folder.path().join("missing")).is_err());
        for name in ["b.rs", "a.rs", "notes.md"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(targets(folder.path()).unwrap(), ["a", "b"]);
    }
}
