//! Progress of long work, on standard error, if that is a terminal.

use crate::app::App;
use crate::units;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// A bar, a spinner, or nothing.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
}

impl Progress {
    /// Whether anybody would see it.
    pub(crate) fn is_wanted(app: &App) -> bool {
        !app.json() && std::io::stderr().is_terminal()
    }

    /// Nothing to see, for work whose own output goes to the terminal.
    pub(crate) fn hidden() -> Self {
        Self { bar: None, begun: Instant::now() }
    }

    /// Of so many bytes, or of an unknown number.
    pub(crate) fn of_bytes(app: &App, total: Option<u64>) -> Self {
        let template = match total {
            Some(_) => "{bar:30.cyan/dim} {bytes} of {total_bytes}  {msg}  {eta} left",
            None => "{spinner} {bytes}  {msg}",
        };
        Self::new(app, total, template)
    }

    /// Of so many rows, or of an unknown number.
    pub(crate) fn of_rows(app: &App, total: Option<u64>) -> Self {
        let template = match total {
            Some(_) => "{bar:30.cyan/dim} {msg}  {eta} left",
            None => "{spinner} {msg}",
        };
        Self::new(app, total, template)
    }

    fn new(app: &App, total: Option<u64>, template: &str) -> Self {
        let bar = Self::is_wanted(app).then(|| {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, begun: Instant::now() }
    }

    /// So far: the position in the bar's unit, and rows.
    pub(crate) fn set(&self, position: u64, rows: u64) {
        if let Some(bar) = &self.bar {
            let rate = units::per_second(rows, self.elapsed());
            bar.set_position(position);
            bar.set_message(format!("{}, {}/s", units::counted(rows, "row"), units::count(rate)));
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Takes the bar away, so that a summary can stand in its place.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
