//! What was checked, and what came of it.

use std::fmt;

/// The kinds of checks: the columns of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// The runner's answer to a vector.
    Vectors,
    /// The runner's results of a script.
    Results,
    /// The shard files that a script leaves: no others, and for the engine's languages the golden bytes.
    Files,
    /// Their tables, compared with those of the other implementation.
    Rows,
    /// The reference's check of the stash.
    Stash,
    /// What the language reads from a stash that some language wrote.
    Reads,
}

impl Check {
    pub(super) const ALL: [Self; 6] =
        [Self::Vectors, Self::Results, Self::Files, Self::Rows, Self::Stash, Self::Reads];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Vectors => "vectors",
            Self::Results => "results",
            Self::Files => "files",
            Self::Rows => "rows",
            Self::Stash => "check",
            Self::Reads => "reads",
        }
    }
}

/// The outcome of one check of one case.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) language: &'static str,
    pub(super) check: Check,
    pub(super) case: String,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// With the explanation.
    Failed(String),
    /// Failed, and listed in `conformance/known_failures/`.
    Known,
}

impl Outcome {
    pub(super) fn new(
        language: &'static str,
        check: Check,
        case: impl Into<String>,
        problem: Option<String>,
    ) -> Self {
        let verdict = problem.map_or(Verdict::Passed, Verdict::Failed);
        Self { language, check, case: case.into(), verdict }
    }

    /// The name by which known failures list it: `results/001_overwrite`.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.check.name(), self.case)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.language, self.id())
    }
}
