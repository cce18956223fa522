//! The vectors and scripts, as they stand in `conformance/`.

use super::json::Json;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) struct Suite {
    pub(super) vectors: Vec<Vectors>,
    pub(super) scripts: Vec<Script>,
}

/// A file of vectors.
pub(super) struct Vectors {
    pub(super) file: PathBuf,
    pub(super) kind: String,
    /// The cases as they stand, which hold the expected answer too.
    pub(super) cases: Vec<Json>,
}

pub(super) struct Script {
    pub(super) file: PathBuf,
    pub(super) id: String,
    pub(super) options: ScriptOptions,
    /// The operations as they stand.
    pub(super) operations: Vec<String>,
    pub(super) results: Vec<Json>,
}

#[derive(Deserialize)]
struct VectorsFile {
    kind: String,
    cases: Vec<Box<RawValue>>,
}

/// What the stash of a script is opened with.
type ScriptOptions = BTreeMap<String, serde_json::Value>;

#[derive(Deserialize)]
struct ScriptFile {
    id: String,
    #[serde(default)]
    options: ScriptOptions,
    operations: Vec<Box<RawValue>>,
    results: Vec<Box<RawValue>>,
}

impl Suite {
    pub(super) fn load() -> Result<Self> {
        let suite = Self {
            vectors: load_all("conformance/vectors", Vectors::parse)?,
            scripts: load_all("conformance/scripts", Script::parse)?,
        };
        ensure!(
            !suite.vectors.is_empty() && !suite.scripts.is_empty(),
            "the suite has no vectors or no scripts"
        );
        Ok(suite)
    }
}

fn load_all<T>(folder: &str, parse: fn(&Path, &str) -> Result<T>) -> Result<Vec<T>> {
    let entries = Path::new(folder).read_dir().with_context(|| folder.to_owned())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let load = |file: &PathBuf| {
        let text = std::fs::read_to_string(file)?;
        parse(file, &text)
    };
    files.iter().map(|file| load(file).with_context(|| file.display().to_string())).collect()
}

impl Vectors {
    fn parse(file: &Path, text: &str) -> Result<Self> {
        let VectorsFile { kind, cases } = serde_json::from_str(text)?;
        let cases = cases.iter().map(|raw| Json::from_raw(raw)).collect::<Result<Vec<_>>>()?;
        ensure!(!cases.is_empty(), "no cases");
        Ok(Self { file: file.to_owned(), kind, cases })
    }
}

/// What is asked of an operation.
#[derive(Deserialize)]
struct Operation<'a> {
    op: &'a str,
}

impl Script {
    /// The key that the stash is opened with.
    pub(super) fn encryption_key(&self) -> Option<&str> {
        self.options.get("encryption_key")?.as_str()
    }

    /// Whether it has an option or an operation of that name.
    pub(super) fn uses(&self, name: &str) -> bool {
        let is_operation = |text: &String| {
            serde_json::from_str(text).is_ok_and(|operation: Operation<'_>| operation.op == name)
        };
        self.options.contains_key(name) || self.operations.iter().any(is_operation)
    }

    fn parse(file: &Path, text: &str) -> Result<Self> {
        let ScriptFile { id, options, operations, results } = serde_json::from_str(text)?;
        ensure!(!operations.is_empty(), "no operations");
        ensure!(
            operations.len() == results.len(),
            "{} operations, {} results",
            operations.len(),
            results.len()
        );
        ensure!(file.file_stem().is_some_and(|stem| stem == id.as_str()), "the id is {id}");
        let results = results.iter().map(|raw| Json::from_raw(raw)).collect::<Result<_>>()?;
        let operations = operations.iter().map(|raw| raw.get().to_owned()).collect();
        Ok(Self { file: file.to_owned(), id, options, operations, results })
    }
}

#[cfg(test)]
impl Script {
    /// A script without options and operations.
    pub(super) fn empty(id: &str) -> Self {
        Self {
            file: id.into(),
            id: id.to_owned(),
            options: ScriptOptions::default(),
            operations: Vec::new(),
            results: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_options_and_operations() {
        let text =
            r#"{"id":"001_a","options":{"encryption_key":"00"},"operations":[{"op":"len"}],"results":[0]}"#;
        let script = Script::parse(Path::new("scripts/001_a.json"), text).unwrap();
        assert_eq!(script.encryption_key(), Some("00"));
        assert!(script.uses("encryption_key") && script.uses("len") && !script.uses("compression"));
    }

    #[test]
    fn a_script_has_one_result_for_each_operation() {
        let parse = |text: &str| Script::parse(Path::new("scripts/001_a.json"), text);
        assert!(parse(r#"{"id":"001_a","operations":[{"op":"len"}],"results":[0]}"#).is_ok());
        assert!(parse(r#"{"id":"001_a","operations":[{"op":"len"}],"results":[]}"#).is_err());
        assert!(parse(r#"{"id":"001_b","operations":[{"op":"len"}],"results":[0]}"#).is_err());
        assert!(parse(r#"{"id":"001_a","operations":[],"results":[]}"#).is_err());
    }
}
