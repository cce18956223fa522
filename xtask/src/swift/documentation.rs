//! The documentation of the Swift package: every public name has some, and DocC can make pages of it.

use crate::process;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;

/// Where that Debian keeps the tools that are not on its search path.
const TOOLS: &str = "/usr/libexec/swift/bin";

/// Looks through what was built last.
pub(super) fn check() -> Result<()> {
    let scratch = std::path::absolute(super::scratch())?;
    let graphs = scratch.join("symbols");
    std::fs::create_dir_all(&graphs)?;
    let text = |path: &Path| path.display().to_string();
    let package = std::path::absolute(super::FOLDER)?;
    let extract = [
        &format!("{TOOLS}/swift-symbolgraph-extract"),
        "-module-name",
        "LiteStash",
        "-I",
        &text(&scratch.join("debug/Modules")),
        "-I",
        &text(&package.join("Sources/CLiteStash")),
        "-output-dir",
        &text(&graphs),
        "-minimum-access-level",
        "public",
        "-target",
        "x86_64-pc-linux-gnu",
    ];
    process::run(&mut super::inside(&extract.map(str::to_owned))?)?;
    // The other files are about what the package adds to types of others.
    let graph = graphs.join("LiteStash.symbols.json");
    let graph = std::fs::read(&graph).with_context(|| text(&graph))?;
    let (names, bare) = undocumented(&serde_json::from_slice(&graph)?)?;
    ensure!(bare.is_empty(), "public names of the Swift package without documentation: {}", bare.join(", "));
    let convert = [
        &format!("{TOOLS}/docc"),
        "convert",
        &text(&package.join("Sources/LiteStash/LiteStash.docc")),
        "--additional-symbol-graph-dir",
        &text(&graphs),
        "--fallback-display-name",
        "LiteStash",
        "--fallback-bundle-identifier",
        "io.github.litestash",
        "--output-path",
        &text(&scratch.join("LiteStash.doccarchive")),
        "--warnings-as-errors",
    ];
    process::run(&mut super::inside(&convert.map(str::to_owned))?)?;
    println!("documentation of the Swift package: {names} names, and DocC's pages");
    Ok(())
}

/// How many names there are, and those without documentation.
fn undocumented(graph: &Value) -> Result<(usize, Vec<String>)> {
    let symbols = graph["symbols"].as_array().context("no symbols in the graph")?;
    let mut own = 0;
    let mut bare = Vec::new();
    for symbol in symbols {
        // What the compiler or a protocol's extension adds to a type.
        if symbol["identifier"]["precise"].as_str().is_some_and(|name| name.contains("::SYNTHESIZED::")) {
            continue;
        }
        own += 1;
        if symbol.get("docComment").is_none() {
            let path = symbol["pathComponents"].as_array().into_iter().flatten();
            bare.push(path.filter_map(Value::as_str).collect::<Vec<_>>().join("."));
        }
    }
    ensure!(own > 0, "the graph has no names");
    Ok((own, bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_documentation_are_found() {
        let graph = serde_json::json!({"symbols": [
            {"identifier": {"precise": "s:1"}, "pathComponents": ["A", "b"], "docComment": {}},
            {"identifier": {"precise": "s:2"}, "pathComponents": ["A", "c"]},
            {"identifier": {"precise": "s:3::SYNTHESIZED::s:1"}, "pathComponents": ["A", "hash"]},
        ]});
        assert_eq!(undocumented(&graph).unwrap(), (2, vec!["A.c".to_owned()]));
        assert!(undocumented(&serde_json::json!({"symbols": []})).is_err());
    }
}
