//! The files of a stash that a runner left.

use crate::sha256;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const BUCKETS: &str = "buckets";
const BUCKETS_PREFIX: &str = "buckets/";

/// Every file in the directory of a stash with its SHA-256, in hexadecimal, those of buckets by their path in it. A
/// missing directory has none.
pub(super) fn digests(directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut digests = BTreeMap::new();
    add_digests(directory, "", &mut digests)?;
    Ok(digests)
}

fn add_digests(directory: &Path, prefix: &str, digests: &mut BTreeMap<String, String>) -> Result<()> {
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| directory.display().to_string()),
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() && (name == BUCKETS || prefix == BUCKETS_PREFIX) {
            add_digests(&entry.path(), &format!("{name}/"), digests)?;
            continue;
        }
        let digest = if entry.file_type()?.is_file() {
            sha256::hex(&std::fs::read(entry.path())?)
        } else {
            "no regular file".to_owned()
        };
        digests.insert(name, digest);
    }
    Ok(())
}

/// What is there beside data and locks, where nothing else should be: the stash was closed.
pub(super) fn extra_files(digests: &BTreeMap<String, String>) -> Vec<&str> {
    digests
        .keys()
        .map(String::as_str)
        .filter(|name| !is_data(name) && *name != KEYRING_LOCK && name_within(name) != Some(JOURNAL))
        .collect()
}

/// The shard files, and the keyring of an encrypted stash.
pub(super) fn data(digests: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    digests.iter().filter(|(name, _)| is_data(name)).map(|(name, sha)| (name.clone(), sha.clone())).collect()
}

/// The keys of an encrypted stash. Every implementation makes the same bytes of the same random ones.
pub(super) const KEYRING: &str = "keyring";

/// Outside of what is compared, in the stash and in its buckets.
const JOURNAL: &str = "journal.db";

/// Holds no data (`docs/CONTRACT.md` 1).
const KEYRING_LOCK: &str = "keyring.lock";

fn is_data(name: &str) -> bool {
    is_shard(name) || name == KEYRING
}

/// The name of a file within the stash, or within a bucket of it.
fn name_within(path: &str) -> Option<&str> {
    match path.strip_prefix(BUCKETS_PREFIX) {
        Some(rest) => rest.split_once('/').map(|(_bucket, name)| name),
        None => Some(path),
    }
}

/// Whether it is a shard file's path in the stash.
fn is_shard(path: &str) -> bool {
    let name = name_within(path).and_then(|name| name.strip_prefix("shard-"));
    let digit = name.and_then(|rest| rest.strip_suffix(".db"));
    digit.is_some_and(|digit| matches!(digit.as_bytes(), [b'0'..=b'9' | b'a'..=b'f']))
}

/// Copies the data, so that a reader sees nothing that another reader left.
pub(super) fn copy(from: &Path, digests: &BTreeMap<String, String>, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for name in digests.keys().filter(|name| is_data(name)) {
        let target = to.join(name);
        std::fs::create_dir_all(target.parent().unwrap_or(to))?;
        std::fs::copy(from.join(name), target).with_context(|| name.clone())?;
    }
    Ok(())
}

/// What changed between two looks at a directory.
pub(super) fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let describe = |name: &&String| match (before.get(*name), after.get(*name)) {
        (Some(_), None) => Some(format!("{name} is gone")),
        (None, Some(_)) => Some(format!("{name} is new")),
        (old, new) => (old != new).then(|| format!("{name} changed")),
    };
    names.iter().filter_map(describe).collect()
}

/// Where a runner is to leave the stash of a script.
pub(super) fn directory(root: &Path, language: &str, script: &str) -> PathBuf {
    root.join(script).join(language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_name_every_file_and_every_change() {
        let folder = tempfile::tempdir().unwrap();
        assert!(digests(&folder.path().join("missing")).unwrap().is_empty());
        std::fs::write(folder.path().join("shard-a.db"), "abc").unwrap();
        let before = digests(folder.path()).unwrap();
        assert!(before["shard-a.db"].starts_with("ba7816bf8f01cfea"));
        assert!(extra_files(&before).is_empty());
        std::fs::create_dir_all(folder.path().join("buckets/%2E")).unwrap();
        std::fs::write(folder.path().join("buckets/%2E/shard-0.db"), "").unwrap();
        std::fs::write(folder.path().join("buckets/more"), "").unwrap();
        std::fs::write(folder.path().join("shard-a.db"), "abd").unwrap();
        std::fs::write(folder.path().join("shard-a.db-wal"), "").unwrap();
        std::fs::write(folder.path().join("journal.db"), "").unwrap();
        std::fs::write(folder.path().join("buckets/%2E/journal.db"), "").unwrap();
        let after = digests(folder.path()).unwrap();
        assert_eq!(extra_files(&after), ["buckets/more", "shard-a.db-wal"]);
        assert_eq!(
            changes(&before, &after),
            [
                "buckets/%2E/journal.db is new",
                "buckets/%2E/shard-0.db is new",
                "buckets/more is new",
                "journal.db is new",
                "shard-a.db changed",
                "shard-a.db-wal is new"
            ]
        );
        assert_eq!(data(&after).len(), 2);
        let copied = folder.path().join("copy");
        copy(folder.path(), &after, &copied).unwrap();
        assert_eq!(digests(&copied).unwrap(), data(&after));
    }
}
