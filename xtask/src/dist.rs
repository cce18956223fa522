//! `cargo xtask dist`: what is handed to users, as files.

pub(crate) mod capi;
mod hex;

use anyhow::Result;
use std::path::PathBuf;

/// Build what is handed to users
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// The C library with its header, pkg-config and CMake files
    Capi {
        /// Where to install it: include/, lib/
        #[arg(long)]
        prefix: PathBuf,
    },
    /// The Hex package as a folder, with the native programs of this platform
    Hex {
        /// Where to lay it out; empty or missing
        #[arg(long)]
        prefix: PathBuf,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Capi { prefix } => {
            capi::install(prefix, capi::Build::Release)?;
            println!("installed into {}", prefix.display());
            Ok(())
        }
        What::Hex { prefix } => {
            hex::lay_out(prefix)?;
            println!("laid out in {}", prefix.display());
            Ok(())
        }
    }
}
