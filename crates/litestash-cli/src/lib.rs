//! The command line of LiteStash: arguments, conversion and rendering around `litestash-core`.
//!
//! Programs use the core or a binding. The one part of this library made for others is [`ops`], which
//! performs the operations of `conformance/PROTOCOL.md` from their JSON form.

mod app;
mod args;
mod chart;
mod commands;
mod csv_rows;
mod duration;
mod exit;
mod failure;
mod key_arg;
pub mod ops;
mod output;
mod progress;
mod style;
mod units;
mod unlock;

use clap::Parser;
use std::process::ExitCode;

/// Runs the command line of this process and answers with its exit code.
pub fn main() -> ExitCode {
    // Usage errors, `--help` and `--version` end the process here.
    let cli = args::Cli::parse();
    cli.global.start_logging();
    let mut app = app::App::new(cli.global);
    let done = cli.command.run(&mut app).and_then(|exit| {
        app.out.flush()?;
        Ok(exit)
    });
    done.unwrap_or_else(|failure| failure.report(&app)).into()
}
