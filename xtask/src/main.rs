//! The commands of this repository's development. `cargo xtask --help` lists them.

mod ahead;
mod armour;
mod bench;
mod capi;
mod codegen;
mod coherence;
mod conformance;
mod crash;
mod dist;
mod elixir;
mod evict;
mod expiry;
mod fairness;
mod fuzz;
mod instructions;
mod kotlin;
mod node;
mod powercut;
mod process;
mod python;
mod setup;
mod sha256;
mod soak;
mod swift;
mod table;
mod test;
mod tidy;
mod transactions;

use clap::{Parser, Subcommand};
use std::path::Path;
use std::process::ExitCode;

/// The commands of this repository's development.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Armour(armour::Arguments),
    Bench(bench::Arguments),
    Capi(capi::Arguments),
    Codegen(codegen::Arguments),
    Coherence(coherence::Arguments),
    Conformance(conformance::Arguments),
    Crash(crash::Arguments),
    Dist(dist::Arguments),
    Elixir(elixir::Arguments),
    Evict(evict::Arguments),
    Expiry(expiry::Arguments),
    Fairness(fairness::Arguments),
    Fuzz(fuzz::Arguments),
    Powercut(powercut::Arguments),
    Python(python::Arguments),
    Instructions(instructions::Arguments),
    Kotlin(kotlin::Arguments),
    Soak(soak::Arguments),
    Swift(swift::Arguments),
    Test(test::Arguments),
    Tidy(tidy::Arguments),
    Transactions(transactions::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match enter_root().and_then(|()| run(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Armour(arguments) => armour::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Capi(arguments) => capi::run(&arguments),
        Command::Swift(arguments) => swift::run(&arguments),
        Command::Codegen(arguments) => codegen::run(&arguments),
        Command::Coherence(arguments) => coherence::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
        Command::Crash(arguments) => crash::run(&arguments),
        Command::Dist(arguments) => dist::run(&arguments),
        Command::Elixir(arguments) => elixir::run(&arguments),
        Command::Evict(arguments) => evict::run(&arguments),
        Command::Expiry(arguments) => expiry::run(&arguments),
        Command::Fairness(arguments) => fairness::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Powercut(arguments) => powercut::run(&arguments),
        Command::Python(arguments) => python::run(&arguments),
        Command::Instructions(arguments) => instructions::run(&arguments),
        Command::Kotlin(arguments) => kotlin::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Tidy(arguments) => tidy::run(&arguments),
        Command::Transactions(arguments) => transactions::run(&arguments),
    }
}

/// All paths in this program are relative to the root of the repository.
fn enter_root() -> anyhow::Result<()> {
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let root = Path::new(&here).parent().unwrap_or(Path::new("."));
    Ok(std::env::set_current_dir(root)?)
}
