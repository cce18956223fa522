//! The `litestash-engine` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    litestash_engine::main()
}
