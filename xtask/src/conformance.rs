//! `cargo xtask conformance`: every language against the contract and against the others
//! (`conformance/README.md`).

mod compare;
pub(crate) mod golden;
mod json;
mod known;
mod language;
mod outcome;
mod parallel;
mod read;
mod report;
mod scripts;
mod served;
mod stash;
mod suite;
mod vectors;

use anyhow::{Context, Result, ensure};
use language::{Identity, LANGUAGES};
use outcome::{Check, Outcome};
use report::{Report, Row};
use suite::Suite;

/// Run the conformance suite
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fail if a language cannot run here
    #[arg(long)]
    require_all: bool,
    /// Judge one language only; others run where it is compared with them
    #[arg(long, value_name = "LANGUAGE", value_parser = clap::builder::PossibleValuesParser::new(language::names()))]
    only: Option<String>,
    /// First write the digests of the shard files anew
    #[arg(long)]
    update_golden: bool,
}

impl Arguments {
    /// Every language.
    pub(crate) fn all(require_all: bool) -> Self {
        Self { require_all, only: None, update_golden: false }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.update_golden {
        std::fs::write(golden::PATH, golden::generate()?).context(golden::PATH)?;
        println!("wrote {}", golden::PATH);
    }
    let suite = Suite::load()?;
    let golden = golden::Golden::load()?;
    let judged = |language: &str| arguments.only.as_deref().is_none_or(|only| only == language);
    let mut report = Report { require_all: arguments.require_all, ..Report::default() };
    let mut ready = Vec::new();
    for language in LANGUAGES.iter().filter(|language| judged(language.name) || language.is_measure) {
        match language.unavailable() {
            Some(reason) => report.rows.push(Row { language: language.name, skipped: Some(reason) }),
            None => {
                (language.build)().with_context(|| format!("building {}", language.name))?;
                report.rows.push(Row { language: language.name, skipped: None });
                ready.push(language);
            }
        }
    }
    ensure!(!ready.is_empty(), "no language can run here");
    let mut outcomes = Vec::new();
    for language in &ready {
        if language.vectors {
            outcomes.extend(vectors::check(language, &suite)?);
        }
        if language.identity == Identity::Files {
            outcomes.push(Outcome::new(language.name, Check::Files, "golden", golden.stale(&suite)));
        }
    }
    outcomes.extend(scripts::check(&ready, &suite, &golden)?);
    report.rows.retain(|row| judged(row.language));
    outcomes.retain(|outcome| judged(outcome.language));
    for language in ready.iter().filter(|language| judged(language.name)) {
        known::apply(language.name, &mut outcomes)?;
    }
    report.outcomes = outcomes;
    print!("{}", report.text());
    ensure!(report.failed() == 0, "the languages do not conform");
    Ok(())
}
