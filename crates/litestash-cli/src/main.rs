//! The `litestash` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    litestash_cli::main()
}
