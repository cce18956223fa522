//! The direction of dependencies inside the engine: `error`, `env` ← `contract` ←
//! `storage` ← `stash` ← `care`.

use super::{File, is_test, without_tests};
use std::path::Path;

const SOURCE: &str = "crates/litestash-core/src/";

/// A module, and the names its files must not use.
struct Layer {
    module: &'static str,
    forbidden_modules: &'static [&'static str],
    forbidden_names: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    Layer {
        module: "error",
        forbidden_modules: &["env", "contract", "storage", "stash", "care"],
        // An error knows what caused it, also where that is SQLite.
        forbidden_names: &["std::fs"],
    },
    Layer {
        module: "env",
        forbidden_modules: &["contract", "storage", "stash", "care"],
        forbidden_names: &["rusqlite", "std::fs"],
    },
    Layer {
        module: "contract",
        forbidden_modules: &["env", "storage", "stash", "care"],
        forbidden_names: &["rusqlite", "std::fs", "std::net", "std::time", "std::thread", "std::process"],
    },
    Layer { module: "storage", forbidden_modules: &["stash", "care"], forbidden_names: &[] },
    Layer { module: "stash", forbidden_modules: &["care"], forbidden_names: &[] },
];

pub(super) fn check(file: &File) -> Vec<String> {
    let (Some(inside), Some(text)) = (file.path.strip_prefix(SOURCE), file.text()) else {
        return Vec::new();
    };
    let module = inside.split(['/', '.']).next().unwrap_or(inside);
    let Some(layer) = LAYERS.iter().find(|layer| layer.module == module) else {
        return Vec::new();
    };
    if is_test(&file.path) {
        return Vec::new();
    }
    let code = without_comments(without_tests(text));
    let depth = module_depth(inside);
    let mut problems = Vec::new();
    for name in layer.forbidden_names.iter().filter(|name| has_path(&code, name)) {
        problems.push(format!(": {module} names {name}"));
    }
    for name in names_in_root(&code, depth) {
        if layer.forbidden_modules.contains(&name.as_str()) {
            problems.push(format!(": {module} names {name}, which is above it"));
        }
    }
    problems
}

/// How many `super` lead from this file's module to the crate's root.
fn module_depth(inside: &str) -> usize {
    let path = Path::new(inside).with_extension("");
    let parts = path.components().count();
    if path.ends_with("mod") { parts - 1 } else { parts }
}

fn without_comments(text: &str) -> String {
    let code = text.lines().map(|line| line.find("//").map_or(line, |at| &line[..at]));
    code.collect::<Vec<_>>().join("\n")
}

/// Whether the code holds that path, and not as the end or beginning of a longer name.
fn has_path(code: &str, path: &str) -> bool {
    let part_of_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(path).any(|(at, _)| {
        !part_of_name(code[..at].chars().next_back()) && !part_of_name(code[at + path.len()..].chars().next())
    })
}

/// The first names of all paths from the crate's root: `crate::NAME`, `crate::{NAME, …}`,
/// `super::super::NAME`.
fn names_in_root(code: &str, depth: usize) -> Vec<String> {
    let mut names = Vec::new();
    for root in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&root) {
            let rest = code[at + root.len()..].trim_start();
            match rest.strip_prefix('{') {
                Some(group) => names.append(&mut names_in_group(group)),
                None => names.push(first_name(rest)),
            }
        }
    }
    names
}

/// The first name of each member of `{a::b, c::{d, e}, f}`, whose opening brace was taken.
fn names_in_group(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.push(first_name(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::super::given;
    use super::*;

    fn check_count(path: &str, text: &str, expected: usize) {
        let problems = check(&given(&format!("{SOURCE}{path}"), text));
        assert_eq!(problems.len(), expected, "{path}: {text}: {problems:?}");
    }

    #[test]
    fn a_layer_names_only_what_is_below_it() {
        check_count("contract/key.rs", "use crate::error::Error;\nuse super::limits;\n", 0);
        check_count("contract/key.rs", "use crate::storage::row;\n", 1);
        check_count("contract/key.rs", "use super::super::storage::row;\n", 1);
        check_count("contract/typed/mod.rs", "use super::super::stash;\n", 1);
        check_count("contract/mod.rs", "use super::stash::LiteStash;\n", 1);
        check_count(
            "contract/key.rs",
            "use crate::{\n    error::{Error, Result},\n    stash::LiteStash,\n};\n",
            1,
        );
        check_count("contract/key.rs", "fn f() { std::fs::read(\"x\"); rusqlite::version(); }\n", 2);
        check_count(
            "storage/shard.rs",
            "use crate::contract::key::Key;\nuse super::row;\nuse rusqlite::params;\n",
            0,
        );
        check_count(
            "storage/shard.rs",
            "use crate::care::repair;\nfn f(s: &crate::stash::LiteStash) {}\n",
            2,
        );
        check_count("stash/open.rs", "use crate::care::verify;\n", 1);
        check_count("care/verify.rs", "use crate::stash::LiteStash;\n", 0);
        check_count("error.rs", "use crate::contract::key::Key;\n", 1);
    }

    #[test]
    fn comments_and_tests_may_speak_of_anything() {
        check_count("contract/key.rs", "//! Below crate::storage.\nfn f() {} // not std::fs\n", 0);
        check_count("contract/key.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n", 0);
        check_count("contract/typed/tests.rs", "use std::fs;\n", 0);
    }
}
