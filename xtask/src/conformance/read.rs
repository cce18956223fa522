//! Runs a runner and reads its lines.

use super::json::Json;
use crate::process;
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::Duration;

/// Longer than any script takes on a slow machine, short enough to notice a runner that hangs.
pub(super) const LIMIT: Duration = Duration::from_secs(600);

/// The lines that a runner prints, which must succeed. The error says what went wrong in the runner.
pub(super) fn lines(runner: &mut Command) -> Result<Vec<Json>> {
    let output = process::output(runner, LIMIT)?;
    ensure!(output.status.success(), "the runner ended with {}: {}", output.status, output.complaint());
    parse(&output.stdout)
}

/// The lines of what a runner printed.
pub(super) fn parse(printed: &[u8]) -> Result<Vec<Json>> {
    let text = std::str::from_utf8(printed).context("the runner printed what is not UTF-8")?;
    ensure!(text.is_empty() || text.ends_with('\n'), "the runner's last line has no end");
    let parse = |(line, number): (&str, usize)| Json::parse(line).with_context(|| format!("line {number}"));
    text.split_terminator('\n').zip(1..).map(parse).collect()
}
