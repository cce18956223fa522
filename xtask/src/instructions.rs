//! `cargo xtask instructions`: the instructions of the hot paths against the committed counts.
//!
//! Unlike times, instructions are the same on a busy machine. They depend on the compiler, so the counts
//! say which one they are for.

use crate::{process, setup, table};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const COUNTS: &str = "bench/instructions/counts.json";

/// What the same program differs by from run to run is at most three in a hundred: maps with random seeds,
/// and the places of things in memory.
const TOLERANCE: f64 = 0.05;

const LIMIT: Duration = Duration::from_secs(600);

/// Count the instructions of the hot paths and compare them with the committed counts
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write the counts found, to be committed with the change that they come from
    #[arg(long)]
    bless: bool,
}

impl Arguments {
    /// What every run of the tests does.
    pub(crate) fn compare() -> Self {
        Self { bless: false }
    }
}

/// The committed file.
#[derive(Serialize, Deserialize)]
struct Counts {
    compiler: String,
    instructions_of_100_operations: BTreeMap<String, u64>,
    /// What they cost before the engine had sweeps, limits, buckets, events and encryption. A stash that uses none of
    /// that should pay at most two in a hundred more, which is printed but not judged: single runs differ by more.
    #[serde(default)]
    before_deadlines_limits_and_encryption: BTreeMap<String, u64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let committed = committed();
    let mut found = Counts {
        compiler: compiler()?,
        instructions_of_100_operations: count()?,
        before_deadlines_limits_and_encryption: BTreeMap::new(),
    };
    if arguments.bless {
        // Those that were counted once stay.
        let before = committed.map(|committed| committed.before_deadlines_limits_and_encryption);
        found.before_deadlines_limits_and_encryption = before.unwrap_or_default();
        std::fs::write(COUNTS, serde_json::to_string_pretty(&found)? + "\n")?;
        println!("wrote {COUNTS}");
        return Ok(());
    }
    let committed = committed?;
    let comparison = compare(&committed, &found);
    println!("{}", table::render(&comparison.lines));
    if committed.compiler != found.compiler {
        println!("NOT COMPARED: the counts are for {}, this is {}", committed.compiler, found.compiler);
        return Ok(());
    }
    ensure!(
        comparison.problems.is_empty(),
        "{}; if that is meant, `cargo xtask instructions --bless` and commit {COUNTS}",
        comparison.problems.join("; ")
    );
    Ok(())
}

fn committed() -> Result<Counts> {
    let text = std::fs::read_to_string(COUNTS).with_context(|| format!("{COUNTS}: see --bless"))?;
    serde_json::from_str(&text).context(COUNTS)
}

struct Comparison {
    lines: Vec<Vec<String>>,
    problems: Vec<String>,
}

fn compare(committed: &Counts, found: &Counts) -> Comparison {
    let mut lines =
        vec![["100 times", "committed", "found", "change", "to before"].map(str::to_owned).to_vec()];
    let mut problems = Vec::new();
    let (old, new) = (&committed.instructions_of_100_operations, &found.instructions_of_100_operations);
    for (name, &count) in new {
        let Some(&before) = old.get(name) else {
            problems.push(format!("{name} has no committed count"));
            continue;
        };
        let change = count as f64 / before as f64 - 1.0;
        if change > TOLERANCE {
            problems.push(format!("{name} takes {:.1} % more instructions", change * 100.0));
        }
        let hint = if change < -TOLERANCE { " (--bless keeps it so)" } else { "" };
        let change = format!("{:+.1} %{hint}", change * 100.0);
        let first = committed.before_deadlines_limits_and_encryption.get(name);
        let to_first = first.map_or_else(String::new, |&first| {
            format!("{:+.1} %", (count as f64 / first as f64 - 1.0) * 100.0)
        });
        lines.push(vec![name.clone(), before.to_string(), count.to_string(), change, to_first]);
    }
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    problems.extend(gone.map(|name| format!("{name} was not counted")));
    Comparison { lines, problems }
}

