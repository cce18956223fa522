//! The layout of the demo's report.

use crate::app::App;
use crate::failure::Failure;
use crate::style::Style;
use std::fmt::Display;
use std::path::Path;

/// Width of the calls in the left column.
const CALL_WIDTH: usize = 46;

/// Sections of lines on standard output.
pub(super) struct Report<'a> {
    app: &'a mut App,
}

impl<'a> Report<'a> {
    pub(super) fn new(app: &'a mut App) -> Self {
        Self { app }
    }

    pub(super) fn style(&self) -> Style {
        self.app.out_style
    }

    pub(super) fn title(&mut self, directory: &Path, run: i64) -> Result<(), Failure> {
        let title = self.style().bold("LiteStash demo");
        let place = match run {
            1 => format!("a new stash in {}", directory.display()),
            _ => format!(
                "the stash of an earlier demo in {}, now for the {} time",
                directory.display(),
                ordinal(run)
            ),
        };
        self.app.out.line(format_args!("{title}: {place}"))
    }

    /// The head of a section.
    pub(super) fn section(&mut self, title: impl Display) -> Result<(), Failure> {
        let title = self.style().bold(title);
        self.app.out.line(format_args!("\n{title}"))
    }

    /// A line of its own.
    pub(super) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        self.app.out.line(format_args!("  {text}"))
    }

    /// A call and what came of it.
    pub(super) fn call(&mut self, call: impl Display, result: impl Display) -> Result<(), Failure> {
        let call = self.style().cyan(format_args!("{:<CALL_WIDTH$}", call.to_string()));
        self.line(format_args!("{call}  {result}"))
    }

    /// Lines that are indented as a whole.
    pub(super) fn block(&mut self, lines: &str) -> Result<(), Failure> {
        lines.lines().try_for_each(|line| self.line(line))
    }
}

fn ordinal(number: i64) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn ordinals() {
        for (number, text) in
            [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (112, "112th"), (121, "121st")]
        {
            assert_eq!(super::ordinal(number), text);
        }
    }
}
