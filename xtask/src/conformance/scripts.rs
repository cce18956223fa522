//! Runs every script in every language and judges what is printed and what is left.

use super::compare::{self, dumps, rows};
use super::golden::Golden;
use super::json::{Json, brief};
use super::language::{self, Identity, Language};
use super::outcome::{Check, Outcome};
use super::served::Served;
use super::suite::{Script, Suite};
use super::{parallel, read, stash};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

/// A stash that a language left, with the digests it had then.
struct Left {
    language: &'static Language,
    directory: PathBuf,
    digests: BTreeMap<String, String>,
}

/// What came of reading a stash.
struct Dump {
    /// The rows, or why there are none.
    lines: Result<Vec<Json>, String>,
    /// What the reader changed, which it must not.
    changes: Vec<String>,
}

pub(super) fn check(ready: &[&'static Language], suite: &Suite, golden: &Golden) -> Result<Vec<Outcome>> {
    let root = tempfile::tempdir()?;
    let judge = Judge { ready, golden, root: root.path(), served: Served::default() };
    let outcomes = parallel::map(&suite.scripts, |script| judge.outcomes(script))?;
    let mut outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    for (language, problem) in judge.served.end()? {
        outcomes.push(Outcome::new(language, Check::Results, "end", Some(problem)));
    }
    Ok(outcomes)
}

struct Judge<'a> {
    ready: &'a [&'static Language],
    golden: &'a Golden,
    root: &'a Path,
    served: Served,
}

