//! `cargo xtask test`: everything that must hold before a change is merged.

use crate::{
    ahead, armour, capi, codegen, coherence, conformance, crash, elixir, evict, expiry, fuzz, instructions,
    kotlin, node, powercut, process, python, setup, soak, swift, table, tidy, transactions,
};
use anyhow::{Result, bail, ensure};
use clap::builder::PossibleValuesParser;
use std::time::{Duration, Instant};

/// Run all checks and tests
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fail if something cannot run here
    #[arg(long)]
    require_all: bool,
    /// Only this step, by its name; may be given several times
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.iter().map(|step| step.name)))]
    only: Vec<String>,
}

impl Arguments {
    fn wants(&self, step: &Step) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == step.name)
    }
}

/// A step, by its name; `fatal` ones end the run, because all later ones would fail for the same reason.
struct Step {
    name: &'static str,
    fatal: bool,
    run: fn(&Arguments) -> Result<()>,
}

impl Step {
    const fn new(name: &'static str, run: fn(&Arguments) -> Result<()>) -> Self {
        Self { name, fatal: false, run }
    }
}

const STEPS: &[Step] = &[
    Step::new("format", |_| cargo("fmt", &["--all", "--check"])),
    Step { name: "build", fatal: true, run: |_| cargo("test", &["--quiet", "--workspace", "--no-run"]) },
    Step::new("lints", |_| cargo("clippy", &["--workspace", "--all-targets", "--", "-D", "warnings"])),
    Step::new("tidy", |_| tidy::run(&tidy::Arguments {})),
    Step::new("generated files", |_| codegen::run(&codegen::Arguments { check: true })),
    Step::new("tests", |_| {
        // Many tests wait for other processes and for time to pass.
        process::run(process::cargo().env("RUST_TEST_THREADS", "6").args(["test", "--workspace"]))
    }),
    Step::new("tests of the command line's conformance feature", |_| {
        cargo("test", &["--package", "litestash-cli", "--features", "conformance"])
    }),
    Step::new("tests of the reference", |_| {
        process::run(process::python().args(["-m", "unittest", "discover", "-s", "conformance/reference"]))
    }),
    Step::new("C", |_| capi::run(&capi::Arguments::tests())),
    Step::new("Node binding", |arguments| node::test(arguments.require_all)),
    Step::new("Python binding", |arguments| python::test(arguments.require_all)),
    Step::new("Elixir binding", |arguments| elixir::test(arguments.require_all)),
    Step::new("Kotlin binding", |arguments| kotlin::test(arguments.require_all)),
    Step::new("Swift package", |arguments| swift::test(arguments.require_all)),
    Step::new("conformance", |arguments| {
        conformance::run(&conformance::Arguments::all(arguments.require_all))
    }),
    Step::new("crash", |_| crash::run(&crash::Arguments::short())),
    Step::new("expiry", |_| expiry::run(&expiry::Arguments::short())),
    Step::new("transactions", |_| transactions::run(&transactions::Arguments::short())),
    Step::new("coherence", |_| coherence::run(&coherence::Arguments::short())),
    Step::new("armour", |_| armour::run(&armour::Arguments::short())),
    Step::new("powercut", |_| powercut::run(&powercut::Arguments::short())),
    Step::new("soak", |_| soak::run(&soak::Arguments::short())),
    Step::new("evict", |_| evict::run(&evict::Arguments::short())),
    Step::new("instructions", |_| instructions::run(&instructions::Arguments::compare())),
    Step::new("fuzz", |_| fuzz::run(&fuzz::Arguments::short())),
    Step::new("documentation", |_| {
        process::run(process::cargo().env("RUSTDOCFLAGS", "-D warnings").args([
            "doc",
            "--workspace",
            "--no-deps",
        ]))
    }),
];

/// What no program of a run takes, not even on a slow machine.
const LIMIT: Duration = Duration::from_secs(15 * 60);

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    process::limit_each(LIMIT);
    let missing = setup::prepare()?;
    for problem in &missing {
        println!("MISSING: {problem}");
    }
    ensure!(
        missing.is_empty() || !arguments.require_all,
        "--require-all: {} programs are missing",
        missing.len()
    );
    if arguments.only.is_empty() {
        ahead::fetch();
    }
    let summary = run_steps(STEPS, arguments);
    println!("\n{}", table::render(&summary.lines));
    if !summary.failed.is_empty() {
        bail!("failed: {}", summary.failed.join(", "));
    }
    println!("{}", if arguments.only.is_empty() { "all steps passed" } else { "the steps asked for passed" });
    Ok(())
}

struct Summary {
    lines: Vec<Vec<String>>,
    failed: Vec<&'static str>,
}

fn run_steps(steps: &[Step], arguments: &Arguments) -> Summary {
    let mut lines = vec![["step", "result", "seconds"].map(str::to_owned).to_vec()];
    let mut failed = Vec::new();
    let mut stopped = false;
    for step in steps.iter().filter(|step| arguments.wants(step)) {
        if stopped {
            lines.push(line(step.name, "not run", None));
            continue;
        }
        println!("\n=== {} ===", step.name);
        let started = Instant::now();
        let result = (step.run)(arguments);
        let took = started.elapsed();
        let verdict = match result {
            Ok(()) => "passed",
            Err(error) => {
                println!("error: {error:#}");
                failed.push(step.name);
                stopped = step.fatal;
                "FAILED"
            }
        };
        println!("=== {}: {verdict} after {:.1} s ===", step.name, took.as_secs_f64());
        lines.push(line(step.name, verdict, Some(took)));
    }
    Summary { lines, failed }
}

fn line(name: &str, verdict: &str, took: Option<Duration>) -> Vec<String> {
    let seconds = took.map_or_else(String::new, |took| format!("{:.1}", took.as_secs_f64()));
    vec![name.to_owned(), verdict.to_owned(), seconds]
}

fn cargo(command: &str, arguments: &[&str]) -> Result<()> {
    process::run(process::cargo().arg(command).args(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_steps_run_after_a_failure_unless_it_is_fatal() {
        let steps = [
            Step::new("a", |_| bail!("no")),
            Step::new("b", |_| Ok(())),
            Step { name: "c", fatal: true, run: |_| bail!("no") },
            Step::new("d", |_| Ok(())),
        ];
        let summary = run_steps(&steps, &Arguments { require_all: false, only: Vec::new() });
        assert_eq!(summary.failed, ["a", "c"]);
        let verdicts: Vec<_> = summary.lines.iter().skip(1).map(|line| line[1].as_str()).collect();
        assert_eq!(verdicts, ["FAILED", "passed", "FAILED", "not run"]);
    }

    #[test]
    fn only_the_steps_asked_for_run() {
        let steps = [Step::new("a", |_| bail!("no")), Step::new("b", |_| Ok(()))];
        let summary = run_steps(&steps, &Arguments { require_all: false, only: vec!["b".to_owned()] });
        assert_eq!((summary.failed.len(), summary.lines.len()), (0, 2));
    }
}
