//! Manifests and lock files.

use super::File;

/// Crates outside the workspace cannot inherit from it.
const OUTSIDE: &[&str] = &["crates/litestash-core/fuzz/Cargo.toml"];

/// Every crate has the workspace's lints.
pub(super) fn lints(file: &File) -> Vec<String> {
    let Some(text) = file.text().filter(|_| file.path.ends_with("Cargo.toml")) else {
        return Vec::new();
    };
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_crate = lines.contains(&"[package]") && !OUTSIDE.contains(&file.path.as_str());
    let has_lints = lines.windows(2).any(|pair| pair == ["[lints]", "workspace = true"]);
    if is_crate && !has_lints { vec![": no `[lints] workspace = true`".to_owned()] } else { Vec::new() }
}

/// Lock files name the public registries and no mirror of them.
pub(super) fn sources(file: &File) -> Vec<String> {
    let (mark, public): (_, &[&str]) = match file.path.rsplit('/').next() {
        Some("Cargo.lock") => ("source = \"", &["registry+https://github.com/rust-lang/crates.io-index"]),
        Some("package-lock.json") => ("\"resolved\": \"", &["https://registry.npmjs.org/"]),
        _ => return Vec::new(),
    };
    let sources = file.text().into_iter().flat_map(str::lines).enumerate();
    sources
        .filter_map(|(index, line)| line.split_once(mark).map(|(_, source)| (index, source)))
        .filter(|(_, source)| !public.iter().any(|public| source.starts_with(public)))
        .map(|(index, source)| {
            format!(":{}: no public registry: {}", index + 1, source.trim_end_matches('"'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::given;
    use super::*;

    #[test]
    fn crates_have_the_workspaces_lints() {
        assert!(lints(&given("a/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n")).is_empty());
        assert_eq!(lints(&given("a/Cargo.toml", "[package]\n[dependencies]\n")).len(), 1);
        assert!(lints(&given("Cargo.toml", "[workspace]\n")).is_empty());
    }

    #[test]
    fn lock_files_name_public_registries() {
        let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert!(sources(&given("Cargo.lock", public)).is_empty());
        assert_eq!(
            sources(&given("Cargo.lock", "\nsource = \"registry+https://mirror.example\"\n")).len(),
            1
        );
        assert_eq!(
            sources(&given("p/package-lock.json", "  \"resolved\": \"https://mirror.example/a\"\n")).len(),
            1
        );
    }
}