impl Judge<'_> {
    fn outcomes(&self, script: &Script) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        let mut all_left = Vec::new();
        let can = |language: &&Language| !language.lacks.iter().any(|name| script.uses(name));
        let ready: Vec<_> = self.ready.iter().copied().filter(can).collect();
        for &language in &ready {
            let directory = stash::directory(self.root, language.name, &script.id);
            let problem = match self.results(script, language, &directory) {
                Ok(results) => result_problem(script, &results),
                Err(error) => Some(format!("{error:#}")),
            };
            outcomes.push(Outcome::new(language.name, Check::Results, &script.id, problem));
            let digests = stash::digests(&directory)?;
            all_left.push(Left { language, directory, digests });
        }
        let reference = ready.iter().find(|language| language.name == language::REFERENCE);
        // Equal bytes checked once are checked.
        let mut checked: BTreeMap<&BTreeMap<String, String>, Option<String>> = BTreeMap::new();
        for left in &all_left {
            let mut add = |check, problem| {
                outcomes.push(Outcome::new(left.language.name, check, &script.id, problem));
            };
            add(Check::Files, files_problem(script, left, &all_left, self.golden)?);
            if let Some(measure) = measure(left.language, &all_left) {
                add(Check::Rows, rows::difference(&measure.directory, &left.directory));
            }
            if let Some(&reference) = reference {
                let problem = match checked.entry(&left.digests) {
                    Entry::Occupied(known) => known.get().clone(),
                    Entry::Vacant(unchecked) => {
                        unchecked.insert(self.stash_problem(reference, script, left)?).clone()
                    }
                };
                add(Check::Stash, problem);
            }
        }
        outcomes.extend(self.reads(script, &all_left)?);
        Ok(outcomes)
    }

    fn results(&self, script: &Script, language: &Language, directory: &Path) -> Result<Vec<Json>> {
        // Random bytes are counted from the start of a program.
        if script.encryption_key().is_some() {
            return read::lines(language.runner("script").arg(&script.file).arg(directory));
        }
        self.served.answer(language, &["script", text(&script.file)?, text(directory)?])?.lines()
    }

    /// What the reference's check says.
    fn stash_problem(&self, reference: &Language, script: &Script, left: &Left) -> Result<Option<String>> {
        if left.digests.is_empty() {
            // An empty stash may have no directory, and has no rows that could be unsound.
            return Ok(None);
        }
        let mut job = vec!["check", text(&left.directory)?];
        job.extend(script.encryption_key());
        let answer = self.served.answer(reference, &job)?;
        let said = String::from_utf8_lossy(&answer.printed);
        Ok(answer.failure.map(|failure| format!("{said}the reference {failure}")))
    }

    /// Lets every language read what every language wrote.
    fn reads(&self, script: &Script, all: &[Left]) -> Result<Vec<Outcome>> {
        // Equal bytes read once are read: the engine's languages leave one stash, not one each.
        let mut seen: BTreeMap<(&str, &BTreeMap<String, String>), Dump> = BTreeMap::new();
        for reader in all {
            for writer in all {
                if let Entry::Vacant(unseen) = seen.entry((reader.language.name, &writer.digests)) {
                    unseen.insert(self.dump(script, reader.language, writer)?);
                }
            }
        }
        let mut outcomes = Vec::new();
        for reader in all {
            let Some(measure) = measure(reader.language, all) else { continue };
            for writer in all {
                let expected = &seen[&(measure.language.name, &writer.digests)];
                let got = &seen[&(reader.language.name, &writer.digests)];
                let problem = read_problem(got, expected, measure.language.name);
                let case = format!("{}@{}", script.id, writer.language.name);
                outcomes.push(Outcome::new(reader.language.name, Check::Reads, case, problem));
            }
        }
        Ok(outcomes)
    }

    fn dump(&self, script: &Script, reader: &Language, writer: &Left) -> Result<Dump> {
        let copy = writer.directory.with_extension(reader.name);
        stash::copy(&writer.directory, &writer.digests, &copy)?;
        let before = stash::data(&writer.digests);
        let mut job = vec!["dump", text(&copy)?];
        job.extend(script.encryption_key());
        let lines = self.served.answer(reader, &job).and_then(|answer| answer.lines());
        let lines = lines.map_err(|error| format!("{error:#}"));
        Ok(Dump { lines, changes: stash::changes(&before, &stash::digests(&copy)?) })
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// How the results differ from those of the script.
pub(super) fn result_problem(script: &Script, results: &[Json]) -> Option<String> {
    let mut lines = Vec::new();
    for (index, (operation, expected)) in script.operations.iter().zip(&script.results).enumerate() {
        let got = results.get(index);
        if got != Some(expected) {
            let got = got.map_or_else(|| "nothing".to_owned(), Json::to_string);
            lines.push(format!(
                "operation {index}: {}\nexpected {}\ngot      {}",
                brief(operation),
                brief(&expected.to_string()),
                brief(&got)
            ));
        }
    }
    if results.len() > script.operations.len() {
        lines.push(format!("{} results too many", results.len() - script.operations.len()));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// What is wrong with the files: names for every language, bytes where the contract promises them.
fn files_problem(script: &Script, left: &Left, all: &[Left], golden: &Golden) -> Result<Option<String>> {
    let mut lines = Vec::new();
    for name in stash::extra_files(&left.digests) {
        lines.push(format!("{name} was left there"));
    }
    let Some(wanted) = golden.files(&script.id) else {
        lines.push("there are no golden digests".to_owned());
        return Ok(Some(lines.join("\n")));
    };
    let shards = stash::data(&left.digests);
    for name in wanted.keys().filter(|name| !shards.contains_key(*name)) {
        lines.push(format!("{name} is missing"));
    }
    for (name, digest) in &shards {
        match wanted.get(name) {
            None => lines.push(format!("{name} should not be there")),
            Some(wanted)
                if (left.language.identity == Identity::Files || name == stash::KEYRING)
                    && wanted != digest =>
            {
                lines.push(format!("{name} has SHA-256 {digest}, the golden one is {wanted}"));
                lines.push(explain_bytes(name, left, all, golden));
            }
            Some(_) => {}
        }
    }
    Ok((!lines.is_empty()).then(|| lines.join("\n")))
}

/// The golden digest is no file; but where another language wrote other bytes, the two can be compared.
fn explain_bytes(name: &str, left: &Left, all: &[Left], golden: &Golden) -> String {
    let digest = left.digests.get(name);
    let other = all.iter().find(|other| {
        other.language.identity == Identity::Files
            && other.digests.contains_key(name)
            && other.digests.get(name) != digest
    });
    match other {
        Some(other) => {
            let difference = compare::files(&other.directory.join(name), &left.directory.join(name));
            format!("compared with {}:\n{difference}", other.language.name)
        }
        None if golden.sqlite != litestash_core::sqlite_version() => format!(
            "the golden files are of SQLite {}, this engine has {}: cargo xtask codegen",
            golden.sqlite,
            litestash_core::sqlite_version()
        ),
        None => {
            "every language on the engine wrote these bytes; `rows` says whether the rows differ".to_owned()
        }
    }
}

/// The language that this one is measured against: one of the other kind where there is one.
fn measure<'a>(language: &Language, all: &'a [Left]) -> Option<&'a Left> {
    all.iter()
        .filter(|other| other.language.is_measure && other.language.name != language.name)
        .max_by_key(|other| other.language.identity != language.identity)
}

fn read_problem(got: &Dump, expected: &Dump, measure: &str) -> Option<String> {
    let mut problems = Vec::new();
    if !got.changes.is_empty() {
        problems.push(format!("reading changed the stash: {}", got.changes.join(", ")));
    }
    match (&got.lines, &expected.lines) {
        (Err(problem), _) => problems.push(problem.clone()),
        (Ok(_), Err(_)) => problems.push(format!("{measure} cannot read it")),
        (Ok(got), Ok(expected)) => {
            let difference = dumps::difference(expected, got);
            problems.extend(difference.map(|difference| format!("compared with {measure}:\n{difference}")));
        }
    }
    (!problems.is_empty()).then(|| problems.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_results_are_named_with_their_operation() {
        let parse = |texts: &[&str]| texts.iter().map(|text| Json::parse(text).unwrap()).collect::<Vec<_>>();
        let script = Script {
            operations: vec![r#"{"op":"len"}"#.to_owned(), r#"{"op":"get","key":"k"}"#.to_owned()],
            results: parse(&["1", "null"]),
            ..Script::empty("001_a")
        };
        assert_eq!(result_problem(&script, &parse(&["1", "null"])), None);
        let problem = result_problem(&script, &parse(&["1", "2"])).unwrap();
        assert_eq!(problem, "operation 1: {\"op\":\"get\",\"key\":\"k\"}\nexpected null\ngot      2");
        assert!(result_problem(&script, &parse(&["1"])).unwrap().contains("got      nothing"));
        assert!(result_problem(&script, &parse(&["1", "null", "3"])).unwrap().contains("1 results too many"));
        assert!(result_problem(&script, &parse(&["1.0", "null"])).is_some());
    }

    #[test]
    fn a_reader_answers_for_what_it_printed_and_what_it_changed() {
        let dump = |lines: &str, changes: &[&str]| Dump {
            lines: Ok(vec![Json::parse(lines).unwrap()]),
            changes: changes.iter().map(|change| (*change).to_owned()).collect(),
        };
        let (row, other) = (r#"{"key":"a","value":1}"#, r#"{"key":"a","value":2}"#);
        let sound = dump(row, &[]);
        assert_eq!(read_problem(&dump(row, &[]), &sound, "rust"), None);
        assert_eq!(read_problem(&sound, &dump(row, &["x is new"]), "rust"), None);
        assert!(read_problem(&dump(row, &["x is new"]), &sound, "rust").unwrap().contains("x is new"));
        assert!(read_problem(&dump(other, &[]), &sound, "rust").unwrap().contains("row \"a\""));
        let unread = Dump { lines: Err("no".to_owned()), changes: Vec::new() };
        assert_eq!(read_problem(&unread, &sound, "rust").unwrap(), "no");
        assert_eq!(read_problem(&sound, &unread, "rust").unwrap(), "rust cannot read it");
    }
}
