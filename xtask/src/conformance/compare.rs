//! Says how two shard files, or two dumps, differ.

pub(super) mod dumps;
mod header;
mod pages;
pub(super) mod rows;

#[cfg(test)]
mod tests;

use std::path::Path;

/// Differences shown of one kind; the others are only counted.
const SHOWN_MAX: usize = 5;

/// How two shard files differ: header by field, pages, rows.
pub(super) fn files(expected: &Path, got: &Path) -> String {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let (old, new) = match (read(expected), read(got)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(problem), _) | (_, Err(problem)) => return problem,
    };
    let mut lines = header::differences(&old, &new);
    lines.extend(pages::differences(&old, &new));
    if lines.is_empty() {
        return "equal bytes".to_owned();
    }
    match rows::in_file(expected, got) {
        Ok(rows) if rows.is_empty() => lines.push("all rows are equal".to_owned()),
        Ok(rows) => lines.extend(shown(rows)),
        Err(error) => lines.push(format!("the rows cannot be compared: {error:#}")),
    }
    lines.join("\n")
}

/// The first differences, and how many more there are.
fn shown(mut differences: Vec<String>) -> Vec<String> {
    let all = differences.len();
    differences.truncate(SHOWN_MAX);
    if all > SHOWN_MAX {
        differences.push(format!("… and {} more", all - SHOWN_MAX));
    }
    differences
}
