//! What the measurements were made on, without a name of it.

use anyhow::Result;
use rustix::fs::statfs;
use std::path::Path;
use std::process::Command;

/// What the crates are called, for their versions.
const CRATES: [&str; 5] = ["rusqlite", "heed", "redb", "fjall", "litestash-core"];

/// The lines of a list.
pub(crate) fn describe(scratch: &Path) -> Result<Vec<String>> {
    let cores = std::thread::available_parallelism()?;
    let version = |name| format!("{name} {}", locked_version(name).unwrap_or("of unknown version"));
    Ok(vec![
        format!("processor: {}, {cores} cores for this system", first_after("/proc/cpuinfo", "model name")),
        format!("memory: {}", memory()),
        format!("kernel: Linux {}", read("/proc/sys/kernel/osrelease")),
        format!("file system: {}", file_system(scratch)?),
        format!("compiler: {}, release profile of the workspace", rustc()),
        format!(
            "{}; SQLite {} in both of its users; {}",
            CRATES.map(version).join(", "),
            litestash_core::sqlite_version(),
            heed::lmdb_version().string
        ),
    ])
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// What stands behind that name in a file of names and values.
fn first_after(path: &str, name: &str) -> String {
    let text = read(path);
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    value.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
}

fn memory() -> String {
    let kib = first_after("/proc/meminfo", "MemTotal");
    let kib: Option<f64> = kib.split(' ').next().and_then(|kib| kib.parse().ok());
    kib.map_or_else(|| "unknown".to_owned(), |kib| format!("{:.0} GiB", kib / f64::from(1 << 20)))
}

/// By the numbers of statfs(2).
fn file_system(path: &Path) -> Result<&'static str> {
    Ok(match statfs(path)?.f_type as i64 {
        0xEF53 => "ext4",
        0x5846_5342 => "XFS",
        0x9123_683E => "Btrfs",
        0x2FC1_2FC1 => "ZFS",
        0xF2F5_2010 => "F2FS",
        0x0102_1994 => "tmpfs (no disk: what waits for a sync says nothing)",
        0x794C_7630 => "overlayfs",
        _ => "another",
    })
}

fn rustc() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().map(|output| output.stdout);
    String::from_utf8(output.unwrap_or_default()).unwrap_or_default().trim().to_owned()
}

/// From the lock file that this program was built with.
fn locked_version(name: &str) -> Option<&'static str> {
    let lock = include_str!("../../Cargo.lock");
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_known() {
        assert!(CRATES.iter().all(|name| locked_version(name).is_some()));
        let lines = describe(&std::env::temp_dir()).unwrap();
        assert!(lines.iter().all(|line| line.lines().count() == 1 && !line.contains("unknown")), "{lines:?}");
    }
}
