//! Known failures: `conformance/known_failures/LANGUAGE.txt`, one `check/case` on a
//! line, `#` before a comment.

use super::outcome::{Outcome, Verdict};
use anyhow::{Context, Result};
use std::collections::BTreeSet;

/// Excuses what is listed for that language. A listed case that passes, or that does not exist, fails.
pub(super) fn apply(language: &'static str, outcomes: &mut [Outcome]) -> Result<()> {
    let path = format!("conformance/known_failures/{language}.txt");
    match std::fs::read_to_string(&path) {
        Ok(text) => excuse(language, &text, outcomes).with_context(|| path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).context(path),
    }
}

fn excuse(language: &str, text: &str, outcomes: &mut [Outcome]) -> Result<()> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or("").trim());
    let mut listed: BTreeSet<_> = lines.filter(|line| !line.is_empty()).collect();
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.language == language) {
        if listed.remove(outcome.id().as_str()) {
            outcome.verdict = match outcome.verdict {
                Verdict::Passed => Verdict::Failed(
                    "passes, but is listed as a known failure: remove it from the list".to_owned(),
                ),
                _ => Verdict::Known,
            };
        }
    }
    anyhow::ensure!(listed.is_empty(), "no such case: {}", listed.into_iter().collect::<Vec<_>>().join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Check;
    use super::*;

    #[test]
    fn listed_cases_must_fail_and_exist() {
        let problem = || Some("wrong".to_owned());
        let mut outcomes = [
            Outcome::new("rust", Check::Results, "001_a", problem()),
            Outcome::new("rust", Check::Results, "002_b", None),
            Outcome::new("cli", Check::Results, "001_a", problem()),
        ];
        excuse("rust", "# why\nresults/001_a # reason\nresults/002_b\n", &mut outcomes).unwrap();
        assert_eq!(outcomes[0].verdict, Verdict::Known);
        assert!(matches!(outcomes[1].verdict, Verdict::Failed(_)));
        assert_eq!(outcomes[2].verdict, Verdict::Failed("wrong".to_owned()));
        assert!(excuse("rust", "results/999_x", &mut outcomes).is_err());
    }
}
