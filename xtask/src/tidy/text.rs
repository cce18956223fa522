//! Text of every kind, and Rust in particular.

use super::{File, is_test, without_tests};

const LINE_CHARACTERS_MAX: usize = 120;
const FILE_LINES_MAX: usize = 600;
const FILE_BYTES_MAX: usize = 4 << 20;

/// What no file holds. Written in halves, so that this file holds none of it either.
const WORDS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "do it, or leave it"),
    (concat!("FIX", "ME"), "do it, or leave it"),
    (concat!("db", "g!"), "left from looking for a fault"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
    (concat!("/Us", "ers/"), "a path of one machine"),
];

/// No line of Rust is long, and none holds a tab.
pub(super) fn rust_lines(file: &File) -> Vec<String> {
    let text = if file.is("rs") { file.text().unwrap_or_default() } else { "" };
    let mut problems = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.chars().count() > LINE_CHARACTERS_MAX {
            problems.push(format!(":{number}: longer than {LINE_CHARACTERS_MAX} characters"));
        }
        if line.contains('\t') {
            problems.push(format!(":{number}: a tab"));
        }
    }
    problems
}

/// No file of Rust is long, tests left out.
pub(super) fn rust_length(file: &File) -> Vec<String> {
    let text = if file.is("rs") && !is_test(&file.path) { file.text().unwrap_or_default() } else { "" };
    let lines = without_tests(text).lines().count();
    if lines > FILE_LINES_MAX {
        vec![format!(": {lines} lines; at most {FILE_LINES_MAX}")]
    } else {
        Vec::new()
    }
}

pub(super) fn words(file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, number) in file.text().unwrap_or_default().lines().zip(1..) {
        for (word, reason) in WORDS.iter().filter(|(word, _)| line.contains(word)) {
            problems.push(format!(":{number}: {word}: {reason}"));
        }
    }
    problems
}

pub(super) fn last_line(file: &File) -> Vec<String> {
    let unended = file.text().is_some_and(|text| !text.is_empty() && !text.ends_with('\n'));
    if unended { vec![": the last line has no end".to_owned()] } else { Vec::new() }
}

pub(super) fn size(file: &File) -> Vec<String> {
    let bytes = file.bytes.len();
    if bytes > FILE_BYTES_MAX {
        vec![format!(": {bytes} bytes; at most {FILE_BYTES_MAX}")]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::given;
    use super::*;

    #[test]
    fn long_lines_and_tabs_are_reported() {
        assert!(rust_lines(&given("a.rs", &"é".repeat(120))).is_empty());
        assert_eq!(rust_lines(&given("a.rs", &"x".repeat(121))).len(), 1);
        assert_eq!(rust_lines(&given("a.rs", "\n\tx\n")), [":2: a tab"]);
        assert!(rust_lines(&given("a.py", "\tx\n")).is_empty());
    }

    #[test]
    fn long_files_are_reported_but_not_long_tests() {
        let (code, tests) =
            ("x\n".repeat(600), "\n#[cfg(test)]\nmod tests {\n".to_owned() + &"x\n".repeat(600));
        assert!(rust_length(&given("src/a.rs", &(code.clone() + &tests))).is_empty());
        assert_eq!(rust_length(&given("src/a.rs", &(code.clone() + "x\n"))).len(), 1);
        assert!(rust_length(&given("tests/it/a.rs", &(code + "x\n"))).is_empty());
    }

    #[test]
    fn forbidden_words_are_named_with_their_line() {
        for (word, _) in WORDS {
            let problems = words(&given("a.md", &format!("first\nsecond {word} end\n")));
            assert!(problems.len() == 1 && problems[0].starts_with(":2: "), "{problems:?}");
        }
    }

    #[test]
    fn the_end_of_a_file() {
        assert_eq!(last_line(&given("a", "x")).len(), 1);
        assert!(last_line(&given("a", "x\n")).is_empty() && last_line(&given("a", "")).is_empty());
        assert!(last_line(&File { path: "a.db".to_owned(), bytes: vec![0, 1] }).is_empty());
        assert_eq!(size(&File { path: "a.db".to_owned(), bytes: vec![0; FILE_BYTES_MAX + 1] }).len(), 1);
    }
}
