//! `litestash completions`

use crate::app::App;
use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Done;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litestash completions bash > ~/.local/share/bash-completion/completions/litestash
  litestash completions zsh > ~/.zfunc/_litestash
  litestash completions fish > ~/.config/fish/completions/litestash.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, app: &mut App) -> Done {
        // Generating panics where writing fails, so it goes to memory first.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "litestash", &mut script);
        app.out.raw(&script)?;
        Ok(Exit::Success)
    }
}
