//! Markdown: length of lines, and links that lead somewhere.

use super::File;
use std::path::{Component, Path, PathBuf};

const LINE_CHARACTERS_MAX: usize = 200;

/// Tables, links and code cannot be broken; everything else can.
pub(super) fn line_length(file: &File) -> Vec<String> {
    prose(file)
        .filter(|(_, line)| {
            !line.trim_start().starts_with('|') && !line.contains("](") && !line.contains("://")
        })
        .filter(|(_, line)| line.chars().count() > LINE_CHARACTERS_MAX)
        .map(|(number, _)| format!(":{number}: longer than {LINE_CHARACTERS_MAX} characters"))
        .collect()
}

/// Relative links name files that are there, and headings that are in them.
pub(super) fn links(file: &File) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let mut problems = Vec::new();
    for (number, line) in prose(file) {
        for target in targets(&without_code(line)) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let wanted = if path.is_empty() { PathBuf::from(&file.path) } else { plain(&folder.join(path)) };
            if !path.is_empty() && !wanted.exists() {
                problems.push(format!(":{number}: link to {target}, which is not there"));
            } else if !heading.is_empty() && wanted.extension().is_some_and(|extension| extension == "md") {
                let text = if path.is_empty() {
                    file.text().unwrap_or_default().to_owned()
                } else {
                    std::fs::read_to_string(&wanted).unwrap_or_default()
                };
                if !headings(&text).any(|found| found == heading) {
                    problems.push(format!(":{number}: link to {target}, which has no such heading"));
                }
            }
        }
    }
    problems
}

/// The numbered lines outside code blocks.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let text = if file.is("md") { file.text().unwrap_or_default() } else { "" };
    let mut fenced = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fence && !fenced && !line.starts_with("    ")).then_some((number, line))
    })
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("")
}

/// What `[text](target)` leads to, without addresses of other places.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let ends = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    ends.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

/// The path without `.` and `..`, so that links work although a folder on the way may be missing.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

/// The names by which links reach the headings of a page.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| line.strip_prefix('#')).map(|heading| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::super::given;
    use super::*;

    #[test]
    fn long_prose_is_reported() {
        let long = "word ".repeat(50);
        let count = |text: String| line_length(&given("docs/A.md", &text)).len();
        assert_eq!(count(long.clone()), 1);
        assert_eq!(count(format!("| {long} |")), 0);
        assert_eq!(count(format!("```\n{long}\n```\n")), 0);
        assert_eq!(count(format!("    {long}\n[a](b) {long}\n")), 0);
        assert!(line_length(&given("a.rs", &long)).is_empty());
    }

    #[test]
    fn links_lead_to_files_and_headings() {
        let page =
            "# A first, *second*\n[here](#a-first-second) [away](https://example.org/#x) `[code](nowhere)`\n";
        assert!(links(&given("A.md", page)).is_empty());
        assert_eq!(links(&given("A.md", "# A\n[here](#b)\n")).len(), 1);
        assert_eq!(links(&given("docs/A.md", "[b](no-such-file.md)\n")).len(), 1);
        assert!(links(&given("src/A.md", "[b](../Cargo.toml) [folder](../src)\n")).is_empty());
        assert_eq!(links(&given("src/A.md", "[b](Cargo.toml)\n")).len(), 1);
    }
}
