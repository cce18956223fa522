//! `cargo xtask dist`: what is handed to users, as files.

pub(crate) mod capi;
mod hex;
pub(crate) mod kotlin;
pub(crate) mod swift;

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
    /// The Maven artifact, with the native library of this machine
    Kotlin {
        /// A library that was built on another platform and goes into the jar too, as PLATFORM=FILE; several times
        #[arg(long, value_name = "PLATFORM=FILE")]
        library: Vec<kotlin::Library>,
    },
    /// The Swift package with an XCFramework
    Swift {
        /// Where to put it; must not be there
        #[arg(long)]
        folder: PathBuf,
        /// A shared library that was built for one of Apple's systems, as TRIPLE=FILE; several times
        #[arg(long, value_name = "TRIPLE=FILE")]
        library: Vec<swift::Library>,
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
        What::Kotlin { library } => {
            let (jar, platforms) = crate::kotlin::package(library)?;
            println!("built {} for {}", jar.display(), platforms.join(", "));
            Ok(())
        }
        What::Swift { folder, library } => {
            swift::package(folder, library)?;
            println!("packaged into {}", folder.display());
            Ok(())
        }
    }
}