/// One line of what the runner prints, as far as it matters here.
#[derive(Deserialize)]
struct Counted {
    function_name: String,
    profiles: Vec<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    total: Total,
}

#[derive(Deserialize)]
struct Total {
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Metrics {
    #[serde(rename = "Ir")]
    instructions: Values,
}

#[derive(Deserialize)]
struct Values {
    values: New,
}

#[derive(Deserialize)]
struct New {
    new: u64,
}

fn count() -> Result<BTreeMap<String, u64>> {
    ensure!(setup::on_path("valgrind"), "valgrind is missing");
    let path = setup::path_with_tool("gungraun-runner", &locked_version("gungraun")?)?;
    let bench = |arguments: &[&str]| {
        let mut bench = process::cargo();
        let package =
            ["--profile", "release", "--package", "litestash-instructions", "--bench", "instructions"];
        bench.env("PATH", &path).args(["bench", "--quiet"]).args(package).args(arguments);
        bench
    };
    process::run(&mut bench(&["--no-run"]))?;
    let output = process::output(&mut bench(&["--", "--output-format=json"]), LIMIT)?;
    ensure!(output.status.success(), "the benchmark: {}", output.complaint());
    counts_in(&String::from_utf8(output.stdout)?)
}

fn counts_in(printed: &str) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for line in printed.lines().filter(|line| line.starts_with('{')) {
        let counted: Counted = serde_json::from_str(line).context("what the benchmark printed")?;
        let profile = counted.profiles.first().context("a benchmark without a profile")?;
        counts.insert(counted.function_name, profile.data.total.metrics.instructions.values.new);
    }
    ensure!(!counts.is_empty(), "the benchmark printed no counts");
    Ok(counts)
}

/// The runner must have the version of the library.
fn locked_version(name: &str) -> Result<String> {
    let lock = std::fs::read_to_string(Path::new("Cargo.lock"))?;
    let rest = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).map(|(_, rest)| rest);
    let version = rest.and_then(|rest| rest.split('"').next());
    Ok(version.with_context(|| format!("{name} is not in Cargo.lock"))?.to_owned())
}

/// Such as `rustc 1.95.0, x86_64-linux`.
fn compiler() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = process::output(Command::new(rustc).arg("--version"), LIMIT)?;
    let version = String::from_utf8(output.stdout)?;
    let version: Vec<_> = version.split(' ').take(2).collect();
    Ok(format!("{}, {}-{}", version.join(" "), std::env::consts::ARCH, std::env::consts::OS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> Counts {
        let of = of.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        Counts {
            compiler: String::new(),
            instructions_of_100_operations: of,
            before_deadlines_limits_and_encryption: BTreeMap::from([("get".to_owned(), 1_000)]),
        }
    }

    #[test]
    fn more_instructions_and_missing_counts_are_problems() {
        let committed = counts(&[("get", 1_000), ("set", 1_000)]);
        let comparison = compare(&committed, &counts(&[("get", 1_049), ("set", 10)]));
        assert!(comparison.problems.is_empty());
        assert_eq!(comparison.lines[1][3..], ["+4.9 %", "+4.9 %"]);
        assert_eq!(comparison.lines[2][4], "");
        assert_eq!(
            compare(&committed, &counts(&[("get", 1_051), ("miss", 1)])).problems,
            ["get takes 5.1 % more instructions", "miss has no committed count", "set was not counted"]
        );
    }

    #[test]
    fn counts_are_found_in_what_the_runner_prints() {
        let line = r#"{"function_name":"get","profiles":[{"data":{"parts":[],"total":{"metrics":
            {"Ir":{"values":{"new":7}}}}},"tool":"Callgrind"}],"version":"7"}"#;
        let printed = format!("noise\n{}\n", line.replace('\n', ""));
        assert_eq!(counts_in(&printed).unwrap(), BTreeMap::from([("get".to_owned(), 7)]));
        assert!(counts_in("").is_err());
    }
}
