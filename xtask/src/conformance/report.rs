//! The table of all languages, the explanations, and the closing line.

use super::outcome::{Check, Outcome, Verdict};
use crate::table;
use std::fmt::Write;

#[derive(Default)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
    pub(super) outcomes: Vec<Outcome>,
    /// Whether a language that cannot run here fails the run.
    pub(super) require_all: bool,
}

/// A language, and why it was skipped if it was.
pub(super) struct Row {
    pub(super) language: &'static str,
    pub(super) skipped: Option<&'static str>,
}

impl Report {
    pub(super) fn failed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Failed(_)))
            + if self.require_all { self.skipped_languages() } else { 0 }
    }

    fn count(&self, which: impl Fn(&Verdict) -> bool) -> usize {
        self.outcomes.iter().filter(|outcome| which(&outcome.verdict)).count()
    }

    fn skipped_languages(&self) -> usize {
        self.rows.iter().filter(|row| row.skipped.is_some()).count()
    }

    pub(super) fn text(&self) -> String {
        let mut lines = vec![vec!["language".to_owned()]];
        lines[0].extend(Check::ALL.map(|check| check.name().to_owned()));
        lines.extend(self.rows.iter().map(|row| self.line(row)));
        let mut text = table::render(&lines);
        for outcome in &self.outcomes {
            // Writing to a String does not fail.
            let _ = match &outcome.verdict {
                Verdict::Passed => Ok(()),
                Verdict::Known => writeln!(text, "\nknown failure: {outcome}"),
                Verdict::Failed(problem) => {
                    writeln!(text, "\nFAILED {outcome}\n    {}", problem.replace('\n', "\n    "))
                }
            };
        }
        let known = self.count(|verdict| *verdict == Verdict::Known);
        let skipped = known + if self.require_all { 0 } else { self.skipped_languages() };
        let passed = self.count(|verdict| *verdict == Verdict::Passed);
        let _ = write!(text, "\n{passed} passed, {} failed", self.failed());
        let _ = if skipped > 0 { writeln!(text, ", {skipped} skipped") } else { writeln!(text) };
        text
    }

    fn line(&self, row: &Row) -> Vec<String> {
        if let Some(reason) = row.skipped {
            return vec![row.language.to_owned(), format!("SKIPPED: {reason}")];
        }
        let cell = |check| {
            let of_cell = |outcome: &&Outcome| outcome.language == row.language && outcome.check == check;
            let all: Vec<_> = self.outcomes.iter().filter(of_cell).collect();
            let passed = all.iter().filter(|outcome| outcome.verdict == Verdict::Passed).count();
            if all.is_empty() { "-".to_owned() } else { format!("{passed}/{}", all.len()) }
        };
        std::iter::once(row.language.to_owned()).chain(Check::ALL.map(cell)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_and_the_closing_line_sums() {
        let mut report = Report {
            rows: vec![
                Row { language: "rust", skipped: None },
                Row { language: "kotlin", skipped: Some("needs a JDK") },
            ],
            outcomes: vec![
                Outcome::new("rust", Check::Results, "001_a", None),
                Outcome::new("rust", Check::Results, "002_b", Some("one\ntwo".to_owned())),
            ],
            require_all: false,
        };
        let text = report.text();
        assert!(text.contains("rust      -        1/2      -"), "{text}");
        assert!(text.contains("kotlin    SKIPPED: needs a JDK\n"), "{text}");
        assert!(text.contains("\nFAILED rust results/002_b\n    one\n    two\n"), "{text}");
        assert!(text.ends_with("\n1 passed, 1 failed, 1 skipped\n"), "{text}");
        report.require_all = true;
        assert!(report.text().ends_with("\n1 passed, 2 failed\n"));
    }
}
